"""Token for token what suno-ai/bark makes of the same weights, text and voice (golden/make_golden.py)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden.recipe import CASES, FOLDER, Case, inputs, narrow_config, narrow_weights

from bark_cli.backends.eager import EagerBackend
from bark_cli.checkpoint import Networks
from bark_cli.codec import Codec
from bark_cli.engine import Utterance
from bark_cli.model import GPT, FineGPT
from bark_cli.tokens import BarkConfig, CodecConfig, SamplingOptions, StageSampling

GREEDY = StageSampling(temperature=0.0)


def backend(config: BarkConfig, case: Case) -> EagerBackend:
    weights = narrow_weights(config, case.seed, case.end_weight)
    with torch.device("meta"):
        semantic, coarse, fine = GPT(config.semantic.gpt), GPT(config.coarse.gpt), FineGPT(config.fine.gpt)
    semantic.load_state_dict(weights["semantic"], assign=True)
    coarse.load_state_dict(weights["coarse"], assign=True)
    fine.load_state_dict(weights["fine"], assign=True, strict=False)
    for i, head in enumerate(fine.lm_heads):
        head.weight = fine.wtes[i + config.fine.gpt.n_codes_given].weight
    codec = Codec(CodecConfig(n_filters=2, lstm=0, dimension=4))  # not used
    return EagerBackend(
        Networks(semantic=semantic, coarse=coarse, fine=fine, codec=codec), torch.device("cpu")
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tokens_equal_the_reference(case: Case) -> None:
    config = narrow_config()
    text_ids, voice = inputs(case, config)
    options = SamplingOptions(semantic=GREEDY, coarse=GREEDY, fine=GREEDY, max_duration_s=case.max_duration_s)
    utterance = Utterance(config=config, backend=backend(config, case), voice=voice, seed=0, options=options)
    tokens = utterance.tokens(text_ids)
    golden = np.load(FOLDER / f"{case.name}.npz")
    for stage in ("semantic", "coarse", "fine"):
        np.testing.assert_array_equal(getattr(tokens, stage), golden[stage], err_msg=stage)


def test_the_cases_reach_what_they_are_named_for() -> None:
    config = narrow_config()
    golden = {case.name: np.load(FOLDER / f"{case.name}.npz") for case in CASES}
    assert len(golden["fills_every_window"]["semantic"]) == config.semantic.max_new_tokens
    assert golden["fills_every_window"]["fine"].shape[1] > config.fine.window_frames
    long = golden["long_voice"]["fine"].shape[1] + config.fine.max_history_frames
    assert long > config.fine.window_frames + config.fine.hop_frames // 4
    for name in ("ends_early", "short_voice_ends_early"):
        assert len(golden[name]["semantic"]) < config.semantic.max_new_tokens
