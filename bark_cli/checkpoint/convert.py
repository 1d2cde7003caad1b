"""A model on this machine, in any layout -> a new folder, or GGUF file, in the layout asked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bark_cli.checkpoint.converted_voices import put_voices
from bark_cli.checkpoint.convertible import (
    PAPERS,
    STORAGES,
    WHOSE,
    ConvertRequest,
    check_fit,
    check_out,
    check_room,
    needed_bytes,
)
from bark_cli.errors import ModelError, OutputError
from bark_cli.model.openvino import require_openvino
from bark_cli.system.files import new_path, told_of
from bark_cli.system.folders import new_folder
from bark_cli.system.units import human_bytes
from bark_cli.voices.catalogue import model_voices

if TYPE_CHECKING:
    from bark_cli.checkpoint import Agreement, Checkpoint, GGUFStorage, LayoutName, OpenVINOStorage
    from bark_cli.checkpoint.convertible import AnyStorage
    from bark_cli.checkpoint.native import Floats
    from bark_cli.model.config import BarkConfig

_ENCODER = "EnCodec's encoder, which Bark does not use and this model does not have, is written as zeros"


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written."""

    folder: Path  # or GGUF's file
    layout: LayoutName
    source_layout: str
    storage: AnyStorage
    size: int  # bytes
    n_voices: int
    left_out: tuple[str, ...] = ()  # what the layout has no place for, in words
    agreement: Agreement | None = None  # of OpenVINO's layout: how near it comes to float32


def convert(request: ConvertRequest, note: Callable[[str], None]) -> Written:
    """Write the model into a new folder or file; `note` is called with a line for each step.

    Raises:
        OptionError: the layout cannot hold this model; nothing was written.
        OutputError: the folder or file exists, is none that a conversion wrote, or the disk refuses.
        ModelError: the model is incomplete, damaged or not Bark.
    """
    from bark_cli.checkpoint import read_checkpoint

    if request.layout == "openvino":
        require_openvino()
    check_out(request)
    note(f"reading {request.model.name}")
    checkpoint = read_checkpoint(request.model.folder, size=request.model.size)
    request = replace(request, storage=request.storage or _storage_of(checkpoint, request.layout))
    check_fit(checkpoint.config, request)
    needed = needed_bytes(checkpoint, request)
    check_room(request.out, needed)
    note(f"writing about {human_bytes(needed)} to {request.out}")
    write = _fill_file if request.layout == "gguf" else _fill_folder
    filled = write(checkpoint, request)
    return Written(
        folder=request.out,
        layout=request.layout,
        source_layout=checkpoint.layout,
        storage=request.storage or "fp32",
        size=filled.size,
        n_voices=filled.n_voices,
        left_out=(*_unsaid(checkpoint.config, request), *filled.left_out),
        agreement=filled.agreement,
    )


@dataclass(frozen=True, kw_only=True)
class _Filled:
    """What of `Written` is known once it is on the disk."""

    size: int
    n_voices: int = 0
    left_out: tuple[str, ...] = ()
    agreement: Agreement | None = None


def _fill_folder(checkpoint: Checkpoint, request: ConvertRequest) -> _Filled:
    from bark_cli.checkpoint import read_checkpoint

    # what somebody put into the old folder meanwhile would be lost
    with new_folder(request.out, force=request.force, check=lambda: check_out(request)) as scratch:
        if request.layout == "openvino":
            agreement = _write_graphs(checkpoint, scratch, request)
        else:
            agreement = None
            with _told_of_weights(request.out):
                _write(checkpoint, scratch, request)
                _copy_papers(request.model.folder, scratch)
        n_voices, left_out = put_voices(checkpoint, scratch, request)
        read_checkpoint(scratch)  # every tensor is there, in its shape
        size = sum(file.stat().st_size for file in scratch.rglob("*") if file.is_file())
    return _Filled(size=size, n_voices=n_voices, left_out=left_out, agreement=agreement)


