"""Which character of the text each phone belongs to: segments (N,) and text ids (M,) -> places (N,).

A monotonic alignment learnt by hard EM. Reads pairs-*.npz and audio-*.npz, writes aligned-*.npz beside them.

    python -m training.alignment
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from training.processes import end_with_parent
from training.settings import settings
from training.shards import sentences, shard_files, write_arrays
from training.vocabulary import build_tokenizer, factors_of, segments

Places = npt.NDArray[np.int64]
Emissions = npt.NDArray[np.float64]  # (symbols, characters) log probability
# log cost of moving on by 0, 1, 2, ... characters from one phone to the next
JUMPS = np.array([-1.3, -0.5, -1.6, -2.6, -3.6, -5.0, -6.5, -8.0, -9.0, -10.0])


class Symbols:
    """Integers for the names of segments, given out as they come."""

    def __init__(self, names: list[str] | None = None) -> None:
        self.index = {name: i for i, name in enumerate(names or [])}

    def __call__(self, name: str) -> int:
        """The integer of a name."""
        return self.index.setdefault(name, len(self.index))


def plain_ids(tokenizer: Tokenizer, text: str) -> npt.NDArray[np.int64]:
    """Text -> ids with "a" and "##a" told apart, as the model sees it."""
    return np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int64)


def viterbi(observed: npt.NDArray[np.int64], ids: npt.NDArray[np.int64], emissions: Emissions) -> Places:
    """Places (segments,) of the best monotonic path through characters `ids` for symbols `observed`."""
    n, width = len(observed), len(ids)
    scores = emissions[observed][:, ids]  # (segments, characters)
    back = np.zeros((n, width), np.int8)
    best = scores[0] - 1.5 * np.arange(width)
    moves = np.full((len(JUMPS), width), -np.inf)
    for i in range(1, n):
        for d in range(min(len(JUMPS), width)):
            moves[d, d:] = best[: width - d] + JUMPS[d]
        back[i] = moves.argmax(0)
        best = moves[back[i], np.arange(width)] + scores[i]
    places = np.empty(n, np.int64)
    places[-1] = int((best - 1.0 * np.arange(width)[::-1]).argmax())
    for i in range(n - 1, 0, -1):
        places[i - 1] = places[i] - back[i, places[i]]
    return places


def learn(
    pairs: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]], symbols: int, characters: int
) -> Emissions:
    """Emissions from (observed, ids) pairs: a soft diagonal first, then rounds of Viterbi."""
    counts = np.full((symbols, characters), 0.05)
    for observed, ids in pairs:
        line = np.arange(len(observed))[:, None] / len(observed) - np.arange(len(ids)) / len(ids)
        near = np.exp(-np.abs(line) * len(ids) / 2)
        near /= near.sum(1, keepdims=True)
        np.add.at(counts, (observed[:, None], ids[None]), near)
    for _ in range(5):
        emissions = np.log(counts / counts.sum(0, keepdims=True))
        counts = np.full((symbols, characters), 0.05)
        for observed, ids in pairs:
            np.add.at(counts, (observed, ids[viterbi(observed, ids, emissions)]), 1.0)
    return np.log(counts / counts.sum(0, keepdims=True))


def learn_from(folder: Path, shards: int, table: Path) -> None:
    """Write the emissions that the first pairs shards teach, and the names of their symbols."""
    tokenizer, symbol = build_tokenizer(), Symbols()
    pairs = [
        (np.array([symbol(s.name) for s in segments(tokens)]), plain_ids(tokenizer, text))
        for file in shard_files(folder, "pairs", "prepare")[:shards]
        for text, tokens in sentences(file)
    ]
    emissions = learn(pairs, len(symbol.index), tokenizer.get_vocab_size())
    write_arrays(table, emissions=emissions, names=np.array(list(symbol.index)))
    print(f"alignment learnt from {len(pairs)} sentences", flush=True)


def align_shard(file: Path, emissions: Emissions, names: list[str]) -> int:
    """Write aligned-<name> beside a shard: factors (sum T, 4) and text ids with their lengths.

    Raises:
        ValueError: a text has no character, or a phone that the emissions were not learnt from.
    """
    target = file.with_name(f"aligned-{file.name}")
    if target.exists():
        return 0
    tokenizer, symbol = build_tokenizer(), Symbols(names)
    factors, text_ids = [], []
    for text, tokens in sentences(file):
        ids, observed = plain_ids(tokenizer, text), np.array([symbol(s.name) for s in segments(tokens)])
        if not len(ids):
            raise ValueError(f"{file.name}: {text!r} has no character")
        if (observed >= len(emissions)).any():
            raise ValueError(f"{file.name}: {text!r} has a phone that the alignment was not learnt from")
        factors.append(factors_of(tokens, viterbi(observed, ids, emissions)))
        text_ids.append(ids)
    write_arrays(
        target,
        factors=np.concatenate(factors),
        ids=np.concatenate(text_ids).astype(np.int16),
        id_lengths=np.array([len(ids) for ids in text_ids]),
    )
    return len(text_ids)


def main() -> None:
    """Learn the emissions once (alignment.npz), then align every shard that is not yet."""
    options = settings("alignment")
    folder: Path = options["data"]
    table = folder / "alignment.npz"
    if not table.exists():
        learn_from(folder, options["shards"], table)
    saved = np.load(table)
    files = sorted([*folder.glob("pairs-*.npz"), *folder.glob("audio-*.npz")])
    work = partial(align_shard, emissions=saved["emissions"], names=saved["names"].tolist())
    with ProcessPoolExecutor(options["processes"], get_context("spawn"), end_with_parent) as pool:
        print(f"aligned {sum(pool.map(work, files))} sentences")


if __name__ == "__main__":
    main()
