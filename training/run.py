"""What the networks' steps share: the loop, its log and loss curve, and how to go on when interrupted."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from bark_cli.checkpoint import read_checkpoint
from bark_cli.model.networks import Block
from training.processes import held
from training.settings import HERE, settings

BEGUN = "begun.pt"  # in a run's folder: what it began with
Losses = tuple[Tensor, dict[str, float]]  # what to descend, and what to write down


class Stateful(Protocol):
    """What else a run saves and takes up again: an opponent, a balance, an average."""

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Go on from there."""
        ...


@runtime_checkable
class FromModel(Protocol):
    """A network that can begin with its part of a finished model."""

    part: str

    def begin_with(self, plain: Mapping[str, Tensor]) -> None:
        """Take over the part's tensors, under bark_cli.model.networks's names."""
        ...


def rate(step: int, steps: int, *, warmup: int, settle: float = 1.0, floor: float = 0.02) -> float:
    """Learning-rate factor: linear warm-up, then 1, at the end half a cosine.

    The cosine takes the last `settle` of the steps, down to `floor`. Where that is below 1, the end may be
    moved while a run goes on: more `steps` raise the rate again.
    """
    if step < warmup:
        return (step + 1) / warmup
    left = (steps - step) / max(1.0, settle * (steps - warmup))
    return floor + (1 - floor) * 0.5 * (1 - math.cos(math.pi * min(1.0, left)))


def learnt(file: Path) -> dict[str, Tensor]:
    """A checkpoint's network: the average of its weights where the run kept one, else the last."""
    saved = torch.load(file, weights_only=True, map_location="cpu")
    weights: dict[str, Tensor] = saved.get("average", saved["model"])
    return weights


def left_by(step: str) -> dict[str, Tensor]:
    """The network that a step left, averaged with the one that it began with as `start_share` says.

    The new one has learnt more, the old one is steadier: the mean of both may be better than either
    (Wortsman et al., "Robust fine-tuning of zero-shot models").
    """
    options = settings(step)
    weights, share = learnt(options["runs"] / step / "last.pt"), options.get("start_share", 0.0)
    if not share:
        return weights
    begun = learnt(options["runs"] / step / BEGUN)
    return {name: t.lerp(begun[name], share) if t.is_floating_point() else t for name, t in weights.items()}


def begin_with(network: nn.Module, start: Path) -> None:
    """Let a network begin with the weights of another run's last.pt, or with a part of a finished model.

    Raises:
        FileNotFoundError: `start` is not there.
        TypeError: `start` is a model's folder, and this network cannot begin with one.
    """
    if not start.is_dir():
        network.load_state_dict(learnt(start))
    elif isinstance(network, FromModel):
        network.begin_with(read_checkpoint(start).part(network.part))
    else:
        raise TypeError(f"{type(network).__name__} cannot begin with a finished model as {start} is one")


def save_whole(state: dict[str, Any], file: Path) -> None:
    """Write a state to a temporary file and move it into place."""
    part = file.with_suffix(".part")
    torch.save(state, part)
    part.replace(file)


