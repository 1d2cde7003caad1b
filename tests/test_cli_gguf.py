"""GGUF at the command line: spoken with, downloaded, converted, listed, looked into."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from gguf_files import PIECES, write_crispasr
from local_hub import Faults, LocalHub
from small_models import small_tensors
from test_cli_download import bark
from test_gguf import wide_config
from test_gguf_hostile import small_config

from bark_cli import store
from bark_cli.checkpoint import Checkpoint, read_checkpoint, write_native
from bark_cli.doctor.cache import CACHE

__all__ = ["bark"]  # a fixture

REPOSITORY = "cstr/bark-small-GGUF"
Q8_0 = "bark-small-q8_0.gguf"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = small_config()
    return write_crispasr(tmp_path_factory.mktemp("gguf") / Q8_0, config, small_tensors(config))


@pytest.fixture
def file(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(model, tmp_path / Q8_0))


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that any storage of GGUF can hold."""
    folder = tmp_path_factory.mktemp("native") / "wide"
    config = wide_config()
    made = Checkpoint(
        config=config,
        tensors=small_tensors(config),
        tokenizer_file=folder,
        vocabulary=tuple(PIECES),
        layout="native",
        folder=folder,
    )
    write_native(made, folder)
    (folder / "LICENSE").write_text("MIT")
    return folder


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_file_speaks(bark: Any, file: Path, tmp_path: Path, precision: str) -> None:
    options = ["--max-duration", 0.4, "--seed", 7, "--precision", precision, "-v", "none", "--json"]
    said = bark("say", "hello", "-m", file, "-o", tmp_path / "a.wav", *options)
    assert said.code == 0, said.err
    assert said.json["model"] == "bark-small-q8_0"
    assert said.json["seconds"] == pytest.approx(0.4, abs=0.03)
    (tmp_path / "alone").mkdir()
    shutil.copy(file, tmp_path / "alone" / "x.gguf")
    again = bark("say", "hello", "-m", tmp_path / "alone", "-o", tmp_path / "b.wav", *options)
    assert again.code == 0, again.err
    assert np.array_equal(soundfile.read(tmp_path / "a.wav")[0], soundfile.read(tmp_path / "b.wav")[0])
    outlined = bark("say", "hello", "-m", file, "--dry-run", "--json")
    assert outlined.json["pieces"][0]["tokens"] == 1


def test_what_a_file_holds_is_told(bark: Any, file: Path) -> None:
    shown = bark("show", file)
    assert (shown.code, shown.err) == (0, "")
    assert "bark-test, architecture bark" in shown.out
    assert "in F32" in shown.out
    listed = bark("inspect", file)
    assert "text.blk.0.attn_qkv.weight" in listed.out
    assert "bark.encodec.ratios" in listed.out
    record = bark("inspect", file, "--json").json
    assert record["keys"]["bark.encodec.ratios"] == [8, 5, 4, 2]
    assert record["keys"]["tokenizer.ggml.tokens"] == f"{len(PIECES)} of type string"
    assert {"name", "shape", "type", "bytes", "offset"} == set(record["tensors"][0])
    assert record["bytes"] == file.stat().st_size
    assert bark("inspect", file, "--plot", "x.png").line.endswith("leave out --tokens and --plot")
    file.write_bytes(file.read_bytes()[:1000])
    assert "is not a whole GGUF file" in bark("show", file).line
    assert bark("show", file).code == 1


