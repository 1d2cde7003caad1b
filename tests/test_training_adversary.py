"""What a long training needs: an adversary, balanced losses, averaged weights, an end that can be moved."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training import run as running
from training.adversary import Balance, Contest
from training.run import Average, Run, learnt, rate

OPTIONS = {
    "windows": [64, 128],
    "filters": 4,
    "lr": 3e-3,
    "every": 1,
    "features": 10.0,
    "weights": {"mel": 1.0, "adversary": 1.0},
}
CPU = torch.device("cpu")


def tone(phase: float) -> torch.Tensor:
    """Two waves (2, 1024) of one pitch."""
    at = torch.arange(1024) / 20
    return torch.stack([(at + phase).sin(), (at + phase + 1).sin()]) * 0.3


def play(contest: Contest, step: int, hiss: float = 0.3) -> tuple[torch.Tensor, dict[str, float]]:
    """One round: a hissing tone against a clean one."""
    torch.manual_seed(step)
    real = tone(float(torch.rand(())))
    made = (real + hiss * torch.randn_like(real)).requires_grad_()
    loss, values = contest(made, real, {"mel": (made - real).abs().mean()}, step)
    [gradient] = torch.autograd.grad(loss, made)
    return gradient, values


def test_the_discriminator_learns_to_tell_noise_from_tones_and_the_maker_is_told():
    torch.manual_seed(0)
    contest = Contest(OPTIONS, CPU)
    rounds = [play(contest, step)[1] for step in range(60)]
    assert rounds[0]["told"] == pytest.approx(2.0, abs=0.1)  # it knows nothing yet
    assert rounds[-1]["told"] < 1.0
    assert rounds[-1]["convince"] > rounds[0]["convince"] + 0.3
    _, clean = play(contest, 60, hiss=0.0)
    assert clean["features"] == pytest.approx(0.0, abs=1e-6)
    assert clean["convince"] < rounds[-1]["convince"]


def test_between_its_turns_the_discriminator_stays_as_it_is():
    contest = Contest({**OPTIONS, "every": 3}, CPU)
    before = [weight.clone() for weight in contest.network.parameters()]
    gradient, values = play(contest, 1)
    assert "told" not in values
    assert gradient.isfinite().all()
    assert gradient.norm() > 0
    for old, new in zip(before, contest.network.parameters(), strict=True):
        torch.testing.assert_close(old, new, rtol=0, atol=0)
    play(contest, 3)
    assert any((old != new).any() for old, new in zip(before, contest.network.parameters(), strict=True))


def test_a_discriminator_of_24_filters_learns_on_a_processor():
    torch.manual_seed(0)
    contest = Contest({**OPTIONS, "windows": [256], "filters": 24, "every": 1}, CPU)
    for step in (0, 1):
        play(contest, step)
    assert all(weight.isfinite().all() for weight in contest.network.parameters())


def test_an_interrupted_contest_goes_on_where_it_was(tmp_path):
    torch.manual_seed(0)
    contest, other = Contest(OPTIONS, CPU), Contest(OPTIONS, CPU)
    for step in range(3):
        play(contest, step)
    torch.save(contest.state_dict(), tmp_path / "contest.pt")
    other.load_state_dict(torch.load(tmp_path / "contest.pt", weights_only=True))
    for step in (3, 4):
        wanted, found = play(contest, step), play(other, step)
        torch.testing.assert_close(wanted[0], found[0])
        assert wanted[1] == pytest.approx(found[1])


def test_losses_have_their_shares_whatever_their_scale():
    balance = Balance({"loud": 1.0, "quiet": 3.0})
    loud, quiet = torch.tensor([1000.0, 0.0]), torch.tensor([0.0, 0.001])
    for _ in range(3):
        torch.testing.assert_close(
            balance({"loud": loud, "quiet": quiet}), torch.tensor([0.25, 0.75]), rtol=1e-4, atol=0
        )
    # the scale is a moving average: one strange batch is not made as small as the others
    assert balance({"loud": 2 * loud, "quiet": quiet})[0] > 0.4


def test_the_rate_is_a_cosine_or_holds_until_it_settles():
    factors = [rate(step, 100, warmup=10) for step in range(100)]
    assert factors[:2] == pytest.approx([0.1, 0.2])
    assert factors[55] == pytest.approx(0.51, abs=0.01)
    assert factors[99] == pytest.approx(0.02, abs=0.001)
    held = [rate(step, 100, warmup=10, settle=0.2) for step in range(100)]
    assert set(held[10:82]) == {1.0}
    assert held[91] == pytest.approx(0.51, abs=0.01)
    assert rate(99, 1000, warmup=10, settle=0.2) == 1.0  # with more steps there is no hurry


def test_an_average_follows_slowly_and_copies_what_cannot_be_averaged():
    network = torch.nn.BatchNorm1d(2)
    average = Average(network, 0.9)
    with torch.no_grad():
        network.weight.fill_(3.0)
    network.num_batches_tracked.fill_(5)
    average.update(network, step=1000)
    torch.testing.assert_close(average.values["weight"], torch.full((2,), 1.2))  # 0.9 x 1 + 0.1 x 3
    assert average.values["num_batches_tracked"] == 5
    average.update(network, step=0)
    torch.testing.assert_close(average.values["weight"], torch.full((2,), 2.82))  # 0.1 x 1.2 + 0.9 x 3


@pytest.fixture
def options(tmp_path, monkeypatch) -> dict[str, object]:
    """The settings of every step."""
    chosen = {
        "runs": tmp_path, "seed": 0, "threads": torch.get_num_threads(), "lr": 0.1, "betas": [0.9, 0.97],
        "weight_decay": 0.0, "clip": 1.0, "steps": 8, "warmup": 1, "save_every": 4, "report_every": 4,
    }  # fmt: skip
    monkeypatch.setattr(running, "settings", lambda _: chosen)
    monkeypatch.setattr(Run, "draw", lambda _: None)
    return chosen


def fit(name: str) -> tuple[Run, torch.nn.Linear]:
    """Fit a line."""
    torch.manual_seed(3)
    run, network = Run(name), torch.nn.Linear(2, 1, bias=False)
    run.take_up(network)

    def losses_of(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        loss = (network(torch.ones(1, 2)) - step).square().sum()
        return loss, {"loss": loss.item()}

    run.train(losses_of)
    return run, network


def test_a_run_keeps_the_average_and_another_begins_with_it(options, tmp_path: Path):
    options["average"] = 0.5
    first, network = fit("first")
    kept = learnt(first.checkpoint)["weight"]
    assert not torch.equal(kept, network.weight)
    options |= {"start": str(first.checkpoint), "steps": 0}
    _, second = fit("second")
    torch.testing.assert_close(second.weight.detach(), kept)


def test_an_average_goes_on_after_an_interruption(options):
    options["average"] = 0.5
    whole, _ = fit("whole")
    wanted = learnt(whole.checkpoint)["weight"]
    options["settle"] = 0.01  # the same rate at every step, wherever the end is
    straight, _ = fit("straight")
    options["steps"] = 4
    fit("halves")
    options["steps"] = 8
    halves, _ = fit("halves")
    assert halves.start == 4
    torch.testing.assert_close(learnt(halves.checkpoint)["weight"], learnt(straight.checkpoint)["weight"])
    assert not torch.equal(wanted, learnt(straight.checkpoint)["weight"])


def test_without_an_average_the_last_weights_are_what_was_learnt(options):
    run, network = fit("plain")
    torch.testing.assert_close(learnt(run.checkpoint)["weight"], network.weight.detach())


def test_an_average_that_is_new_to_a_run_begins_with_what_the_run_has_learnt(options):
    options["steps"] = 4
    before, _ = fit("late")
    reached = learnt(before.checkpoint)["weight"]
    options |= {"average": 0.999, "steps": 5, "lr": 0.0}
    late, _ = fit("late")
    torch.testing.assert_close(learnt(late.checkpoint)["weight"], reached)
