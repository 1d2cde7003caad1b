"""What is played is what a real sound server receives, sample by sample."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sound_server import (
    RATE,
    SoundServer,
    as_samples,
    is_busy,
    is_heard_in_order,
    parts,
    sound_server,  # noqa: F401  (a fixture)
    tried_again_where_busy,
)

from bark_cli.audio import Audio, save

PIECES_S = (0.3, 0.013, 1.1, 0.5, 0.087)


def noise(seconds: float) -> np.ndarray[Any, Any]:
    """Like nothing but itself and never silent, so that a gap or a repeat of one sample shows."""
    drawn = np.random.default_rng(0).uniform(-0.4, 0.4, round(seconds * RATE))
    return (drawn + np.copysign(0.1, drawn)).astype(np.float32)


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


def without_alsa(stderr: str) -> str:
    """What was said; ALSA's library itself prints a line where it was not fed in time."""
    return "".join(line for line in stderr.splitlines(True) if not line.startswith("ALSA lib "))


def played(server: SoundServer, folder: Path, **how: Any) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """Play the noise in pieces from another process; what it reported, and what the server received."""
    sound = noise(sum(PIECES_S))
    np.save(folder / "sound.npy", sound)
    cuts = ",".join(str(round(cut)) for cut in np.cumsum(PIECES_S[:-1]) * RATE)
    command = [sys.executable, "-c", PLAY, str(folder / "sound.npy"), cuts, json.dumps(how)]
    with server.recording() as data:
        done = subprocess.run(command, env=server.environment, capture_output=True, check=True, text=True)
    assert without_alsa(done.stderr) == ""
    return json.loads(done.stdout), as_samples(data)


@tried_again_where_busy
def test_what_is_recorded_is_what_was_played(sound_server: SoundServer, tmp_path: Path) -> None:  # noqa: F811
    sound = noise(sum(PIECES_S))
    for _ in range(5):  # a machine that is too busy to feed the device in time may be so once
        report, recorded = played(sound_server, tmp_path)
        assert is_heard_in_order(recorded, sound) == len(sound)
        assert (report["played_s"], report["first"]) == (len(sound) / RATE, [False])
        if report["underruns"] == 0 and len(parts(recorded, 1)) == 1:
            break
    else:
        assert is_busy(), "there is a gap each time"


@pytest.mark.parametrize(("how", "underruns"), [({"late_s": 0.8}, 1), ({"pause_s": 0.8}, 0)])
@tried_again_where_busy
def test_a_wait_is_pure_silence_and_loses_nothing(
    sound_server: SoundServer,  # noqa: F811
    tmp_path: Path,
    how: dict[str, float],
    underruns: int,
) -> None:
    sound = noise(sum(PIECES_S))
    for _ in range(5):
        report, recorded = played(sound_server, tmp_path, **how)
        assert is_heard_in_order(recorded, sound) == len(sound)
        heard = parts(recorded, RATE // 10)
        assert len(heard) > 1
        if report["underruns"] == underruns and len(heard) == 2:
            break
    else:
        assert is_busy(), "there is another gap each time"
    if underruns:
        assert len(heard[0]) == round(PIECES_S[0] * RATE)


def bark(server: SoundServer, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bark_cli", name, *arguments]
    return subprocess.run(
        command, env=server.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
@tried_again_where_busy
def test_bark_play_plays_a_file(sound_server: SoundServer, tmp_path: Path, name: str) -> None:  # noqa: F811
    save(Audio(noise(2), RATE), tmp_path / name)
    with sound_server.recording() as data:
        done = bark(sound_server, "play", str(tmp_path / name), "--audio-device", "pulse")
    assert (done.returncode, done.stdout) == (0, "")
    assert without_alsa(done.stderr).startswith(f"bark: {tmp_path / name}: 2.0 s played")  # and any gaps
    assert is_heard_in_order(as_samples(data), noise(2)) == 2 * RATE


def test_bark_devices_lists_what_can_be_named(sound_server: SoundServer) -> None:  # noqa: F811
    done = bark(sound_server, "devices")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line[0] for line in done.stdout.splitlines()].count("*") == 1
    found = json.loads(bark(sound_server, "devices", "--json").stdout)
    assert "pulse" in [device["name"] for device in found]
    assert set(found[0]) == {"index", "name", "host_api", "sample_rate", "is_default"}
