"""GGUF files that are damaged, foreign or hostile: one line each, in little time and memory."""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from gguf_files import PIECES, write_crispasr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_models import small_tensors
from test_gguf import wide_config

from bark_cli.checkpoint import read_checkpoint
from bark_cli.checkpoint.gguf_header import read_header
from bark_cli.errors import BarkError, ModelError
from bark_cli.model.config import BarkConfig, GPTConfig
from bark_cli.store import resolve_model

resource = pytest.importorskip("resource", reason="how much memory a process takes, POSIX says")
U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10
HUGE = (2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def key(name: bytes, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def entry(name: bytes, dims: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def whole(keys: list[bytes], tensors: list[bytes], data: int = 64, version: int = 3, **counts: int) -> bytes:
    """A file of these parts, whose counts may lie."""
    n_tensors, n_keys = counts.get("n_tensors", len(tensors)), counts.get("n_keys", len(keys))
    head = b"GGUF" + struct.pack("<IQQ", version, n_tensors, n_keys) + b"".join(keys + tensors)
    return head + bytes(-len(head) % 32 + data)


BARK = key(b"general.architecture", STRING, text(b"bark"))
LLAMA = key(b"general.architecture", STRING, text(b"llama"))


def refused(file: Path, says: str) -> None:
    """Reading must fail with one line that says so and names the file, soon and without much memory."""
    with pytest.raises(ModelError, match=says) as caught:
        quickly(lambda: read_checkpoint(file))
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    assert len(str(caught.value)) < 600


def quickly(read: Callable[[], object]) -> None:
    """Within 2 seconds of this process's time and 500 MB more than there were."""
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read()
    finally:
        unit = 1 if sys.platform == "darwin" else 1024
        assert time.process_time() - start < 2
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 500e6


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html>", "is a web page"),
        (b"GGUF", "ends inside its header"),
        (b"GGUF\x03\0\0\0", "ends inside its header"),
        (b"lmgg" + bytes(100), "bark.cpp's old container .* `bark download small`"),
        (b"PK\x03\x04" + bytes(100), "is not a GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "of version 1"),
        (b"GGUF" + struct.pack("<IQQ", 4, 0, 0), "of version 4"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "in big-endian order"),
        (whole([], []), "a model of unknown architecture, not Bark"),
        (whole([LLAMA], []), "a model 'llama', not Bark"),
        (whole([key(b"general.architecture", U32, bytes(4))], []), "unknown architecture"),
        (whole([BARK], []), r"no key bark\.(text|fine)\.n_layer"),
        (whole([BARK], [], n_keys=2), "the key .* is|key|name"),
        (whole([BARK], [], n_keys=2**63), "claims 9223372036854775808 keys"),
        (whole([BARK], [], n_tensors=2**63), "claims 9223372036854775808 tensors"),
        (whole([BARK], [], n_tensors=60_000), "name of a tensor is empty"),
        (whole([BARK, BARK], []), "the key general.architecture twice"),
        (whole([key(b"x", 99, b"")], []), "the key x is of type 99"),
        (whole([key(b"x" * 300, U32, bytes(4))], []), "the name of a key is 300 bytes long"),
        (whole([key(b"a\nb", U32, bytes(4))], []), "the name of a key is empty or not printable"),
        (whole([key(b"\xff\xfe", U32, bytes(4))], []), "the name of a key is not UTF-8"),
        (whole([key(b"x", STRING, struct.pack("<Q", 2**63))], []), "x is 9223372036854775808 bytes long"),
        (whole([key(b"x", ARRAY, struct.pack("<IQ", U64, 2**60))], []), "ends inside x"),
        (whole([key(b"x", ARRAY, struct.pack("<IQ", U64, 2**63))], []), "ends inside x"),
        (
            whole([key(b"x", ARRAY, struct.pack("<IQ", STRING, 2**63))], []),
            "claims 9223372036854775808 strings",
        ),
        (whole([key(b"x", ARRAY, struct.pack("<IQ", STRING, 900_000))], []), "ends inside (x|its header)"),
        (
            whole([key(b"x", ARRAY, struct.pack("<IQ", ARRAY, 1))], []),
            "array of type 9, which cannot be read",
        ),
        (whole([key(b"x", ARRAY, struct.pack("<IQ", 77, 1))], []), "array of type 77"),
        (whole([key(b"split.count", 2, struct.pack("<H", 3))], []), "one of 3 parts"),
        (whole([key(b"general.alignment", U32, struct.pack("<I", 0))], []), "its alignment is 0"),
        (whole([key(b"general.alignment", U32, struct.pack("<I", 24))], []), "its alignment is 24"),
        (
            whole([key(b"general.alignment", U32, struct.pack("<I", 2**31))], []),
            "its alignment is 2147483648",
        ),
        (whole([key(b"general.alignment", STRING, text(b"32"))], []), "its alignment is '32'"),
        (whole([BARK], [entry(b"a", ())]), "a has 0 dimensions"),
        (whole([BARK], [entry(b"a", (1,) * 5)]), "a has 5 dimensions"),
        (whole([BARK], [entry(b"a", (0,))]), "a is empty"),
        (whole([BARK], [entry(b"a", (2**63,))]), "a ends at byte"),
        (whole([BARK], [entry(b"a", (2**32, 2**32))]), "a ends at byte"),
        (whole([BARK], [entry(b"a", (2**63, 2**63, 2**63, 2**63))]), "a ends at byte"),
        (whole([BARK], [entry(b"a", (17,))]), "a ends at byte"),
        (whole([BARK], [entry(b"a", (4,), offset=2**63)]), "a ends at byte"),
        (whole([BARK], [entry(b"a", (4,), offset=2**64 - 32)]), "a ends at byte"),
        (whole([BARK], [entry(b"a", (4,), offset=4)]), "a begins at byte .* not aligned"),
        (whole([BARK], [entry(b"a", (33,), kind=8)]), "rows of 33, and Q8_0 blocks of 32"),
        (whole([BARK], [entry(b"a", (4,), kind=4)]), "of type 4, which is unknown"),
        (whole([BARK], [entry(b"a", (4,), kind=2**31)]), "of type 2147483648, which is unknown"),
        (whole([BARK], [entry(b"a", (4,)), entry(b"a", (4,), offset=32)]), "holds a twice"),
        (whole([BARK], [entry(b"a", (12,)), entry(b"b", (4,), offset=32)]), "a and b overlap"),
        (whole([BARK], [entry(b"a", (4,)), entry(b"b", (4,))]), "a and b overlap"),
    ],
)
def test_headers_that_lie(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "a.gguf").write_bytes(content)
    refused(tmp_path / "a.gguf", says)


def test_a_header_that_is_as_large_as_it_may_be_takes_little(tmp_path: Path) -> None:
    million = key(b"x", ARRAY, struct.pack("<IQ", STRING, 1_000_000) + text(b"\xe4\xbd\xa0" * 10) * 1_000_000)
    (tmp_path / "a.gguf").write_bytes(whole([LLAMA, million], []))
    refused(tmp_path / "a.gguf", "a model 'llama', not Bark")
    tokens = key(
        b"tokenizer.ggml.tokens", ARRAY, struct.pack("<IQ", STRING, 1_000_000) + text(b"abcd") * 1_000_000
    )
    (tmp_path / "b.gguf").write_bytes(whole([LLAMA, tokens], []))
    refused(tmp_path / "b.gguf", "a model 'llama', not Bark")
    (tmp_path / "c.gguf").write_bytes(whole([LLAMA, key(b"y", STRING, text(bytes(70 * 2**20)))], []))
    refused(tmp_path / "c.gguf", "y is 73400320 bytes long")


def small_config() -> BarkConfig:
    """As few bytes as a Bark can have."""
    config = wide_config()

    def narrow(gpt: GPTConfig) -> GPTConfig:
        return replace(gpt, n_embd=32, n_layer=1)

    return replace(
        config,
        semantic=replace(config.semantic, gpt=narrow(config.semantic.gpt)),
        coarse=replace(config.coarse, gpt=narrow(config.coarse.gpt)),
        fine=replace(config.fine, gpt=narrow(config.fine.gpt)),
    )


@pytest.fixture(scope="module")
def small() -> tuple[BarkConfig, dict[str, torch.Tensor]]:
    config = small_config()
    return config, small_tensors(config)


@pytest.fixture(scope="module")
def good(
    small: tuple[BarkConfig, dict[str, torch.Tensor]], tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    file = tmp_path_factory.mktemp("good") / "a.gguf"
    return write_crispasr(file, *small, Kind.Q8_0).read_bytes()


ZERO = (np.zeros((4, 32), np.float32), Kind.F32)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"coarse.pos_embd.weight": None}, r"lacks coarse\.wpe\.weight; the model is incomplete"),
        ({"text.blk.0.ffn_up.weight": None}, r"lacks semantic\.h\.0\.mlp\.c_fc\.weight"),
        ({"encodec.quantizer.3.embed": None}, r"lacks codec\.quantizer\.vq\.layers\.3\._codebook\.embed"),
        (
            {"encodec.decoder.0.conv.conv.weight_v": None},
            r"lacks codec\.decoder\.model\.0\.conv\.conv\.weight",
        ),
        ({"encodec.decoder.0.conv.conv.weight_g": ZERO}, "weight_g does not fit"),
        ({"rope_freqs.weight": ZERO}, r"holds rope_freqs\.weight, which Bark does not have"),
        ({"text.blk.0.attn_qkv.bias": ZERO}, "bias"),
        ({"text.blk.7.attn_norm.weight": ZERO}, r"holds semantic\.h\.7\.ln_1\.weight"),
        ({"coarse.pos_embd.weight": ZERO}, r"coarse\.wpe\.weight has shape \(4, 32\), expected \(1024, 32\)"),
        ({"text.wte.weight": ZERO}, r"holds text\.token_embd\.weight again, as text\.wte\.weight"),
        ({"text.token_embd.weight": (np.zeros((4, 32), np.int32), Kind.I32)}, "as I32, no weights"),
        ({"fine.output.99.weight": ZERO}, "is not tied to its embedding"),
        ({"fine.output.x.weight": ZERO}, "is not tied to its embedding"),
    ],
)
def test_tensors_that_are_none_of_barks(
    small: tuple[BarkConfig, dict[str, torch.Tensor]],
    tmp_path: Path,
    arrays: dict[str, tuple[np.ndarray, Kind] | None],
    says: str,
) -> None:
    refused(write_crispasr(tmp_path / "a.gguf", *small, arrays=arrays), says)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"bark.text.n_layer": 2**31}, "n_layer is 2147483648, expected 1..256"),
        ({"bark.text.n_layer": 0}, "n_layer is 0"),
        ({"bark.text.n_layer": "two"}, "n_layer is 'two'"),
        ({"bark.text.n_layer": None}, r"it has no key bark\.text\.n_layer"),
        ({"bark.text.n_head": 5}, "does not divide into 5 heads"),
        ({"bark.fine.n_codes_total": 2**32 - 1}, "is 4294967295"),
        ({"bark.coarse.input_vocab_size": 2**32 - 1}, "input_vocab_size is 4294967295"),
        ({"bark.sample_rate": "fast", "bark.encodec.sample_rate": "fast"}, "has keys that are not Bark's"),
        ({"bark.encodec.sample_rate": 0}, "is 0, expected 1|rate_hz is 0"),
        ({"bark.encodec.ratios": [8, 5, 0, 2]}, "ratios is"),
        ({"bark.encodec.ratios": [2**31 - 1] * 9}, "ratios is"),
        ({"bark.encodec.ratios": [1.5, 2.5]}, "ratios is"),
        ({"bark.encodec.ratios": 8}, "ratios is 8"),
        ({"bark.encodec.ratios": list(range(1000))}, "ratios is"),
        ({"bark.encodec.kernel_size": 9}, "kernel_size is 9"),
        ({"bark.encodec.n_filters": 2**20}, "n_filters is 1048576"),
        ({"bark.semantic_pad_token": 7}, "pad_token, which ends speech"),
        ({"bark.codebook_size": 2**32 - 1}, "is 4294967295"),
    ],
)
def test_keys_that_no_bark_has(
    small: tuple[BarkConfig, dict[str, torch.Tensor]], tmp_path: Path, keys: dict[str, object], says: str
) -> None:
    refused(write_crispasr(tmp_path / "a.gguf", *small, keys=keys), says)


