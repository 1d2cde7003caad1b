"""Checkpoints: what is written is read; damaged, foreign and hostile files give one line and run nothing."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from bark_cli.checkpoint import (
    Checkpoint,
    Storage,
    build_networks,
    expected_shapes,
    read_checkpoint,
    write_native,
)
from bark_cli.errors import ModelError, UnsafeFileError
from bark_cli.tokens import BarkConfig, CoarseConfig, CodecConfig, FineConfig, GPTConfig, SemanticConfig


@pytest.fixture
def native(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model to spoil."""
    return Path(shutil.copytree(tiny_model, tmp_path / "native"))


def refused(folder: Path, says: str, kind: type[ModelError] = ModelError, **options: Any) -> None:
    """Reading must fail with one line of `kind` that says `says` and names what was read."""
    with pytest.raises(ModelError, match=says) as caught:
        read_checkpoint(folder, **options)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


# --- our own layout


@pytest.mark.parametrize(("storage", "tolerance"), [("fp32", 0.0), ("fp16", 1e-3), ("int8", 1.6e-2)])
def test_native_reads_what_was_written(
    storage: Storage, tolerance: float, tiny_model: Path, tmp_path: Path
) -> None:
    original = read_checkpoint(tiny_model)
    write_native(original, tmp_path / "model", storage=storage)
    found = read_checkpoint(tmp_path / "model")
    assert found.config == original.config
    assert found.tensors.keys() == original.tensors.keys() == expected_shapes(original.config).keys()
    for name, tensor in found.tensors.items():
        assert tensor.dtype == torch.float32
        limit = tolerance * float(original.tensors[name].abs().max())
        assert float((tensor - original.tensors[name]).abs().max()) <= limit, name
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]


def test_int8_is_for_matrices_of_the_transformers_only(tiny_model: Path, tmp_path: Path) -> None:
    write_native(read_checkpoint(tiny_model), tmp_path, storage="int8")
    stored = load_file(tmp_path / "model.safetensors")
    scales = {name.removesuffix(".scale") for name in stored if name.endswith(".scale")}
    assert scales == {name for name, tensor in stored.items() if tensor.dtype == torch.int8}
    assert "semantic.wte.weight" in scales
    assert "fine.h.1.mlp.c_proj.weight" in scales
    assert not any(name.startswith("codec.") for name in scales)
    others = {stored[name].dtype for name in stored if name not in scales and not name.endswith(".scale")}
    assert others == {torch.float16}


def test_networks_are_built_whole_and_the_heads_tied(tiny_model: Path) -> None:
    checkpoint = read_checkpoint(tiny_model)
    networks = build_networks(checkpoint)
    for stage in ("semantic", "coarse", "fine", "codec"):
        network = getattr(networks, stage)
        assert not network.training
        assert not any(p.is_meta or p.requires_grad for p in [*network.parameters(), *network.buffers()])
    assert all(
        head.weight is table.weight
        for head, table in zip(networks.fine.lm_heads, list(networks.fine.wtes)[1:], strict=True)
    )
    torch.testing.assert_close(networks.coarse.wte.weight, checkpoint.tensors["coarse.wte.weight"])


def edit_config(folder: Path, path: str, value: object) -> None:
    file = folder / "config.json"
    values = json.loads(file.read_text())
    *parents, last = path.split(".")
    part = values
    for name in parents:
        part = part[name]
    part[last] = value
    file.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("semantic.gpt.n_layer", -1, "n_layer is -1"),
        ("semantic.gpt.n_layer", 10**9, "n_layer is 1000000000, expected 1..256"),
        ("semantic.gpt.n_layer", "two", "n_layer is 'two'"),
        ("semantic.gpt.n_layer", True, "n_layer is True"),
        ("semantic.gpt.n_layer", None, "n_layer is None"),
        ("semantic.gpt.bias", 1, "bias is 1"),
        ("coarse.gpt.n_head", 3, "n_embd 32 does not divide into 3 heads"),
        ("coarse.gpt.n_embd", 10**12, "n_embd is"),
        ("coarse.rate_hz", float("nan"), "rate_hz is nan"),
        ("coarse.rate_hz", 0, "rate_hz must be above 0"),
        ("coarse.semantic_vocab_size", 65, "outputs are needed|vocabularies differ"),
        ("fine.n_codebooks", 10**12, "n_codebooks is"),
        ("fine.codebook_size", 36, "id 36 is outside 36 inputs"),
        ("fine.window_frames", 65, "65 positions are needed, not 64"),
        ("codec.ratios", [8, 5, 4, -2], "codec.ratios are"),
        ("codec.ratios", "8542", "codec.ratios are"),
        ("codec.ratios", 8, "codec.ratios are"),
        ("codec.codebook_size", 31, "codebook sizes differ"),
        ("semantic.gpt", 7, "not a bark_cli model configuration|config.json"),
        ("semantic.surprise", 7, "surprise"),
    ],
)
def test_absurd_configurations(native: Path, path: str, value: object, says: str) -> None:
    edit_config(native, path, value)
    with pytest.raises(ModelError, match=says) as caught:
        read_checkpoint(native)
    assert "\n" not in str(caught.value)


