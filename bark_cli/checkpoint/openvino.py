"""OpenVINO's layout: a folder with a graph for each network, config.json and a tokenizer -> Checkpoint.

A graph is an .xml of operations and a .bin of numbers. Of it only the constants are read, by their names, and
without OpenVINO: what computes is built anew from them, never the graph of a file from elsewhere.
Names: model/openvino/weights.py; the way back: to_openvino.py.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bark_cli.checkpoint.check import check_config
from bark_cli.checkpoint.record import Checkpoint, Form, LazyTensors
from bark_cli.checkpoint.untrusted import AGAIN, check_weights_file, read_json
from bark_cli.errors import ModelError
from bark_cli.model.config import BarkConfig
from bark_cli.model.openvino import PARTS
from bark_cli.store import find_tokenizer
from bark_cli.store.places import openvino_graph

SCALE = ".scale"
_MOST_BYTES = 64 * 2**20  # of an .xml; a real one has less than one MB
_MOST_AXES = 8
_KINDS = {"f32": torch.float32, "f16": torch.float16, "i8": torch.int8}
_STORAGES = {"i4": "int4", "i8": "int8", "f16": "fp16"}  # the first that is there tells


@dataclass(frozen=True, kw_only=True)
class GraphConstant:
    """A constant of a graph that is a tensor of Bark's."""

    file: Path  # the .bin
    kind: str  # f32, f16, i8 or i4
    shape: tuple[int, ...]
    offset: int
    size: int  # bytes


def read_openvino(folder: Path) -> Checkpoint:
    """Read a folder in OpenVINO's layout; the tensors are not yet checked against the configuration.

    Raises:
        ModelError: a file is missing, damaged, or holds no Bark.
    """
    config = BarkConfig.from_dict(read_json(folder / "config.json"))
    check_config(config, folder)
    tokenizer = find_tokenizer(folder)
    if tokenizer is None:
        raise ModelError(f"{folder} has no tokenizer.json or vocab.txt; {AGAIN}")
    entries: dict[str, GraphConstant] = {}
    for part in PARTS:
        entries |= read_graph(openvino_graph(folder, part), part)
    tensors = GraphTensors(entries)
    return Checkpoint(
        config=config,
        tensors=tensors,
        scales={name: tensors.scale(name)[:, 0] for name, entry in entries.items() if entry.kind == "i8"},
        tokenizer_file=tokenizer,
        layout="openvino",
        folder=folder,
    )


def stored_as(folder: Path) -> str:
    """What the transformers of a folder in OpenVINO's layout are kept in: fp32, fp16, int8 or int4.

    Raises:
        ModelError: the graph is missing or damaged.
    """
    found = {entry.kind for entry in read_graph(openvino_graph(folder, "semantic"), "semantic").values()}
    return next((storage for kind, storage in _STORAGES.items() if kind in found), "fp32")


def read_graph(file: Path, part: str) -> dict[str, GraphConstant]:
    """The constants of a graph that bear names of that part's tensors.

    Raises:
        ModelError: the file or its .bin is missing or damaged, or holds numbers of a type that is not read.
    """
    check_weights_file(file)
    numbers = file.with_suffix(".bin")
    check_weights_file(numbers)
    there, found = numbers.stat().st_size, dict[str, GraphConstant]()
    try:
        for name, data in _constants(file):
            if not name.startswith(f"{part}."):
                continue
            entry = GraphConstant(
                file=numbers,
                kind=data["element_type"],
                shape=tuple(int(size) for size in data["shape"].split(",") if size.strip()),
                offset=int(data["offset"]),
                size=int(data["size"]),
            )
            _check(entry, name, there)
            found[name] = entry
    except (ElementTree.ParseError, KeyError, ValueError, OSError) as error:
        raise ModelError(f"{file} is damaged or not a graph of OpenVINO's ({error}); {AGAIN}") from error
    return found


def _constants(file: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Name and attributes of every constant.

    Raises:
        ValueError: the file is too large, or defines entities, which can grow without bound.
    """
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
    text = file.read_bytes()
    if b"<!" in text.replace(b"<!--", b""):
        raise ValueError("it has a document type")
    parser: Any = ElementTree.XMLPullParser(("start", "end"))
    name = ""
    for first in range(0, len(text), 2**16):
        parser.feed(text[first : first + 2**16])
        for event, element in parser.read_events():
            if event == "start":
                if element.tag == "layer":
                    name = element.get("name", "") if element.get("type") == "Const" else ""
                elif element.tag == "data" and name:
                    yield name, element.attrib
                    name = ""
            else:
                element.clear()
    parser.close()


def _check(entry: GraphConstant, name: str, there: int) -> None:
    """Refuse what is no tensor that lies whole in its file.

    Raises:
        ValueError: it says why.
    """
    bits = {"f32": 32, "f16": 16, "i8": 8, "i4": 4}.get(entry.kind)
    if bits is None:
        raise ValueError(f"{name} holds {entry.kind:.20}, which is not read")
    if len(entry.shape) > _MOST_AXES or any(size < 1 for size in entry.shape):
        raise ValueError(f"{name} has a shape that no tensor has")
    if entry.size != math.prod(entry.shape) * bits // 8 or not 0 <= entry.offset <= there - entry.size:
        raise ValueError(f"{name} does not lie in the .bin")


class GraphTensors(LazyTensors):
    """Tensors of graphs' files, mapped; int4 is brought to float32 whenever it is asked for."""

    def __init__(self, entries: Mapping[str, GraphConstant]) -> None:
        self._held = {name: one for name, one in entries.items() if not name.endswith(SCALE)}
        self._scales = {name: one for name, one in entries.items() if name.endswith(SCALE)}
        self._bytes = {
            file: torch.from_numpy(np.memmap(file, dtype=np.uint8, mode="c"))  # private: never written
            for file in {one.file for one in entries.values()}
        }

    def __getitem__(self, name: str) -> Tensor:
        entry = self._held[name]
        return self._dequantized(name, entry) if entry.kind == "i4" else self._read(entry)

    def form(self, name: str) -> Form:
        """Shape and type of a tensor."""
        entry = self._held[name]
        kind = str(_KINDS.get(entry.kind, torch.float32)).removeprefix("torch.")
        return Form(_flat(entry) if entry.kind == "i4" else entry.shape, kind)

    def scale(self, name: str) -> Tensor:
        """The scales of a matrix.

        Raises:
            ModelError: it has none that fit.
        """
        entry, own = self._scales.get(name + SCALE), self._held[name]
        if entry is None or entry.kind != "f32" or entry.shape != (*own.shape[:-1], 1):
            raise ModelError(f"{own.file}: {name} has no fitting scales; {AGAIN}")
        return self._read(entry)

    def _read(self, entry: GraphConstant) -> Tensor:
        raw = self._bytes[entry.file][entry.offset : entry.offset + entry.size]
        kind = _KINDS[entry.kind]
        if entry.offset % kind.itemsize:  # a view has to begin where a number may
            raw = raw.clone()
        return raw.view(kind).view(entry.shape)

    def _dequantized(self, name: str, entry: GraphConstant) -> Tensor:
        raw = self._bytes[entry.file][entry.offset : entry.offset + entry.size].to(torch.int8)
        pairs = torch.stack([raw << 4 >> 4, raw >> 4], dim=-1)  # the first in the low half
        return (pairs.view(entry.shape) * self.scale(name)).view(_flat(entry))


def _flat(entry: GraphConstant) -> tuple[int, ...]:
    """The shape of a matrix whose rows lie in groups."""
    rows, *rest = entry.shape
    return rows, math.prod(rest)
