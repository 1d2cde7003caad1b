"""What the semantic and coarse GPTs share while they learn: tables of factors instead of one row per token.

The embedding of a semantic token is the sum of its factors' embeddings, so what is learnt of a phone holds at
every pitch and place. `spread` multiplies the tables out into plain ones, which give the same numbers.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from training.vocabulary import layout


def token_rows() -> Tensor:
    """The factors (ids, 4) of every semantic token."""
    return torch.from_numpy(layout().rows.astype(np.int64))


def spread(tables: nn.ModuleList, rows: Tensor) -> Tensor:
    """Tables (sizes[i], D) of factors and rows (N, factors or more) -> one table (N, D)."""
    return torch.stack([table.weight[rows[:, i]] for i, table in enumerate(tables)]).sum(dim=0)


def gathered(table: Tensor, rows: Tensor, sizes: tuple[int, ...]) -> list[Tensor]:
    """The way back of `spread`: a table (N, D) of rows (N, factors) -> tables (sizes[i], D).

    By least squares; what the rows leave open (constants may move between factors) is as small as can be.
    """
    begins = np.cumsum([0, *sizes])
    design = torch.zeros(len(rows), int(begins[-1]), dtype=torch.float64)
    for i, begin in enumerate(begins[:-1].tolist()):
        design[torch.arange(len(rows)), begin + rows[:, i]] = 1
    found = torch.linalg.pinv(design) @ table.double()
    return list(found.float().split(sizes))


class Factored(nn.Module):
    """The body of a GPT behind factored tables; its parts are the subclass's to make."""

    wpe: nn.Embedding
    h: nn.ModuleList
    ln_f: nn.Module
    factors: nn.ModuleList

    def embedded(self, factors: Tensor) -> Tensor:
        """Factors (B, T, factors) -> (B, T, D)."""
        return torch.stack([table(factors[..., i]) for i, table in enumerate(self.factors)]).sum(dim=0)

    def hidden(self, x: Tensor, first: int) -> Tensor:
        """Embeddings (B, T, D) -> final hidden states of the positions from `first` on (B, T - first, D)."""
        y: Tensor = self.ln_f(self.through(x + self.wpe.weight[: x.shape[1]])[:, first:])
        return y

    def through(self, x: Tensor) -> Tensor:
        """Embeddings with their positions (B, T, D) -> what the last block makes of them (B, T, D)."""
        for block in self.h:
            x = block(x)
        return x

    def body(self) -> dict[str, Tensor]:
        """The tensors that need no multiplying out, under bark_cli.model.networks.GPT's names."""
        plain = ("wpe", "h", "ln_f")
        return {name: t for name, t in self.state_dict().items() if name.split(".")[0] in plain}
