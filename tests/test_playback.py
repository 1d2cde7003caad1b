"""What is played is what a real sound server receives, sample by sample."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sound_server import RATE, SoundServer, as_samples, sound_server, where  # noqa: F401  (one is a fixture)

from bark_cli.audio import Audio, save

PIECES_S = (0.3, 0.013, 1.1, 0.5, 0.087)


def noise(seconds: float) -> np.ndarray[Any, Any]:
    """Like nothing but itself, so that a gap or a repeat of one sample shows."""
    return np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)


PLAY = """
import json, sys, time
import numpy as np
from bark_cli.audio import Audio, Player

def play(late_s=0.0, pause_s=0.0, device=None):
    first = []
    with Player(24_000, device=device, on_first_sound=lambda: first.append(player.put_last)) as player:
        sound = np.load(sys.argv[1])
        pieces = np.split(sound, [int(cut) for cut in sys.argv[2].split(",")])
        for i, piece in enumerate(pieces):
            player.put_last = i == len(pieces) - 1
            player.put(Audio(piece, 24_000))
            if i == 0:
                player.drain()
                time.sleep(late_s)
            if i == 2 and pause_s:
                time.sleep(0.2)
                player.pause()
                time.sleep(pause_s)
                player.resume()
    print(json.dumps({"underruns": player.underruns, "played_s": player.played_s, "first": first}))

play(**json.loads(sys.argv[3]))
"""


def played(server: SoundServer, folder: Path, **how: Any) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """Play the noise in pieces from another process; what it reported, and what the server received."""
    sound = noise(sum(PIECES_S))
    np.save(folder / "sound.npy", sound)
    cuts = ",".join(str(round(cut)) for cut in np.cumsum(PIECES_S[:-1]) * RATE)
    command = [sys.executable, "-c", PLAY, str(folder / "sound.npy"), cuts, json.dumps(how)]
    with server.recording() as data:
        done = subprocess.run(command, env=server.environment, capture_output=True, check=True, text=True)
    assert done.stderr == ""
    return json.loads(done.stdout), as_samples(data)


def test_what_is_recorded_is_what_was_played(sound_server: SoundServer, tmp_path: Path) -> None:  # noqa: F811
    report, recorded = played(sound_server, tmp_path)
    sound = noise(sum(PIECES_S))
    start = where(sound, recorded)
    heard = recorded[start : start + len(sound)]
    assert np.corrcoef(heard, sound)[0, 1] > 0.9999  # one sample lost or repeated, and it would be far less
    assert np.abs(heard - sound).max() < 2 / 32_768
    assert not recorded[:start].any()  # and nothing else was heard
    assert not recorded[start + len(sound) :].any()
    assert report == {"underruns": 0, "played_s": len(sound) / RATE, "first": [False]}


@pytest.mark.parametrize(
    ("how", "after", "underruns"), [({"late_s": 0.8}, 1, 1), ({"pause_s": 0.8}, None, 0)]
)
def test_a_wait_is_pure_silence_and_loses_nothing(
    sound_server: SoundServer,  # noqa: F811
    tmp_path: Path,
    how: dict[str, float],
    after: int | None,
    underruns: int,
) -> None:
    report, recorded = played(sound_server, tmp_path, **how)
    assert report["underruns"] == underruns
    heard = recorded[np.flatnonzero(recorded)[0] :]
    sound = noise(sum(PIECES_S))
    gap = int(np.argmax(_silent_run(heard)))
    if after is not None:
        assert gap == round(PIECES_S[0] * RATE)
    rest = heard[gap:]
    again = rest[np.flatnonzero(rest)[0] :]
    joined = np.concatenate([heard[:gap], again])[: len(sound)]
    assert np.corrcoef(joined, sound)[0, 1] > 0.9999
    silent_s = (len(rest) - len(again)) / RATE
    assert 0.4 < silent_s < 5


def _silent_run(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """For each sample whether it and the next tenth of a second are silence."""
    loud = np.concatenate([[0], np.cumsum(samples != 0)])
    width = RATE // 10
    return loud[width:] - loud[:-width] == 0


def bark(server: SoundServer, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the module cli/play.py."""
    code = (
        "import sys, typer; from bark_cli.cli import play; from bark_cli.cli.help import Command;"
        "app = typer.Typer(rich_markup_mode=None); app.command(cls=Command)(play.play);"
        "app.command(cls=Command)(play.devices); app(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, name, *arguments]
    return subprocess.run(
        command, env=server.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_bark_play_plays_a_file(sound_server: SoundServer, tmp_path: Path, name: str) -> None:  # noqa: F811
    save(Audio(noise(2), RATE), tmp_path / name)
    with sound_server.recording() as data:
        done = bark(sound_server, "play", str(tmp_path / name), "--audio-device", "pulse")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"bark: {tmp_path / name}: 2.0 s played\n"
    start = where(noise(2), as_samples(data))
    assert np.corrcoef(as_samples(data)[start : start + 2 * RATE], noise(2))[0, 1] > 0.9999


def test_bark_devices_lists_what_can_be_named(sound_server: SoundServer) -> None:  # noqa: F811
    done = bark(sound_server, "devices")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line[0] for line in done.stdout.splitlines()].count("*") == 1
    found = json.loads(bark(sound_server, "devices", "--json").stdout)
    assert "pulse" in [device["name"] for device in found]
    assert set(found[0]) == {"index", "name", "host_api", "sample_rate", "is_default"}