def test_the_cache_knows_files_and_what_was_made_of_them(bark: Any, file: Path, tmp_path: Path) -> None:
    options = ["--max-duration", 0.1, "-v", "none", "--precision", "int8", "-o", tmp_path / "a.wav"]
    assert bark("say", "hello", "-m", file, *options).code == 0
    models = {model["name"]: model for model in bark("cache", "ls", "--json").json["models"]}
    found = models[str(file)]
    assert (found["layout"], found["place"], found["complete"]) == ("gguf", "elsewhere", True)
    assert found["converted_bytes"] > 10_000
    home = store.models_home() / "mine"
    home.mkdir(parents=True)
    shutil.copy(file, home)
    models = {model["name"]: model for model in bark("cache", "ls", "--json").json["models"]}
    assert (models["mine"]["layout"], models["mine"]["place"]) == ("gguf", "own")
    assert store.resolve_model("mine").folder == home
    findings = [finding for probe in CACHE if probe.topic == "models" for finding in probe.ask()]
    assert {"model mine": "ok", f"model {file}": "ok"}.items() <= {f.topic: f.state for f in findings}.items()
    (home / "mine.gguf").write_bytes(b"GGUF" + bytes(100))
    assert bark("say", "hello", "-m", "mine", *options, "--force").line.endswith(
        f"model mine holds several GGUF files ({Q8_0}, mine.gguf); name one, as in -m {home / Q8_0}"
    )
    assert "it holds several GGUF files" in bark("cache", "ls").err
    (home / Q8_0).unlink()
    findings = [finding for probe in CACHE if probe.topic == "models" for finding in probe.ask()]
    [broken] = [finding for finding in findings if finding.topic == "model mine"]
    assert (broken.state, "mine.gguf" in broken.text) == ("warning", True)
    (home / "mine.gguf").write_bytes(file.read_bytes()[:-100])
    listed = bark("cache", "ls")
    assert "mine.gguf is not a whole GGUF file" in listed.err
    assert re.search(r"^mine .*damaged", listed.out, re.MULTILINE)
    file.write_bytes(b"GGUF" + bytes(100))  # another file now: the old conversion is of no use
    assert bark("say", "hello", "-m", file, *options, "--force").code == 1


def test_a_named_model_s_file_of_others(bark: Any, local_hub: LocalHub, model: Path) -> None:
    local_hub.add(
        REPOSITORY, {Q8_0: model.read_bytes(), "README.md": b"hello", "bark-small-f16.gguf": b"GGUF"}
    )
    local_hub.add("suno/bark-small", {"config.json": b"{}"})
    looked = bark("download", "small", "--layout", "gguf", "--dry-run")
    assert looked.code == 0, looked.err
    for said in (
        Q8_0,
        "CrispASR",
        "MIT",
        f"huggingface.co/{REPOSITORY}",
        "Suno's own is `bark download small`",
    ):
        assert said in looked.err
    assert not store.models_home().exists()
    done = bark("download", "small", "--layout", "gguf", "--quant", "q8_0")
    assert done.code == 0, done.err
    found = store.resolve_model("bark-small-q8_0")
    assert [path.name for path in found.folder.iterdir()] == [Q8_0]
    assert (found.folder / Q8_0).read_bytes() == model.read_bytes()
    assert store.find_model("small") is None
    assert store.resolve_model(None).name == "nano"
    again = bark("download", REPOSITORY, "--file", Q8_0, "--json")
    assert (again.json["name"], again.json["changed"], again.json["layout"]) == (
        "bark-small-q8_0",
        False,
        "gguf",
    )
    assert bark("cache", "verify", "bark-small-q8_0").code == 0
    (found.folder / Q8_0).write_bytes(b"GGUF" + model.read_bytes()[4:-1] + b"\xff")
    broken = bark("cache", "verify", "bark-small-q8_0")
    assert broken.line.endswith(f"fetch it again with `bark download {REPOSITORY} --file {Q8_0}`")
    assert bark("download", REPOSITORY, "--file", Q8_0).code == 0
    assert bark("cache", "verify").code == 0
    assert bark("cache", "rm", "bark-small-q8_0", "-y").code == 0


def test_a_file_that_is_not_the_hubs_is_not_taken(bark: Any, local_hub: LocalHub, model: Path) -> None:
    local_hub.add(REPOSITORY, {Q8_0: model.read_bytes()})
    local_hub.misbehave(f"{REPOSITORY}/{Q8_0}", Faults(flip_at=200))
    refused = bark("download", "small", "--layout", "gguf")
    assert refused.code == 1
    assert "its sha256 is" in refused.line
    assert store.find_model("bark-small-q8_0") is None


def test_which_file_of_a_repository(bark: Any, local_hub: LocalHub, model: Path) -> None:
    data = model.read_bytes()
    local_hub.add("me/one", {"my-bark.gguf": data})
    local_hub.add("me/two", {"a.gguf": data, "small.gguf": data})
    local_hub.add(
        "me/llama",
        {"llama.gguf": b"GGUF" + data[4:].replace(b"\x04\0\0\0\0\0\0\0bark", b"\x04\0\0\0\0\0\0\0mini")},
    )
    assert bark("download", "me/one", "--json").json["name"] == "my-bark"
    several = bark("download", "me/two")
    assert several.code == 2
    assert several.line.endswith("holds several GGUF files (a.gguf, small.gguf); choose one with --file")
    assert (
        "holds no GGUF file b.gguf (there: a.gguf, small.gguf)"
        in bark("download", "me/two", "--file", "b.gguf").line
    )
    assert bark("download", "me/two", "--file", "small.gguf", "--json").json["name"] == "small-gguf"
    assert "holds a model 'mini', not Bark" in bark("download", "me/llama").line
    assert "no GGUF file of large is known" in bark("download", "large", "--layout", "gguf").line
    assert bark("download", "me/two", "--quant", "f16").code == 2