def edit_weights(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_tensors_missing_unexpected_or_misshapen(native: Path) -> None:
    edit_weights(native, lambda t: t.update({"fine.wtes.3.weight": torch.zeros(36, 31)}))
    refused(native, r"fine.wtes.3.weight has shape \(36, 31\), expected \(36, 32\)")
    edit_weights(native, lambda t: t.update({"fine.wtes.3.weight": torch.zeros(36, 32, dtype=torch.int64)}))
    refused(native, "fine.wtes.3.weight holds torch.int64")
    edit_weights(native, lambda t: t.update({"fine.wtes.3.weight": torch.zeros(36, 32, dtype=torch.int8)}))
    refused(native, "fine.wtes.3.weight has no fitting scales")
    edit_weights(
        native, lambda t: t.update({"fine.wtes.3.weight": torch.zeros(36, 32), "x.y": torch.ones(1)})
    )
    refused(native, "holds x.y, which Bark does not have")
    edit_weights(native, lambda t: (t.pop("x.y"), t.pop("semantic.wpe.weight"), t.pop("coarse.wpe.weight")))
    refused(native, "lacks coarse.wpe.weight and 1 more tensors; the model is incomplete")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs pointer"),
        (b"\x00" * 100, "damaged or not a safetensors file"),
        (b"\xff" * 100, "damaged or not a safetensors file"),
        (None, "cannot be read"),
    ],
)
def test_weight_files_that_are_none(native: Path, content: bytes | None, says: str) -> None:
    file = native / "model.safetensors"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    refused(native, says)


