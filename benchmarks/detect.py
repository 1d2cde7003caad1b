"""How often `bark detect` finds nano's mark where it is, and where it is not -> the tables of docs/detect.md.

python -m benchmarks.detect --clips spoken/ --others speech=/usr/share/asterisk music=/usr/share/games

Clips are what nano said, a file each, judged as they are and after what befalls sound on its way. Others
are recordings and other synthesisers. Needs ffmpeg.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from bark_cli.audio import Audio
from bark_cli.errors import BarkError
from bark_cli.inspection.detect import find_signs, sound_files
from bark_cli.inspection.mark import LEAST_S, THRESHOLD, Mark, MarkMeter

_RATE = 24_000
_LONGEST_S = 600.0  # of a recording


def ffmpeg(suffix: str, *options: str) -> Callable[[Path, Path], Path]:
    """What makes a file of another: (file, folder) -> file."""

    def change(file: Path, folder: Path) -> Path:
        target = folder / f"changed{suffix}"
        command = ["ffmpeg", "-v", "error", "-y", "-threads", "1", "-i", str(file), *options, str(target)]
        subprocess.run(command, check=True)
        return target

    return change


def noise(below_db: float) -> Callable[[Path, Path], Path]:
    """White noise, so many dB below the speech."""

    def change(file: Path, folder: Path) -> Path:
        sound, rate = soundfile.read(file, dtype="float32")
        drawn = np.random.default_rng(len(sound)).standard_normal(len(sound))
        sound = sound + drawn * np.sqrt(np.mean(sound**2)) * 10 ** (-below_db / 20)
        soundfile.write(folder / "noise.wav", sound.clip(-1, 1), rate)
        return folder / "noise.wav"

    return change


CHANGES: dict[str, Callable[[Path, Path], Path]] = {
    "as it is": lambda file, folder: file,
    "MP3, 64 kbit/s": ffmpeg(".mp3", "-b:a", "64k"),
    "Opus, 32 kbit/s": ffmpeg(".opus", "-c:a", "libopus", "-b:a", "32k"),
    "Opus, 16 kbit/s": ffmpeg(".opus", "-c:a", "libopus", "-b:a", "16k"),
    "noise, 40 dB below": noise(40.0),
    "noise, 30 dB below": noise(30.0),
    "noise, 20 dB below": noise(20.0),
    "resampled to 44.1 kHz": ffmpeg(".wav", "-ar", "44100"),
    "resampled to 16 kHz": ffmpeg(".wav", "-ar", "16000"),
    "resampled to 8 kHz": ffmpeg(".wav", "-ar", "8000"),
    "cut to 2 s of its middle": ffmpeg(".wav", "-ss", "0.637", "-t", "2"),
    "cut to 1.2 s of its middle": ffmpeg(".wav", "-ss", "0.637", "-t", "1.2"),
    "speed 1.03, as of a tape": ffmpeg(".wav", "-af", "asetrate=24720,aresample=24000"),
    "speed 1.03, pitch kept": ffmpeg(".wav", "-af", "atempo=1.03"),
}


def marks_of(file: Path) -> Sequence[Mark] | None:
    """The marks in a file; None where it is too short or damaged."""
    try:
        return find_signs(file).marks
    except BarkError:
        return None


def is_long(file: Path) -> bool:
    """Whether a file is sound, of a length that can be judged and is worth the time."""
    try:
        return LEAST_S <= soundfile.info(file).duration <= _LONGEST_S
    except RuntimeError:
        return False


def made_up(count: int = 40) -> Iterator[Sequence[Mark] | None]:
    """The marks in noise, and in the hum and buzz of mains of 50 Hz, which is never quite 50."""
    for seed in range(count):
        drawn = np.random.default_rng(seed)
        time = np.arange(6 * _RATE) / _RATE
        sound = drawn.standard_normal(len(time)) * 0.05
        if seed % 2:
            base = 2 * np.pi * drawn.normal(50.0, 0.02) * time
            sound += sum(0.1 / n * np.sin(n * base + n * n) for n in range(1, 220)) * drawn.uniform(0, 1)
        meter = MarkMeter(_RATE)
        meter.put(Audio(sound.astype(np.float32), _RATE))
        yield meter.marks()


def some(folder: Path, every: int) -> list[Path]:
    """One sound file in so many of a folder, drawn, so that no order matters; the same in every run."""
    files = list(sound_files(folder))
    return random.Random(0).sample(files, len(files) // every)


def row(name: str, found: Sequence[Sequence[Mark]]) -> str:
    """A line of the table: how many, the z of nano's mark, and how many bear it, and EnCodec's."""
    if not found:
        return f"| {name} | 0 | | | |"
    z = np.array([marks[0].z for marks in found])
    bear = [sum(marks[i].is_found for marks in found) for i in (0, 1)]
    spread = " / ".join(f"{value:.1f}" for value in np.percentile(z, [5, 50, 95, 100]))
    shares = " | ".join(f"{count} ({count / len(found):.1%})" for count in bear)
    return f"| {name} | {len(found)} | {spread} | {shares} |"


def main() -> None:
    """Print the tables, a line as soon as it is known."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect", description=__doc__)
    parser.add_argument("--clips", type=Path, help="a folder of what nano said")
    parser.add_argument("--others", nargs="*", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--changes", nargs="*", choices=CHANGES, help="of the clips; all if not given")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take one file in N only")
    parser.add_argument("--through", choices=CHANGES, default="as it is", help="what befalls the others")
    options = parser.parse_args()
    print(f"z {THRESHOLD:g}, {LEAST_S:g} s or more\n")
    print("| | sounds | z: 5 %, median, 95 %, most | bear nano's mark | EnCodec's |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for change in (options.changes or CHANGES) if options.clips else ():
            clips = some(options.clips, options.every)
            changed = (CHANGES[change](file, folder) for file in clips)
            print(row(change, [marks for file in changed if (marks := marks_of(file))]), flush=True)
        for other in options.others:
            kind, _, where = other.partition("=")
            through = CHANGES[options.through]
            files = (file for file in some(Path(where), options.every) if is_long(file))
            changed = (through(file, folder) for file in files)
            print(row(kind, [marks for file in changed if (marks := marks_of(file))]), flush=True)
    if options.others:
        print(row("noise and hum, made up", [marks for marks in made_up() if marks]))


if __name__ == "__main__":
    main()
