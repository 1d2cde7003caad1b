"""A real sound server for a test: PulseAudio with a sink that nobody hears, and whose monitor is recorded."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

RATE = 24_000
ROUNDING = 3 / 32_768  # from our samples to those of 16 bits that come back
PROGRAMS = ("pulseaudio", "pactl", "parec")
PACKAGES = Path(__file__).with_name("apt-packages.txt").read_text("utf-8").splitlines()
INSTALL = "apt-get install --no-install-recommends " + " ".join(p for p in PACKAGES if not p.startswith("#"))


_TRIES = 4


class LostSound(AssertionError):  # noqa: N818  (a failure, and no error)
    """What is heard is not what was played."""


@dataclass(frozen=True)
class SoundServer:
    """A server that runs, and the environment of a process whose sound goes there."""

    environment: dict[str, str]

    @contextmanager
    def recording(self) -> Iterator[bytearray]:
        """Within the block 16 bit samples of what the sink plays come in; at its end they are all there."""
        command = ["parec", "-d", "quiet.monitor", f"--rate={RATE}", "--channels=1", "--format=s16le"]
        command += ["--raw", "--latency-msec=20"]
        data = bytearray()
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            reader = threading.Thread(target=_collect, args=(process.stdout, data))
            reader.start()
            try:
                _wait_until(lambda: len(data) > RATE // 5)  # it hears silence: it is on
                yield data
                end = len(data)
                _wait_until(lambda: len(data) > end + RATE)  # half a second more, for what is under way
            finally:
                process.terminate()
                reader.join()


@pytest.fixture(scope="session")
def sound_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    """PulseAudio in a home of its own; skips where its packages are missing."""
    if not _is_installed():
        pytest.skip(f"needs a sound server: {INSTALL}")
    home = tmp_path_factory.mktemp("sound")
    home.chmod(0o700)
    socket = home / "socket"
    (home / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    (home / "server").write_text(
        f"load-module module-native-protocol-unix socket={socket} auth-anonymous=1\n"
        f"load-module module-null-sink sink_name=quiet rate={RATE} channels=1\n"
    )
    environment = {
        **os.environ,
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "PULSE_SERVER": f"unix:{socket}",
    }
    options = ["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["pulseaudio", *options, "-F", str(home / "server")], env=environment, stdout=log, stderr=log
        )
    try:
        _wait_until(lambda: _answers(environment) or process.poll() is not None)
        assert process.poll() is None, (home / "log").read_text()
        yield SoundServer(environment)
    finally:
        process.terminate()
        process.wait()


def is_heard_in_order(recorded: np.ndarray[Any, Any], sound: np.ndarray[Any, Any]) -> int:
    """How many samples of it were heard, from its first on; fails if one was lost, repeated or changed.

    Between any two of them there may be silence, however short: a pause, or a machine that was too busy to
    feed the device. Silence of the sound itself may be missing.
    """
    heard = end = 0
    while heard < len(recorded) and end < len(sound):
        count = min(len(recorded) - heard, len(sound) - end)
        differs = np.abs(recorded[heard : heard + count] - sound[end : end + count]) > ROUNDING
        same = int(differs.argmax()) if differs.any() else count
        heard, end = heard + same, end + same
        if same == count:
            break
        silence, own = _silence(recorded[heard:]), _silence(sound[end:])
        if not silence and not own:
            raise LostSound(f"sample {end} is lost, or another one is heard in its place")
        heard, end = heard + silence, end + (0 if silence else own)
    assert _silence(recorded[heard:]) == len(recorded) - heard, "more is heard than there is"
    return end


def is_busy() -> bool:
    """Whether so much runs beside us that no player can be sure to feed the device in time."""
    return os.getloadavg()[0] > (os.cpu_count() or 1)


def tried_again_where_busy(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test once more, in another folder, where sound is lost on a machine that is too busy to be heard.

    A server that is not fed in time throws away what comes late; that is no fault of the player's.
    """

    @functools.wraps(test)
    def tried(*arguments: Any, tmp_path: Path, **named: Any) -> None:
        for number in range(_TRIES):
            folder = tmp_path / str(number)
            folder.mkdir()
            try:
                return test(*arguments, tmp_path=folder, **named)
            except LostSound:
                if not is_busy():
                    raise
        pytest.skip(f"the machine is too busy for a sound server: it lost sound {_TRIES} times")

    return tried


def _silence(samples: np.ndarray[Any, Any]) -> int:
    """How many samples it is silent at first."""
    loud = np.abs(samples) > ROUNDING
    return int(loud.argmax()) if loud.any() else len(samples)


def parts(recorded: np.ndarray[Any, Any], silent: int) -> list[np.ndarray[Any, Any]]:
    """What was heard, cut where it was silent for so many samples or more."""
    loud = np.flatnonzero(recorded)
    if not len(loud):
        return []
    gaps = np.flatnonzero(np.diff(loud) > silent)
    starts, ends = [loud[0], *loud[gaps + 1]], [*loud[gaps], loud[-1]]
    return [recorded[start : end + 1] for start, end in zip(starts, ends, strict=True)]


def as_samples(data: bytearray) -> np.ndarray[Any, Any]:
    return np.frombuffer(bytes(data[: len(data) // 2 * 2]), "<i2") / 32_768


def _is_installed() -> bool:
    name = "alsa-lib/libasound_module_pcm_pulse.so"
    plugins = [*Path("/usr").glob(f"lib*/{name}"), *Path("/usr").glob(f"lib*/*/{name}")]
    return bool(plugins) and all(map(shutil.which, PROGRAMS)) and _has_portaudio()


def _has_portaudio() -> bool:
    try:
        import sounddevice  # noqa: F401
    except OSError:
        return False
    return True


def _answers(environment: dict[str, str]) -> bool:
    return subprocess.run(["pactl", "info"], env=environment, capture_output=True).returncode == 0


def _collect(stream: Any, data: bytearray) -> None:
    while part := stream.read1(65_536):
        data.extend(part)


def _wait_until(condition: Any, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the sound server does not answer"
        time.sleep(0.02)