@pytest.mark.parametrize(
    ("pieces", "says"),
    [
        ([], r"has no tokenizer \(tokenizer\.ggml\.tokens\)"),
        (["a", "b"], "a tokenizer other than BERT's"),
        (["[UNK]", "a\nb"], "a tokenizer other than BERT's"),
        (["[UNK]", "a" * 5000], "a tokenizer other than BERT's"),
    ],
)
def test_vocabularies_that_are_none(
    small: tuple[BarkConfig, dict[str, torch.Tensor]], tmp_path: Path, pieces: list[str], says: str
) -> None:
    refused(write_crispasr(tmp_path / "a.gguf", *small, pieces=pieces), says)


def test_more_tokens_than_ids(small: tuple[BarkConfig, dict[str, torch.Tensor]], tmp_path: Path) -> None:
    many = [*PIECES, *(f"##{i}" for i in range(1000))]
    found = read_checkpoint(write_crispasr(tmp_path / "a.gguf", *small, pieces=many))
    with pytest.raises(ModelError, match=r"a\.gguf has tokens for \d+ ids but the model has 328"):
        found.tokenizer()


def test_every_truncation_is_noticed(good: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.gguf"
    for size in [1, 4, 23, 24, 25, 100, 1000, *np.linspace(2000, len(good) - 33, 40).astype(int).tolist()]:
        file.write_bytes(good[:size])
        refused(file, r"is not a whole GGUF file|is not a GGUF file")


def test_folders_and_paths(good: bytes, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "Bark.GGUF").write_bytes(good)
    assert read_checkpoint(tmp_path / "one").layout == "gguf"
    assert resolve_model(tmp_path / "one" / "Bark.GGUF").name == "Bark"
    (tmp_path / "one" / "other.gguf").write_bytes(good)
    refused(tmp_path / "one", r"holds several models \(Bark.GGUF, other.gguf\); give the file of one")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "ggml_weights.bin").write_bytes(b"lmgg" + bytes(64))
    with pytest.raises(ModelError, match=r"ggml_weights.bin is in bark.cpp's old container"):
        read_checkpoint(tmp_path / "old")
    with pytest.raises(ModelError, match=r"has no small model to choose; leave --size out"):
        read_checkpoint(tmp_path / "one" / "Bark.GGUF", size="small")
    with pytest.raises(ModelError, match=r"nowhere\.gguf is not a folder or a file"):
        resolve_model("nowhere.gguf")


