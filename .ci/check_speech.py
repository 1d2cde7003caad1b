"""Fail unless a WAV file holds 1.5-14 s of 24 kHz mono PCM16 above -40 dBFS in which the words are heard.

python .ci/check_speech.py FILE TEXT
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parent.parent


def faults(file: Path, wanted: str) -> list[str]:
    """What is wrong with the file, the worst first; prints what was measured."""
    sys.path.insert(0, str(ROOT))  # training is no part of the installed package
    from training.judge import Judge, normalised

    info = soundfile.info(file)
    kind = (info.samplerate, info.channels, info.subtype)
    if kind != (24_000, 1, "PCM_16"):
        return [f"it is {kind}, not 24 kHz mono PCM_16"]
    wave, rate = soundfile.read(file, dtype="float32")
    seconds, level = len(wave) / rate, 20 * np.log10(np.sqrt(np.mean(wave**2)) + 1e-12)
    heard = Judge().hear(wave, rate)
    # A laugh is heard as words of its own, so what counts is how many of the wanted words are there.
    words = normalised(wanted).split()
    there = len(words) - (Counter(words) - Counter(normalised(heard).split())).total()
    print(f"{seconds:.2f} s at {level:.1f} dBFS; heard: {heard!r}; {there} of {len(words)} words are there")
    checks = {
        f"it lasts {seconds:.2f} s, not 1.5-14 s": 1.5 <= seconds <= 14,
        f"it is too quiet: {level:.1f} dBFS": level > -40,
        "hardly a word was understood": 3 * there >= len(words),
    }
    return [fault for fault, is_right in checks.items() if not is_right]


if __name__ == "__main__":
    found = faults(Path(sys.argv[1]), sys.argv[2])
    sys.exit(f"{sys.argv[1]}: {'; '.join(found)}" if found else 0)
