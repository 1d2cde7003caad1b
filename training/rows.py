"""Aligned sentences -> batches of rows, each a text and its tokens behind one another, for the semantic GPT.

The network is always asked in its `whole` form: a prompt padded to `max_text`, then every token. Half of
that is padding and most of the rest is plain, so it learns most from shorter forms of the same rows. Every
position keeps the number that it has in the whole row, so what is learnt of it holds there.

- whole: all of it
- bare: the prompt without its padding, but for a few places of it
- phones: bare, and of the tokens only those after which something new begins; all of them are worth learning
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bark_cli.model.config import SemanticConfig
from training.shards import parts, shard_files
from training.vocabulary import END_CLASS, NO_PITCH, NO_PLACE

Ints = npt.NDArray[np.int64]
END = torch.tensor([END_CLASS, NO_PITCH, 1, NO_PLACE])
FORMS = ("whole", "bare", "phones")
FEW = 4  # places of padding that a bare prompt keeps, so that it is never unheard of
# rows are as long as a multiple of this: batches of few shapes, each of which a CPU prepares for once
STEP = 16


@dataclass(frozen=True)
class Rows:
    """Rows of L positions: a text, [INFER], tokens, then nothing more (position 0, nothing to learn)."""

    text: Tensor  # (B, L) ids, -1 where a token stands
    factors: Tensor  # (B, L, 4) of the tokens, 0 where text stands
    positions: Tensor  # (B, L) in the whole row
    targets: Tensor  # (B, L, 4) of the token to come, -1 where there is nothing to learn

    @property
    def asked(self) -> Tensor:
        """Where there is something to learn (B, L)."""
        return self.targets[..., 0] >= 0

    def to(self, device: torch.device) -> Rows:
        """The same on a device."""
        parts = (self.text, self.factors, self.positions, self.targets)
        return Rows(*(part.to(device, non_blocking=True) for part in parts))


@dataclass(frozen=True)
class Row:
    """One of them, as long as it is."""

    text: Ints
    factors: Ints
    positions: Ints
    targets: Ints


def prompt_of(text: Ints, config: SemanticConfig, kept: Ints) -> tuple[Ints, Ints]:
    """Text ids (N,) and the places of padding that are kept -> ids and positions of the prompt."""
    pad, infer = (token - config.text_offset for token in (config.text_pad_token, config.infer_token))
    ids = np.concatenate([text, np.full(len(kept), pad), [infer]])
    return ids, np.concatenate([np.arange(len(text)), kept, [config.max_text_tokens]])


def row_of(text: Ints, factors: Ints, config: SemanticConfig, form: str, random: np.random.Generator) -> Row:
    """The row of a sentence, text (N,) and factors (T, 4), in one of FORMS."""
    kept = np.arange(len(text), config.max_text_tokens)
    if form != "whole" and len(kept) > FEW:
        kept = np.sort(random.choice(kept, FEW, replace=False))
    ids, places = prompt_of(text, config, kept)
    then = np.concatenate([factors, END[None].numpy()])  # what comes after [INFER] and after each token
    at = np.arange(len(factors))
    if form == "phones":
        at = at[begins(then)[1:]]
    none = np.full((len(ids), 4), 0)
    return Row(
        text=np.concatenate([ids, np.full(len(at), -1)]),
        factors=np.concatenate([none, factors[at]]),
        positions=np.concatenate([places, config.max_text_tokens + 1 + at]),
        targets=np.concatenate([none[1:] - 1, then[:1], then[at + 1]]),
    )


def begins(factors: Ints) -> npt.NDArray[np.bool_]:
    """Where in factors (T, 4) a phone, a pause, or a further part of a sound begins (T,)."""
    new = (factors[:-1, 2] == 1) | (factors[1:, 0] != factors[:-1, 0])
    return np.concatenate([[True], new])


def rounded(lengths: Ints) -> Ints:
    """The next multiples of STEP."""
    return -(-lengths // STEP) * STEP


def stacked(rows: list[Row]) -> Rows:
    """Rows as a batch, filled up on the right, where causal attention does not see it."""
    length = int(rounded(np.array([len(row.text) for row in rows])).max())
    text = torch.zeros(len(rows), length, dtype=torch.long)
    positions = torch.zeros_like(text)
    factors = torch.zeros(len(rows), length, 4, dtype=torch.long)
    targets = torch.full_like(factors, -1)
    for i, row in enumerate(rows):
        parts = (row.text, row.factors, row.positions, row.targets)
        for whole, part in zip((text, factors, positions, targets), parts, strict=True):
            whole[i, : len(part)] = torch.from_numpy(part)
    return Rows(text, factors, positions, targets)


class Pairs:
    """Texts with their factors, from aligned-pairs-*.npz; new shards are taken in as they appear."""

    def __init__(self, folder: Path, config: SemanticConfig) -> None:
        self.folder, self.config = folder, config
        self.texts: list[npt.NDArray[np.int16]] = []
        self.factors: list[npt.NDArray[np.int16]] = []
        self.seen: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        """Read shards not read yet; utterances too long for the model stay out."""
        for file in shard_files(self.folder, "aligned-pairs", "alignment"):
            if file.name in self.seen:
                continue
            self.seen.add(file.name)
            with np.load(file.with_name(file.name.removeprefix("aligned-"))) as pairs:
                lengths = pairs["lengths"]
            with np.load(file) as aligned:
                factors = parts(aligned["factors"], lengths)
                ids = parts(aligned["ids"], aligned["id_lengths"])
            for text, rows in zip(ids, factors, strict=True):
                if len(text) <= self.config.max_text_tokens and len(rows) < self.config.max_new_tokens:
                    self.texts.append(text)
                    self.factors.append(rows)

    def lengths(self, form: str) -> Ints:
        """How many positions each sentence takes in a form, rounded up."""
        if form == "phones":
            tokens = [1 + int(begins(rows).sum()) for rows in self.factors]
        else:
            tokens = [1 + len(rows) for rows in self.factors]
        whole = self.config.max_text_tokens
        prompts = [whole if form == "whole" else min(whole, len(text) + FEW) for text in self.texts]
        return rounded(np.array(tokens) + np.array(prompts))

    def batches(self, positions: int, form: str, seed: int) -> Iterator[Rows]:
        """Endless batches of sentences of like length in one form, at most `positions` each."""
        random = np.random.default_rng(seed)
        while True:
            for chosen in groups(self.lengths(form), positions, random):
                yield stacked([self.row(i, form, random) for i in chosen])
            self.refresh()

    def mixed(self, positions: int, shares: dict[str, float], seed: int) -> Iterator[Rows]:
        """Batches of the forms in turn by chance, each with its share."""
        random = np.random.default_rng(seed)
        sources = [self.batches(positions, form, seed) for form in shares]
        chances = np.array(list(shares.values())) / sum(shares.values())
        while True:
            yield next(sources[random.choice(len(sources), p=chances)])

    def row(self, i: int, form: str, random: np.random.Generator) -> Row:
        """Sentence i in a form."""
        text, factors = self.texts[i].astype(np.int64), self.factors[i].astype(np.int64)
        return row_of(text, factors, self.config, form, random)


def groups(lengths: Ints, positions: int, random: np.random.Generator) -> list[list[int]]:
    """Numbers of sentences in groups of like length, each at most `positions` in all; shuffled."""
    order = np.argsort(lengths + random.uniform(0, 0.15 * lengths.mean(), len(lengths)))
    made: list[list[int]] = [[]]
    longest = 0
    for i in order.tolist():
        longest = max(longest, int(lengths[i]))
        if made[-1] and (len(made[-1]) + 1) * longest > positions:
            made.append([])
            longest = int(lengths[i])
        made[-1].append(i)
    random.shuffle(made)
    return made
