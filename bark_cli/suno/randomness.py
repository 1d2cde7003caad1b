"""The random numbers that suno-ai/bark draws with: those of torch's global generator."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

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
        self._torch, self.state = torch, None

    def uniform(self, *shape: int) -> NDArray[np.float64]:
        numbers: NDArray[np.float64] = self._torch.empty(shape, dtype=self._torch.float64).uniform_().numpy()
        return numbers

    def words(self, count: int) -> NDArray[np.uint32]:
        bits = (self.uniform(count) * 2.0**53).astype(np.uint64)
        return np.stack([bits >> 32, bits & (2**32 - 1)], axis=1).astype(np.uint32)

    def mark(self) -> Any:
        return self._torch.get_rng_state()

    def go_back(self, mark: Any, used: int) -> None:
        self._torch.set_rng_state(mark)
        self.uniform(used)

    def keys(self, count: int) -> Tokens:
        integers: Tokens = self._torch.randint(2**62, (count,)).numpy()
        return integers
