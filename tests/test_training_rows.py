"""The rows that the semantic GPT learns from, shorter forms of what it is asked, and what it learns by."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bark_cli.model.config import GPTConfig
from bark_cli.model.networks import Block
from training import run as running
from training.rows import END, FEW, FORMS, Pairs, Row, begins, row_of, stacked
from training.run import Losses, Run
from training.semantic import FactoredSemantic, next_phone_accuracy, semantic_config
from training.vocabulary import layout

SHAPE = {"n_layer": 2, "n_head": 4, "n_embd": 136, "max_text": 24, "max_new": 200}
CONFIG = semantic_config(SHAPE)


def sentence(seed: int, letters: int = 9, frames: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Text ids and factors drawn at random."""
    random = np.random.default_rng(seed)
    text = random.integers(3, CONFIG.gpt.input_vocab_size - CONFIG.text_offset, letters)
    return text, layout().rows[random.integers(0, layout().size, frames)].astype(np.int64)


def row(seed: int, form: str, **size: int) -> Row:
    return row_of(*sentence(seed, **size), CONFIG, form, np.random.default_rng(seed))


def test_the_whole_row_is_the_prompt_of_inference_and_every_token():
    text, factors = sentence(1)
    whole = row(1, "whole")
    pad, infer = CONFIG.text_pad_token - CONFIG.text_offset, CONFIG.infer_token - CONFIG.text_offset
    assert whole.text.tolist() == [*text, *[pad] * (24 - len(text)), infer, *[-1] * len(factors)]
    assert whole.positions.tolist() == list(range(24 + 1 + len(factors)))
    assert (whole.factors[25:] == factors).all()
    assert (whole.targets[24:] == [*factors.tolist(), END.tolist()]).all()
    assert (whole.targets[:24] == -1).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("letters", [22, 24, 5])
def test_a_shorter_row_is_some_positions_of_the_whole_one(form, letters):
    whole, short = row(2, "whole", letters=letters), row(2, form, letters=letters)
    at = short.positions
    for name in ("text", "factors", "targets"):
        assert (getattr(short, name) == getattr(whole, name)[at]).all(), name
    assert (np.diff(at) > 0).all()
    asked = whole.targets[:, 0] >= 0
    assert set(range(letters)) | {24} <= set(at)  # the letters and [INFER] are there
    if form == "bare":
        assert set(np.flatnonzero(asked)) <= set(at)
    if form != "whole":
        assert ((at >= letters) & (at < 24)).sum() == min(FEW, 24 - letters)


def test_a_row_of_phones_asks_for_every_beginning_and_nothing_else():
    whole, phones = row(3, "whole", frames=60), row(3, "phones", frames=60)
    wanted = begins(whole.targets[24:])  # of the tokens and of the end
    assert phones.positions[phones.targets[:, 0] >= 0].tolist() == (24 + np.flatnonzero(wanted)).tolist()


def test_a_phone_begins_after_a_last_frame_or_with_another_name():
    factors = np.array([[5, 0, 0, 1], [5, 0, 1, 1], [5, 0, 0, 2], [7, 0, 0, 2], [7, 1, 0, 2]])
    assert begins(factors).tolist() == [True, False, True, True, False]


def test_what_a_row_is_filled_up_with_changes_nothing():
    torch.manual_seed(0)
    model = FactoredSemantic(SHAPE, 3.4).eval()
    alone, beside = stacked([row(4, "bare")]), stacked([row(4, "bare"), row(5, "bare", frames=90)])
    assert beside.text.shape[1] > alone.text.shape[1]
    count = int(alone.asked.sum())
    with torch.no_grad():
        for one, two in zip(model(alone), model(beside), strict=True):
            torch.testing.assert_close(one, two[:count], atol=1e-5, rtol=1e-4)


