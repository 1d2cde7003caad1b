"""What every training step shares: its settings, its log, its loss curve and its way back after an interruption."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

import torch

HERE = Path(__file__).parent


def settings(step: str) -> dict[str, Any]:
    """The table [step] of settings.toml (or of the file that BARK_TRAINING_SETTINGS names) over [common]."""
    path = Path(os.environ.get("BARK_TRAINING_SETTINGS", HERE / "settings.toml"))
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    merged: dict[str, Any] = {**values["common"], **values[step]}
    for name in ("data", "runs", "assets"):
        merged[name] = HERE.parent / merged[name]
    return merged


def cosine(step: int, steps: int, *, warmup: int, floor: float = 0.02) -> float:
    """Learning-rate factor: linear warm-up, then half a cosine down to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    phase = (step - warmup) / max(1, steps - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, phase)))


class Run:
    """The folder runs/<name>: last.pt (weights and optimizer), log.jsonl, loss.png."""

    def __init__(self, name: str, options: dict[str, Any], report_every: int = 50) -> None:
        self.name, self.folder, self.report_every = name, options["runs"] / name, report_every
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sums: dict[str, float] = {}
        self.count, self.since = 0, time.monotonic()

    @property
    def checkpoint(self) -> Path:
        """Weights and optimizer of the last save."""
        return self.folder / "last.pt"

    def resume(self, **parts: Any) -> int:
        """Load the last save into `parts`; the step to go on from, 0 if there is none."""
        if not self.checkpoint.exists():
            return 0
        saved = torch.load(self.checkpoint, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        print(f"{self.name}: resuming at step {saved['step']}", flush=True)
        return int(saved["step"])

    def save(self, step: int, **parts: Any) -> None:
        """Write the state to a temporary file and move it into place."""
        part_file = self.checkpoint.with_suffix(".part")
        torch.save({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, part_file)
        part_file.replace(self.checkpoint)

    def log(self, step: int, **values: float) -> None:
        """Collect values; every `report_every` steps print their means and append them to log.jsonl."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        if (step + 1) % self.report_every:
            return
        row = {name: total / self.count for name, total in self.sums.items()}
        rate = self.count / (time.monotonic() - self.since)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({"step": step + 1, **row}) + "\n")
        shown = " ".join(f"{name} {value:.4f}" for name, value in row.items())
        print(f"{self.name} {step + 1}: {shown} ({rate:.2f} steps/s)", flush=True)
        self.sums, self.count, self.since = {}, 0, time.monotonic()

    def finish(self, seconds: float) -> None:
        """Draw the loss curve."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        rows = [json.loads(line) for line in (self.folder / "log.jsonl").read_text().splitlines()]
        figure, axes = pyplot.subplots(figsize=(7, 4))
        for name in [key for key in rows[-1] if key != "step"]:
            axes.plot(
                [r["step"] for r in rows if name in r], [r[name] for r in rows if name in r], label=name
            )
        axes.set_xlabel("step")
        axes.set_title(f"{self.name}: {seconds / 60:.0f} min")
        axes.legend()
        axes.grid(alpha=0.3)
        figure.savefig(self.folder / "loss.png", dpi=110, bbox_inches="tight")
