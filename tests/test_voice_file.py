"""A voice file from anywhere: read when it is one, refused in one line when it is not; ours read back."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_tiny_config, tiny_voice, write_voice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bark_cli.errors import OptionError, OutputError, VoiceError
from bark_cli.model.config import BarkConfig, CoarseConfig, FineConfig, GPTConfig, SemanticConfig
from bark_cli.model.tokens import BarkTokens
from bark_cli.voices.file import KEYS, count_frames, read_voice_file, save_voice


def published_config() -> BarkConfig:
    """The vocabulary of Suno's Bark, whatever its networks."""

    def gpt(vocabulary: int) -> GPTConfig:
        return GPTConfig(
            n_layer=1, n_head=1, n_embd=1, input_vocab_size=vocabulary, output_vocab_size=vocabulary
        )

    return BarkConfig(
        semantic=SemanticConfig(gpt=gpt(129_600)),
        coarse=CoarseConfig(gpt=gpt(12_096)),
        fine=FineConfig(gpt=gpt(1_056)),
    )


def arrays_like_sunos(n: int = 309, m: int = 464) -> dict[str, np.ndarray[Any, Any]]:
    """Random arrays in the shapes and types of v2/en_speaker_6."""
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 1_024, (8, m), dtype=np.int32)
    return {
        "semantic_prompt": rng.integers(0, 10_000, n),
        "coarse_prompt": fine[:2].astype(np.int64),
        "fine_prompt": fine,
    }


def write(path: Path, **changes: Any) -> Path:
    """A voice file like Suno's with some arrays changed; None leaves one out."""
    arrays = {key: array for key, array in (arrays_like_sunos() | changes).items() if array is not None}
    np.savez(path, **arrays)
    return path


def read(path: Path, config: BarkConfig | None = None) -> BarkTokens:
    return read_voice_file(path, "someone", config or published_config())


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16, np.uint64, ">i4"])
def test_integers_of_any_width_become_int64(tmp_path: Path, dtype: Any) -> None:
    arrays = arrays_like_sunos()
    tokens = read(write(tmp_path / "a.npz", **{key: a.astype(dtype) for key, a in arrays.items()}))
    for key, array in zip(KEYS, (tokens.semantic, tokens.coarse, tokens.fine), strict=True):
        assert array.dtype == np.int64
        np.testing.assert_array_equal(array, arrays[key])


def test_column_order_and_compression_are_read(tmp_path: Path) -> None:
    arrays = arrays_like_sunos()
    columns = {key: np.asfortranarray(array) for key, array in arrays.items()}
    np.savez_compressed(tmp_path / "a.npz", **columns)
    np.testing.assert_array_equal(read(tmp_path / "a.npz").fine, arrays["fine_prompt"])


def test_what_is_saved_reads_back(tmp_path: Path, tiny_config: BarkConfig) -> None:
    voice = tiny_voice(tiny_config)
    save_voice(voice, tmp_path / "a.npz")
    again = read(tmp_path / "a.npz", tiny_config)
    for name in ("semantic", "coarse", "fine"):
        np.testing.assert_array_equal(getattr(again, name), getattr(voice, name))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:  # and so does anybody else
        assert sorted(file) == sorted(KEYS)
        assert {file[key].dtype for key in file} == {np.dtype(np.int64)}
    assert count_frames(tmp_path / "a.npz") == 45
    with pytest.raises(OutputError, match="--force"):
        save_voice(voice, tmp_path / "a.npz")
    save_voice(voice, tmp_path / "a.npz", force=True)
    with pytest.raises(OptionError, match=r"\.npz"):
        save_voice(voice, tmp_path / "a.wav")


@pytest.mark.parametrize("n", range(1, 40))
def test_whatever_the_stages_make_of_a_short_text_reads_back(tmp_path: Path, n: int) -> None:
    ratio = 75 / 49.9 * 2
    m = round(np.floor(n * ratio / 2) * 2) // 2  # Suno's count of coarse frames
    arrays = arrays_like_sunos(n, m)
    voice = BarkTokens(**{key.removesuffix("_prompt"): array for key, array in arrays.items()})
    save_voice(voice, tmp_path / "a.npz")
    assert read(tmp_path / "a.npz").fine.shape == (8, m)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"semantic_prompt": None}, "must hold semantic_prompt, coarse_prompt and fine_prompt"),
        ({"extra": np.zeros(1)}, "and nothing else"),
        ({"semantic_prompt": np.zeros(309)}, "float64 values; a voice holds whole numbers"),
        ({"semantic_prompt": np.array(["a"] * 309)}, "whole numbers"),
        ({"semantic_prompt": np.zeros((309, 1), int)}, "shapes"),
        ({"semantic_prompt": np.int64(3)}, "shapes"),
        ({"semantic_prompt": np.zeros(0, int)}, "shapes"),
        ({"coarse_prompt": np.zeros(464, int)}, "shapes"),
        ({"coarse_prompt": np.zeros((3, 464), int)}, "another model.*3 and 8 codebooks"),
        ({"fine_prompt": np.zeros((4, 464), int)}, "another model.*2 and 4 codebooks"),
        ({"fine_prompt": np.zeros((8, 463), int)}, "464 coarse and 463 fine frames"),
        ({"semantic_prompt": np.full(309, 10_000)}, "another model.*semantic token 10000 .* 0 to 9999"),
        ({"semantic_prompt": np.full(309, -1)}, "semantic token -1"),
        ({"coarse_prompt": np.full((2, 464), 1_024)}, "another model.*coarse token 1024"),
        (
            {"fine_prompt": np.full((8, 464), 2**64 - 1, np.uint64)},
            "another model.*fine token 18446744073709551615",
        ),
        ({"semantic_prompt": np.zeros(400, int)}, r"another model.*1\.16 frames .* 1\.50"),
    ],
)
def test_what_is_not_a_voice_of_this_model_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    path = write(tmp_path / "a.npz", **changes)
    with pytest.raises(VoiceError, match=reason) as error:
        read(path)
    assert "\n" not in str(error.value)


