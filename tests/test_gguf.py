"""GGUF files of others are read as the same model; what convert writes, others read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from gguf_files import PIECES, crispasr_keys, crispasr_tensors, write_crispasr, write_pieces
from golden.recipe import narrow_config
from small_models import small_tensors, write_suno, write_transformers
from tokenizers import Tokenizer
from torch import Tensor

from bark_cli.checkpoint import Checkpoint, build_causal, misfit, open_checkpoint, read_checkpoint, write_gguf
from bark_cli.checkpoint.q4_k import quantize_q4_k
from bark_cli.checkpoint.to_gguf import GGUFStorage, is_block_matrix
from bark_cli.errors import ModelError, OptionError
from bark_cli.model.config import BarkConfig, GPTConfig
from bark_cli.model.options import SamplingOptions, StageSampling
from bark_cli.model.tokenizer import BarkTokenizer, bert_pieces
from bark_cli.pipeline import Bark
from bark_cli.store import nano_folder

LIKELIEST = StageSampling(temperature=0.0)
GREEDY = SamplingOptions(semantic=LIKELIEST, coarse=LIKELIEST, fine=LIKELIEST, min_eos_p=None)
SENTENCES = [
    "Hello, my name is Bark.",
    "héllo naïve don't [MASK] speak",
    "你好 world\u200b!",
    "x" * 101 + " is",
]


def halves(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights that float16 holds exactly; a codec's directions are not rounded with them."""
    return {
        name: value if name.startswith("codec.") else value.half().float() for name, value in tensors.items()
    }


@pytest.fixture(scope="module")
def config() -> BarkConfig:
    """Suno's Bark but for depth and width, and as wide as blocks of 32 want it."""
    return narrow_config(32)


@pytest.fixture(scope="module")
def tensors(config: BarkConfig) -> dict[str, Tensor]:
    return halves(small_tensors(config))


def wide_config() -> BarkConfig:
    """As wide as blocks of 256 want it, with few ids: what the keys can say, they say."""
    config = narrow_config(256)

    def gpt(stage: str, inputs: int, outputs: int) -> GPTConfig:
        return replace(getattr(config, stage).gpt, input_vocab_size=inputs, output_vocab_size=outputs)

    return replace(
        config,
        semantic=replace(
            config.semantic,
            gpt=gpt("semantic", 400, 72),
            vocab_size=64,
            pad_token=64,
            text_offset=72,
            text_pad_token=396,
            infer_token=398,
        ),
        coarse=replace(
            config.coarse,
            gpt=gpt("coarse", 136, 136),
            semantic_vocab_size=64,
            codebook_size=32,
            semantic_pad_token=128,
            infer_token=130,
        ),
        fine=replace(config.fine, gpt=gpt("fine", 36, 36), codebook_size=32),
        codec=replace(config.codec, codebook_size=32, dimension=16, n_filters=4, lstm=1),
    )


@pytest.fixture(scope="module")
def wide() -> Checkpoint:
    config = wide_config()
    tensors = small_tensors(config)
    return Checkpoint(
        config=config,
        # in a real model a sum over the width has the size of what is summed
        tensors={name: t * 0.2 if is_block_matrix(name) else t for name, t in tensors.items()},
        tokenizer_file=Path("wide.gguf"),
        vocabulary=tuple(PIECES),
        layout="native",
        folder=Path("wide"),
    )


def spoken(folder: Path) -> dict[str, np.ndarray]:
    """All that a model says of a sentence, and which ids it read."""
    bark = Bark.load(folder, device="cpu", precision="fp32")
    said = bark.say(
        "Hello, my name is Bark.", voice="none", seed=3, options=replace(GREEDY, max_duration_s=0.4)
    )
    tokens = said.tokens
    return {
        "ids": bark.model.tokenizer.encode("Hello, my name is Bark."),
        "semantic": tokens.semantic,
        "coarse": tokens.coarse,
        "fine": tokens.fine,
        "samples": said.audio.samples,
    }


