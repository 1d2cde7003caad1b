"""A model on this machine, in any layout -> a new folder, or GGUF file, in the layout asked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bark_cli.errors import ModelError, OptionError, OutputError, VoiceError
from bark_cli.model.openvino import require_openvino
from bark_cli.store import ModelRef
from bark_cli.store.places import GGUF_SUFFIX
from bark_cli.system.files import check_target, new_path, told_of
from bark_cli.system.folders import check_new_folder, new_folder
from bark_cli.system.units import human_bytes
from bark_cli.voices.catalogue import model_voices, place_in_model
from bark_cli.voices.file import KEYS, read_voice_file, voice_bytes

if TYPE_CHECKING:
    from bark_cli.checkpoint import Agreement, Checkpoint, GGUFStorage, LayoutName, OpenVINOStorage, Storage
    from bark_cli.checkpoint.native import Floats
    from bark_cli.model.config import BarkConfig
    from bark_cli.model.tokens import BarkTokens

    AnyStorage = Storage | GGUFStorage | OpenVINOStorage

_WHOSE = {
    "native": "bark's own",
    "transformers": "Transformers'",
    "suno": "Suno's",
    "gguf": "GGUF's",
    "openvino": "OpenVINO's",
}
_STORAGES = {
    "native": ("fp32", "fp16", "int8"),
    "transformers": ("fp32", "fp16"),
    "suno": ("fp32", "fp16"),
    "gguf": ("fp32", "fp16", "q8_0", "q4_k"),
    "openvino": ("fp32", "fp16", "int8", "int4"),
}
_PAPERS = ("LICENSE", "README.md")  # whose model it is, and what it may be used for
_EMBEDDINGS = "speaker_embeddings"  # Transformers' folder of voices, and the list of them beside it
# all that a conversion writes: a folder that holds anything else is somebody's, and never replaced
_WRITTEN = (
    *("config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json", "vocab.txt"),
    *("model.safetensors", "text*.pt", "coarse*.pt", "fine*.pt", "encodec_24khz*.th", *_PAPERS),
    *("openvino_*.xml", "openvino_*.bin"),
    *("voices/*.npz", "assets/prompts/*.npz", f"{_EMBEDDINGS}/*.npy", f"{_EMBEDDINGS}_path.json"),
)
_ENCODER = "EnCodec's encoder, which Bark does not use and this model does not have, is written as zeros"
_NO_HISTORY = (
    "no voices were written: Transformers would lay them over the text, which this model never learnt to read"
)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be converted, and how."""

    model: ModelRef
    out: Path
    layout: LayoutName
    storage: AnyStorage | None = None  # None: as the model has it, fp32 where the layout has not
    force: bool = False  # replace an older conversion in `out`


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


def convert(order: Order, note: Callable[[str], None]) -> Written:
    """Write the model into a new folder or file; `note` is told, in a line each, what is done now.

    Raises:
        OptionError: the layout cannot hold this model; nothing was written.
        OutputError: the folder or file exists, is none that a conversion wrote, or the disk refuses.
        ModelError: the model is incomplete, damaged or not Bark.
    """
    from bark_cli.checkpoint import read_checkpoint

    if order.layout == "openvino":
        require_openvino()
    _check_out(order)
    note(f"reading {order.model.name}")
    checkpoint = read_checkpoint(order.model.folder, size=order.model.size)
    order = replace(order, storage=order.storage or _storage_of(checkpoint, order.layout))
    _check_fit(checkpoint.config, order)
    needed = _needed(checkpoint, order)
    _check_room(order.out, needed)
    note(f"writing about {human_bytes(needed)} to {order.out}")
    write = _fill_file if order.layout == "gguf" else _fill_folder
    filled = write(checkpoint, order)
    return Written(
        folder=order.out,
        layout=order.layout,
        source_layout=checkpoint.layout,
        storage=order.storage or "fp32",
        size=filled.size,
        n_voices=filled.n_voices,
        left_out=(*_unsaid(checkpoint.config, order), *filled.left_out),
        agreement=filled.agreement,
    )


@dataclass(frozen=True, kw_only=True)
class _Filled:
    """What of `Written` is known once it is on the disk."""

    size: int
    n_voices: int = 0
    left_out: tuple[str, ...] = ()
    agreement: Agreement | None = None


