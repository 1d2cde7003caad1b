"""Reading model files that may be damaged or hostile: path -> values or tensors, never code."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from bark_cli.errors import ModelError, UnsafeFileError
from bark_cli.system.records import Bounds, read_object

if TYPE_CHECKING:
    from torch import Tensor

AGAIN = "download it again"
# How torch's safe unpickler says that it met a class or function it was not told to trust.
_CALLS = re.compile(r"GLOBAL (\S+)|Trying to call reduce|Can only create new object|Can only build")
# Opcodes of pickle protocols 4 and 5, which torch.save does not write and the safe unpickler does not vet.
_UNVETTED = re.compile(r"Unsupported operand 1(4\d|5[0-2])\b")
_MAX_PICKLE_BYTES = 64 * 2**20  # names and shapes of the tensors, which lie in files of their own: some kB
_JSON_BOUNDS = Bounds(16 * 2**20)  # a real configuration or index has some kB


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        ModelError: missing, unreadable, too large or too deep, or not a JSON object.
    """
    try:
        return read_object(path, _JSON_BOUNDS)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{path} is not JSON that can be read ({error}); {AGAIN}") from error


def check_weights_file(path: Path) -> None:
    """Refuse what is plainly not a file of weights, before any parser sees it.

    Raises:
        ModelError: missing, empty, or a web page saved under the name of a model.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    if not start:
        raise ModelError(f"{path} is empty; {AGAIN}")
    if start.lstrip()[:5].lower() in (b"<!doc", b"<html"):
        raise ModelError(f"{path} is a web page, not a model; {AGAIN}, by its direct link")
    if start.startswith(b"version https://git-lfs"):
        raise ModelError(f"{path} is a git-lfs pointer, not the model itself; run: git lfs pull")


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors file, in the types they were stored in.

    Raises:
        ModelError: missing, truncated or not a safetensors file.
    """
    check_weights_file(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path} is damaged or not a safetensors file; {AGAIN}") from error


def read_pickle(path: Path, *, allow: Sequence[Any] = ()) -> Mapping[str, Any]:
    """A dict saved by torch.save; only tensors, plain values and the types in `allow` are ever built.

    Raises:
        UnsafeFileError: the file asks for anything else to be called. There is no way to read it regardless.
        ModelError: missing, truncated, or not a dict saved by torch.save.
    """
    import zipfile

    import torch

    check_weights_file(path)
    # Files written before torch 1.6 are not zip archives and cannot be mapped into memory.
    mmap = zipfile.is_zipfile(path)
    if mmap:
        _check_archive(path)
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(allow)):
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # refused below, in our words
            values = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything: EOFError, KeyError, RuntimeError
        raise ModelError(f"{path} is damaged or not a PyTorch checkpoint; {AGAIN}") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path} is a PyTorch file but holds no model; check that it is Bark's")
    return values


def _check_archive(path: Path) -> None:
    """Refuse an archive that would take more memory than its size on disk says."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{path} is damaged or not a PyTorch checkpoint; {AGAIN}") from error
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise ModelError(f"{path} is compressed, which PyTorch checkpoints are not; {AGAIN}")
        if member.filename.endswith("data.pkl") and member.file_size > _MAX_PICKLE_BYTES:
            raise ModelError(f"{path} describes far more than the tensors of a Bark; {AGAIN}")


def plain_tensors(values: Mapping[Any, Any], where: Path) -> dict[str, Tensor]:
    """The tensors among `values`, each with all of its bytes in memory, before anything is done with them.

    Raises:
        ModelError: one is sparse, quantized, on a device, or repeats few bytes in order to look large.
    """
    import torch

    tensors = {str(name): value for name, value in values.items() if isinstance(value, torch.Tensor)}
    for name, tensor in tensors.items():
        odd = tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized
        if (
            odd
            or tensor.device.type != "cpu"
            or tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size()
        ):
            raise ModelError(f"{where}: {name} is not a plain tensor that holds all its numbers; {AGAIN}")
    return tensors


def _refusal(path: Path, reason: str) -> ModelError:
    """What to raise for what torch's safe unpickler said."""
    source = "get the model from its own source"
    if wanted := _CALLS.search(reason):
        name = f" ({wanted[1]})" if wanted[1] else ""
        return UnsafeFileError(f"{path} tries to run code when read{name}, so it was not; {source}")
    if _UNVETTED.search(reason):
        return UnsafeFileError(f"{path} is a pickle that may run code when read, so it was not; {source}")
    return ModelError(f"{path} is damaged or not a PyTorch checkpoint; {AGAIN}")
