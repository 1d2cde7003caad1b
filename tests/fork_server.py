"""A process that has imported everything, and forks for every command: as a shell's, but at once.

Nothing is computed before a fork, so there are no threads to lose.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_CODE = """
import json, os, sys
import bark_cli.batch.run, bark_cli.cli.app, bark_cli.cli.batch.work, bark_cli.cli.say.request, soundfile
import bark_cli.text.documents, bark_cli.batch.join, rich.progress, torch
from bark_cli.cli import main
torch.set_num_threads(1)
for line in sys.stdin:
    asked = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.environ.clear()
        os.environ.update(asked["env"])
        for number, name in ((0, os.devnull), (1, asked["out"]), (2, asked["err"])):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
            os.dup2(os.open(name, flags, 0o666), number)
        code = 99
        try:
            code = main(asked["arguments"])
            sys.stdout.flush()
        finally:
            os._exit(code)
    print(pid, flush=True)
    print(os.waitpid(pid, 0)[1], flush=True)
"""


class Command:
    """A command that runs."""

    def __init__(self, server: ForkServer, pid: int, out: Path, err: Path) -> None:
        self._server, self.pid, self._out, self._err = server, pid, out, err
        self.code: int | None = None

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)  # the server has not waited for it yet, or its number is not taken again

    def wait(self) -> int:
        """Its exit code; less than 0: the signal that ended it."""
        self.code = os.waitstatus_to_exitcode(int(self._server.answer()))
        return self.code

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()


class ForkServer:
    """Runs one command at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | single,
        )

    def start(self, arguments: Sequence[str]) -> Command:
        self._count += 1
        out, err = (self._folder / f"{self._count}.{name}" for name in ("out", "err"))
        asked = {"arguments": list(arguments), "env": dict(os.environ), "out": str(out), "err": str(err)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Command(self, int(self.answer()), out, err)

    def answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the fork server died"
        return line

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def wait_until(what: object, patience_s: float = 120.0) -> None:
    """Until `what()` is true."""
    end = time.monotonic() + patience_s
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.002)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """What commands are started with."""
    running = ForkServer(tmp_path_factory.mktemp("commands"))
    yield running
    running.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where commands write to."""
    return tmp_path / "out"
