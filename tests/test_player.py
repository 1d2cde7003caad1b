"""The loudspeaker: a device that may be missing or fail, pieces that may be late, pauses and ends."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bark_cli.audio import Audio, Player, check_player, list_devices, play
from bark_cli.audio.devices import find_device
from bark_cli.errors import AudioError, OptionError


def tone(seconds: float = 1.0, rate: int = 24_000) -> Audio:
    return Audio((0.5 * np.sin(0.1 * np.arange(1, int(seconds * rate) + 1))).astype(np.float32), rate)


DEVICES = (
    ("Built-in Speakers", 0, 2),
    ("Microphone", 0, 0),
    ("USB  Headphones", 0, 2),
    ("Built-in Speakers", 1, 2),
)


class FakePortAudio(types.ModuleType):
    """sounddevice's face, with or without devices behind it."""

    class PortAudioError(Exception):
        pass

    def __init__(self, devices: tuple[tuple[str, int, int], ...] = DEVICES) -> None:
        super().__init__("sounddevice")
        self.calls: list[str] = []
        self.played: list[np.ndarray[Any, Any]] = []
        self.options: dict[str, Any] = {}
        self.wrote = threading.Event()
        self.fails = False
        self.pace_s = 0.0  # how long a block takes
        self._devices = [
            {
                "index": i,
                "name": name,
                "hostapi": api,
                "max_output_channels": outputs,
                "default_samplerate": 48e3,
            }
            for i, (name, api, outputs) in enumerate(devices)
        ]

    def query_devices(self, kind: str | None = None) -> Any:
        if kind is None:
            return self._devices
        if not self._devices:
            raise self.PortAudioError("Error querying device -1")
        return self._devices[0]

    def query_hostapis(self) -> Any:
        return ({"name": "Core"}, {"name": "Compat"})

    def OutputStream(self, rate: int, **options: Any) -> FakeStream:  # noqa: N802
        self.options = {"rate": rate, **options}
        self.calls.append("open")
        return FakeStream(self)

    @property
    def heard(self) -> np.ndarray[Any, Any]:
        """What was played, without the silence before, between and after."""
        return np.concatenate([block for block in self.played if block.any()])


class FakeStream:
    """An output device that notes what it is told; it fails or takes its time where a test says so."""

    def __init__(self, fake: FakePortAudio) -> None:
        self.fake = fake

    def __enter__(self) -> FakeStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.fake.calls.append("close")

    def write(self, samples: np.ndarray[Any, Any]) -> None:
        if self.fake.fails:
            raise FakePortAudio.PortAudioError("unplugged")
        assert samples.ndim == 2
        self.fake.played.append(samples[:, 0].copy())
        if samples.any():
            self.fake.wrote.set()
        time.sleep(self.fake.pace_s)

    def stop(self) -> None:
        self.fake.calls.append("stop")

    def abort(self) -> None:
        self.fake.calls.append("abort")


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    fake = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


# devices


def test_without_a_device_o_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio(()))
    assert list_devices() == []
    with pytest.raises(AudioError, match=r"no output device.*-o FILE"):
        check_player()


