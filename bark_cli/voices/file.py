"""A voice file: three integer arrays (n,), (2, m), (8, m) -> history tokens checked for a model, and back.

The names of the arrays are those of Suno voices (suno-ai/bark, bark/assets/prompts) and of Transformers'
`speaker_embeddings/`. A voice file comes from anywhere, so nothing in it is believed before it is checked.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bark_cli.errors import OptionError, VoiceError
from bark_cli.model.config import BarkConfig
from bark_cli.model.tokens import BarkTokens, Tokens
from bark_cli.system.files import check_target, write_whole

KEYS = ("semantic_prompt", "coarse_prompt", "fine_prompt")
_KEYS_TEXT = ", ".join(KEYS[:-1]) + " and " + KEYS[-1]
MAX_BYTES = 2**20  # of a voice file, and of each array in it; Suno's longest array has 70 KB


def read_voice_file(path: Path, name: str, config: BarkConfig) -> BarkTokens:
    """The tokens in a .npz file, or in the three .npy files that `path` is the common beginning of.

    Raises:
        VoiceError: the file is missing, damaged, hostile or made for another model; it is called `name`.
    """
    return _tokens_from_arrays(_read_arrays(path), name, config)


def check_tokens(tokens: BarkTokens, name: str, config: BarkConfig) -> BarkTokens:
    """`tokens` as int64, once they are found to fit the model; those of a draft have fewer fine codebooks.

    Raises:
        VoiceError: their shapes, ranges or proportions are not this model's.
    """
    arrays = (tokens.semantic, tokens.coarse, tokens.fine)
    return _tokens_from_arrays(dict(zip(KEYS, arrays, strict=True)), name, config, may_be_draft=True)


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the three arrays of a voice, by their names.

    Raises:
        VoiceError: the file is missing, damaged or hostile.
    """
    return {key: array.shape for key, array in _read_arrays(path).items()}


def count_frames(path: Path) -> int | None:
    """Frames of sound a voice holds, from the header of one array; None when it cannot be read."""
    try:
        with _open_array(path, "coarse_prompt") as stream:
            shape, _ = _header(stream)
        return int(shape[-1])
    except Exception:  # one damaged file must not keep the others from being listed
        return None


def check_voice_file(path: str | Path, *, force: bool = False) -> None:
    """Find out whether a voice can be saved at `path`.

    Raises:
        OptionError: it does not end in .npz.
        OutputError: it exists and `force` is off, is a folder, or its folder is missing or read-only.
    """
    _check_suffix(Path(path))
    check_target(Path(path), force=force)


def save_voice(tokens: BarkTokens, path: str | Path, *, force: bool = False) -> None:
    """Write tokens as a voice file that `find_voice` reads back: three int64 arrays under Suno's names.

    Raises:
        OptionError: the path does not end in .npz.
        OutputError: the file cannot be written; an old one of that name is intact then.
    """
    _check_suffix(Path(path))
    write_whole(Path(path), voice_bytes(tokens), force=force)


