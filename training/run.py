"""What the networks' steps share: the loop, its log and loss curve, and how to go on when interrupted."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.settings import settings

Losses = tuple[Tensor, dict[str, float]]  # what to descend, and what to write down


def cosine(step: int, steps: int, *, warmup: int, floor: float = 0.02) -> float:
    """Learning-rate factor: linear warm-up, then half a cosine down to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    phase = (step - warmup) / max(1, steps - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, phase)))


class Run:
    """A training step and its folder runs/<name>: last.pt (weights and optimizer), log.jsonl, loss.png."""

    def __init__(self, name: str) -> None:
        self.name, self.options = name, settings(name)
        self.folder: Path = self.options["runs"] / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start = 0
        self.values: dict[str, list[float]] = defaultdict(list)
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

    def take_up(self, network: nn.Module) -> None:
        """Train `network` from now on, from where the last save left it if there is one."""
        self.network, options = network, self.options
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=options["lr"],
            betas=tuple(options["betas"]),
            weight_decay=options["weight_decay"],
        )
        if not self.checkpoint.exists():
            return
        saved = torch.load(self.checkpoint, weights_only=True)
        network.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.start = int(saved["step"])
        print(f"{self.name}: resuming at step {self.start}", flush=True)

    def train(self, losses_of: Callable[[int], Losses]) -> None:
        """Descend `losses_of(step)` from the step reached to the last, saving now and then, and draw it."""
        steps = self.options["steps"]
        self.since = time.monotonic()
        for step in range(self.start, steps):
            loss, values = losses_of(step)
            self._descend(loss, cosine(step, steps, warmup=self.options["warmup"]))
            self.log(step, values)
            if (step + 1) % self.options["save_every"] == 0 or step + 1 == steps:
                self.save(step + 1)
        if self.start < steps:
            self.draw()

    def _descend(self, loss: Tensor, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.options["lr"] * factor
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.options["clip"])
        self.optimizer.step()

    def save(self, step: int) -> None:
        """Write the state to a temporary file and move it into place."""
        part = self.checkpoint.with_suffix(".part")
        state = {"model": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({"step": step, **state}, part)
        part.replace(self.checkpoint)

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