def test_every_layout_of_one_model_says_the_same(
    config: BarkConfig, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    for name in ("suno", "hugging"):
        write_pieces((tmp_path / name).mkdir() or tmp_path / name)
    write_suno(tmp_path / "suno", config, tensors)
    write_transformers(tmp_path / "hugging", config, tensors, "safetensors")
    write_crispasr(tmp_path / "f32.gguf", config, tensors)
    write_crispasr(tmp_path / "f16.gguf", config, tensors, Kind.F16)
    expected = spoken(tmp_path / "suno")
    assert len(expected["semantic"]) == 20
    for other in ("hugging", "f32.gguf", "f16.gguf"):
        found = spoken(tmp_path / other)
        for name in ("ids", "semantic", "coarse", "fine"):
            np.testing.assert_array_equal(found[name], expected[name], err_msg=f"{other}: {name}")
        np.testing.assert_allclose(
            found["samples"], expected["samples"], atol=2e-2 if "f16" in other else 1e-5
        )


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        (Kind.F32, 0.0),
        (Kind.F16, 4e-4),
        (Kind.BF16, 3e-3),
        (Kind.Q8_0, 6e-3),
        (Kind.Q5_0, 0.05),
        (Kind.Q4_0, 0.1),
    ],
)
def test_what_is_stored_is_undone(config: BarkConfig, tmp_path: Path, kind: Kind, tolerance: float) -> None:
    tensors = small_tensors(config)
    found = read_checkpoint(write_crispasr(tmp_path / "a.gguf", config, tensors, kind))
    assert found.config == config
    assert found.layout == "gguf"
    assert found.tensors.keys() == tensors.keys()
    for name, wanted in tensors.items():
        value = found.float32(name)
        assert value.dtype == torch.float32
        assert found.form(name).shape == value.shape
        allowed = max(tolerance, 4e-4 if wanted.ndim == 3 else 0.0)  # gain and direction
        if kind == Kind.F32:
            allowed = 1e-6 if wanted.ndim == 3 else 0.0
        assert float((value - wanted).norm()) <= allowed * float(wanted.norm()), name


