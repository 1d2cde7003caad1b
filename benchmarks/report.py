"""Records of the cases -> results.md and a picture; whatever is not measured yet is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cases import Case
from benchmarks.peers import PEERS, Record
from benchmarks.runner import read_records

STAGES = ("semantic", "coarse", "fine", "codec")


@dataclass(frozen=True)
class Measured:
    """A case, and the best of each side's rounds; `peers` has those that were measured, by name."""

    case: Case
    bark: Record
    peers: dict[str, Record]
    rounds: int
    machine: dict[str, Any]

    @property
    def transformers(self) -> Record | None:
        """The peer of every table; None where it was not asked."""
        return self.peers.get("transformers")

    def ratio(self, peer: str) -> float | None:
        """How many times quicker bark is."""
        return self.peers[peer]["seconds"] / self.bark["seconds"] if peer in self.peers else None


def best(records: Sequence[Record]) -> Record:
    """The quickest round, with the least loading time and memory of all."""
    quickest = min(records, key=lambda record: float(record["seconds"]))
    least = {key: min(record[key] for record in records) for key in ("load_seconds", "peak_memory_bytes")}
    return quickest | least


def read_measured(folder: Path, cases: Iterable[Case]) -> list[Measured]:
    """Every case of which our side at least was measured."""
    found = []
    for case in cases:
        kept = read_records(folder / f"{case.name}.json")
        if kept is None or not kept.get("bark"):
            continue
        sides = {name: kept[name] for name in ("bark", *PEERS) if kept.get(name)}
        # where a run was stopped one side may have had more turns: those do not count
        turns = min(len(records) for records in sides.values())
        bests = {name: best(records[:turns]) for name, records in sides.items()}
        found.append(Measured(case, bests.pop("bark"), bests, turns, kept["machine"]))
    return found


def report(measured: Sequence[Measured]) -> str:
    """The tables in Markdown."""
    machine, ours = measured[0].machine, measured[0].bark
    rounds = sorted({each.rounds for each in measured})
    can = f" ({machine['abilities']})" if machine.get("abilities") else ""
    parts = [
        "# bark against other Barks\n",
        f"`python -m benchmarks` on {machine['processor']}{can}, {machine['cores']} cores, "
        f"torch {machine['torch']}, memory read at {ours['read_bytes_per_second'] / 1e9:.0f} GB/s. "
        "All speak with random weights in Suno's shapes, on the CPU, in turn, each in a process of "
        f"its own that has warmed up; of {' or '.join(map(str, rounds))} rounds the best counts for each. "
        f"bark computes in {ours['precision']}. Loading is not in the times.\n",
        _comparison(measured),
        _growth(measured),
        _by_stage(measured),
    ]
    return "\n".join(part for part in parts if part)


def _comparison(measured: Sequence[Measured]) -> str:
    rows = [
        [
            each.case.size,
            _what(each.case),
            PEERS[name].title,
            f"{each.bark['seconds']:.1f} s",
            f"{theirs['seconds']:.1f} s",
            f"{each.ratio(name):.1f}x",
            _gigabytes(each.bark),
            _gigabytes(theirs),
            f"{each.bark['load_seconds']:.1f} s",
            f"{theirs['load_seconds']:.1f} s",
        ]
        for each in measured
        for name, theirs in each.peers.items()
    ]
    heads = ["shape", "speech", "peer", "bark", "peer's", "quicker", "memory", "peer's", "load", "peer's"]
    return _table(heads, rows)


def _growth(measured: Sequence[Measured]) -> str:
    """Utterances at once, against Transformers with the same batch and with one after the other."""
    batches = _batches(measured)
    if len(batches) < 2:
        return ""
    alone = next((each.transformers for each in batches if each.case.batch_size == 1), None)
    rows = []
    for each in batches:
        count = each.case.batch_size
        per_utterance = each.bark["seconds"] / count
        rows.append(
            [
                str(count),
                f"{per_utterance:.2f} s",
                f"{each.bark['real_time_factor']:.2f}",
                _times(each.ratio("transformers")),
                "-" if alone is None else f"{alone['seconds'] / per_utterance:.1f}x",
                _gigabytes(each.bark),
            ]
        )
    heads = [
        "at once",
        "each",
        "real-time factor",
        "quicker than Transformers at once",
        "than one by one",
        "memory",
    ]
    return f"Utterances of {batches[0].case.seconds:g} s at once, small shapes:\n\n" + _table(heads, rows)


def _by_stage(measured: Sequence[Measured]) -> str:
    rows = []
    for each in measured:
        if each.case.batch_size > 1:
            continue
        for name, record in each.peers.items():
            for stage in STAGES:
                ours, theirs = (side["stages"][stage]["seconds"] for side in (each.bark, record))
                row = [f"{each.case.size}, {each.case.seconds:g} s", PEERS[name].title, stage]
                row += [f"{ours:.2f} s", f"{theirs:.2f} s", f"{theirs / max(ours, 1e-9):.1f}x"]
                rows.append(row)
    return _table(["one utterance", "peer", "stage", "bark", "peer's", "quicker"], rows) if rows else ""


def draw(measured: Sequence[Measured], file: Path) -> None:
    """Two panels: growth with length and growth with the batch, bark's and Transformers'."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    figure = Figure(figsize=(10, 3.8), layout="constrained")
    by_length, by_batch = figure.subplots(1, 2)
    lengths = sorted(
        (each for each in measured if each.case.size == "small" and each.case.batch_size == 1),
        key=lambda each: each.case.seconds,
    )
    _lines(by_length, lengths, lambda case: case.seconds, lambda _: 1)
    by_length.set(xlabel="seconds of speech", ylabel="seconds of computing", title="Growth with length")
    _lines(by_batch, _batches(measured), lambda case: case.batch_size, lambda case: case.batch_size)
    by_batch.set(xlabel="utterances at once", ylabel="seconds for each", title="Growth with the batch")
    for axes in (by_length, by_batch):
        axes.set(xscale="log", yscale="log")
        axes.spines[["top", "right"]].set_visible(False)
        ticks = sorted({x for line in axes.lines for x in line.get_xdata()})
        axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(frameon=False)
    figure.savefig(file, dpi=120)


def _lines(axes: Any, measured: Sequence[Measured], where: Any, share: Any) -> None:
    for name, colour in (("bark", "#3a6ea5"), ("transformers", "#c0762b")):
        side = [(each.case, getattr(each, name)) for each in measured if getattr(each, name) is not None]
        if side:
            label = f"bark, {side[0][1]['precision']}" if name == "bark" else PEERS[name].title
            xs = [where(case) for case, _ in side]
            ys = [record["seconds"] / share(case) for case, record in side]
            axes.plot(xs, ys, "o-", color=colour, label=label)


def _batches(measured: Sequence[Measured]) -> list[Measured]:
    """The small shapes at their shortest, by the size of the batch."""
    small = [each for each in measured if each.case.size == "small"]
    shortest = min((each.case.seconds for each in small), default=0)
    return sorted(
        (each for each in small if each.case.seconds == shortest), key=lambda each: each.case.batch_size
    )


def _what(case: Case) -> str:
    count = "one utterance" if case.batch_size == 1 else f"{case.batch_size} at once"
    return f"{count}, {case.seconds:g} s"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1f}x"


def _gigabytes(record: Record) -> str:
    return f"{record['peak_memory_bytes'] / 1e9:.1f} GB"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