def test_every_truncation_is_noticed(native: Path) -> None:
    file = native / "model.safetensors"
    whole = file.read_bytes()
    for size in (1, 8, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        refused(native, "damaged or not a safetensors file")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00", "[" * 100_000])
def test_a_config_that_is_no_json_object(native: Path, content: str) -> None:
    (native / "config.json").write_text(content)
    refused(native, "is not JSON|holds no JSON object")


def test_folders_that_hold_no_bark(tmp_path: Path, native: Path) -> None:
    refused(tmp_path / "nowhere", "is not a folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds no Bark model")
    (tmp_path / "empty" / "config.json").write_text('{"model_type": "gpt2", "n_layer": 12}')
    refused(tmp_path / "empty", "holds a model 'gpt2', not Bark")
    (native / "tokenizer.json").unlink()
    refused(native, "no tokenizer.json or vocab.txt")
    with pytest.raises(ModelError, match="size 'huge' is unknown"):
        read_checkpoint(native, size="huge")


def test_a_folder_that_cannot_be_written(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot be written"):
        write_native(read_checkpoint(tiny_model), tmp_path / "file" / "model")


def test_an_interrupted_write_leaves_the_old_model(native: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (native / "model.safetensors").read_bytes()
    checkpoint = read_checkpoint(native)
    changed = replace(checkpoint, tensors={n: t + 1 for n, t in checkpoint.tensors.items()})

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_native(changed, native)
    assert (native / "model.safetensors").read_bytes() == before
    assert not list(native.glob(".writing*"))


# --- Suno's layout


def narrow(inputs: int, outputs: int, **fine: Any) -> GPTConfig:
    return GPTConfig(
        n_layer=1, n_head=1, n_embd=2, input_vocab_size=inputs, output_vocab_size=outputs, **fine
    )


SUNO = BarkConfig(
    semantic=SemanticConfig(gpt=narrow(129_600, 10_048)),
    coarse=CoarseConfig(gpt=narrow(12_096, 12_096)),
    fine=FineConfig(gpt=narrow(1_056, 1_056, n_codes_total=8, norm_bias=True)),
    codec=CodecConfig(),
)


@pytest.fixture(scope="module")
def suno_tensors() -> dict[str, torch.Tensor]:
    stream = torch.Generator().manual_seed(0)
    return {name: torch.randn(s, generator=stream) for name, s in expected_shapes(SUNO).items()}


def suno_file(stage: str, gpt: GPTConfig, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What one of Suno's .pt files holds."""
    prefix = f"{stage}."
    model = {
        f"_orig_mod.transformer.{name.removeprefix(prefix)}": tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    if stage == "fine":
        tables = [model[f"_orig_mod.transformer.wtes.{i + 1}.weight"] for i in range(7)]
        model |= {f"_orig_mod.lm_heads.{i}.weight": table for i, table in enumerate(tables)}
    else:
        model["_orig_mod.lm_head.weight"] = model.pop("_orig_mod.transformer.lm_head.weight")
        model["_orig_mod.transformer.h.0.attn.bias"] = torch.ones(1, 1, 4, 4)
    args = {"n_layer": 1, "n_head": 1, "n_embd": 2, "block_size": 1024, "bias": False, "dropout": 0.0}
    args |= {"input_vocab_size": gpt.input_vocab_size, "output_vocab_size": gpt.output_vocab_size}
    if stage == "fine":
        args |= {"n_codes_total": 8, "n_codes_given": 1}
    return {
        "model": model,
        "model_args": args,
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []},
        "best_val_loss": np.float64(1.5),
        "iter_num": 3,
    }


def save_suno(folder: Path, tensors: dict[str, torch.Tensor], suffix: str = "_2") -> Path:
    folder.mkdir(exist_ok=True)
    for stage, name in (("semantic", "text"), ("coarse", "coarse"), ("fine", "fine")):
        torch.save(suno_file(stage, getattr(SUNO, stage).gpt, tensors), folder / f"{name}{suffix}.pt")
    codec = {n.removeprefix("codec."): t for n, t in tensors.items() if n.startswith("codec.")}
    torch.save({"best_state": codec}, folder / "encodec_24khz-d7cc33bc.th")
    (folder / "vocab.txt").write_text("[UNK]\n")
    return folder


@pytest.fixture
def suno(tmp_path: Path, suno_tensors: dict[str, torch.Tensor]) -> Path:
    return save_suno(tmp_path / "suno", suno_tensors)


def test_suno_files_read_to_our_names(suno: Path, suno_tensors: dict[str, torch.Tensor]) -> None:
    found = read_checkpoint(suno)
    assert found.layout == "suno"
    assert found.config == SUNO
    assert found.tokenizer_file == suno / "vocab.txt"
    assert found.tensors.keys() == suno_tensors.keys()
    assert all(torch.equal(found.tensors[name], suno_tensors[name]) for name in suno_tensors)


def test_size_chooses_where_both_are_there(suno: Path, suno_tensors: dict[str, torch.Tensor]) -> None:
    assert_first = {name: tensor + 1 for name, tensor in suno_tensors.items()}
    refused(suno, "text.pt is missing; the small model needs", size="small")
    save_suno(suno, assert_first, suffix="")
    name = "coarse.wte.weight"
    for size, tensors in (("small", assert_first), ("large", suno_tensors), (None, suno_tensors)):
        assert torch.equal(read_checkpoint(suno, size=size).tensors[name], tensors[name])
    for file in suno.glob("*_2.pt"):
        file.unlink()
    assert torch.equal(read_checkpoint(suno).tensors[name], assert_first[name])


def test_both_names_of_numpys_scalar_are_read(suno: Path) -> None:
    """Suno's files were written under numpy 1, ours here under whichever is installed."""
    file = suno / "text_2.pt"
    old, new = b"numpy.core.multiarray", b"numpy._core.multiarray"
    written = new if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else old
    rewrite_pickle(file, written, old if written == new else new)
    assert read_checkpoint(suno).layout == "suno"


def rewrite_pickle(file: Path, before: bytes, after: bytes) -> None:
    """Replace a global's module in the pickle of a torch.save file (protocol 2 ends it with a newline)."""
    import zipfile

    with zipfile.ZipFile(file) as archive:
        content = {info.filename: archive.read(info) for info in archive.infolist()}
    name = next(name for name in content if name.endswith("data.pkl"))
    assert before + b"\n" in content[name]
    content[name] = content[name].replace(before + b"\n", after + b"\n")
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


class Canary:
    """A pickle of this makes a file when it is loaded without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, (f"touch {self.path}",)


class OpenCanary(Canary):
    """The same through a builtin."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("kind", [Canary, OpenCanary])
@pytest.mark.parametrize("form", ["zip", "legacy", "bare"])
@pytest.mark.parametrize("name", ["text_2.pt", "fine_2.pt", "encodec_24khz-d7cc33bc.th"])
def test_a_hostile_pickle_is_not_run(
    suno: Path, tmp_path: Path, kind: type[Canary], form: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # not even when asked for by the environment
    canary, file = tmp_path / "canary", suno / name
    values = {"model": kind(canary), "model_args": {}, "best_state": {}}
    if form == "bare":
        file.write_bytes(pickle.dumps(values))
    else:
        torch.save(values, file, _use_new_zipfile_serialization=form == "zip")
    refused(suno, "(tries to|may) run code when read", kind=UnsafeFileError)
    assert not canary.exists()
    if form == "bare":  # the trap is a real one
        opened = pickle.loads(file.read_bytes())["model"]
        if not isinstance(opened, int):
            opened.close()
        assert canary.exists()


def test_the_codec_file_gets_no_allow_list(suno: Path) -> None:
    torch.save({"loss": np.float64(1.0)}, suno / "encodec_24khz-d7cc33bc.th")
    refused(suno, "tries to run code", kind=UnsafeFileError)


@pytest.mark.parametrize("name", ["coarse_2.pt", "encodec_24khz-d7cc33bc.th"])
def test_damaged_pickles(suno: Path, name: str) -> None:
    file = suno / name
    whole = file.read_bytes()
    for size in (3, 100, len(whole) // 2, len(whole) - 30):
        file.write_bytes(whole[:size])
        refused(suno, "is damaged or not a PyTorch checkpoint")
    file.write_bytes(b"")
    refused(suno, "is empty")
    file.write_bytes(b"\n<html><body>Too many requests</body></html>")
    refused(suno, "is a web page")
    torch.save([1, 2, 3], file)
    refused(suno, "holds no model")


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda v: v.pop("model_args"), "has no model and model_args"),
        (lambda v: v["model_args"].pop("n_layer"), "model_args has no n_layer"),
        (lambda v: v["model_args"].update(n_layer=-3), "n_layer is -3"),
        (lambda v: v["model_args"].update(n_layer=10**8), "n_layer is 100000000"),
        (lambda v: v["model_args"].update(n_codes_total=10**12), "n_codes_total is|n_codebooks is"),
        (lambda v: v["model_args"].update(n_codes_given="1"), "n_codes_given is '1'"),
        (lambda v: v["model_args"].update(input_vocab_size=50_257, output_vocab_size=50_257), "shape"),
        (lambda v: v["model_args"].update(input_vocab_size=500), "id 1024 is outside 500 inputs"),
        (lambda v: v["model"].pop("_orig_mod.transformer.wpe.weight"), "lacks fine.wpe.weight"),
        (lambda v: v["model"].update({"surprise.weight": torch.ones(2)}), "holds fine.surprise.weight"),
        (lambda v: v["model"].update({"_orig_mod.lm_heads.2.weight": torch.ones(1056, 2)}), "is not tied"),
    ],
)
def test_foreign_or_incomplete_suno_files(
    suno: Path, suno_tensors: dict[str, torch.Tensor], edit: Callable[[dict[str, Any]], object], says: str
) -> None:
    values = suno_file("fine", SUNO.fine.gpt, suno_tensors)
    edit(values)
    torch.save(values, suno / "fine_2.pt")
    refused(suno, says)


def test_what_a_suno_folder_lacks(suno: Path) -> None:
    (suno / "vocab.txt").rename(suno / "words.txt")
    refused(suno, "no tokenizer.json or vocab.txt")
    (suno / "encodec_24khz-d7cc33bc.th").unlink()
    refused(suno, "has no encodec_24khz-d7cc33bc.th")
    (suno / "fine_2.pt").unlink()
    refused(suno, "fine_2.pt is missing; the large model needs text_2.pt, coarse_2.pt, fine_2.pt")


# --- Transformers' layout (its agreement with transformers itself: test_transformers_agreement.py)


@pytest.fixture
def hugging(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "bark"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    "target",
    ["../x.safetensors", "/etc/x.safetensors", "..\\x.safetensors", "C:x.safetensors", "..", "x.bin"],
)
def test_an_index_that_points_out_of_the_folder(hugging: Path, target: str, vocabulary_fits: None) -> None:
    save_file({"semantic.lm_head.weight": torch.ones(1)}, hugging.parent / "x.safetensors")
    index = {"weight_map": {"semantic.lm_head.weight": target}}
    (hugging / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(hugging, "points out of its folder", kind=UnsafeFileError)


@pytest.fixture
def vocabulary_fits(hugging: Path) -> None:
    narrow = {"num_layers": 1, "num_heads": 1, "hidden_size": 2, "bias": False}
    values = {
        "model_type": "bark",
        "semantic_config": narrow | {"input_vocab_size": 129_600},
        "coarse_acoustics_config": narrow | {"input_vocab_size": 12_096, "output_vocab_size": 12_096},
        "fine_acoustics_config": narrow | {"input_vocab_size": 1_056, "output_vocab_size": 1_056},
    }
    (hugging / "config.json").write_text(json.dumps(values))


def test_a_hostile_bin_is_not_run(hugging: Path, vocabulary_fits: None) -> None:
    canary = hugging / "canary"
    torch.save({"semantic.lm_head.weight": Canary(canary)}, hugging / "pytorch_model.bin")
    refused(hugging, "tries to run code when read", kind=UnsafeFileError)
    assert not canary.exists()
    torch.save({"semantic.lm_head.weight": np.float64(1.0)}, hugging / "pytorch_model.bin")
    refused(hugging, "tries to run code", kind=UnsafeFileError)  # no allow-list for .bin


@pytest.mark.parametrize(
    ("section", "name", "value", "says"),
    [
        ("semantic_config", "num_layers", -2, "n_layer is -2"),
        ("fine_acoustics_config", "n_codes_total", 10**12, "is 1000000000000"),
        ("codec_config", "upsampling_ratios", 7, "not Bark's"),
        ("codec_config", "audio_channels", 2, "audio_channels is 2"),
        ("codec_config", "num_residual_layers", "many", "n_residual_layers is 'many'"),
    ],
)
def test_absurd_transformers_configurations(
    hugging: Path, vocabulary_fits: None, section: str, name: str, value: object, says: str
) -> None:
    file = hugging / "config.json"
    values = json.loads(file.read_text())
    values.setdefault(section, {})[name] = value
    file.write_text(json.dumps(values))
    refused(hugging, says)


def test_transformers_folders_without_what_they_need(hugging: Path, vocabulary_fits: None) -> None:
    refused(hugging, "neither model.safetensors nor pytorch_model.bin")
    save_file({"semantic.lm_head.weight": torch.ones(1)}, hugging / "model.safetensors")
    refused(hugging, "the model is incomplete")
    save_file({"transformer.h.0.ln_1.weight": torch.ones(1)}, hugging / "model.safetensors")
    refused(hugging, "is it another model")
    (hugging / "generation_config.json").write_text('{"semantic_config": {"temperature": "hot"}}')
    refused(hugging, "not Bark's")


def test_checkpoint_parts(tiny_model: Path) -> None:
    checkpoint: Checkpoint = read_checkpoint(tiny_model)
    assert "wte.weight" in checkpoint.part("semantic")
    assert sum(len(checkpoint.part(p)) for p in ("semantic", "coarse", "fine", "codec")) == len(
        checkpoint.tensors
    )
