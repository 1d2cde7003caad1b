"""Fail unless a WAV file holds 1.5-14 s of 24 kHz mono PCM16 above -40 dBFS in which the words are heard."""

import sys
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parent.parent))
from training.judge import Judge, word_errors

path, wanted = sys.argv[1:]
info = soundfile.info(path)
assert (info.samplerate, info.channels, info.subtype) == (24_000, 1, "PCM_16"), info
wave, rate = soundfile.read(path, dtype="float32")
seconds, level = len(wave) / rate, 20 * np.log10(np.sqrt(np.mean(wave**2)) + 1e-12)
assert 1.5 <= seconds <= 14, f"{seconds:.2f} s"
assert level > -40, f"{level:.1f} dBFS"
heard = Judge(Path(".ci/whisper-base")).hear(wave, rate)
wrong, words = word_errors(wanted, heard)
print(f"{seconds:.2f} s at {level:.1f} dBFS; heard: {heard!r}; {wrong} of {words} words wrong")
assert wrong <= words // 2, "hardly a word was understood"