def test_a_voice_of_the_published_bark_is_foreign_to_a_small_one(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match=r"made for another model.*0 to 63"):
        read(write(tmp_path / "a.npz"), make_tiny_config())


def test_another_rate_is_foreign(tmp_path: Path, tiny_config: BarkConfig) -> None:
    slow = replace(tiny_config, semantic=replace(tiny_config.semantic, rate_hz=25.0))
    write_voice(tmp_path / "a.npz", tiny_voice(tiny_config))
    with pytest.raises(VoiceError, match=r"1\.50 frames to a semantic token where this model has 3\.00"):
        read(tmp_path / "a.npz", slow)


class Trap:
    """Unpickling one leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def pickled_member(mark: Path) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([Trap(mark)], dtype=object), allow_pickle=True)
    return stream.getvalue()


def write_archive(path: Path, first: bytes, kind: int = zipfile.ZIP_STORED) -> Path:
    """A voice file whose semantic_prompt.npy is `first`."""
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("semantic_prompt.npy", first)
        for key in KEYS[1:]:
            stream = io.BytesIO()
            np.save(stream, arrays_like_sunos()[key])
            archive.writestr(f"{key}.npy", stream.getvalue())
    return path


def test_a_pickle_is_named_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = write_archive(tmp_path / "a.npz", pickled_member(mark))
    with pytest.raises(VoiceError, match=r"semantic_prompt holds Python objects \(a pickle\)"):
        read(path)
    assert not mark.exists()
    with np.load(path, allow_pickle=True) as file:
        file["semantic_prompt"]  # the trap is a real one
    assert mark.is_dir()


def test_a_bare_pickle_under_the_name_of_a_voice_is_never_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "a.npz", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(VoiceError, match="damaged or not a voice file"):
        read(path)
    assert not mark.exists()


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.npz", bytes(500 * 2**20), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    with pytest.raises(VoiceError, match="unpacks to more"):
        read(path)


def test_a_large_file_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "film.npz"
    with path.open("wb") as file:
        file.truncate(2**40)  # sparse
    with pytest.raises(VoiceError, match="larger than any voice"):
        read(path)


def npy(header: str) -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "member",
    [
        npy(
            "{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }"
        ),  # allocates 8 TB if believed
        npy("{'descr': '<i8', 'fortran_order': False, 'shape': (-1,), }"),
        npy("{'descr': '<i8', 'fortran_order': False, 'shape': (2, " + "9" * 60 + "), }"),
        npy("{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }") + bytes(23),
        npy("{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }") + bytes(25),
        npy("(" * 5000),
        npy("__import__('os')"),
        b"\x93NUMPY\x09\x00",
        b"",
    ],
)
def test_a_lying_header_is_not_believed(tmp_path: Path, member: bytes) -> None:
    path = write_archive(tmp_path / "a.npz", member)
    with pytest.raises(VoiceError):
        read(path)


def damage(change: Callable[[bytes], bytes], tmp_path: Path) -> Path:
    path = write(tmp_path / "a.npz")
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"<html>not found</html>",
        lambda data: data.replace(b"semantic_prompt.npy", b"../semantic_prpt.py"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(VoiceError, match="not a voice file"):
        read(damage(change, tmp_path))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_damage_is_a_voice_error_or_a_voice(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    write_voice(tmp_path / "a.npz", tiny_voice(make_tiny_config()))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    for position, value in flips:
        data[position % len(data)] = value
    (tmp_path / "b.npz").write_bytes(bytes(data))
    try:
        tokens = read(tmp_path / "b.npz", make_tiny_config())
    except VoiceError:
        pass
    else:
        assert tokens.fine.shape == (8, 45)
    count_frames(tmp_path / "b.npz")  # may be None, must not raise
