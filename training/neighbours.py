"""Which codes sound alike: codes (B, F, codebooks) -> the share of every entry of a codebook (B, F, K + 1).

A residual code has no one right answer: what comes before it tells about where in the space of envelopes the
sound lies, and the entry that happens to be nearest is one of dozens. A network that is asked for just that
entry answers with the one of the largest cell, far off and another in every frame. Asked for shares that fall
with the distance, its best answer is the entry nearest to what it expects. And what it takes from the
codebooks before need not be the teacher's code: the rest is measured from what was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.codec import END, MIDDLE
from training.codes import Utterance
from training.excitation import PULSED

SHARPNESS = 5.0  # the shares fall to exp(-5) at as far from the sound as the nearest entry usually is


def sample_of(utterances: Sequence[Utterance], frames: int = 20_000) -> Tensor:
    """The codes (codebooks, F) of some of them."""
    lengths = np.cumsum([u.codes.shape[1] for u in utterances])
    some = utterances[: int(np.searchsorted(lengths, frames)) + 1]
    return torch.from_numpy(np.concatenate([u.codes for u in some], axis=1).astype(np.int64))


class Neighbours:
    """What books (codebooks - 1, K, D) say of codes; a `sample` of those (codebooks, F) tells how finely.

    In the first codebook only entries of one of the `kinds` (K,) are neighbours.
    """

    def __init__(self, books: Tensor, kinds: Tensor, sample: Tensor, device: torch.device) -> None:
        self.size = books.shape[1]
        self.kinds = F.pad(kinds, (0, 1), value=-1).to(device)
        self.books = F.pad(books, (0, 0, 0, 1)).to(device)  # placeholder and padding: nothing
        codes = sample.T[None].to(device)
        self.scales = []
        for codebook in range(len(books) - 1):
            rest = sum(self._drawn(codes, each) for each in range(codebook + 1, len(books)))
            assert isinstance(rest, Tensor)
            left = rest[self._free(codes, codebook)].square().sum(-1).mean()
            self.scales.append(max(float(left), 1e-6))  # where books hit a small corpus exactly
        self.scales.append(0.8 * self.scales[-1])  # of the last nothing is left to measure

    def _drawn(self, codes: Tensor, codebook: int) -> Tensor:
        return F.embedding(codes[..., codebook], self.books[codebook])

    def sound(self, codes: Tensor) -> Tensor:
        """Codes (B, F, codebooks) -> the envelopes they stand for (B, F, D)."""
        found = sum(self._drawn(codes, each) for each in range(len(self.books)))
        assert isinstance(found, Tensor)
        return found

    def shares(self, codes: Tensor, codebook: int, rest: Tensor) -> Tensor:
        """Of every entry, for what the codebooks before leave (B, F, D); a pulse is only itself."""
        far = self._distances(codes, codebook, rest)
        soft = torch.zeros(*codes.shape[:2], self.size + 1, device=codes.device)
        soft[..., self._begin(codebook) : -1] = (-SHARPNESS / self.scales[codebook] * far).softmax(-1)
        hard = F.one_hot(codes[..., codebook], self.size + 1).float()
        return torch.where(self._free(codes, codebook)[..., None], soft, hard)

    def strayed(self, codes: Tensor, codebook: int, rest: Tensor, rows: Tensor) -> Tensor:
        """The codes (B, F) of a codebook, in some rows (B,) such as a network might have chosen instead."""
        scale = (self.scales[codebook] / SHARPNESS / rest.shape[-1]) ** 0.5
        far = self._distances(codes, codebook, rest + scale * torch.randn_like(rest))
        near = self._begin(codebook) + far.argmin(-1)
        return torch.where(rows[:, None] & self._free(codes, codebook), near, codes[..., codebook])

    def asked(self, codes: Tensor, codebook: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Codes of which those before `codebook` have strayed in some rows (B,), and what is then right."""
        codes, rest = codes.clone(), self.sound(codes)
        for before in range(codebook):
            codes[..., before] = self.strayed(codes, before, rest, rows)
            rest = rest - self._drawn(codes, before)
        return codes, self.shares(codes, codebook, rest)

    def _begin(self, codebook: int) -> int:
        return PULSED if codebook in (END, MIDDLE) else 0

    def _free(self, codes: Tensor, codebook: int) -> Tensor:
        """Where a codebook holds envelopes."""
        at = codes[..., codebook]
        return (at >= self._begin(codebook)) & (at < self.size)

    def _distances(self, codes: Tensor, codebook: int, rest: Tensor) -> Tensor:
        """Squared, less what is the same for every entry; without end to entries of other kinds."""
        book = self.books[codebook][self._begin(codebook) : -1]
        far = book.square().sum(-1) - 2 * rest @ book.T
        if codebook == 0:
            far = far.masked_fill(self.kinds[codes[..., 0]][..., None] != self.kinds[:-1], torch.inf)
        return far


def divergence(logits: Tensor, shares: Tensor) -> Tensor:
    """Kullback and Leibler's, of logits (N, K) from shares (N, K): in nats, 0 if nothing is left to learn."""
    return F.kl_div(logits.log_softmax(-1), shares, reduction="batchmean")
