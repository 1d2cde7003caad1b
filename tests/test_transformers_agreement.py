"""Our networks give what transformers' Bark gives on the same random weights, in every layout."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bark_cli.checkpoint import (
    Checkpoint,
    Networks,
    build_networks,
    open_checkpoint,
    read_checkpoint,
    write_native,
)
from bark_cli.model.codec import import_seanet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what transformers deprecates in its own imports
    import_seanet()  # before transformers looks for torchaudio
    from transformers import (
        BarkCoarseConfig,
        BarkConfig,
        BarkFineConfig,
        BarkModel,
        BarkSemanticConfig,
        EncodecConfig,
    )

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

GENERATION = {
    "semantic_config": {
        "temperature": 0.6,
        "top_k": 40,
        "min_eos_p": 0.1,
        "eos_token_id": 64,
        "max_new_tokens": 40,
        "text_encoding_offset": 72,
        "text_pad_token": 196,
        "semantic_infer_token": 198,
        "semantic_vocab_size": 64,
        "max_input_semantic_length": 32,
        "semantic_rate_hz": 50.0,
    },
    "coarse_acoustics_config": {
        "temperature": 0.8,
        "top_k": 0,
        "top_p": 0.9,
        "coarse_semantic_pad_token": 128,
        "coarse_rate_hz": 75,
        "n_coarse_codebooks": 2,
        "coarse_infer_token": 130,
        "max_coarse_input_length": 16,
        "max_coarse_history": 24,
        "sliding_window_len": 12,
    },
    "fine_acoustics_config": {
        "temperature": 0.4,
        "max_fine_history_length": 32,
        "max_fine_input_length": 64,
        "n_fine_codebooks": 8,
    },
    "sample_rate": 24_000,
    "codebook_size": 32,
    "model_type": "bark",
}


def make_transformers_bark(seed: int = 0, bias: bool = False, last_kernel_size: int = 7) -> Any:
    shape = {"num_layers": 2, "num_heads": 2, "hidden_size": 32, "bias": bias}
    codec = EncodecConfig(
        target_bandwidths=[3.0],  # 8 codebooks of 5 bits at 75 frames per second
        codebook_size=32,
        hidden_size=16,
        num_filters=4,
        num_residual_layers=2,
        num_lstm_layers=1,
        last_kernel_size=last_kernel_size,
    )
    config = BarkConfig(
        semantic_config=BarkSemanticConfig(
            **shape, block_size=80, input_vocab_size=200, output_vocab_size=72
        ).to_dict(),
        coarse_acoustics_config=BarkCoarseConfig(
            **shape, block_size=80, input_vocab_size=136, output_vocab_size=136
        ).to_dict(),
        fine_acoustics_config=BarkFineConfig(
            **shape, block_size=64, input_vocab_size=36, output_vocab_size=36
        ).to_dict(),
        codec_config=codec.to_dict(),
    )
    torch.manual_seed(seed)
    model = BarkModel(config).eval()
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if "inited" in name or "bias" in name.rsplit(".attn.", 1)[-1].split(".")[:1]:
                continue
            if tensor.is_floating_point():
                tensor.normal_(0.0, 0.2)
                if "layernorm" in name and name.endswith("weight"):
                    tensor.add_(1.0)
        model.fine_acoustics.tie_weights()
    return model


def finish_folder(folder: Path, tokenizer: Path) -> Path:
    (folder / "generation_config.json").write_text(json.dumps(GENERATION))
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    return folder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text("{}")
    return path


@pytest.fixture(scope="module")
def theirs() -> Any:
    return make_transformers_bark()


@pytest.fixture(scope="module")
def folder(theirs: Any, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("transformers")
    theirs.save_pretrained(path)
    return finish_folder(path, tokenizer)


@pytest.fixture(scope="module")
def ours(folder: Path) -> Networks:
    return build_networks(read_checkpoint(folder))


def old_weight_norm(name: str) -> str:
    return name.replace("parametrizations.weight.original0", "weight_g").replace(
        "parametrizations.weight.original1", "weight_v"
    )


def random_ids(high: int, *shape: int) -> torch.Tensor:
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(7))


@torch.no_grad()
def test_semantic_logits_with_a_merged_history(theirs: Any, ours: Networks) -> None:
    model = theirs.semantic
    text, history, rest = random_ids(200, 1, 32), random_ids(65, 1, 32), random_ids(200, 1, 9)
    summed = model.input_embeds_layer(text) + model.input_embeds_layer(history)
    embeddings = torch.cat([summed, model.input_embeds_layer(rest)], dim=1)
    expected = model(inputs_embeds=embeddings, use_cache=False).logits[:, -1]
    found = ours.semantic(torch.cat([text, rest], dim=1), merged=history)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert expected.std() > 0.1  # logits that are all alike would agree whatever the code does


@torch.no_grad()
def test_coarse_logits(theirs: Any, ours: Networks) -> None:
    ids = random_ids(136, 2, 50)
    expected = theirs.coarse_acoustics(ids, use_cache=False).logits[:, -1]
    torch.testing.assert_close(ours.coarse(ids), expected, atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("codebook", range(1, 8))
def test_fine_logits_of_every_head(theirs: Any, ours: Networks, codebook: int) -> None:
    codes = random_ids(33, 1, 64, 8)
    expected = theirs.fine_acoustics(codebook, codes).logits
    torch.testing.assert_close(ours.fine(codebook, codes), expected, atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 3, 40])
def test_codec_waveform(theirs: Any, ours: Networks, frames: int) -> None:
    codes = random_ids(32, 8, frames)
    expected = theirs.codec_model.decoder(theirs.codec_model.quantizer.decode(codes[:, None]))[0, 0]
    found = ours.codec.decode(codes)
    assert found.shape == (frames * 320,)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("last_kernel_size", [19, 20])
def test_codec_waveform_with_a_long_last_convolution(
    last_kernel_size: int, tokenizer: Path, tmp_path: Path
) -> None:
    model = make_transformers_bark(seed=2, last_kernel_size=last_kernel_size)
    model.save_pretrained(tmp_path)
    found = read_checkpoint(finish_folder(tmp_path, tokenizer))
    assert found.config.codec.last_kernel_size == last_kernel_size
    codes = random_ids(32, 8, 40)
    expected = model.codec_model.decoder(model.codec_model.quantizer.decode(codes[:, None]))[0, 0]
    torch.testing.assert_close(build_networks(found).codec.decode(codes), expected, atol=1e-4, rtol=0)


@torch.no_grad()
def test_biases_of_the_linear_layers(tokenizer: Path, tmp_path: Path) -> None:
    model = make_transformers_bark(seed=1, bias=True)
    model.save_pretrained(tmp_path)
    networks = build_networks(read_checkpoint(finish_folder(tmp_path, tokenizer)))
    ids, codes = random_ids(136, 1, 20), random_ids(33, 1, 64, 8)
    expected = model.coarse_acoustics(ids, use_cache=False).logits[:, -1]
    torch.testing.assert_close(networks.coarse(ids), expected, atol=1e-4, rtol=0)
    expected = model.fine_acoustics(3, codes).logits
    torch.testing.assert_close(networks.fine(3, codes), expected, atol=1e-4, rtol=0)


def test_the_numbers_come_from_the_files(folder: Path) -> None:
    config = read_checkpoint(folder).config
    semantic, coarse, fine, codec = config.semantic, config.coarse, config.fine, config.codec
    assert (semantic.vocab_size, semantic.rate_hz, semantic.pad_token) == (64, 50.0, 64)
    assert (semantic.text_offset, semantic.text_pad_token, semantic.infer_token) == (72, 196, 198)
    assert (semantic.max_text_tokens, semantic.max_history_tokens, semantic.max_new_tokens) == (32, 32, 40)
    assert (coarse.semantic_vocab_size, coarse.codebook_size, coarse.rate_hz) == (64, 32, 75)
    assert (coarse.semantic_pad_token, coarse.infer_token, coarse.max_semantic_tokens) == (128, 130, 16)
    assert (coarse.max_history_tokens, coarse.sliding_window_tokens) == (24, 12)
    assert (fine.window_frames, fine.hop_frames, fine.max_history_frames) == (64, 32, 32)
    assert fine.gpt.norm_bias
    assert not coarse.gpt.norm_bias
    assert not coarse.gpt.bias
    assert (codec.dimension, codec.n_filters, codec.n_residual_layers, codec.lstm) == (16, 4, 2, 1)
    sampling = config.sampling
    assert (sampling.semantic.temperature, sampling.semantic.top_k, sampling.min_eos_p) == (0.6, 40, 0.1)
    assert (sampling.coarse.temperature, sampling.coarse.top_k, sampling.coarse.top_p) == (0.8, None, 0.9)
    assert sampling.fine.temperature == 0.4


def same_tensors(first: Checkpoint, second: Checkpoint) -> bool:
    names = first.tensors.keys()
    return names == second.tensors.keys() and all(
        torch.equal(first.tensors[name], second.tensors[name]) for name in names
    )


def save_bin(model: Any, folder: Path) -> None:
    """As transformers saved until 2023: a pickle with heads, masks and the old names of weight norm."""
    state = {old_weight_norm(name): tensor for name, tensor in model.state_dict().items()}
    assert any(name.endswith("weight_g") for name in state)
    assert any(name.startswith("fine_acoustics.lm_heads.") for name in state)
    assert any(name.endswith(".attn.bias") for name in state)
    model.config.save_pretrained(folder)
    torch.save(state, folder / "pytorch_model.bin")


def save_bin_shards(model: Any, folder: Path) -> None:
    save_bin(model, folder)
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    (folder / "pytorch_model.bin").unlink()
    weight_map = {name: f"pytorch_model-0000{i % 3 + 1}-of-00003.bin" for i, name in enumerate(state)}
    for file in set(weight_map.values()):
        torch.save({name: state[name] for name in state if weight_map[name] == file}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))


def save_safetensors_shards(model: Any, folder: Path) -> None:
    model.save_pretrained(folder, max_shard_size="60KB")
    assert (folder / "model.safetensors.index.json").exists()


def test_a_conversion_is_the_same_model(folder: Path) -> None:
    foreign = read_checkpoint(folder)
    for _ in range(2):
        found = open_checkpoint(folder, storage="fp32")
        assert found.config == foreign.config
        assert same_tensors(found, foreign)
        assert (found.layout, found.folder) == ("transformers", folder)


@pytest.mark.parametrize("save", [save_bin, save_bin_shards, save_safetensors_shards])
def test_every_way_to_save_reads_the_same(
    save: Callable[[Any, Path], None], theirs: Any, folder: Path, tokenizer: Path, tmp_path: Path
) -> None:
    save(theirs, tmp_path)
    found = read_checkpoint(finish_folder(tmp_path, tokenizer))
    expected = read_checkpoint(folder)
    assert found.config == expected.config
    assert found.layout == "transformers"
    assert same_tensors(found, expected)


SUNO_NAMES = {
    "input_embeds_layer.": "transformer.wte.",
    "input_embeds_layers.": "transformer.wtes.",
    "position_embeds_layer.": "transformer.wpe.",
    "layers.": "transformer.h.",
    "layernorm_final.": "transformer.ln_f.",
}
SUNO_INNER = {
    "layernorm_1": "ln_1",
    "layernorm_2": "ln_2",
    "att_proj": "c_attn",
    "out_proj": "c_proj",
    "in_proj": "c_fc",
}


def suno_name(name: str) -> str:
    for theirs_start, suno_start in SUNO_NAMES.items():
        if name.startswith(theirs_start):
            name = suno_start + name[len(theirs_start) :]
    for theirs_part, suno_part in SUNO_INNER.items():
        name = name.replace(theirs_part, suno_part)
    return "_orig_mod." + name


def save_suno(model: Any, folder: Path) -> None:
    """Suno's .pt files as its training left them, with what does not matter beside the weights."""
    parts = {"text": model.semantic, "coarse": model.coarse_acoustics, "fine": model.fine_acoustics}
    for stage, network in parts.items():
        c = network.config
        args = {"n_layer": c.num_layers, "n_head": c.num_heads, "n_embd": c.hidden_size, "dropout": 0.0}
        args |= {"block_size": c.block_size, "bias": c.bias}
        if stage == "text":
            args |= {"input_vocab_size": c.input_vocab_size, "output_vocab_size": c.output_vocab_size}
        else:
            args |= {"vocab_size": c.input_vocab_size}
        if stage == "fine":
            args |= {"n_codes_total": 8, "n_codes_given": 1}
        torch.save(
            {
                "model": {suno_name(name): tensor for name, tensor in network.state_dict().items()},
                "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4}]},
                "model_args": args,
                "iter_num": 12,
                "best_val_loss": np.float64(2.5),
            },
            folder / f"{stage}_2.pt",
        )


