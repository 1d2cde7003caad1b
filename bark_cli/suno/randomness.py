"""The random numbers that suno-ai/bark draws with: those of torch's global generator."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from bark_cli.model.options import draw_seed
from bark_cli.model.tokens import Tokens
from bark_cli.stages.sampling import RandomStream


def global_stream() -> RandomStream:
    """torch's global random numbers; where nobody has imported torch, and so none seeded it, new ones."""
    torch = sys.modules.get("torch")
    return RandomStream(draw_seed()) if torch is None else _TorchStream(torch)


class _TorchStream(RandomStream):
    """Numbers of torch's generator on the CPU, which go on from wherever it is."""

    def __init__(self, torch: ModuleType) -> None:
        self._torch = torch

    def _fresh(self, count: int) -> NDArray[np.float64]:
        numbers: NDArray[np.float64] = self._torch.empty(count, dtype=self._torch.float64).uniform_().numpy()
        return numbers

    def keys(self, count: int) -> Tokens:
        integers: Tokens = self._torch.randint(2**62, (count,)).numpy()
        return integers
