"""The teacher's audio as codec tokens, beside the semantic tokens of the same time: (8, F) with F = T.

They tell all they can of the sound. Coarse learns the first two of them, whatever training.expected makes of
the others.

python -m training.codes            # audio-*.npz -> codes-*.npz, with what training.codec learnt
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from training.codec import Codes, first_codec
from training.settings import settings
from training.shards import parts, shard_files, write_arrays
from training.units import kinds_of


@dataclass(frozen=True, eq=False)
class Utterance:
    """One sentence in one voice: factors (T, 4) of its semantic tokens, and codes (8, T)."""

    voice: int
    text: npt.NDArray[np.int16]
    factors: npt.NDArray[np.int16]
    codes: Codes


def load_utterances(folder: Path, kind: str = "expected") -> list[Utterance]:
    """Every utterance of a folder, with the "codes" of its sound in first_codec's books, or with those that
    may be "expected" of it, in load_codec's."""
    return [u for file in shard_files(folder, kind, kind) for u in _read(file, kind)]


def by_voice(utterances: list[Utterance]) -> dict[int, list[Utterance]]:
    """The utterances of each voice."""
    return {voice: [u for u in utterances if u.voice == voice] for voice in {u.voice for u in utterances}}


def _read(file: Path, kind: str) -> Iterator[Utterance]:
    folder, number = file.parent, file.name.removeprefix(f"{kind}-")
    audio, aligned = np.load(folder / f"audio-{number}"), np.load(folder / f"aligned-audio-{number}")
    codes = parts(np.load(file)["codes"], audio["lengths"], axis=1)
    texts = parts(aligned["ids"], aligned["id_lengths"])
    factors_of = parts(aligned["factors"], audio["lengths"])
    rows = zip(audio["voices"].tolist(), texts, factors_of, codes, strict=True)
    for voice, text, factors, made in rows:
        if len(factors) > 10:
            yield Utterance(voice, text, factors, made)


def main() -> None:
    """Encode every audio shard that is not encoded yet."""
    options = settings("codes")
    torch.set_num_threads(options["threads"])
    codec = first_codec()
    for file in shard_files(options["data"], "audio", "prepare"):
        target = file.with_name(file.name.replace("audio-", "codes-"))
        if target.exists():
            continue
        shard = np.load(file)
        kinds = kinds_of(shard["semantic"])
        write_arrays(target, codes=codec.codes(shard["envelopes"], shard["excitation"], kinds))
        print(f"{target.name}: {shard['lengths'].sum() / 50:.0f} s", flush=True)


if __name__ == "__main__":
    main()
