"""Sentences never trained on -> what the teacher says in a voice: float32 (480 T,), semantic tokens (T,)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.alignment import Symbols, plain_ids, viterbi
from training.compose import compose, tokens_of
from training.excitation import Codes
from training.settings import HERE
from training.teacher import Teacher
from training.texts import Near, key
from training.units import Kinds, kinds_of
from training.vocabulary import build_tokenizer, factors_of, layout, segments
from training.vocoder import render
from training.voices import VOICES

Wave = npt.NDArray[np.float32]
KINDS = ("everyday", "news", "heldout")


@dataclass(frozen=True, eq=False)
class Case:
    """A sentence as the teacher says it in one voice."""

    text: str
    voice: str
    wave: Wave
    excitation: Codes
    envelopes: npt.NDArray[np.float16]
    said: Kinds
    semantic: npt.NDArray[np.int64]


class Reference:
    """The teacher, and the alignment that gives its tokens their places."""

    def __init__(self, folder: Path) -> None:
        self.teacher = Teacher(folder / "teacher.onnx")
        saved = np.load(folder / "alignment.npz")
        self.emissions, self.symbol = saved["emissions"], Symbols(saved["names"].tolist())
        self.tokenizer = build_tokenizer()

    def case(self, text: str, number: int, voice: int | None = None) -> Case:
        """A sentence in voice `number`, or another; what is drawn for it is drawn by `number`."""
        random = np.random.default_rng(number)
        speaker = VOICES[(number if voice is None else voice) % len(VOICES)]
        pieces = compose(text, self.teacher, random)
        tokens = tokens_of(pieces)
        observed = np.array([self.symbol(s.name) for s in segments(tokens)])
        places = viterbi(observed, plain_ids(self.tokenizer, text), self.emissions)
        semantic = layout().ids(factors_of(tokens, places))
        made = render(pieces, speaker, random)
        heard = made.wave, made.excitation, made.envelopes
        return Case(text, speaker.name, *heard, kinds_of(tokens), semantic)


def trained_texts(folder: Path) -> set[str]:
    """Every sentence that a data folder may train on, and those that it does."""
    texts = set((folder / "texts" / "train.txt").read_text(encoding="utf-8").splitlines())
    for file in folder.glob("pairs-*.npz"):
        texts.update(json.loads(np.load(file)["texts"].tobytes()))
    return texts


def own_sentences(kind: str) -> list[str]:
    """The project's own sentences, "everyday" or "news"; they come from no text."""
    return (HERE / "sentences" / f"{kind}.txt").read_text(encoding="utf-8").splitlines()


def held_out(folder: Path, count: int) -> list[str]:
    """Sentences of WordNet and others kept aside, less any that is in the training text after all."""
    lines = (folder / "texts" / "heldout.txt").read_text(encoding="utf-8").splitlines()
    trained = {key(text) for text in trained_texts(folder)}
    return [line for line in lines if key(line) not in trained][:count]


def unseen(lines: list[str], trained: Iterable[str]) -> list[str]:
    """The lines of which no trained text holds seven tenths, from its start or to its end."""
    near = Near(lines)
    close = [text for text in trained if near.holds(text)]
    return [line for line in lines if not any(Near([line]).holds(text) for text in close)]
