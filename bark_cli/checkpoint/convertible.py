"""What is to be converted -> whether it can be: its layout holds the model, and the disk what is written."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli.errors import OptionError, OutputError
from bark_cli.store import ModelRef
from bark_cli.store.places import GGUF_SUFFIX
from bark_cli.system.files import check_target, told_of
from bark_cli.system.folders import check_new_folder
from bark_cli.system.units import human_bytes

if TYPE_CHECKING:
    from bark_cli.checkpoint import Checkpoint, GGUFStorage, LayoutName, OpenVINOStorage, Storage
    from bark_cli.model.config import BarkConfig

    AnyStorage = Storage | GGUFStorage | OpenVINOStorage

WHOSE = {
    "native": "bark's own",
    "transformers": "Transformers'",
    "suno": "Suno's",
    "gguf": "GGUF's",
    "openvino": "OpenVINO's",
}
STORAGES = {
    "native": ("fp32", "fp16", "int8"),
    "transformers": ("fp32", "fp16"),
    "suno": ("fp32", "fp16"),
    "gguf": ("fp32", "fp16", "q8_0", "q4_k"),
    "openvino": ("fp32", "fp16", "int8", "int4"),
}
EMBEDDINGS = "speaker_embeddings"  # Transformers' folder of voices, and the list of them beside it
PAPERS = ("LICENSE", "README.md")  # whose model it is, and what it may be used for
# all that a conversion writes: a folder that holds anything else is somebody's, and never replaced
_WRITTEN = (
    *("config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json", "vocab.txt"),
    *("model.safetensors", "text*.pt", "coarse*.pt", "fine*.pt", "encodec_24khz*.th", *PAPERS),
    *("openvino_*.xml", "openvino_*.bin"),
    *("voices/*.npz", "assets/prompts/*.npz", f"{EMBEDDINGS}/*.npy", f"{EMBEDDINGS}_path.json"),
)


@dataclass(frozen=True, kw_only=True)
class ConvertRequest:
    """What is to be converted, and how."""

    model: ModelRef
    out: Path
    layout: LayoutName
    storage: AnyStorage | None = None  # None: as the model has it, fp32 where the layout has not
    force: bool = False  # replace an older conversion in `out`


def check_out(request: ConvertRequest) -> None:
    """Find out whether the folder or file may be written.

    Raises:
        OptionError: the model itself lies there, or the name is none for such a file.
        OutputError: as `check_new_folder` and `check_target`, or no conversion wrote what is there.
    """
    out, source = request.out.resolve(), request.model.folder.resolve()
    if out == source or out in source.parents:
        what = "is" if out.is_file() else "holds"
        raise OptionError(f"{request.out} {what} the model itself; give another name")
    if request.layout == "gguf":
        _check_file(request)
        return
    check_new_folder(request.out, force=request.force)
    for file in sorted(request.out.rglob("*")):
        name = file.relative_to(request.out).as_posix()
        if not file.is_dir() and not any(fnmatch(name, pattern) for pattern in _WRITTEN):
            raise OutputError(
                f"{request.out} holds {name}, which no conversion wrote, so --force does not replace it; "
                "choose another name"
            )


def _check_file(request: ConvertRequest) -> None:
    if request.out.suffix.lower() != GGUF_SUFFIX:
        raise OptionError(f"{request.out} is to be a file; give it a name that ends in {GGUF_SUFFIX}")
    check_target(request.out, force=request.force)
    if request.out.is_file():
        with told_of(request.out), request.out.open("rb") as stream:
            is_gguf = stream.read(4) == b"GGUF"
        if not is_gguf:
            raise OutputError(
                f"{request.out} is not a GGUF file, so --force does not replace it; choose another name"
            )


def check_fit(config: BarkConfig, request: ConvertRequest) -> None:
    """Refuse what the layout cannot hold.

    Raises:
        OptionError: it says what, and which layout can.
    """
    from bark_cli.checkpoint import layouts_for, misfit

    name = request.model.name
    if why := misfit(config, request.layout):
        instead = " or ".join(f"--to {layout}" for layout in layouts_for(config))
        raise OptionError(f"{name} does not fit {WHOSE[request.layout]} layout: {why}; use {instead}")
    if request.storage not in (None, *(known := STORAGES[request.layout])):
        there = " or ".join(f"--to {layout}" for layout, held in STORAGES.items() if request.storage in held)
        *others, last = known
        raise OptionError(
            f"{WHOSE[request.layout]} layout has no {request.storage}; "
            f"use --storage {', '.join(others)} or {last}, or {there}"
        )


def needed_bytes(checkpoint: Checkpoint, request: ConvertRequest) -> int:
    """About how many bytes will be written."""
    width = {"fp32": 4, "fp16": 2, "int8": 1, "int4": 1, "q8_0": 2, "q4_k": 2}[
        request.storage or "fp32"
    ]  # at most
    sizes = {name: checkpoint.form(name).size * width for name in checkpoint.tensors}
    codec = sum(size for name, size in sizes.items() if name.startswith("codec."))
    # an encoder as large as the decoder, and what training a codebook goes on from
    return sum(sizes.values()) + (0 if request.layout in ("native", "gguf", "openvino") else 2 * codec)


def check_room(out: Path, needed: int) -> None:
    """Check that there is room on the disk.

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
