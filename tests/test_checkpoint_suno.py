"""Suno's .pt files read to our names; damaged, foreign and hostile ones give one line and run nothing."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_checkpoint import refused

from bark_cli.checkpoint import expected_shapes, read_checkpoint
from bark_cli.errors import UnsafeFileError
from bark_cli.model.config import BarkConfig, CoarseConfig, CodecConfig, FineConfig, GPTConfig, SemanticConfig


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
    refused(suno, "has no small model to choose; leave --size out", size="small")
    save_suno(suno, assert_first, suffix="")
    name = "coarse.wte.weight"
    for size, tensors in (("small", assert_first), ("large", suno_tensors), (None, suno_tensors)):
        assert torch.equal(read_checkpoint(suno, size=size).tensors[name], tensors[name])
    for file in suno.glob("*_2.pt"):
        file.unlink()
    assert torch.equal(read_checkpoint(suno).tensors[name], assert_first[name])


def test_a_stray_file_of_the_other_size_does_not_matter(
    tmp_path: Path, suno_tensors: dict[str, torch.Tensor]
) -> None:
    folder = save_suno(tmp_path / "suno", suno_tensors, suffix="")
    (folder / "text_2.pt").touch()
    assert read_checkpoint(folder).layout == "suno"
    refused(folder, "coarse_2.pt is missing; the large model needs", size="large")


ODD = {
    "sparse": lambda t: t.to_sparse(),
    "meta": lambda t: t.to("meta"),
    "repeated": lambda t: torch.zeros(1).expand(t.shape),
    "quantized": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore")  # torch deprecates some of these
@pytest.mark.parametrize("kind", ODD)
def test_tensors_that_are_not_plain_are_refused(
    suno: Path, suno_tensors: dict[str, torch.Tensor], kind: str
) -> None:
    values = suno_file("fine", SUNO.fine.gpt, suno_tensors)
    values["model"]["_orig_mod.transformer.wpe.weight"] = ODD[kind](suno_tensors["fine.wpe.weight"])
    torch.save(values, suno / "fine_2.pt")
    refused(suno, "wpe.weight is not a plain tensor|tries to run code")
    save_suno(suno, suno_tensors)
    codec = {n.removeprefix("codec."): t for n, t in suno_tensors.items() if n.startswith("codec.")}
    name = next(name for name in codec if name.endswith("conv.weight"))
    codec[name] = ODD[kind](codec[name])
    torch.save(codec, suno / "encodec_24khz-d7cc33bc.th")
    refused(suno, "conv.weight is not a plain tensor|tries to run code")


@pytest.mark.parametrize("name", ["text_2.pt", "encodec_24khz-d7cc33bc.th"])
def test_archives_larger_than_they_look_are_refused(
    suno: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = suno / name
    with zipfile.ZipFile(file) as archive:
        content = {info.filename: archive.read(info) for info in archive.infolist()}
    with monkeypatch.context() as small:
        small.setattr("bark_cli.checkpoint.untrusted._MAX_PICKLE_BYTES", 100)
        refused(suno, "describes far more than the tensors of a Bark")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in content.items():
            archive.writestr(member, data)
    refused(suno, "is compressed, which PyTorch checkpoints are not")


def test_both_names_of_numpys_scalar_are_read(suno: Path) -> None:
    """Suno's files were written under numpy 1, ours here under whichever is installed."""
    file = suno / "text_2.pt"
    old, new = b"numpy.core.multiarray", b"numpy._core.multiarray"
    written = new if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else old
    rewrite_pickle(file, written, old if written == new else new)
    assert read_checkpoint(suno).layout == "suno"


def rewrite_pickle(file: Path, before: bytes, after: bytes) -> None:
    """Replace a global's module in the pickle of a torch.save file (protocol 2 ends it with a newline)."""
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


@pytest.mark.parametrize("shape", [(0, 4, 5), (), (2, 1, 1)])
def test_a_codec_whose_gains_do_not_fit(suno: Path, shape: tuple[int, ...]) -> None:
    """torch would end the process, or read on in memory that is none of the gain's."""
    file = suno / "encodec_24khz-d7cc33bc.th"
    codec = torch.load(file, weights_only=True)["best_state"]
    weight = codec.pop("decoder.model.0.conv.conv.weight")
    short = len(shape) == 3 and shape[0] == 2
    codec["decoder.model.0.conv.conv.weight_g"] = torch.ones(shape)
    codec["decoder.model.0.conv.conv.weight_v"] = weight if short else torch.ones(shape)
    torch.save({"best_state": codec}, file)
    refused(suno, "weight_g does not fit")
