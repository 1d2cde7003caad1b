"""Rows that want logits of some ids each -> the logits of each, by one product for all that want the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bark_cli.model.tokens import Logits


def logits_of_each(
    legal: Sequence[range], logits: Callable[[list[int], range], Iterable[Logits]]
) -> list[Logits]:
    """Logits (len(legal[i]),) of each row; `logits` computes those of some rows for the same ids."""
    answers: dict[int, Logits] = {}
    for ids in set(legal):
        rows = [i for i, wanted in enumerate(legal) if wanted == ids]
        answers |= zip(rows, logits(rows, ids), strict=True)
    return [answers[i] for i in range(len(legal))]
