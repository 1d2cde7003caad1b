"""What the classifiers hear: float32 (N,) at 24 kHz -> log-mel frames (F, 40) and f0 in Hz (F,) at 50 Hz."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from training.spectra import mel_filters
from training.units import SAMPLE_RATE, TOKEN_SAMPLES

Wave = npt.NDArray[np.float32]
BANDS = 40
WINDOW = 2 * TOKEN_SAMPLES
LOWEST, HIGHEST = 60.0, 400.0  # Hz
LOUD = 0.1  # of the loudest part: what lies below it is a pause
VOICED = 0.5  # autocorrelation at the period


def levelled(wave: Wave) -> Wave:
    """The wave with its loud parts at a level of 0.1, however loud it was."""
    frames = _frames(wave)
    level = np.sqrt((frames**2).mean(1))
    loud = level[level > LOUD * level.max()] if len(level) and level.max() > 0 else np.ones(1)
    return np.asarray(wave * (0.1 / np.sqrt((loud**2).mean())), np.float32)


def log_mel(wave: Wave) -> Wave:
    """(480 F,) -> (F, 40), of the wave at one level."""
    frames = torch.from_numpy(_frames(levelled(wave))) * torch.hann_window(WINDOW)
    spectrum = torch.fft.rfft(frames).abs() / (WINDOW / 2)
    mel = torch.log(spectrum @ mel_filters(SAMPLE_RATE, WINDOW, BANDS).T + 1e-4)
    return np.asarray(mel.numpy(), np.float32)


def f0(wave: Wave) -> Wave:
    """(480 F,) -> (F,) in Hz; 0 where there is no voice or only a soft one."""
    frames = _frames(levelled(wave))
    size = 2 * WINDOW
    power = np.abs(np.fft.rfft(frames - frames.mean(1, keepdims=True), size)) ** 2
    alike = np.fft.irfft(power)[:, :WINDOW]
    # a window's autocorrelation falls with the lag, as less of it overlaps
    alike = alike / np.maximum(alike[:, :1], 1e-9) / (1 - np.arange(WINDOW) / WINDOW)
    shortest, longest = int(SAMPLE_RATE / HIGHEST), int(SAMPLE_RATE / LOWEST)
    among = alike[:, shortest:longest]
    # the first peak that is nearly the highest: twice the period is as good a match
    near = among >= np.maximum(0.9 * among.max(1, keepdims=True), VOICED)
    first = near.argmax(1)
    around = np.minimum(first[:, None] + np.arange(40), among.shape[1] - 1)
    peak = first + np.take_along_axis(among, around, 1).argmax(1)
    hz = SAMPLE_RATE / (shortest + peak)
    voiced = near.any(1) & (np.sqrt((frames**2).mean(1)) > 0.03)
    return np.where(voiced, hz, 0).astype(np.float32)


def worn(wave: Wave, random: np.random.Generator) -> Wave:
    """The wave with a little noise, a tilt and another level, so that nothing is known by such things."""
    tilt = np.float32(random.uniform(-0.35, 0.35))
    tilted = wave.copy()
    tilted[1:] += tilt * wave[:-1]
    loudness = np.float32(np.sqrt((wave**2).mean()) * 10 ** random.uniform(-2.0, -1.0))
    return np.asarray(tilted + loudness * random.standard_normal(len(wave), np.float32), np.float32)


def _frames(wave: Wave) -> Wave:
    count = max(1, len(wave) // TOKEN_SAMPLES)
    around = (WINDOW - TOKEN_SAMPLES) // 2
    padded = np.pad(wave.astype(np.float32), (around, WINDOW))
    at = np.arange(count)[:, None] * TOKEN_SAMPLES + np.arange(WINDOW)
    return np.asarray(padded[at], np.float32)
