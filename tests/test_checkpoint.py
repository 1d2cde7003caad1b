"""Checkpoints: what is written is read; damaged, foreign and hostile files give one line and run nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from bark_cli import store
from bark_cli.checkpoint import (
    Checkpoint,
    Storage,
    build_networks,
    expected_shapes,
    read_checkpoint,
    write_native,
)
from bark_cli.errors import ModelError


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


def all_float32(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    parts = ("semantic", "coarse", "fine", "codec")
    return {f"{part}.{name}": t for part in parts for name, t in checkpoint.part(part).items()}


@pytest.mark.parametrize(("storage", "tolerance"), [("fp32", 0.0), ("fp16", 1e-3), ("int8", 1.6e-2)])
def test_native_reads_what_was_written(
    storage: Storage, tolerance: float, tiny_model: Path, tmp_path: Path
) -> None:
    original = read_checkpoint(tiny_model)
    write_native(original, tmp_path / "model", storage=storage)
    found = read_checkpoint(tmp_path / "model")
    assert found.config == original.config
    assert found.tensors.keys() == original.tensors.keys() == expected_shapes(original.config).keys()
    for name, tensor in all_float32(found).items():
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


def test_what_is_stored_is_read_as_it_is(tiny_model: Path, tmp_path: Path) -> None:
    write_native(read_checkpoint(tiny_model), tmp_path, storage="int8")
    in_file, found = load_file(tmp_path / "model.safetensors"), read_checkpoint(tmp_path)
    tensors, scales = found.stored("coarse")
    assert tensors["wte.weight"].dtype == torch.int8
    assert tensors["ln_f.weight"].dtype == torch.float16
    assert torch.equal(tensors["wte.weight"], in_file["coarse.wte.weight"])
    assert torch.equal(scales["wte.weight"], in_file["coarse.wte.weight.scale"])
    assert scales.keys() == {name for name, tensor in tensors.items() if tensor.dtype == torch.int8}
    expected = in_file["coarse.wte.weight"].float() * in_file["coarse.wte.weight.scale"][:, None]
    assert torch.equal(found.part("coarse")["wte.weight"], expected)


def test_int8_is_written_again_as_it_is(tiny_model: Path, tmp_path: Path) -> None:
    write_native(read_checkpoint(tiny_model), tmp_path / "first", storage="int8")
    once = read_checkpoint(tmp_path / "first")
    # Scales that rounding anew would not find: no row reaches 127.
    once = replace(once, scales={name: scale * 1.7 for name, scale in once.scales.items()})
    once = replace(once, tensors={n: t // 2 if t.dtype == torch.int8 else t for n, t in once.tensors.items()})
    write_native(once, tmp_path / "second", storage="int8", floats="fp32")
    twice = read_checkpoint(tmp_path / "second")
    assert all(torch.equal(twice.tensors[name], once.tensors[name]) for name in once.scales)
    assert all(torch.equal(twice.scales[name], once.scales[name]) for name in once.scales)
    others = {tensor.dtype for name, tensor in twice.tensors.items() if name not in twice.scales}
    assert others == {torch.float32}
    write_native(once, tmp_path / "third", storage="fp32")
    floats = read_checkpoint(tmp_path / "third")
    assert not floats.scales
    assert torch.equal(floats.tensors["fine.wpe.weight"], once.part("fine")["wpe.weight"])


def test_reading_copies_nothing_and_never_writes_to_the_file(native: Path) -> None:
    before = (native / "model.safetensors").read_bytes()
    found = read_checkpoint(native)
    networks = build_networks(found)
    name = "wte.weight"
    shared = {network.get_parameter(name).data_ptr() for network in (networks.semantic, networks.coarse)}
    assert shared == {found.tensors[f"{stage}.{name}"].data_ptr() for stage in ("semantic", "coarse")}
    file, other = native / "model.safetensors", read_checkpoint(native)
    if Path("/proc/self/maps").is_file():
        assert all(lies_in(t, file) for c in (found, other) for t in c.tensors.values())
    networks.semantic.wte.weight.fill_(7.0)
    assert file.read_bytes() == before
    assert not bool((other.tensors["semantic.wte.weight"] == 7.0).any())


def lies_in(tensor: torch.Tensor, file: Path) -> bool:
    """Whether a tensor's memory is a private mapping of a file, by what Linux says."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode, *_, name = line.split(maxsplit=5)
        start, end = (int(bound, 16) for bound in span.split("-"))
        if start <= tensor.data_ptr() < end:
            return name == str(file.resolve()) and mode.endswith("p")
    return False


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
        ("coarse.rate_hz", float("nan"), "NaN is not a number"),
        ("coarse.rate_hz", 0, r"rate_hz is 0, expected 1\.\.10000"),
        ("coarse.rate_hz", 10_001, "rate_hz is 10001"),
        ("coarse.rate_hz", 50, "50 frames a second, 75.00 in the codec"),
        ("semantic.rate_hz", 0.5, "rate_hz is 0.5"),
        ("codec.sample_rate", 16_000, "75.0 frames a second, 50.00 in the codec"),
        ("sampling.semantic.top_k", 2.5, "top_k is 2.5"),
        ("sampling.coarse.top_p", True, "top_p is True"),
        ("sampling.min_eos_p", True, "min_eos_p is True"),
        ("default_voice", 7, "default_voice is 7"),
        ("fine.hop_frames", 33, "32 frames of history and a hop of 33 exceed the window"),
        ("coarse.semantic_vocab_size", 65, "outputs are needed|vocabularies differ"),
        ("fine.n_codebooks", 10**12, "n_codebooks is"),
        ("fine.codebook_size", 36, "id 36 is outside 36 inputs"),
        ("fine.window_frames", 65, "65 positions are needed, not 64"),
        ("codec.ratios", [8, 5, 4, -2], "codec.ratios are"),
        ("codec.ratios", "8542", "codec.ratios are"),
        ("codec.last_kernel_size", 0, r"last_kernel_size is 0, expected 1\.\.64"),
        ("codec.last_kernel_size", 10**9, "last_kernel_size is 1000000000"),
        ("codec.last_kernel_size", 19.5, "last_kernel_size is 19.5"),
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
    refused(native, "fine.wtes.3.weight holds int64")
    edit_weights(native, lambda t: t.update({"fine.wtes.3.weight": torch.zeros(36, 32, dtype=torch.int8)}))
    refused(native, "fine.wtes.3.weight has no fitting scales")
    edit_weights(native, lambda t: t.update({"fine.wtes.3.weight.scale": torch.ones(36)}))
    edit_weights(native, lambda t: t.update({"fine.wtes.3.weight": torch.zeros(36, 32)}))
    refused(native, "the scales of fine.wtes.3.weight belong to no int8 matrix")
    edit_weights(native, lambda t: t.update({"x.scale": t.pop("fine.wtes.3.weight.scale")}))
    refused(native, "the scales of x belong to no int8 matrix")
    edit_weights(native, lambda t: t.pop("x.scale"))
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
    refused(native, "has no small model to choose; leave --size out", size="small")
    with pytest.raises(ModelError, match="size 'huge' is unknown"):
        read_checkpoint(native, size="huge")


