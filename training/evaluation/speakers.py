"""Who speaks: float32 (N,) -> the voice, by its pitch and the mean and spread of its spectrum.

A linear classifier that learns in a second from renderings of the teacher, clean and worn.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from training.compose import compose
from training.evaluation.listening import Wave, f0, log_mel, worn
from training.phrases import everyday
from training.teacher import Teacher
from training.vocoder import render
from training.voices import VOICES


def likeness(wave: Wave) -> Wave:
    """What a voice is known by (83,): bands of loud frames, their spread; low, median and high log f0."""
    mel = log_mel(wave)
    loud = mel[mel.mean(1) >= np.median(mel.mean(1))]
    pitch = f0(wave)
    heard = np.log(pitch[pitch > 0]) if (pitch > 0).any() else np.zeros(1)
    shape = loud.mean(0) - loud.mean()
    return np.concatenate([shape, loud.std(0), np.quantile(heard, (0.2, 0.5, 0.8))]).astype(np.float32)


class Speakers:
    """Knows voices by name, from a likeness (N, D) and the number of its voice (N,)."""

    def __init__(self, names: list[str], likenesses: Wave, voices: npt.NDArray[np.int64]) -> None:
        self.names = names
        self._mean, self._std = likenesses.mean(0), likenesses.std(0) + 1e-3
        x, y = torch.from_numpy(self._scaled(likenesses)), torch.from_numpy(voices)
        weights = torch.zeros(x.shape[1] + 1, len(names), requires_grad=True)
        optimizer = torch.optim.Adam([weights], lr=0.1)
        for _ in range(150):
            loss = F.cross_entropy(_logits(x, weights), y) + 1e-2 * weights.square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self._weights = weights.detach()

    def who(self, wave: Wave) -> str:
        """The name of the voice that is most like a wave's."""
        x = torch.from_numpy(self._scaled(likeness(wave)[None]))
        return self.names[int(_logits(x, self._weights).argmax())]

    def _scaled(self, likenesses: Wave) -> Wave:
        return np.asarray((likenesses - self._mean) / self._std, np.float32)


def _logits(x: Tensor, weights: Tensor) -> Tensor:
    return x @ weights[:-1] + weights[-1]


def train_speakers(teacher: Teacher, *, sentences: int = 24, seed: int = 2) -> Speakers:
    """The teacher's voices, each from so many sentences."""
    random = np.random.default_rng([seed, 78])
    texts = [text for text in everyday(random, 20 * sentences) if 4 <= len(text.split()) <= 12]
    rows, voices = [], []
    for text in texts[-sentences:]:
        pieces = compose(text, teacher, random)
        for number, voice in enumerate(VOICES):
            wave = render(pieces, voice, random).wave
            rows += [likeness(wave), likeness(worn(wave, random))]
            voices += [number, number]
    return Speakers([voice.name for voice in VOICES], np.stack(rows), np.array(voices))