@pytest.mark.parametrize(
    "body", ["raise OSError('PortAudio library not found')", "raise ImportError('none')"]
)
def test_without_portaudio_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    (tmp_path / "sounddevice.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(AudioError, match=r"apt install libportaudio2.*brew install portaudio.*-o FILE"):
        check_player()


def test_devices_are_found_by_number_name_or_part_of_it(speaker: FakePortAudio) -> None:
    assert [(d.index, d.name, d.host_api, d.is_default) for d in list_devices()] == [
        (0, "Built-in Speakers", "Core", True),
        (2, "USB Headphones", "Core", False),
        (3, "Built-in Speakers", "Compat", False),
    ]
    assert find_device() is None  # PortAudio's own choice
    for wanted, index in (("2", 2), ("USB Headphones", 2), ("headphone", 2), ("speakers", 0), ("3", 3)):
        assert find_device(wanted) == index
    with pytest.raises(OptionError, match=r"no output device is called Microphone; `bark devices`"):
        check_player("Microphone")


def test_a_name_of_several_devices_asks_for_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePortAudio((("Main", 0, 2), ("USB A", 0, 2), ("USB B", 0, 2)))
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    with pytest.raises(OptionError, match=r"1 \(USB A, Core\), 2 \(USB B, Core\); give its number"):
        find_device("usb")


# playing


def test_plays_to_the_end_through_the_chosen_device(speaker: FakePortAudio) -> None:
    play(Audio(np.array([0.5, 2], np.float32), 22_050), device="usb")
    assert speaker.heard.tolist() == [0.5, 1.0]
    assert (speaker.options["rate"], speaker.options["device"]) == (22_050, 2)
    assert speaker.calls == ["open", "stop", "close"]


def test_all_pieces_are_played_in_order_and_to_the_end(speaker: FakePortAudio) -> None:
    whole, first = tone(0.5), []
    with Player(24_000, on_first_sound=lambda: first.append(len(speaker.heard))) as player:
        assert speaker.calls == []  # a device that is open has to be fed
        for samples in np.array_split(whole.samples, 3):
            player.put(Audio(samples, 24_000))
    np.testing.assert_array_equal(speaker.heard, whole.samples)
    assert first == [1200]  # once, with the first block
    assert player.played_s == 0.5
    # what a device holds when it is stopped may be lost: let it be silence
    assert not np.concatenate(speaker.played)[-24_000 // 4 :].any()


def test_sound_that_comes_late_is_waited_for_in_silence_and_counted(speaker: FakePortAudio) -> None:
    speaker.pace_s = 0.05
    with Player(24_000) as player:
        for _ in range(2):
            player.put(tone(0.1))
            assert player.drain()
            before = len(speaker.played)
            while len(speaker.played) < before + 3:
                time.sleep(0.01)
        assert player.underruns == 2  # not one for each block of silence
        player.put(tone(1))
    np.testing.assert_array_equal(
        speaker.heard, np.concatenate([np.tile(tone(0.1).samples, 2), tone(1).samples])
    )
    assert player.underruns == 2  # the end is none


def test_a_pause_is_silent_loses_nothing_and_is_no_underrun(speaker: FakePortAudio) -> None:
    speaker.pace_s = 0.01
    with Player(24_000) as player:
        player.put(tone(2))
        speaker.wrote.wait()
        player.toggle()
        assert player.is_paused
        time.sleep(0.05)
        before = len(speaker.played)
        while len(speaker.played) < before + 5:
            time.sleep(0.01)
        assert not np.concatenate(speaker.played[before + 1 :]).any()
        player.toggle()
    np.testing.assert_array_equal(speaker.heard, tone(2).samples)
    assert player.underruns == 0


def test_who_stops_waits_for_nothing(speaker: FakePortAudio) -> None:
    speaker.pace_s = 0.01
    with Player(24_000) as player:
        player.put(tone(60))
        speaker.wrote.wait()
        player.stop()
        assert not player.drain()
        player.put(tone())
    assert player.is_stopped
    assert speaker.calls == ["open", "abort", "close"]
    assert player.played_s < 30


def test_a_pause_can_be_stopped(speaker: FakePortAudio) -> None:
    speaker.pace_s = 0.01
    with Player(24_000) as player:
        player.put(tone(60))
        player.pause()
        player.stop()
    assert player.played_s < 30


def test_ctrl_c_silences_a_player_at_once(speaker: FakePortAudio) -> None:
    speaker.pace_s = 0.01

    def interrupted() -> None:
        with Player(24_000) as player:
            player.put(tone(60))
            speaker.wrote.wait()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert speaker.calls == ["open", "abort", "close"]
    assert len(speaker.heard) < 30 * 24_000


@pytest.mark.parametrize("wait", [False, True])
def test_a_device_that_fails_is_one_line(speaker: FakePortAudio, wait: bool) -> None:
    speaker.fails = True

    def played() -> None:
        with Player(24_000) as player:
            player.put(tone())
            if wait:  # who waits for the sound is told as well
                player.drain()

    with pytest.raises(AudioError, match=r"the output device failed: unplugged; .*-o FILE"):
        played()


@pytest.mark.parametrize("error", [RuntimeError("no idea"), MemoryError(), SystemExit(3)])
def test_whatever_ends_the_thread_ends_the_wait_for_it(speaker: FakePortAudio, error: BaseException) -> None:
    def fail() -> None:
        raise error

    def played() -> None:
        with Player(24_000, on_first_sound=fail) as player:
            player.put(tone())
            player.drain()

    with pytest.raises(AudioError, match="the output device failed"):
        played()


@pytest.mark.skipif(sys.platform != "linux", reason="ALSA is Linux's")
def test_alsa_writes_nothing_to_stderr(tmp_path: Path) -> None:
    """Asked for a device that there is not, it says so where it is not told otherwise."""
    try:
        ctypes.CDLL("libasound.so.2")
    except OSError:
        pytest.skip("libasound2 is not installed")
    code = (
        "import ctypes, sys; from bark_cli.audio.devices import _quieten_alsa\n"
        "if sys.argv[1:]: _quieten_alsa()\n"
        "handle = ctypes.c_void_p()\n"
        "alsa = ctypes.CDLL('libasound.so.2')\n"
        "print(alsa.snd_pcm_open(ctypes.byref(handle), b'nosuch', 0, 0))\n"
    )
    for quiet in ([], ["quiet"]):
        done = subprocess.run([sys.executable, "-c", code, *quiet], capture_output=True, text=True)
        assert int(done.stdout) < 0
        assert ("ALSA lib" in done.stderr) == (not quiet)
        assert quiet == [] or done.stderr == ""


def test_a_player_without_sound_opens_nothing(speaker: FakePortAudio) -> None:
    with Player(24_000):
        pass
    assert speaker.calls == []


def test_damaged_sound_is_not_played(speaker: FakePortAudio) -> None:
    with pytest.raises(AudioError, match="NaN"):
        play(Audio(np.array([0, np.nan], np.float32), 24_000))
    assert not speaker.played
