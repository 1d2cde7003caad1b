"""What a GGUF file says it holds, every number bounded before it is believed: path -> GGUFHeader.

After the container's specification (ggml, docs/gguf.md), versions 2 and 3 in little-endian order. The package
`gguf` reads headers too, but takes their counts and lengths on trust, and 2.5 s for a vocabulary of 119,547
tokens; it gives the sizes of the types here.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from bark_cli.errors import ModelError

TOKENS = "tokenizer.ggml.tokens"
INSTEAD = "fetch one that can be read with `bark download small`"
_AGAIN = "download it again"
_MAGIC, _OLD_MAGIC = b"GGUF", b"lmgg"  # the latter of ggml's first containers, such as bark.cpp's
_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_KINDS = {0: "u8", 1: "i8", 2: "u16", 3: "i16", 4: "u32", 5: "i32", 6: "f32", 7: "bool", 10: "u64", 11: "i64"}
_KINDS |= {12: "f64", 8: "string", 9: "array"}
_STRING, _ARRAY = 8, 9
# A header of Bark has 2.3 MB, nearly all of it tokens; of the language models that are around up to 20.
_MAX_HEADER_BYTES = 64 * 2**20
_MAX_STRINGS = 1_000_000  # in arrays, all together
_MAX_KEYS, _MAX_TENSORS = 4_096, 65_536
_MAX_NAME_BYTES = 256
_MAX_DIMENSIONS = 4
_ALIGNMENTS = {8 << i for i in range(12)}  # 8 to 16,384
_KEPT_ITEMS = 64  # of an array that is not a vocabulary


@dataclass(frozen=True, kw_only=True)
class Items:
    """An array among the keys; `values` are there for a vocabulary, and for anything short."""

    kind: str  # u32, string, ...
    count: int
    values: tuple[str | float, ...] | None = None


Value = str | int | float | bool | Items


@dataclass(frozen=True, kw_only=True)
class TensorEntry:
    """Where a tensor lies in the file."""

    name: str
    shape: tuple[int, ...]  # rows first, as everywhere outside of ggml
    kind: str  # F32, Q8_0, ...
    offset: int  # bytes from the beginning of the file
    size: int  # bytes


@dataclass(frozen=True, kw_only=True)
class GGUFHeader:
    """Keys and tensors of a file, all of which lie inside of it and beside each other."""

    file: Path
    version: int
    keys: Mapping[str, Value]
    tensors: Mapping[str, TensorEntry]


class _DamageError(ValueError):
    """The file is not a whole GGUF file; says why."""


def import_gguf() -> ModuleType:
    """The package `gguf`.

    Raises:
        ModelError: it is not installed.
    """
    try:
        import gguf
    except ImportError as error:
        raise ModelError(f"GGUF needs the package gguf ({error}); run: pip install gguf") from error
    return gguf


def is_old_container(file: Path) -> bool:
    """Whether a file is of the kind that ggml had before GGUF, which bark.cpp still writes."""
    try:
        with file.open("rb") as stream:
            return stream.read(4) == _OLD_MAGIC
    except OSError:
        return False


def read_header(file: Path) -> GGUFHeader:
    """Read all of a GGUF file but the tensors' numbers.

    Raises:
        ModelError: it is missing, damaged, no GGUF file, or one of a kind that cannot be read.
    """
    import_gguf()
    if is_old_container(file):
        raise ModelError(
            f"{file} is in bark.cpp's old container (ggml), which no other program reads; {INSTEAD}"
        )
    try:
        with file.open("rb") as stream:
            return _Parser(stream, file.stat().st_size).header(file)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}") from error
    except _DamageError as error:
        raise ModelError(f"{file} is not a whole GGUF file: {error}; {_AGAIN}") from error


class _Parser:
    """Reads on in a file, and never more than it has been found to hold."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._size = stream, size
        self._left = min(size, _MAX_HEADER_BYTES)
        self._strings = 0  # met in arrays

    def header(self, file: Path) -> GGUFHeader:
        """The whole of it."""
        version = self._version(file)
        n_tensors, n_keys = self._number("Q"), self._number("Q")
        _check(n_keys <= _MAX_KEYS, f"it claims {n_keys} keys")
        _check(n_tensors <= _MAX_TENSORS, f"it claims {n_tensors} tensors")
        keys = self._keys(n_keys)
        _check_whole(keys, file)
        claims = [self._claim() for _ in range(n_tensors)]
        start = self._data_start(keys)
        tensors: dict[str, TensorEntry] = {}
        for name, shape, kind, offset in claims:
            _check(name not in tensors, f"it holds {name} twice")
            tensors[name] = self._entry(name, shape, kind, start + offset)
        _check_apart(tensors)
        return GGUFHeader(file=file, version=version, keys=keys, tensors=tensors)

    def _version(self, file: Path) -> int:
        if self._bytes(4, "its magic number") != _MAGIC:
            raise ModelError(f"{file} is not a GGUF file; give a model's folder, name or .gguf file")
        version = self._number("I")
        if version not in _VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
            what = "in big-endian order" if swapped in _VERSIONS else f"of version {version}"
            raise ModelError(f"{file} is a GGUF file {what}, not {_VERSIONS[0]} or {_VERSIONS[1]}; {INSTEAD}")
        return version

    def _keys(self, n_keys: int) -> dict[str, Value]:
        keys: dict[str, Value] = {}
        for _ in range(n_keys):
            name = self._name("a key")
            _check(name not in keys, f"it has the key {name} twice")
            kind = self._number("I")
            keys[name] = self._array(name) if kind == _ARRAY else self._value(kind, name)
        return keys

    def _value(self, kind: int, name: str) -> str | int | float | bool:
        if kind == _STRING:
            return self._string(self._left, name)
        if kind not in _SCALARS:
            raise _DamageError(f"the key {name} is of type {kind}, which does not exist")
        value: int | float | bool = self._number(_SCALARS[kind])
        return value

    def _array(self, name: str) -> Items:
        kind, count = self._number("I"), self._number("Q")
        if kind in _SCALARS:
            form = f"<{count}{_SCALARS[kind]}" if count <= _KEPT_ITEMS else None
            raw = self._bytes(count * struct.calcsize(f"<{_SCALARS[kind]}"), name, keep=form is not None)
            values = struct.unpack(form, raw) if form else None
            return Items(kind=_KINDS[kind], count=count, values=values)
        _check(kind == _STRING, f"the key {name} is an array of type {kind}, which cannot be read")
        self._strings += count
        _check(self._strings <= _MAX_STRINGS, f"the key {name} claims {count} strings")
        if name == TOKENS or count <= _KEPT_ITEMS:
            texts = tuple(self._string(self._left, name) for _ in range(count))
            return Items(kind="string", count=count, values=texts)
        for _ in range(count):
            self._bytes(self._number("Q"), name, keep=False)
        return Items(kind="string", count=count)

    def _claim(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, shape, type and offset of a tensor, as the file has them."""
        name = self._name("a tensor")
        n_dimensions = self._number("I")
        _check(1 <= n_dimensions <= _MAX_DIMENSIONS, f"{name} has {n_dimensions} dimensions")
        shape = tuple(self._number("Q") for _ in range(n_dimensions))[::-1]
        return name, shape, self._number("I"), self._number("Q")

    def _data_start(self, keys: Mapping[str, Value]) -> int:
        alignment = keys.get("general.alignment", 32)
        _check(type(alignment) is int and alignment in _ALIGNMENTS, f"its alignment is {alignment!r}")
        self._alignment = int(alignment)  # type: ignore[arg-type]
        return -(-self._stream.tell() // self._alignment) * self._alignment

    def _entry(self, name: str, shape: tuple[int, ...], number: int, offset: int) -> TensorEntry:
        gguf = import_gguf()
        try:
            kind = gguf.GGMLQuantizationType(number)
            block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        except (ValueError, KeyError) as error:
            raise _DamageError(f"{name} is of type {number}, which is unknown") from error
        _check(math.prod(shape) > 0, f"{name} is empty")
        _check(shape[-1] % block == 0, f"{name} has rows of {shape[-1]}, and {kind.name} blocks of {block}")
        size = math.prod(shape) // block * block_bytes
        _check(offset % self._alignment == 0, f"{name} begins at byte {offset}, which is not aligned")
        _check(offset + size <= self._size, f"{name} ends at byte {offset + size}, the file at {self._size}")
        return TensorEntry(name=name, shape=shape, kind=kind.name, offset=offset, size=size)

    def _name(self, of: str) -> str:
        name = self._string(_MAX_NAME_BYTES, f"the name of {of}")
        _check(bool(name) and name.isprintable(), f"the name of {of} is empty or not printable")
        return name

    def _string(self, limit: int, of: str) -> str:
        length = self._number("Q")
        _check(length <= limit, f"{of} is {length} bytes long")
        try:
            return self._bytes(length, of).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _DamageError(f"{of} is not UTF-8") from error

    def _number(self, form: str) -> int:
        size = struct.calcsize(f"<{form}")
        number: int = struct.unpack(f"<{form}", self._bytes(size, "its header"))[0]
        return number

    def _bytes(self, count: int, of: str, *, keep: bool = True) -> bytes:
        """The next bytes; without `keep` they are passed over."""
        if count > self._left:
            whole = self._size <= _MAX_HEADER_BYTES
            raise _DamageError(f"it ends inside {of}" if whole else f"{of} is far too long")
        self._left -= count
        if not keep:
            self._stream.seek(count, 1)
            return b""
        data = self._stream.read(count)
        _check(len(data) == count, f"it ends inside {of}")
        return data


def _check(holds: bool, problem: str) -> None:
    if not holds:
        raise _DamageError(problem)


def _check_whole(keys: Mapping[str, Value], file: Path) -> None:
    """Refuse one part of a model that was split."""
    parts = keys.get("split.count", 1)
    if parts not in (0, 1):
        raise ModelError(f"{file} is one of {parts} parts; join them first, with llama-gguf-split --merge")


def _check_apart(tensors: Mapping[str, TensorEntry]) -> None:
    ordered = sorted(tensors.values(), key=lambda entry: entry.offset)
    for before, after in pairwise(ordered):
        _check(before.offset + before.size <= after.offset, f"{before.name} and {after.name} overlap")
