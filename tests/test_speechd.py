"""A real speech-dispatcher with docs/deploy/bark.conf: what spd-say says is heard, and stops when told to."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from serving import PATIENCE_S, Served, served
from sound_server import INSTALL, RATE, SoundServer, as_samples, sound_server  # noqa: F401  (a fixture)

from bark_cli.store import find_model

CONF = Path(__file__).parent.parent / "docs" / "deploy" / "bark.conf"
SPEECHD = """\
LogDir "{home}"
AudioOutputMethod "pulse"
AddModule "bark" "sd_generic" "bark.conf"
DefaultModule bark
"""
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("speech-dispatcher", "spd-say", "curl", "paplay"))),
    reason=f"needs a speech-dispatcher: {INSTALL}",
)
Say = Callable[..., None]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    nano = find_model("nano")
    assert nano is not None
    with served(nano.folder) as found:
        yield found


@contextmanager
def dispatcher(home: Path, port: int, environment: dict[str, str]) -> Iterator[Say]:
    """speech-dispatcher with our module alone; yields spd-say."""
    (home / "modules").mkdir()
    (home / "speechd.conf").write_text(SPEECHD.format(home=home))
    (home / "modules" / "bark.conf").write_text(CONF.read_text().replace(":8779/", f":{port}/"))
    # a socket's path has at most a hundred characters
    socket = Path(environment["XDG_RUNTIME_DIR"]) / "speechd"
    command = ["speech-dispatcher", "-s", "-c", "unix_socket", "-S", str(socket), "-C", str(home), "-t", "0"]
    with (home / "out").open("wb") as out:
        process = subprocess.Popen(
            [*command, "-P", str(home / "pid")], env=environment, stdout=out, stderr=out
        )
    own = {**environment, "SPEECHD_ADDRESS": f"unix_socket:{socket}"}
    try:
        until(lambda: socket.exists() or process.poll() is not None)
        assert process.poll() is None, (home / "out").read_text()
        yield lambda *words: subprocess.run(["spd-say", *words], env=own, check=True, timeout=PATIENCE_S)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def loud_s(data: bytearray) -> float:
    """Seconds in which something is heard."""
    samples = as_samples(data)
    tenths = samples[: len(samples) // 2_400 * 2_400].reshape(-1, 2_400)
    return float(np.count_nonzero(np.abs(tenths).max(axis=1) > 0.02) / 10)


def test_what_spd_say_says_is_heard_and_stops(
    server: Served,
    sound_server: SoundServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    environment = {**os.environ, **sound_server.environment}
    with dispatcher(tmp_path, server.port, environment) as spd_say:
        with sound_server.recording() as data:
            spd_say("-w", "-l", "en", "-t", "male1", "It's a \"fine\" day; isn't it? $HOME & 5 < 6")
        assert loud_s(data) > 0.8
        until(lambda: len(server.entries) == 1)
        [entry] = server.entries
        assert (entry.path, entry.status, entry.details["voice"]) == ("/speak", 200, "nano/ben")
        with sound_server.recording() as data:
            spd_say("The long road goes on and on, over the hill and down to the sea. " * 4)
            until(lambda: loud_s(data) > 0.5)
            spd_say("-S")
            until(lambda: silent(data, RATE // 2))
        until(lambda: len(server.entries) == 2 and not server.speaker.n_orders)
        assert 0.5 < loud_s(data) < 8.0  # all of it is some 16 s


def silent(data: bytearray, samples: int) -> bool:
    """Whether nothing was heard in the last of it."""
    return not np.any(np.abs(as_samples(data)[-samples:]) > 0.02)
