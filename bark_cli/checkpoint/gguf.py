"""A GGUF file, which holds a whole Bark -> Checkpoint, its tensors read when they are asked for.

The file is mapped, and what is quantised in it undone by the package `gguf`.
Names and numbers: gguf_keys.py; what keeps a hostile file at bay: gguf_header.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bark_cli.checkpoint.check import check_config
from bark_cli.checkpoint.foreign import codec_tensors
from bark_cli.checkpoint.gguf_header import (
    INSTEAD,
    TOKENS,
    GGUFHeader,
    Items,
    TensorEntry,
    import_gguf,
    read_header,
)
from bark_cli.checkpoint.gguf_keys import ARCHITECTURE, config_of, our_name
from bark_cli.checkpoint.record import Checkpoint, Form, LazyTensors, form_of
from bark_cli.checkpoint.untrusted import AGAIN, check_weights_file
from bark_cli.errors import ModelError
from bark_cli.model.config import BarkConfig

_PLAIN = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_MAX_DEVIATION = 0.5  # of a fine head from the table it is tied to, where both were rounded: less than 0.2
_MAX_TOKEN_BYTES = 1_000


def read_gguf(file: Path, folder: Path) -> Checkpoint:
    """Read a GGUF file, which is the model `folder` or lies in it; its tensors are not yet checked.

    Raises:
        ModelError: the file is missing, damaged, or holds no Bark.
    """
    check_weights_file(file)
    header = read_header(file)
    config = _config(header)
    check_config(config, file)
    return Checkpoint(
        config=config,
        tensors=_tensors(header, config),
        tokenizer_file=file,
        vocabulary=_vocabulary(header),
        layout="gguf",
        folder=folder,
    )


def _config(header: GGUFHeader) -> BarkConfig:
    architecture = header.keys.get("general.architecture")
    if architecture != ARCHITECTURE:
        what = f"a model {architecture!r:.80}" if architecture else "a model of unknown architecture"
        raise ModelError(f"{header.file} holds {what}, not Bark; {INSTEAD}")
    values = {name: v.values if isinstance(v, Items) else v for name, v in header.keys.items()}
    try:
        return config_of(values, header.tensors)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{header.file} has keys that are not Bark's: {error}; {INSTEAD}") from error


def _vocabulary(header: GGUFHeader) -> tuple[str, ...]:
    """The tokenizer's pieces in the order of their ids.

    Raises:
        ModelError: there are none, or they cannot be the pieces of words.
    """
    found = header.keys.get(TOKENS)
    if not isinstance(found, Items) or found.kind != "string" or not found.values:
        raise ModelError(f"{header.file} has no tokenizer ({TOKENS}); {INSTEAD}")
    pieces = tuple(str(piece) for piece in found.values)
    if "[UNK]" not in pieces or any("\n" in piece or len(piece) > _MAX_TOKEN_BYTES for piece in pieces):
        raise ModelError(f"{header.file} has a tokenizer other than BERT's, which Bark uses; {INSTEAD}")
    return pieces


def _tensors(header: GGUFHeader, config: BarkConfig) -> LazyTensors:
    """All of Bark's tensors by our names, and whatever else there is by its own."""
    reader = _Reader(header.file)
    entries = _renamed(header)
    _check_kinds(header)
    codec = {name: entries.pop(name) for name in list(entries) if name.startswith("codec.")}
    for stage in ("semantic", "coarse"):  # a head that is not there is the table
        if f"{stage}.lm_head.weight" not in entries and f"{stage}.wte.weight" in entries:
            entries[f"{stage}.lm_head.weight"] = entries[f"{stage}.wte.weight"]
    if config.fine.gpt.input_vocab_size == config.fine.gpt.output_vocab_size:
        entries = _without_tied_heads(entries, config.fine.gpt.n_codes_given, reader)
    named = {name.removeprefix("codec."): reader.read(entry) for name, entry in codec.items()}
    folded = codec_tensors(named, config.codec.n_codebooks, header.file)
    return MappedTensors(reader, entries, {f"codec.{name}": value for name, value in folded.items()})


