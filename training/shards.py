"""The data folder's files of arrays (audio-, pairs-, aligned-, codes-*.npz), written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def write_bytes(file: Path, content: bytes) -> None:
    """Write a file under another name and move it into place."""
    part = file.with_suffix(".part")
    part.write_bytes(content)
    part.replace(file)


def write_arrays(file: Path, **arrays: npt.NDArray[np.generic]) -> None:
    """Write an .npz under another name and move it into place."""
    part = file.with_suffix(".part")  # always the same one, so that none is left behind by those interrupted
    with part.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
    part.replace(file)


def parts(array: npt.NDArray[Any], lengths: npt.NDArray[np.int64], axis: int = 0) -> list[npt.NDArray[Any]]:
    """An array as pieces of these lengths along an axis.

    Raises:
        ValueError: the lengths are another array's.
    """
    if int(lengths.sum()) != array.shape[axis]:
        raise ValueError(
            f"{array.shape[axis]} rows do not make {len(lengths)} parts of {int(lengths.sum())} in all"
        )
    return np.split(array, np.cumsum(lengths)[:-1], axis=axis)


def shard_files(folder: Path, kind: str, made_by: str) -> list[Path]:
    """The files of a kind in order.

    Raises:
        FileNotFoundError: there is none; the message names the step that writes them.
    """
    files = sorted(folder.glob(f"{kind}-*.npz"))
    if not files:
        raise FileNotFoundError(f"{folder} has no {kind}-*.npz: run python -m training.{made_by}")
    return files


def sentences(file: Path) -> Iterator[tuple[str, npt.NDArray[np.int16]]]:
    """The texts of a pairs or audio shard with their teacher's tokens (T,)."""
    with np.load(file) as shard:
        texts, tokens, lengths = json.loads(shard["texts"].tobytes()), shard["semantic"], shard["lengths"]
    yield from zip(texts, parts(tokens, lengths), strict=True)