def _fill_folder(checkpoint: Checkpoint, order: Order) -> _Filled:
    from bark_cli.checkpoint import read_checkpoint

    with new_folder(order.out, force=order.force) as scratch:
        if order.layout == "openvino":
            agreement = _write_graphs(checkpoint, scratch, order)
        else:
            agreement = None
            with _told_of_weights(order.out):
                _write(checkpoint, scratch, order)
                _copy_papers(order.model.folder, scratch)
        n_voices, left_out = _put_voices(checkpoint, scratch, order)
        read_checkpoint(scratch)  # every tensor is there, in its shape
        size = sum(file.stat().st_size for file in scratch.rglob("*") if file.is_file())
    return _Filled(size=size, n_voices=n_voices, left_out=left_out, agreement=agreement)


def _fill_file(checkpoint: Checkpoint, order: Order) -> _Filled:
    """The same of a GGUF file, which holds no voices."""
    from bark_cli.checkpoint import write_gguf

    with new_path(order.out, force=order.force) as scratch:
        with told_of(order.out):
            write_gguf(checkpoint, scratch, _gguf_storage(order), name=order.model.name)
        size = scratch.stat().st_size
    beside = [f"{len(voices)} voices" for voices in [list(model_voices(order.model.folder))] if voices]
    beside += [name for name in _PAPERS if (order.model.folder / name).is_file()]
    left_out = (f"a GGUF file has no place for {', '.join(beside)}; keep what you need beside it",)
    return _Filled(size=size, left_out=left_out if beside else ())


def _gguf_storage(order: Order) -> GGUFStorage:
    return cast("GGUFStorage", order.storage if order.storage in _STORAGES["gguf"] else "fp32")


def _check_out(order: Order) -> None:
    """Find out whether the folder or file may be written.

    Raises:
        OptionError: the model itself lies there, or the name is none for such a file.
        OutputError: as `check_new_folder` and `check_target`, or no conversion wrote what is there.
    """
    out, source = order.out.resolve(), order.model.folder.resolve()
    if out == source or out in source.parents:
        what = "is" if out.is_file() else "holds"
        raise OptionError(f"{order.out} {what} the model itself; give another name")
    if order.layout == "gguf":
        _check_file(order)
        return
    check_new_folder(order.out, force=order.force)
    for file in sorted(order.out.rglob("*")):
        name = file.relative_to(order.out).as_posix()
        if not file.is_dir() and not any(fnmatch(name, pattern) for pattern in _WRITTEN):
            raise OutputError(
                f"{order.out} holds {name}, which no conversion wrote, so --force does not replace it; "
                "choose another name"
            )


def _check_file(order: Order) -> None:
    if order.out.suffix.lower() != GGUF_SUFFIX:
        raise OptionError(f"{order.out} is to be a file; give it a name that ends in {GGUF_SUFFIX}")
    check_target(order.out, force=order.force)
    if order.out.is_file():
        with told_of(order.out), order.out.open("rb") as stream:
            is_gguf = stream.read(4) == b"GGUF"
        if not is_gguf:
            raise OutputError(
                f"{order.out} is not a GGUF file, so --force does not replace it; choose another name"
            )


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


def _check_fit(config: BarkConfig, order: Order) -> None:
    """Refuse what the layout cannot hold.

    Raises:
        OptionError: it says what, and which layout can.
    """
    from bark_cli.checkpoint import layouts_for, misfit

    name = order.model.name
    if why := misfit(config, order.layout):
        instead = " or ".join(f"--to {layout}" for layout in layouts_for(config))
        raise OptionError(f"{name} does not fit {_WHOSE[order.layout]} layout: {why}; use {instead}")
    if order.storage not in (None, *(known := _STORAGES[order.layout])):
        there = " or ".join(f"--to {layout}" for layout, held in _STORAGES.items() if order.storage in held)
        *others, last = known
        raise OptionError(
            f"{_WHOSE[order.layout]} layout has no {order.storage}; "
            f"use --storage {', '.join(others)} or {last}, or {there}"
        )


def _needed(checkpoint: Checkpoint, order: Order) -> int:
    """About how many bytes will be written."""
    width = {"fp32": 4, "fp16": 2, "int8": 1, "int4": 1, "q8_0": 2, "q4_k": 2}[
        order.storage or "fp32"
    ]  # at most
    sizes = {name: checkpoint.form(name).size * width for name in checkpoint.tensors}
    codec = sum(size for name, size in sizes.items() if name.startswith("codec."))
    # an encoder as large as the decoder, and what training a codebook goes on from
    return sum(sizes.values()) + (0 if order.layout in ("native", "gguf", "openvino") else 2 * codec)


