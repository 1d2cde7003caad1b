"""With the cable out: after a download everything speaks in a process that may not make a socket."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from local_hub import LocalHub
from small_models import write_layout

from bark_cli.cli import main

# any socket at all, whoever asks for it: Python's own module, and the system calls below it
FORBID = """
import sys
def hook(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise SystemExit(f"the network was touched: {event} {arguments}")
sys.addaudithook(hook)
from bark_cli.cli import main
sys.exit(main(sys.argv[1:]))
"""


def without_network(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `bark` where no socket may be made; the hub is not named either."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_ENDPOINT"}
    command = [sys.executable, "-c", FORBID, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)


@pytest.fixture
def small(local_hub: LocalHub, tmp_path: Path) -> LocalHub:
    """Suno's small Bark in narrow, downloaded."""
    local_hub.add("suno/bark-small", write_layout("safetensors", tmp_path / "files"))
    assert main(["download", "small", "-q"]) == 0
    local_hub.forget()
    return local_hub


def test_a_downloaded_model_speaks_without_a_socket(small: LocalHub, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    say = ["say", "hello", "-m", "small", "--seed", "3", "--max-duration", "0.3"]
    for more in ([], ["--offline"], ["--precision", "fp32"]):
        done = without_network(*say, *more, "-o", str(out), "--force")
        assert done.returncode == 0, done.stderr
        assert soundfile.info(out).duration > 0.2
    assert small.requests == []


@pytest.mark.parametrize(
    "arguments",
    ["voices ls", "cache ls", "cache verify", "say hello --dry-run -m small", "download small --offline"],
)
def test_so_does_everything_around_it(small: LocalHub, arguments: str) -> None:
    done = without_network(*arguments.split())
    assert done.returncode == 0, done.stderr
    assert small.requests == []


def test_the_ban_is_real(small: LocalHub) -> None:
    done = without_network("download", "large")
    assert done.returncode != 0
    assert "the network was touched: socket." in done.stderr