def _renamed(header: GGUFHeader) -> dict[str, TensorEntry]:
    named: dict[str, TensorEntry] = {}
    for theirs, entry in header.tensors.items():
        if (name := our_name(theirs)) in named:
            raise ModelError(f"{header.file} holds {named[name].name} again, as {theirs}; {AGAIN}")
        named[name] = entry
    return named


def _check_kinds(header: GGUFHeader) -> None:
    """Refuse types that cannot be undone, by the first tensor that has one."""
    gguf = import_gguf()
    firsts = {entry.kind: entry for entry in header.tensors.values() if entry.kind not in _PLAIN}
    for name, entry in firsts.items():
        kind = gguf.GGMLQuantizationType[name]
        block = np.zeros((1, gguf.GGML_QUANT_SIZES[kind][1]), np.uint8)
        try:
            gguf.dequantize(block, kind)
        except NotImplementedError as error:
            raise ModelError(f"{header.file} holds {entry.name} as {name}, no weights; {INSTEAD}") from error


def _without_tied_heads(
    entries: Mapping[str, TensorEntry], n_codes_given: int, reader: _Reader
) -> dict[str, TensorEntry]:
    """All but the fine heads. Of a head and its table, which a quantiser may have rounded differently, the
    one with more bits is kept as the table.

    Raises:
        ModelError: a head differs from its table by more than rounding does.
    """
    kept = dict(entries)
    for name in [name for name in entries if name.startswith("fine.lm_heads.")]:
        head = kept.pop(name)
        index = re.fullmatch(r"fine\.lm_heads\.(\d{1,3})\.weight", name)
        tied = f"fine.wtes.{int(index[1]) + n_codes_given}.weight" if index else ""
        table = kept.get(tied)
        if table is None or table.shape != head.shape or not _is_close(reader, table, head):
            where = f"{reader.file}: fine head {name.removeprefix('fine.')}"
            raise ModelError(f"{where} is not tied to its embedding, as Bark's are; {AGAIN}")
        kept[tied] = max(table, head, key=lambda entry: entry.size)
    return kept


def _is_close(reader: _Reader, table: TensorEntry, head: TensorEntry) -> bool:
    if table.kind == head.kind:
        return torch.equal(reader.raw(table), reader.raw(head))
    first, second = reader.read(table).float(), reader.read(head).float()
    return bool((first - second).norm() <= _MAX_DEVIATION * first.norm())


class _Reader:
    """The file, mapped, and its tensors as what they stand for."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._bytes = torch.from_numpy(np.memmap(file, dtype=np.uint8, mode="c"))  # private: never written

    def raw(self, entry: TensorEntry) -> Tensor:
        """The bytes of a tensor (n,), not copied."""
        return self._bytes[entry.offset : entry.offset + entry.size]

    def read(self, entry: TensorEntry) -> Tensor:
        """A tensor in the type that `type_of` says; where that is its own, not copied."""
        raw = self.raw(entry)
        if entry.kind in _PLAIN:
            return raw.view(_PLAIN[entry.kind]).view(entry.shape)
        gguf = import_gguf()
        kind = gguf.GGMLQuantizationType[entry.kind]
        rows = raw.numpy().reshape(*entry.shape[:-1], -1)
        with np.errstate(all="ignore"):  # a scale that is not a number is found out where it is used
            values: Any = gguf.dequantize(rows, kind)
        return torch.from_numpy(values)


class MappedTensors(LazyTensors):
    """Tensors of a file, read when asked for, and some that were already."""

    def __init__(
        self, reader: _Reader, entries: Mapping[str, TensorEntry], ready: Mapping[str, Tensor]
    ) -> None:
        self._reader, self._held = reader, {**entries, **ready}

    def __getitem__(self, name: str) -> Tensor:
        held = self._held[name]
        return held if isinstance(held, torch.Tensor) else self._reader.read(held)

    def form(self, name: str) -> Form:
        """Shape and type of a tensor."""
        held = self._held[name]
        if isinstance(held, torch.Tensor):
            return form_of({name: held}, name)
        return Form(tuple(held.shape), str(_PLAIN.get(held.kind, torch.float32)).removeprefix("torch."))