@pytest.mark.parametrize("kind", [Kind.Q4_K, Kind.Q5_K, Kind.Q6_K, Kind.IQ4_NL, Kind.Q2_K])
def test_kinds_that_the_package_undoes_and_cannot_make(wide: Checkpoint, tmp_path: Path, kind: Kind) -> None:
    name, shape = "coarse.blk.1.ffn_up.weight", (1024, 256)
    block, size = gguf.GGML_QUANT_SIZES[kind]
    rows = np.random.default_rng(0).integers(0, 100, (shape[0], shape[1] // block * size), dtype=np.uint8)
    file = tmp_path / "a.gguf"
    write_crispasr(file, wide.config, wide.tensors, arrays={name: (rows, kind)}, pieces=PIECES)
    found = read_checkpoint(file).float32("coarse.h.1.mlp.c_fc.weight")
    np.testing.assert_array_equal(found.numpy(), gguf.dequantize(rows, kind))


def test_floats_are_mapped_and_the_file_stays_as_it_is(
    config: BarkConfig, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    file = write_crispasr(tmp_path / "a.gguf", config, tensors, Kind.F16)
    before = file.read_bytes()
    found = read_checkpoint(file)
    assert found.tensors["semantic.wte.weight"].dtype == torch.float16
    assert found.tensors["semantic.wte.weight"].data_ptr() == found.tensors["semantic.wte.weight"].data_ptr()
    found.tensors["semantic.wte.weight"].fill_(7)
    assert file.read_bytes() == before


def test_heads_that_are_not_there_are_the_tables(config: BarkConfig, tmp_path: Path) -> None:
    tensors = small_tensors(config)
    tensors["coarse.lm_head.weight"] = tensors["coarse.wte.weight"]
    left_out = {f"fine.output.{i}.weight": None for i in range(7)} | {"coarse.output.weight": None}
    found = read_checkpoint(write_crispasr(tmp_path / "a.gguf", config, tensors, arrays=left_out))
    assert torch.equal(found.tensors["coarse.lm_head.weight"], tensors["coarse.wte.weight"])
    assert not any(name.startswith("fine.lm_heads") for name in found.tensors)
    with pytest.raises(ModelError, match=r"semantic\.lm_head\.weight has shape"):  # its table has other ids
        read_checkpoint(
            write_crispasr(tmp_path / "b.gguf", config, tensors, arrays={"text.output.weight": None})
        )


def test_of_a_head_and_its_table_the_finer_counts(
    config: BarkConfig, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    table = tensors["fine.wtes.3.weight"]
    rough = (gguf.quantize(table.numpy(), Kind.Q4_0), Kind.Q4_0)
    for spoiled in ("fine.token_embd.3.weight", "fine.output.2.weight"):
        file = write_crispasr(tmp_path / f"{spoiled}.gguf", config, tensors, arrays={spoiled: rough})
        assert torch.equal(read_checkpoint(file).tensors["fine.wtes.3.weight"], table)
    other = (np.ascontiguousarray(table.numpy()[::-1]), Kind.F32)
    file = write_crispasr(tmp_path / "o.gguf", config, tensors, arrays={"fine.output.2.weight": other})
    with pytest.raises(ModelError, match=r"fine head lm_heads\.2\.weight is not tied"):
        read_checkpoint(file)


def test_the_tokenizer_is_made_of_the_files_tokens(
    config: BarkConfig, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    file = write_crispasr(tmp_path / "a.gguf", config, tensors)
    beside = BarkTokenizer.from_file(write_pieces(tmp_path), config.semantic)
    made = read_checkpoint(file).tokenizer()
    for text in SENTENCES:
        np.testing.assert_array_equal(made.encode(text), beside.encode(text))


def test_tokenizer_json_and_its_pieces_read_text_alike(config: BarkConfig, tmp_path: Path) -> None:
    """As Suno's tokenizer.json is: transformers' conversion of the cased multilingual BERT."""
    from transformers import BertTokenizerFast

    vocabulary = write_pieces(tmp_path)
    BertTokenizerFast(str(vocabulary), do_lower_case=False).save_pretrained(tmp_path / "saved")
    file = tmp_path / "saved" / "tokenizer.json"
    pieces = bert_pieces(file)
    assert pieces == tuple(PIECES)
    first = BarkTokenizer.from_file(file, config.semantic)
    second = BarkTokenizer.from_pieces(pieces, config.semantic, file)
    for text in SENTENCES:
        np.testing.assert_array_equal(first.encode(text), second.encode(text))
    for change in ({"lowercase": True}, {"strip_accents": True}, {"handle_chinese_chars": False}):
        values = json.loads(file.read_text("utf-8"))
        values["normalizer"] |= change
        file.write_text(json.dumps(values), "utf-8")
        assert bert_pieces(file) is None


@pytest.mark.parametrize("storage", ["fp32", "fp16", "q8_0", "q4_k"])
def test_what_is_written_the_package_reads(wide: Checkpoint, tmp_path: Path, storage: GGUFStorage) -> None:
    write_gguf(wide, tmp_path / "a.gguf", storage, name="wide")
    reader = gguf.GGUFReader(tmp_path / "a.gguf")
    found = {tensor.name: tensor for tensor in reader.tensors}
    wanted = crispasr_tensors(wide.config, wide.tensors)
    assert found.keys() == wanted.keys()
    kinds = {"fp32": Kind.F32, "fp16": Kind.F16, "q8_0": Kind.Q8_0, "q4_k": Kind.Q4_K}
    tolerance = {Kind.F32: 1e-6, Kind.F16: 4e-4, Kind.Q8_0: 6e-3, Kind.Q4_K: 0.08}
    for name, tensor in found.items():
        assert tuple(reversed(tensor.shape.tolist())) == wanted[name].shape, name
        kind = tensor.tensor_type
        if wanted[name].ndim == 1 or name.endswith("weight_g"):
            assert kind == Kind.F32, name
        elif ".blk." in name:
            assert kind == kinds[storage], name
        else:
            assert kind == (Kind.F32 if storage == "fp32" else Kind.F16), name
        value = gguf.dequantize(tensor.data, kind).reshape(wanted[name].shape)
        assert np.linalg.norm(value - wanted[name]) <= tolerance[kind] * np.linalg.norm(wanted[name]), name
    said = {name: field.contents() for name, field in reader.fields.items()}
    for name, value in crispasr_keys(wide.config).items():
        assert said[name] == value, name
        assert reader.fields[name].types[-1].name in ("UINT32", "INT32")
    assert said["tokenizer.ggml.tokens"] == PIECES
    assert (said["general.architecture"], said["bark.variant"]) == ("bark", "large")


def test_what_is_written_is_read_again(wide: Checkpoint, tmp_path: Path) -> None:
    write_gguf(wide, tmp_path / "a.gguf", "fp32", name="wide")
    found = read_checkpoint(tmp_path / "a.gguf")
    assert found.config == wide.config
    assert found.vocabulary == wide.vocabulary
    assert all(torch.equal(found.tensors[name], wide.tensors[name]) for name in wide.tensors)
    # and from there into every other storage, and back into our own layout
    write_gguf(found, tmp_path / "b.gguf", "fp16", name="wide")
    assert read_checkpoint(tmp_path / "b.gguf").config == wide.config


def test_a_model_with_biases_and_heads_of_its_own(wide: Checkpoint, tmp_path: Path) -> None:
    from bark_cli.checkpoint import expected_shapes

    gpt = replace(wide.config.fine.gpt, input_vocab_size=40)
    semantic = replace(wide.config.semantic, gpt=replace(wide.config.semantic.gpt, bias=True, norm_bias=True))
    config = replace(wide.config, semantic=semantic, fine=replace(wide.config.fine, gpt=gpt))
    stream = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(shape, generator=stream) for name, shape in expected_shapes(config).items()}
    assert "fine.lm_heads.6.weight" in tensors
    made = replace(wide, config=config, tensors=tensors)
    assert misfit(config, "gguf") is None
    write_gguf(made, tmp_path / "a.gguf", "fp32", name="own")
    found = read_checkpoint(tmp_path / "a.gguf")
    assert found.config == config
    assert all(torch.equal(found.tensors[name], tensors[name]) for name in tensors)


def logits(checkpoint: Checkpoint) -> Tensor:
    """Of every next token of the coarse network, over random sequences: (16, ids)."""
    network = build_causal(checkpoint, "coarse")
    ids = torch.randint(0, 128, (16, 24), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return network(ids)


@pytest.mark.parametrize(("storage", "tolerance"), [("fp16", 2e-3), ("q8_0", 3e-2), ("q4_k", 0.35)])
def test_the_answers_of_a_rounded_model_stay_near(
    wide: Checkpoint, tmp_path: Path, storage: GGUFStorage, tolerance: float
) -> None:
    write_gguf(wide, tmp_path / "a.gguf", storage, name="wide")
    exact, rounded = logits(wide), logits(read_checkpoint(tmp_path / "a.gguf"))
    assert float((rounded - exact).norm() / exact.norm()) < tolerance


def test_int8_of_q8_0_loses_no_more_than_int8_of_the_floats(wide: Checkpoint, tmp_path: Path) -> None:
    write_gguf(wide, tmp_path / "a.gguf", "q8_0", name="wide")
    notes: list[str] = []
    floats = read_checkpoint(tmp_path / "a.gguf")
    small = open_checkpoint(tmp_path / "a.gguf", storage="int8", note=notes.append)
    assert len(notes) == 1
    assert small.scales
    assert (small.layout, small.folder) == ("gguf", tmp_path / "a.gguf")
    assert small.tokenizer().encode("Hello").tolist() == floats.tokenizer().encode("Hello").tolist()
    for name in filter(is_block_matrix, wide.tensors):
        wanted, step = floats.float32(name), small.scales[name][:, None]
        assert bool(((small.float32(name) - wanted).abs() <= step * 0.5001).all())
    exact = logits(floats)
    assert float((logits(small) - exact).norm() / exact.norm()) < 3e-2
    again = open_checkpoint(tmp_path / "a.gguf", storage="int8", note=notes.append)
    assert len(notes) == 1  # kept
    assert torch.equal(again.tensors["coarse.wte.weight"], small.tensors["coarse.wte.weight"])


def test_q4_k_of_weights_of_every_kind() -> None:
    stream = torch.Generator().manual_seed(0)
    cases = {
        "zeros": (torch.zeros(2, 512), 0.0),
        "ones": (torch.ones(2, 256), 1e-3),
        "minus one": (-torch.ones(2, 256), 1e-3),
        "normal": (torch.randn(64, 768, generator=stream), 0.08),
        "far from zero": (torch.rand(64, 256, generator=stream) - 5, 0.03),
        "one outlier": (
            torch.cat([torch.randn(1, 255, generator=stream), torch.full((1, 1), 50.0)], 1),
            0.12,
        ),
    }
    for name, (weight, tolerance) in cases.items():
        packed = quantize_q4_k(weight)
        assert packed.shape == (len(weight), weight.shape[1] // 256 * 144)
        found = torch.from_numpy(gguf.dequantize(packed.numpy(), Kind.Q4_K))
        assert float((found - weight).norm()) <= tolerance * float(weight.norm()), name


def test_what_the_layout_cannot_say_is_told(wide: Checkpoint, tmp_path: Path) -> None:
    nano = read_checkpoint(nano_folder())
    assert "its semantic rate_hz is 50.0, where the layout has 49.9" in str(misfit(nano.config, "gguf"))
    lower = tmp_path / "tokenizer.json"
    values = json.loads(Tokenizer.from_file(str(nano.tokenizer_file)).to_str())
    lower.write_text(json.dumps(values), "utf-8")
    other = replace(wide, vocabulary=None, tokenizer_file=lower)
    with pytest.raises(OptionError, match="its tokenizer is not cased BERT's"):
        write_gguf(other, tmp_path / "a.gguf", "fp32", name="wide")
    narrow = replace(wide, config=narrow_config(16), tensors=small_tensors(narrow_config(16)))
    with pytest.raises(OptionError, match="rows of 16, and q8_0 blocks of 32; use --storage fp16"):
        write_gguf(narrow, tmp_path / "a.gguf", "q8_0", name="narrow")
    assert not (tmp_path / "a.gguf").exists()


def test_what_a_storage_cannot_hold_is_found_out(wide: Checkpoint, tmp_path: Path) -> None:
    tensors = {**wide.tensors, "coarse.wte.weight": torch.full((136, 256), 1e6)}
    with pytest.raises(ModelError, match=r"coarse.wte.weight cannot be held in fp16; use --storage fp32"):
        write_gguf(replace(wide, tensors=tensors), tmp_path / "a.gguf", "fp16", name="wide")
