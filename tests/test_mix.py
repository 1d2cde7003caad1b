"""Stages of several models as one: whose weights, tokenizer and defaults they have; what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_tensors, tiny_voice, write_tiny_tokenizer, write_voice

from bark_cli.checkpoint import Checkpoint, mix_stages, read_checkpoint, write_native
from bark_cli.cli import main
from bark_cli.errors import OptionError
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import STAGES, SamplingOptions, StageSampling
from bark_cli.pipeline import Bark
from bark_cli.store import models_home

LONG = SamplingOptions(min_eos_p=None)


def write_model(folder: Path, config: BarkConfig, seed: int) -> Path:
    (folder.parent / "tokenizer").mkdir()
    model = Checkpoint(
        config=config,
        tensors=tiny_tensors(config, seed),
        tokenizer_file=write_tiny_tokenizer(folder.parent / "tokenizer" / "tokenizer.json"),
        layout="native",
        folder=folder,
    )
    write_native(model, folder, floats="fp32")
    return folder


@pytest.fixture(scope="module")
def wide(tiny_config: BarkConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Bark with a wider semantic and a deeper coarse stage, and sampling of its own."""
    semantic = replace(tiny_config.semantic, gpt=replace(tiny_config.semantic.gpt, n_embd=64))
    coarse = replace(tiny_config.coarse, gpt=replace(tiny_config.coarse.gpt, n_layer=3))
    sampling = SamplingOptions(
        semantic=StageSampling(temperature=0.31),
        coarse=StageSampling(temperature=0.32),
        fine=StageSampling(temperature=0.33),
        min_eos_p=0.34,
    )
    config = replace(tiny_config, semantic=semantic, coarse=coarse, sampling=sampling)
    return write_model(tmp_path_factory.mktemp("wide") / "wide", config, seed=5)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_comes_whole_from_its_model_and_the_rest_stays(
    stage: str, tiny_model: Path, wide: Path
) -> None:
    base, other = read_checkpoint(tiny_model), read_checkpoint(wide)
    mixed = mix_stages(base, {stage: other})
    theirs = {stage, "codec"} if stage == "fine" else {stage}
    for part in (*STAGES, "codec"):
        source = other if part in theirs else base
        assert getattr(mixed.config, part) == getattr(source.config, part)
        held = mixed.part(part)
        assert held.keys() == source.part(part).keys()
        assert all(torch.equal(tensor, source.part(part)[name]) for name, tensor in held.items())
    for part in STAGES:
        source = other if part == stage else base
        assert getattr(mixed.config.sampling, part) == getattr(source.config.sampling, part)
    ends = other if stage == "semantic" else base
    assert mixed.config.sampling.min_eos_p == ends.config.sampling.min_eos_p
    assert mixed.tokenizer_file == ends.tokenizer_file
    assert mixed.folder == tiny_model


def test_nothing_chosen_is_the_model_itself(tiny_model: Path) -> None:
    base = read_checkpoint(tiny_model)
    assert mix_stages(base, {}) is base


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_mixture_speaks_as_its_parts_do(precision: str, tiny_model: Path, wide: Path) -> None:
    """The semantic stage of one and the rest of the other: its tokens are the one's, for the same seed."""
    text, how = "hello bark", {"device": "cpu", "precision": precision}
    mixed = Bark.load(tiny_model, semantic=wide, **how).say(text, seed=3, options=LONG)
    theirs = Bark.load(wide, **how).say(text, seed=3, options=LONG)
    ours = Bark.load(tiny_model, **how).say(text, seed=3, options=LONG)
    assert mixed.model == "tiny+semantic:wide"
    assert np.array_equal(mixed.tokens.semantic, theirs.tokens.semantic)
    assert not np.array_equal(mixed.tokens.semantic, ours.tokens.semantic)
    assert not np.array_equal(mixed.tokens.coarse, theirs.tokens.coarse)


def test_where_every_stage_is_chosen_no_other_model_is_needed(
    tiny_model: Path, wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bark_cli.store.places.nano_folder", lambda: tmp_path / "nowhere")
    bark = Bark.load(semantic=wide, coarse=wide, fine=tiny_model, device="cpu")
    assert bark.folder == tiny_model
    assert bark.config.coarse.gpt.n_layer == 3


def changed(config: BarkConfig, **numbers: int | float) -> BarkConfig:
    return replace(config, semantic=replace(config.semantic, **numbers))


def test_stages_that_speak_of_other_tokens_are_refused(
    tiny_config: BarkConfig, tiny_model: Path, tmp_path: Path
) -> None:
    base = read_checkpoint(tiny_model)
    other = replace(base, config=changed(tiny_config, rate_hz=49.0))
    with pytest.raises(OptionError, match=r"49\.0 semantic tokens a second, not 50\.0"):
        mix_stages(base, {"semantic": other})
    other = replace(base, config=changed(tiny_config, vocab_size=60, pad_token=60))
    with pytest.raises(OptionError, match="semantic and coarse vocabularies differ; take them from"):
        mix_stages(base, {"semantic": other})
    coarse = replace(tiny_config.coarse, codebook_size=16)
    with pytest.raises(OptionError, match="codebook sizes differ"):
        mix_stages(base, {"coarse": replace(base, config=replace(tiny_config, coarse=coarse))})


def test_the_command_takes_stages_by_name(
    tiny_model: Path, wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models_home().mkdir(parents=True)
    for name, folder in (("small", tiny_model), ("large", wide)):
        (models_home() / name).symlink_to(folder)
    write_voice(tmp_path / "v.npz", tiny_voice(read_checkpoint(tiny_model).config))
    words = ["hello", "--semantic-model", "large", "--coarse-model", "small", "--fine-model", "small"]
    out = ["-o", str(tmp_path / "out.wav"), "--seed", "3", "-v", str(tmp_path / "v.npz"), "--min-eos-p", "1"]
    assert main(["say", *words, *out]) == 0
    assert "speaking with small+semantic:large\n" in capsys.readouterr().err
    out[1] = str(tmp_path / "other.wav")
    assert main(["say", "hello", "-m", "nano", "--semantic-model", "small", *out]) == 2
    assert "these stages do not go together" in capsys.readouterr().err