def test_files_of_ones_own_are_taken_in_and_stay(bark: Any, file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    for arguments in ([str(file)], ["other", "--from", str(file)], ["third", "--from", str(tmp_path)]):
        done = bark("download", *arguments, "--json", "-q")
        assert done.code == 0, done.err
        kept = Path(done.json["path"]) / Q8_0
        assert kept.read_bytes() == before
        assert not kept.is_symlink()
        assert not kept.samefile(file)
        assert bark("download", *arguments, "--json", "-q").json["changed"] is False
    assert {"bark-small-q8_0", "other", "third"} <= {ref.name for ref in store.installed_models()}
    assert file.read_bytes() == before


@pytest.mark.parametrize("storage", ["fp32", "f16", "q8_0", "q4_k"])
def test_what_convert_writes_speaks(bark: Any, native: Path, tmp_path: Path, storage: str) -> None:
    out = tmp_path / "wide.gguf"
    done = bark("convert", native, out, "--to", "gguf", "--storage", storage, "--json")
    assert done.code == 0, done.err
    assert done.json["bytes"] == out.stat().st_size
    assert done.json["storage"] == ("fp16" if storage == "f16" else storage)
    assert any("no place for LICENSE" in line for line in done.json["left_out"])
    assert [path.name for path in tmp_path.iterdir()] == ["wide.gguf"]
    kinds = bark("inspect", out, "--json").json["types"]
    assert {"fp32": "F32", "f16": "F16", "q8_0": "Q8_0", "q4_k": "Q4_K"}[storage] in kinds
    said = bark("say", "hello", "-m", out, "-v", "none", "--max-duration", 0.1, "-o", tmp_path / "a.wav")
    assert said.code == 0, said.err


def test_a_file_becomes_a_folder_again(bark: Any, native: Path, tmp_path: Path) -> None:
    assert bark("convert", native, tmp_path / "a.gguf", "--to", "gguf").code == 0
    assert bark("convert", tmp_path / "a.gguf", tmp_path / "back", "--to", "native").code == 0
    first, second = read_checkpoint(native), read_checkpoint(tmp_path / "back")
    assert first.config == second.config
    assert all(torch.equal(first.float32(name), second.float32(name)) for name in first.tensors)
    assert (tmp_path / "back" / "vocab.txt").is_file()
    for layout in ("transformers", "suno"):  # the widths are none of Suno's: it says so, or writes
        done = bark("convert", tmp_path / "a.gguf", tmp_path / layout, "--to", layout)
        assert done.code in (0, 2), done.err


def test_what_convert_will_not_do(bark: Any, native: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.gguf"
    refused = bark("convert", "nano", out, "--to", "gguf")
    assert refused.code == 2
    assert "nano does not fit GGUF's layout: its semantic rate_hz is 50.0" in refused.line
    assert bark("convert", native, out, "--to", "gguf", "--storage", "int8").line.endswith(
        "GGUF's layout has no int8; use --storage fp32, fp16, q8_0 or q4_k, or --to native or --to openvino"
    )
    assert (
        "has no q8_0; use --storage fp32 or fp16, or --to gguf"
        in bark("convert", native, tmp_path / "x", "--to", "transformers", "--storage", "q8_0").line
    )
    assert "give it a name that ends in .gguf" in bark("convert", native, tmp_path / "x", "--to", "gguf").line
    out.write_bytes(b"mine")
    assert "exists" in bark("convert", native, out, "--to", "gguf").line
    assert (
        "is not a GGUF file, so --force does not"
        in bark("convert", native, out, "--to", "gguf", "--force").line
    )
    assert out.read_bytes() == b"mine"
    out.unlink()
    assert bark("convert", native, out, "--to", "gguf", "-q").code == 0
    assert bark("convert", out, out, "--to", "gguf", "--force").line.endswith(
        "is the model itself; give another name"
    )
    assert bark("convert", native, out, "--to", "gguf", "--force", "--storage", "f16", "-q").code == 0
    assert json.loads(bark("show", out, "--json").out)["types"]["F16"]