def test_phones_named_rightly_are_counted_where_phones_begin():
    batch = stacked([row(6, "whole"), row(7, "phones")])
    targets = batch.targets[batch.asked][:, 0]
    logits = torch.nn.functional.one_hot(targets, int(END[0]) + 1).float()
    assert next_phone_accuracy([logits], batch) == 1.0
    new = (batch.text[batch.asked] >= 0) | (batch.factors[batch.asked][:, 2] == 1)
    logits[torch.nonzero(new)[0]] = 0  # the first guess is wrong now
    logits[torch.nonzero(new)[0], 0 if targets[0] else 1] = 1
    assert next_phone_accuracy([logits], batch) < 1.0


@pytest.fixture
def pairs() -> Pairs:
    """Sixty sentences that no file holds."""
    made = Pairs.__new__(Pairs)
    made.config, made.refresh = CONFIG, lambda: None
    random = np.random.default_rng(0)
    sizes = zip(random.integers(3, 25, 60), random.integers(20, 180, 60), strict=True)
    made.texts, made.factors = zip(*(sentence(i, *size) for i, size in enumerate(sizes)), strict=True)
    return made


@pytest.mark.parametrize("form", FORMS)
def test_a_round_of_batches_holds_every_sentence_once_and_is_never_too_large(pairs, form):
    batches, seen = pairs.batches(1000, form, seed=0), 0
    while seen < 60:
        batch = next(batches)
        assert batch.text.shape[1] % 16 == 0
        assert len(batch.text) == 1 or batch.text.numel() <= 1000
        assert ((batch.targets[..., 0] == END[0]).sum(1) == 1).all()  # the end of speech once
        seen += len(batch.text)
    assert seen == 60


def test_forms_are_mixed_by_their_shares(pairs):
    batches = pairs.mixed(1000, {"whole": 3.0, "phones": 1.0}, seed=0)
    drawn = [next(batches) for _ in range(60)]
    # a whole row has every place of the prompt
    is_whole = [all((batch.positions == at).any(1).all() for at in range(24)) for batch in drawn]
    assert 35 < sum(is_whole) < 55


def network() -> torch.nn.Module:
    """A block of a transformer and something after it, the same each time."""
    torch.manual_seed(1)
    gpt = GPTConfig(
        n_layer=1, n_head=2, n_embd=16, norm_bias=False, input_vocab_size=4, output_vocab_size=4, block_size=8
    )
    return torch.nn.Sequential(Block(gpt, 0, causal=True), torch.nn.Linear(16, 16))


def fit(steps: int) -> tuple[Run, torch.nn.Module]:
    """Let it learn to turn numbers around."""
    run, learner = Run("toy"), network()
    run.options["steps"] = steps
    run.take_up(learner)

    def losses_of(step: int) -> Losses:
        x = torch.randn(4, 6, 16, generator=torch.Generator().manual_seed(step))
        loss = (learner(x) + x.flip(-1)).square().mean()
        return loss, {"loss": loss.item()}

    run.train(losses_of)
    return run, learner


@pytest.fixture
def options(tmp_path, monkeypatch):
    values = {
        "runs": tmp_path, "seed": 0, "threads": 1, "optimizer": "muon", "lr": 1e-2, "betas": [0.9, 0.97],
        "weight_decay": 0.0, "clip": 1.0, "warmup": 1, "report_every": 5, "save_every": 5, "settle": 0.1,
    }  # fmt: skip
    monkeypatch.setattr(running, "settings", lambda _: dict(values))
    monkeypatch.setattr(Run, "draw", lambda _: None)
    return values


def test_muon_turns_the_matrices_of_blocks_equally_in_all_directions(options):
    run, learner = fit(1)
    assert [len(optimizer.param_groups[0]["params"]) for optimizer in run.optimizers] == [4, 4]
    change = learner[0].mlp.c_fc.weight - network()[0].mlp.c_fc.weight
    turned = torch.linalg.svdvals(change.detach())
    assert turned.median() > 0.5 * turned.max() > 0


def test_a_run_with_muon_learns_and_goes_on_exactly_where_it_was_interrupted(options, tmp_path):
    run, straight = fit(40)
    rows = run.rows()
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    options["runs"] = tmp_path / "again"
    fit(10)
    resumed, learner = fit(40)
    assert resumed.start == 10
    torch.testing.assert_close(learner[0].mlp.c_fc.weight, straight[0].mlp.c_fc.weight)
