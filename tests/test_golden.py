"""Token for token what suno-ai/bark makes of the same weights, text and voice (golden/make_golden.py)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.recipe import CASES, FOLDER, Case, inputs, narrow_config, narrow_weights

from bark_cli.backends.eager import EagerBackend
from bark_cli.checkpoint import Networks, expected_shapes
from bark_cli.engine import Engine
from bark_cli.model.codec import Codec
from bark_cli.model.config import BarkConfig, CodecConfig
from bark_cli.model.networks import GPT, FineGPT
from bark_cli.model.options import SamplingOptions, StageSampling
from bark_cli.model.tokens import Samples, Tokens
from bark_cli.pipeline import Bark
from bark_cli.stages.utterance import Spoken, Utterance, speak
from bark_cli.voices.catalogue import Voice

GREEDY = StageSampling(temperature=0.0)


class Silent(EagerBackend):
    """Without a codec: tokens are what is compared."""

    def decode_audio(self, codes: Tokens) -> Samples:
        return np.zeros(codes.shape[1], np.float32)


def backend(config: BarkConfig, case: Case) -> Silent:
    weights = narrow_weights(config, case.seed, case.end_weight)
    with torch.device("meta"):
        semantic, coarse, fine = GPT(config.semantic.gpt), GPT(config.coarse.gpt), FineGPT(config.fine.gpt)
    semantic.load_state_dict(weights["semantic"], assign=True)
    coarse.load_state_dict(weights["coarse"], assign=True)
    fine.load_state_dict(weights["fine"], assign=True, strict=False)
    for i, head in enumerate(fine.lm_heads):
        head.weight = fine.wtes[i + config.fine.gpt.n_codes_given].weight
    codec = Codec(CodecConfig(n_filters=2, lstm=0, dimension=4))  # not used
    return Silent(Networks(semantic=semantic, coarse=coarse, fine=fine, codec=codec), torch.device("cpu"))


def greedy(case: Case) -> SamplingOptions:
    return SamplingOptions(semantic=GREEDY, coarse=GREEDY, fine=GREEDY, max_duration_s=case.max_duration_s)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tokens_equal_the_reference(case: Case) -> None:
    config = narrow_config()
    text_ids, voice = inputs(case, config)
    network = backend(config, case)
    utterance = Utterance(text_ids=text_ids, voice=voice, seed=0, options=greedy(case))
    [outcome] = Engine[Spoken](network).run([speak(utterance, config)])
    assert isinstance(outcome.result, Spoken)
    tokens = outcome.result.tokens
    golden = np.load(FOLDER / f"{case.name}.npz")
    for stage in ("semantic", "coarse", "fine"):
        np.testing.assert_array_equal(getattr(tokens, stage), golden[stage], err_msg=stage)


def write_suno(folder: Path, config: BarkConfig, case: Case) -> Path:
    """A case's weights as Suno lays them out on disk, and a tokenizer whose n-th word is `wn`."""
    weights = narrow_weights(config, case.seed, case.end_weight)
    for stage, gpt in (
        ("semantic", config.semantic.gpt),
        ("coarse", config.coarse.gpt),
        ("fine", config.fine.gpt),
    ):
        state = weights[stage]
        for i in range(gpt.n_codes_given, gpt.n_codes_total):
            state[f"lm_heads.{i - gpt.n_codes_given}.weight"] = state[f"wtes.{i}.weight"]
        model = {
            f"_orig_mod.{'' if name.startswith('lm_head') else 'transformer.'}{name}": value
            for name, value in state.items()
        }
        shape = {key: value for key, value in dataclasses.asdict(gpt).items() if key != "norm_bias"}
        if stage != "fine":
            del shape["n_codes_total"], shape["n_codes_given"]
        content = {"model": model, "model_args": shape, "best_val_loss": np.float64(2.0)}
        torch.save(content, folder / f"{'text' if stage == 'semantic' else stage}_2.pt")
    codec = {
        name.removeprefix("codec."): torch.zeros(size)
        for name, size in expected_shapes(config).items()
        if name.startswith("codec.")
    }
    torch.save(codec, folder / "encodec_24khz-d7cc33bc.th")
    words = config.semantic.text_pad_token - config.semantic.text_offset
    (folder / "vocab.txt").write_text("\n".join(f"w{n}" for n in range(words)) + "\n")
    return folder


def test_sunos_own_files_say_what_the_reference_says(tmp_path: Path) -> None:
    """The whole way: .pt files, tokenizer and voice in; tokens and sound out."""
    [case] = [case for case in CASES if case.name == "short_voice_ends_early"]
    config = narrow_config()
    text_ids, voice = inputs(case, config)
    assert voice is not None
    bark = Bark.load(write_suno(tmp_path, config, case), device="cpu", precision="fp32")
    text = " ".join(f"w{n}" for n in text_ids - config.semantic.text_offset)
    speech = bark.say(text, voice=Voice("ann", voice), seed=0, options=greedy(case))
    golden = np.load(FOLDER / f"{case.name}.npz")
    for stage in ("semantic", "coarse", "fine"):
        np.testing.assert_array_equal(getattr(speech.tokens, stage), golden[stage], err_msg=stage)
    assert speech.audio.samples.shape == (golden["fine"].shape[1] * 320,)


def test_the_cases_reach_what_they_are_named_for() -> None:
    config = narrow_config()
    golden = {case.name: np.load(FOLDER / f"{case.name}.npz") for case in CASES}
    assert len(golden["fills_every_window"]["semantic"]) == config.semantic.max_new_tokens
    assert golden["fills_every_window"]["fine"].shape[1] > config.fine.window_frames
    long = golden["long_voice"]["fine"].shape[1] + config.fine.max_history_frames
    assert long > config.fine.window_frames + config.fine.hop_frames // 4
    for name in ("ends_early", "short_voice_ends_early"):
        assert len(golden[name]["semantic"]) < config.semantic.max_new_tokens