def voice_bytes(tokens: BarkTokens) -> bytes:
    """What a voice file of these tokens holds; the same for the same tokens."""
    stream = io.BytesIO()
    arrays = (tokens.semantic, tokens.coarse, tokens.fine)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in zip(KEYS, arrays, strict=True):
            with archive.open(f"{key}.npy", "w") as member:
                np.lib.format.write_array(
                    member, np.ascontiguousarray(array, dtype=np.int64), allow_pickle=False
                )
    return stream.getvalue()


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() != ".npz":
        raise OptionError(f"a voice file must end in .npz, not be called {path.name}")


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The three arrays of a voice, integers of any width, unchecked otherwise.

    Raises:
        VoiceError: the file is missing, damaged, too large, or holds anything else.
    """
    try:
        arrays = {}
        if path.suffix.lower() == ".npz":
            _check_archive(path)
        for key in KEYS:
            with _open_array(path, key) as stream:
                arrays[key] = _array(stream, f"{path}: {key}")
        return arrays
    except VoiceError:
        raise
    except OSError as error:
        raise VoiceError(f"cannot read voice {path}: {error.strerror or error}") from error
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds on damaged bytes
        raise VoiceError(
            f"{path} is damaged or not a voice file; a voice is a .npz of {_KEYS_TEXT}"
        ) from error


def _check_archive(path: Path) -> None:
    """Refuse an archive by its directory alone, before a byte of it is unpacked."""
    if path.stat().st_size > MAX_BYTES:
        raise VoiceError(
            f"{path} is larger than any voice ({MAX_BYTES // 2**20} MiB); was another file meant?"
        )
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if sorted(member.filename for member in members) != sorted(f"{key}.npy" for key in KEYS):
        raise VoiceError(f"{path} is not a voice file: it must hold {_KEYS_TEXT} and nothing else")


def _open_array(path: Path, key: str) -> IO[bytes]:
    """One array of a voice as .npy bytes; at most MAX_BYTES are read."""
    if path.suffix.lower() == ".npz":
        with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as member:
            return _bounded(member, path)
    with path.with_name(f"{path.name}_{key}.npy").open("rb") as file:
        return _bounded(file, path)


def _bounded(stream: IO[bytes], path: Path) -> IO[bytes]:
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise VoiceError(f"{path} unpacks to more than any voice holds; it was not read")
    return io.BytesIO(data)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type from the head of .npy bytes."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    return shape, dtype


def _array(stream: IO[bytes], what: str) -> NDArray[Any]:
    """An integer array from .npy bytes, whose size must be the one its header claims."""
    shape, dtype = _header(stream)
    if dtype.hasobject:
        raise VoiceError(f"{what} holds Python objects (a pickle), which can run code; it was not read")
    if dtype.kind not in "iu":
        raise VoiceError(f"{what} holds {dtype} values; a voice holds whole numbers")
    if len(stream.read()) != int(np.prod(shape, dtype=object)) * dtype.itemsize:
        raise VoiceError(f"{what} is cut short or padded; fetch the file again")
    stream.seek(0)
    array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _tokens_from_arrays(
    arrays: dict[str, NDArray[Any]], name: str, config: BarkConfig, *, may_be_draft: bool = False
) -> BarkTokens:
    """The three arrays as int64 tokens, once their shapes, ranges and rates are found to be the model's."""
    semantic, coarse, fine = (arrays[key] for key in KEYS)
    if semantic.ndim != 1 or coarse.ndim != 2 or fine.ndim != 2 or not semantic.size or not fine.size:
        shapes = ", ".join(str(array.shape) for array in (semantic, coarse, fine))
        raise VoiceError(f"voice {name} has arrays of shapes {shapes}; (n,), (2, m) and (8, m) are needed")
    books, whole = (len(coarse), len(fine)), (config.coarse.n_codebooks, config.fine.n_codebooks)
    is_draft = may_be_draft and books[0] == whole[0] <= books[1] < whole[1]
    if books != whole and not is_draft:
        wanted = f"{whole[0]} and {whole[1]}"
        raise _foreign(name, f"has {books[0]} and {books[1]} codebooks where this model has {wanted}")
    _check_range(semantic, config.semantic.vocab_size, "semantic", name)
    _check_range(coarse, config.coarse.codebook_size, "coarse", name)
    _check_range(fine, config.fine.codebook_size, "fine", name)
    n, m, ratio = len(semantic), coarse.shape[1], config.coarse.rate_hz / config.semantic.rate_hz
    if fine.shape[1] != m:
        raise VoiceError(f"voice {name} has {m} coarse and {fine.shape[1]} fine frames; they must be as many")
    # Suno's own test, and one frame of grace where a short voice cannot be exact
    if round(m / n, 1) != round(ratio, 1) and abs(m - n * ratio) > 1:
        raise _foreign(name, f"has {m / n:.2f} frames to a semantic token where this model has {ratio:.2f}")
    return BarkTokens(semantic=_int64(semantic), coarse=_int64(coarse), fine=_int64(fine))


def _check_range(tokens: NDArray[Any], size: int, stage: str, name: str) -> None:
    # as Python ints: comparing uint64 with a negative would wrap
    lowest, highest = int(tokens.min()), int(tokens.max())
    if lowest < 0 or highest >= size:
        token = lowest if lowest < 0 else highest
        raise _foreign(name, f"holds {stage} token {token} where this model knows 0 to {size - 1}")


def _foreign(name: str, fact: str) -> VoiceError:
    return VoiceError(f"voice {name} was made for another model: it {fact}; choose one of its own")


def _int64(tokens: NDArray[Any]) -> Tokens:
    return np.ascontiguousarray(tokens, dtype=np.int64)
