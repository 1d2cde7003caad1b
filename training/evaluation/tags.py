"""Whether a sound is heard: float32 (N,) -> how surely each of laugh, sigh, gasp, throat and music is in it.

A small network hears 20 ms at a time. It is trained in seconds, on renderings of the teacher made for it, and
knows nothing of tokens: a sound that nano means to make and that does not come out is not found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training import units
from training.compose import compose, tokens_of
from training.evaluation.listening import BANDS, Wave, log_mel, worn
from training.phrases import everyday
from training.sounds import TAGS
from training.teacher import Teacher
from training.vocoder import render
from training.voices import VOICES

PLACES = ("start", "middle", "end")
# how long a sound has to be heard to count: seconds
SOUNDS = {"laughs": 0.4, "sighs": 0.3, "gasps": 0.16, "clears throat": 0.24, "music": 0.6}
_HEARD_AS = {"laugh": "laughs", "sigh": "sighs", "gasp": "gasps", "throat": "clears throat"}
SURE = 0.5
CROP = 160  # frames


@dataclass(frozen=True)
class Heard:
    """How surely a sound is in a wave, from 0 to 1, and where: 0 is its beginning, 1 its end."""

    sure: float
    at: float


def asked(tag: str) -> str:
    """The sound that a tag asks for."""
    return "laughs" if tag == "laughter" else tag


def tagged(sentences: list[str], count: int) -> list[tuple[str, str, str, int]]:
    """(text, tag, place, voice) x count: every tag at every place in every voice in turn."""
    found = []
    for number in range(count):
        rest, tag = divmod(number, len(TAGS))
        rest, place = divmod(rest, len(PLACES))
        text = with_tag(sentences[number % len(sentences)], TAGS[tag], PLACES[place])
        found.append((text, TAGS[tag], PLACES[place], (rest + place + tag) % len(VOICES)))
    return found


def with_tag(text: str, tag: str, place: str) -> str:
    """A sentence with a tag at its start, middle or end."""
    words = text.split()
    at = {"start": 0, "middle": (len(words) + 1) // 2, "end": len(words)}[place]
    return " ".join([*words[:at], f"[{tag}]", *words[at:]])


def in_place(at: float, place: str) -> bool:
    """Whether a sound is heard about where its tag stands."""
    low, high = {"start": (0.0, 0.45), "middle": (0.15, 0.85), "end": (0.55, 1.0)}[place]
    return low <= at <= high


def labels(tokens: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """The teacher's tokens (T,) -> 0 for speech and pauses, 1.. for the sounds in the order of SOUNDS."""
    names = list(SOUNDS)
    found = np.zeros(len(tokens), np.int64)
    for t, unit in enumerate(units.UNITS[i] for i in tokens.tolist()):
        if unit.kind in ("sound", "music"):
            name = "music" if unit.kind == "music" else _HEARD_AS[unit.name.partition("-")[0]]
            found[t] = 1 + names.index(name)
    return found


class Finder(nn.Module):
    """Log-mel frames (B, F, 40) -> logits (B, F, 6): speech, and each of the sounds."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [(BANDS, 1), (48, 2), (48, 4), (48, 8)]
        layers = [nn.Conv1d(n, 48, 5, dilation=d, padding=2 * d) for n, d in sizes]
        self.layers = nn.ModuleList(layers)
        self.head = nn.Conv1d(48, 1 + len(SOUNDS), 1)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        x = ((frames + 6.0) / 2.5).transpose(1, 2)
        for layer in self.layers:
            x = F.relu(layer(x))
        logits: Tensor = self.head(x).transpose(1, 2)
        return logits

    @torch.no_grad()
    def hear(self, wave: Wave) -> dict[str, Heard]:
        """How surely each sound is in a wave."""
        chances = self(torch.from_numpy(log_mel(wave))[None])[0].softmax(-1).numpy()
        return {name: _longest(chances[:, i], SOUNDS[name]) for i, name in enumerate(SOUNDS, 1)}

    def finds(self, wave: Wave) -> list[str]:
        """The sounds that are in a wave."""
        return [name for name, heard in self.hear(wave).items() if heard.sure >= SURE]


def _longest(chances: Wave, seconds: float) -> Heard:
    """The best mean over so many seconds."""
    size = min(len(chances), round(seconds * units.TOKEN_RATE))
    means = np.convolve(chances, np.ones(size) / size, "valid")
    best = int(means.argmax())
    return Heard(float(means[best]), (best + size / 2) / len(chances))


def train_finder(teacher: Teacher, *, renderings: int = 240, steps: int = 300, seed: int = 1) -> Finder:
    """A finder that has heard so many sentences of the teacher, five in six of them with a tag."""
    random = np.random.default_rng([seed, 77])
    sentences = [text for text in everyday(random, 8 * renderings) if 3 <= len(text.split()) <= 10]
    sentences = [text for text in sentences if "…" not in text and "..." not in text]
    heard = []
    for number, (text, *_) in enumerate(tagged(sentences[-renderings:], renderings)):
        plain = text if number % 6 else sentences[number]
        heard += _lesson(plain, teacher, random)
    return fitted(heard, steps=steps, random=random)


def _lesson(
    text: str, teacher: Teacher, random: np.random.Generator
) -> list[tuple[Wave, npt.NDArray[np.int64]]]:
    """(frames, labels) of one text in a voice, as it is and worn."""
    pieces = compose(text, teacher, random)
    if not pieces:
        return []
    named = labels(tokens_of(pieces))
    wave = render(pieces, VOICES[int(random.integers(len(VOICES)))], random).wave
    return [(log_mel(heard), named) for heard in (wave, worn(wave, random))]


def fitted(
    heard: list[tuple[Wave, npt.NDArray[np.int64]]], *, steps: int, random: np.random.Generator
) -> Finder:
    """A finder trained on frames (F, 40) and labels (F,); a label of -1 is not learnt from."""
    torch.manual_seed(0)
    finder = Finder()
    optimizer = torch.optim.AdamW(finder.parameters(), lr=4e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(steps):
        chosen = [_crop(*heard[int(i)], random) for i in random.integers(0, len(heard), 16)]
        frames, named = (torch.from_numpy(np.stack(rows)) for rows in zip(*chosen, strict=True))
        loss = F.cross_entropy(finder(frames).flatten(0, 1), named.flatten(), ignore_index=-1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return finder.eval()


def _crop(
    frames: Wave, named: npt.NDArray[np.int64], random: np.random.Generator
) -> tuple[Wave, npt.NDArray[np.int64]]:
    """CROP frames from anywhere; silence where there are fewer."""
    start = int(random.integers(0, max(1, len(named) - CROP + 1)))
    part, names = frames[start : start + CROP], named[start : start + CROP]
    more = CROP - len(names)
    return np.pad(part, ((0, more), (0, 0)), constant_values=np.log(1e-4)), np.pad(
        names, (0, more), constant_values=-1
    )