def test_a_folder_that_cannot_be_written(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot be written"):
        write_native(read_checkpoint(tiny_model), tmp_path / "file" / "model")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_what_is_written_has_the_mode_of_any_new_file(tiny_model: Path, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_native(read_checkpoint(tiny_model), tmp_path / "model")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "model").iterdir()} == {0o640}


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


def test_checkpoint_parts(tiny_model: Path) -> None:
    checkpoint: Checkpoint = read_checkpoint(tiny_model)
    assert "wte.weight" in checkpoint.part("semantic")
    assert sum(len(checkpoint.part(p)) for p in ("semantic", "coarse", "fine", "codec")) == len(
        checkpoint.tensors
    )


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux says what is in memory")
def test_a_mapped_file_gives_its_memory_back_and_says_the_same_again() -> None:
    checkpoint = read_checkpoint(store.resolve_model("nano").folder)

    def kilobytes() -> int:
        """Of the file that are in memory."""
        name, sizes = "", []
        for line in Path("/proc/self/smaps").read_text().splitlines():
            name = line if "-" in line.split()[0] else name
            if line.startswith("Rss:") and name.endswith(str(checkpoint.folder / "model.safetensors")):
                sizes.append(int(line.split()[1]))
        return sum(sizes)

    before = kilobytes()
    array = checkpoint.arrays("semantic")[0]["wte.weight"]
    kept = array.copy()
    assert kilobytes() - before >= array.nbytes // 1024
    checkpoint.let_go()
    assert kilobytes() <= before
    assert np.array_equal(array, kept)