def _fill_file(checkpoint: Checkpoint, request: ConvertRequest) -> _Filled:
    """The same of a GGUF file, which holds no voices."""
    from bark_cli.checkpoint import write_gguf

    with new_path(request.out, force=request.force) as scratch:
        with told_of(request.out):
            write_gguf(checkpoint, scratch, _gguf_storage(request), name=request.model.name)
        size = scratch.stat().st_size
    beside = [f"{len(voices)} voices" for voices in [list(model_voices(request.model.folder))] if voices]
    beside += [name for name in PAPERS if (request.model.folder / name).is_file()]
    left_out = (f"a GGUF file has no place for {', '.join(beside)}; keep what you need beside it",)
    return _Filled(size=size, left_out=left_out if beside else ())


def _gguf_storage(request: ConvertRequest) -> GGUFStorage:
    return cast("GGUFStorage", request.storage if request.storage in STORAGES["gguf"] else "fp32")


def _storage_of(checkpoint: Checkpoint, layout: LayoutName) -> AnyStorage:
    """The numbers the model is stored in."""
    from bark_cli.checkpoint import stored_as

    if layout == "openvino" == checkpoint.layout and stored_as(checkpoint.folder) == "int4":
        return "int4"
    if checkpoint.scales:
        return "int8" if layout in ("native", "openvino") else "fp32"
    return "fp16" if _is_half(checkpoint) else "fp32"


def _is_half(checkpoint: Checkpoint) -> bool:
    """Whether all floats are stored as float16; a codec's are float32 once its weight norm is folded in."""
    stages = [name for name in checkpoint.tensors if not name.startswith("codec.")]
    floats = [checkpoint.form(name) for name in stages if name not in checkpoint.scales]
    return all(form.dtype == "float16" for form in floats)


def _write(checkpoint: Checkpoint, folder: Path, request: ConvertRequest) -> None:
    """The model and its tokenizer.

    Raises:
        OSError, SafetensorError, ModelError: the disk refuses.
    """
    import torch

    from bark_cli.checkpoint import write_native, write_suno, write_transformers

    storage = request.storage or "fp32"
    if request.layout == "native" and storage in ("fp32", "fp16", "int8"):
        floats: Floats = "fp16" if storage == "fp16" or _is_half(checkpoint) else "fp32"
        write_native(checkpoint, folder, storage=storage, floats=floats)
    else:
        write = write_suno if request.layout == "suno" else write_transformers
        write(checkpoint, folder, torch.float16 if storage == "fp16" else torch.float32)


def _write_graphs(checkpoint: Checkpoint, folder: Path, request: ConvertRequest) -> Agreement:
    """The same in OpenVINO's layout, and a README that says what the graphs take."""
    from bark_cli.checkpoint import openvino_card, write_openvino

    storage = cast("OpenVINOStorage", request.storage)  # as `check_fit` saw
    with told_of(request.out):
        agreement = write_openvino(checkpoint, folder, storage)
        _copy_papers(request.model.folder, folder)
        card, readme = openvino_card(request.model.name, storage, checkpoint.config), folder / "README.md"
        there = readme.read_bytes() if readme.is_file() else b""
        if card.encode().splitlines()[1] not in there:
            readme.write_bytes(there + card.encode())
    return agreement


def _copy_papers(source: Path, folder: Path) -> None:
    for name in PAPERS:
        if (paper := source / name).is_file():
            shutil.copyfile(paper, folder / name)


@contextmanager
def _told_of_weights(out: Path) -> Iterator[None]:
    """Turn what the writers raise where the disk refuses into the OutputError that names `out`."""
    from safetensors import SafetensorError

    try:
        with told_of(out):
            yield
    except (SafetensorError, ModelError) as error:
        reason = getattr(error.__cause__, "strerror", None) or error
        raise OutputError(f"cannot write {out}: {reason}; choose another place") from error


def _unsaid(config: BarkConfig, request: ConvertRequest) -> Iterator[str]:
    """What the layout has no place for."""
    from bark_cli.model.options import SamplingOptions

    whose = WHOSE[request.layout]
    if request.layout not in ("native", "gguf", "openvino"):
        yield _ENCODER
    if request.layout in ("suno", "gguf") and config.sampling != SamplingOptions():
        yield f"{whose} layout has no place for a model's own ways of sampling"
    if request.layout in ("suno", "gguf") and config.default_voice:
        yield f"{whose} layout has no place for a default voice"