def _check_room(out: Path, needed: int) -> None:
    """Find out whether so many bytes can be written now.

    Raises:
        OutputError: they cannot.
    """
    parent = out.absolute().parent
    free = shutil.disk_usage(parent).free
    if needed > free:
        raise OutputError(
            f"{out} needs {human_bytes(needed)} of disk and {human_bytes(free)} are free in {parent}: "
            f"{human_bytes(needed - free)} are missing; choose a folder on another disk"
        )


def _write(checkpoint: Checkpoint, folder: Path, order: Order) -> None:
    """The model and its tokenizer.

    Raises:
        OSError, SafetensorError, ModelError: the disk refuses.
    """
    import torch

    from bark_cli.checkpoint import write_native, write_suno, write_transformers

    storage = order.storage or "fp32"
    if order.layout == "native" and storage in ("fp32", "fp16", "int8"):
        floats: Floats = "fp16" if storage == "fp16" or _is_half(checkpoint) else "fp32"
        write_native(checkpoint, folder, storage=storage, floats=floats)
    else:
        write = write_suno if order.layout == "suno" else write_transformers
        write(checkpoint, folder, torch.float16 if storage == "fp16" else torch.float32)


def _write_graphs(checkpoint: Checkpoint, folder: Path, order: Order) -> Agreement:
    """The same in OpenVINO's layout, and a README that says what the graphs take."""
    from bark_cli.checkpoint import openvino_card, write_openvino

    storage = cast("OpenVINOStorage", order.storage)  # as `_check_fit` saw
    with told_of(order.out):
        agreement = write_openvino(checkpoint, folder, storage)
        _copy_papers(order.model.folder, folder)
        card, readme = openvino_card(order.model.name, storage, checkpoint.config), folder / "README.md"
        there = readme.read_bytes() if readme.is_file() else b""
        if card.encode().splitlines()[1] not in there:
            readme.write_bytes(there + card.encode())
    return agreement


def _copy_papers(source: Path, folder: Path) -> None:
    for name in _PAPERS:
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


def _put_voices(checkpoint: Checkpoint, folder: Path, order: Order) -> tuple[int, tuple[str, ...]]:
    """Write the voices that lie in the model's folder; how many, and what was left out."""
    found = list(model_voices(order.model.folder))
    if order.layout == "transformers" and not checkpoint.config.semantic.max_history_tokens:
        _write_embeddings(folder, {})
        return 0, (_NO_HISTORY,)
    voices, damaged = {}, []
    for info in {info.name: info for info in reversed(found)}.values():  # of a name the first counts
        try:
            voices[info.name] = read_voice_file(info.path, info.name, checkpoint.config)
        except VoiceError as error:
            damaged.append(f"voice {info.name} was left out: {error}")
    with told_of(order.out):
        _write_voices(folder, voices, order.layout)
    return len(voices), tuple(damaged)


def _write_voices(folder: Path, voices: dict[str, BarkTokens], layout: LayoutName) -> None:
    if layout == "transformers":
        _write_embeddings(folder, voices)
        return
    for name, tokens in voices.items():
        file = folder / (f"assets/prompts/{name}.npz" if layout == "suno" else place_in_model(name))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(voice_bytes(tokens))


def _write_embeddings(folder: Path, voices: dict[str, BarkTokens]) -> None:
    """Each voice as three .npy files, and the list of them that Transformers' BarkProcessor reads."""
    import numpy as np

    listed: dict[str, object] = {"repo_or_path": "."}  # whoever reads it puts in the folder it lies in
    for name, tokens in voices.items():
        arrays = dict(zip(KEYS, (tokens.semantic, tokens.coarse, tokens.fine), strict=True))
        files = {key: f"{_EMBEDDINGS}/{name}_{key}.npy" for key in arrays}
        (folder / files[KEYS[0]]).parent.mkdir(parents=True, exist_ok=True)
        for key, array in arrays.items():
            np.save(folder / files[key], array, allow_pickle=False)
        listed[name] = files
    (folder / f"{_EMBEDDINGS}_path.json").write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")


def _unsaid(config: BarkConfig, order: Order) -> Iterator[str]:
    """What the layout has no place for."""
    from bark_cli.model.options import SamplingOptions

    whose = _WHOSE[order.layout]
    if order.layout not in ("native", "gguf", "openvino"):
        yield _ENCODER
    if order.layout in ("suno", "gguf") and config.sampling != SamplingOptions():
        yield f"{whose} layout has no place for a model's own ways of sampling"
    if order.layout in ("suno", "gguf") and config.default_voice:
        yield f"{whose} layout has no place for a default voice"