def numbers_of(data: bytes) -> list[int]:
    """Where the header's lengths, counts, types and offsets may lie: everywhere before the tensors."""
    end = data.find(b"encodec.decoder.15")
    return list(range(0, end + 100))


def only_errors_of_ours(file: Path) -> None:
    """Whatever the file is, it is read or refused."""
    with suppress(BarkError):
        found = read_checkpoint(file)
        found.tokenizer()
        for name in found.tensors:
            found.float32(name)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_spoiled_header_is_read_or_refused(good: bytes, tmp_path: Path, data: st.DataObject) -> None:
    spoiled = bytearray(good)
    header = len(numbers_of(good))
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(4, header))
        width = data.draw(st.sampled_from([1, 4, 8]))
        value = data.draw(st.one_of(st.sampled_from([0, 1, 255, *HUGE]), st.integers(0, 2**64 - 1)))
        spoiled[where : where + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")
    file = tmp_path / "a.gguf"
    file.write_bytes(bytes(spoiled))
    quickly(lambda: only_errors_of_ours(file))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), counts=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 5)))
def test_any_bytes_after_the_magic_are_refused(
    tmp_path: Path, content: bytes, counts: tuple[int, int]
) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, *counts) + content)
    with pytest.raises(ModelError):
        quickly(lambda: read_checkpoint(file))


def test_quantised_noise_is_no_error(
    small: tuple[BarkConfig, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    """Scales that are no numbers are weights all the same: what comes of them is noise."""
    noise = np.frombuffer(np.random.default_rng(0).bytes(96 * 34), np.uint8).reshape(96, 34)
    file = write_crispasr(
        tmp_path / "a.gguf", *small, arrays={"text.blk.0.attn_qkv.weight": (noise, Kind.Q8_0)}
    )
    assert read_checkpoint(file).float32("semantic.h.0.attn.c_attn.weight").shape == (96, 32)


def test_a_language_model_can_be_looked_into(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(whole([LLAMA], [entry(b"token_embd.weight", (4, 2))]))
    header = read_header(tmp_path / "a.gguf")
    assert header.keys == {"general.architecture": "llama"}
    assert header.tensors["token_embd.weight"].shape == (2, 4)