def save_encodec(folder: Path) -> Any:
    """encodec's own random 24 kHz model in its .th file."""
    import_seanet()
    from encodec.model import EncodecModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates the weight_norm that encodec uses
        codec = EncodecModel.encodec_model_24khz(pretrained=False).eval()
    for layer in codec.quantizer.vq.layers:
        layer._codebook.embed.normal_(0.0, 0.2)
    torch.save(codec.state_dict(), folder / "encodec_24khz-d7cc33bc.th")
    return codec


def test_suno_transformers_and_native_hold_the_same_tensors(tokenizer: Path, tmp_path: Path) -> None:
    """One random Bark with Suno's vocabulary, written in the three layouts, reads to identical tensors."""
    shape = {"num_layers": 1, "num_heads": 2, "hidden_size": 8, "bias": False}
    torch.manual_seed(3)
    suno = tmp_path / "suno"
    suno.mkdir()
    codec = save_encodec(suno)
    model = BarkModel(
        BarkConfig(
            semantic_config=BarkSemanticConfig(**shape, input_vocab_size=129_600).to_dict(),
            coarse_acoustics_config=BarkCoarseConfig(
                **shape, input_vocab_size=12_096, output_vocab_size=12_096
            ).to_dict(),
            fine_acoustics_config=BarkFineConfig(
                **shape, input_vocab_size=1_056, output_vocab_size=1_056
            ).to_dict(),
            codec_config=EncodecConfig().to_dict(),
        )
    )
    model.codec_model.load_state_dict(transformers_codec_state(codec), strict=False)
    save_suno(model, suno)
    hugging = tmp_path / "transformers"
    model.save_pretrained(hugging)
    for path in (suno, hugging):
        shutil.copyfile(tokenizer, path / "tokenizer.json")
    (hugging / "generation_config.json").write_text('{"transformers_version": "5.0"}')
    from_suno, from_transformers = read_checkpoint(suno), read_checkpoint(hugging)
    write_native(from_suno, tmp_path / "native")
    from_native = read_checkpoint(tmp_path / "native")
    assert [c.layout for c in (from_suno, from_transformers, from_native)] == [
        "suno",
        "transformers",
        "native",
    ]
    assert from_native.config == from_suno.config
    assert from_transformers.config == from_suno.config
    assert same_tensors(from_suno, from_native)
    assert same_tensors(from_suno, from_transformers)


def transformers_codec_state(codec: Any) -> dict[str, torch.Tensor]:
    """encodec's state under transformers' names."""
    state = {}
    for name, tensor in codec.state_dict().items():
        name = (
            name.replace(".model.", ".layers.")
            .replace("conv.conv.", "conv.")
            .replace("convtr.convtr.", "conv.")
        )
        name = name.replace("quantizer.vq.", "quantizer.").replace("_codebook.", "codebook.")
        name = name.replace("weight_g", "parametrizations.weight.original0")
        state[name.replace("weight_v", "parametrizations.weight.original1")] = tensor
    return state