class Average:
    """A moving average of a network's weights and buffers, which is steadier than the last of them."""

    def __init__(self, network: nn.Module, keep: float) -> None:
        self.keep = keep
        self.values = {name: t.detach().clone() for name, t in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step; early on the average forgets faster."""
        keep = min(self.keep, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, 1 - keep)
            else:
                self.values[name].copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """The averages under the network's names."""
        return self.values

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from saved averages."""
        for name, value in self.values.items():
            value.copy_(state[name])


def block_matrices(network: nn.Module) -> list[nn.Parameter]:
    """The weight matrices inside a network's transformer blocks, which is what Muon is for."""
    blocks = [module for module in network.modules() if isinstance(module, Block)]
    return [p for block in blocks for p in block.parameters() if p.ndim == 2]


class Run:
    """A training step and its folder runs/<name>: last.pt (weights and optimizer), log.jsonl, loss.png.

    It runs on a GPU where there is one. Five options need not be there: `start`, whose weights to begin with,
    another run's last.pt or a finished model's folder; `start_share`, how much of these is in what is
    exported, see `left_by`; `average`, how much a moving average of the weights keeps at a step; `settle`,
    see `rate`; `optimizer = "muon"`, Muon for the matrices of transformer blocks and AdamW, as else, for the
    rest.
    """

    def __init__(self, name: str) -> None:
        self.name, self.options = name, settings(name)
        self.folder: Path = self.options["runs"] / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start = 0
        self.values: dict[str, list[float]] = defaultdict(list)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.set_num_threads(self.options["threads"])
        torch.manual_seed(self.options["seed"])

    @property
    def checkpoint(self) -> Path:
        """Weights and optimizer of the last save."""
        return self.folder / "last.pt"

    @property
    def seed(self) -> int:
        """Of the data: another one after every interruption, so that no batch comes twice."""
        return int(self.options["seed"] + self.start)

    def take_up(self, network: nn.Module, **beside: Stateful) -> None:
        """Train `network` from now on, from where the last save left it and what is `beside` it.

        Raises:
            FileNotFoundError: there is no save yet, nor the checkpoint that the option `start` names.
        """
        self.network, self.beside, options = network.to(self.device), beside, self.options
        matrices = block_matrices(network) if options.get("optimizer") == "muon" else []
        others = [p for p in network.parameters() if all(p is not matrix for matrix in matrices)]
        decay = options["weight_decay"]
        self.optimizer = torch.optim.AdamW(others, betas=tuple(options["betas"]), weight_decay=decay)
        self.optimizers: list[torch.optim.Optimizer] = [self.optimizer]
        if matrices:
            # scaled so that AdamW's learning rate is right for it too
            muon = torch.optim.Muon(matrices, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
            self.optimizers.append(muon)
            self.beside["muon"] = muon
        if not self.checkpoint.exists() and "start" in options:
            begin_with(network, HERE.parent / options["start"])
            if "start_share" in options:
                save_whole({"model": network.state_dict()}, self.folder / BEGUN)
        saved = self._saved()
        if saved:
            network.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.start = int(saved["step"])
            print(f"{self.name}: resuming at step {self.start}", flush=True)
        # after the weights are there: an average that is new to the run begins with them
        self.average = Average(network, options["average"]) if "average" in options else None
        if self.average is not None:
            self.beside["average"] = self.average
        for name in self.beside.keys() & saved.keys():
            self.beside[name].load_state_dict(saved[name])

    def _saved(self) -> dict[str, Any]:
        if not self.checkpoint.exists():
            return {}
        saved: dict[str, Any] = torch.load(self.checkpoint, weights_only=True, map_location=self.device)
        return saved

    def move(self, *batch: Tensor) -> tuple[Tensor, ...]:
        """A batch on the run's device."""
        return tuple(part.to(self.device, non_blocking=True) for part in batch)

    def autocast(self) -> torch.autocast:
        """Matrices in bfloat16."""
        return torch.autocast(self.device.type, torch.bfloat16)

    def train(self, losses_of: Callable[[int], Losses]) -> None:
        """Descend `losses_of(step)` from the step reached to the last, saving now and then, and draw it.

        Raises:
            SystemExit: another process trains in this folder.
        """
        with held(self.folder / "lock"):
            self._train(losses_of)

    def _train(self, losses_of: Callable[[int], Losses]) -> None:
        steps = self.options["steps"]
        self.since = time.monotonic()
        for step in range(self.start, steps):
            loss, values = losses_of(step)
            self._descend(loss, self.rate(step))
            if self.average is not None:
                self.average.update(self.network, step)
            self.log(step, values)
            if (step + 1) % self.options["save_every"] == 0 or step + 1 == steps:
                self.save(step + 1)
        if self.start < steps:
            self.draw()

    def rate(self, step: int) -> float:
        """The factor of the learning rate at a step."""
        options = self.options
        return rate(step, options["steps"], warmup=options["warmup"], settle=options.get("settle", 1.0))

    def _descend(self, loss: Tensor, factor: float) -> None:
        self.network.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        # what is not a number ends the run before it is saved
        nn.utils.clip_grad_norm_(self.network.parameters(), self.options["clip"], error_if_nonfinite=True)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.options["lr"] * factor
            optimizer.step()

    def save(self, step: int) -> None:
        """Write the state, whole or not at all."""
        state = {"model": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        state |= {name: each.state_dict() for name, each in self.beside.items()}
        save_whole({"step": step, **state}, self.checkpoint)

    def is_report(self, step: int) -> bool:
        """Whether the log speaks after this step."""
        return (step + 1) % int(self.options["report_every"]) == 0

    def log(self, step: int, values: dict[str, float]) -> None:
        """Collect values; every `report_every` steps print their means and append them to log.jsonl."""
        for name, value in values.items():
            self.values[name].append(value)
        if not self.is_report(step):
            return
        count, seconds = max(map(len, self.values.values())), time.monotonic() - self.since
        row = {name: sum(seen) / len(seen) for name, seen in self.values.items()}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({"step": step + 1, **row, "seconds": round(seconds, 1)}) + "\n")
        shown = " ".join(f"{name} {value:.4f}" for name, value in row.items())
        print(f"{self.name} {step + 1}: {shown} ({count / seconds:.2f} steps/s)", flush=True)
        self.values.clear()
        self.since = time.monotonic()

    def draw(self) -> None:
        """Draw the loss curve, where matplotlib is there to draw it."""
        try:
            import matplotlib
        except ImportError:
            print(f"{self.name}: no loss.png, matplotlib is not installed", flush=True)
            return
        matplotlib.use("Agg")
        from matplotlib import pyplot

        rows = self.rows()
        figure, axes = pyplot.subplots(figsize=(7, 4))
        for name in dict.fromkeys(key for row in rows for key in row if key not in ("step", "seconds")):
            points = [(row["step"], row[name]) for row in rows if name in row]
            axes.plot(*zip(*points, strict=True), label=name)
        axes.set_xlabel("step")
        axes.set_title(self.name)
        if rows:
            axes.legend()
        axes.grid(alpha=0.3)
        figure.savefig(self.folder / "loss.png", dpi=110, bbox_inches="tight")
        pyplot.close(figure)

    def rows(self) -> list[dict[str, Any]]:
        """The log in order of steps; of steps that an interruption made twice, the later ones."""
        file = self.folder / "log.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        by_step = {row["step"]: row for row in map(json.loads, lines)}
        return [by_step[step] for step in sorted(by_step)]
