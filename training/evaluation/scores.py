"""Scores and their bars: numbers -> a table for people and a dict for JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any


class UnmeasuredError(Exception):
    """A part cannot be measured here; its text says why."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number of nano's, and what it has to be."""

    name: str  # in JSON
    text: str  # in the table
    value: float
    unit: str = "%"
    count: int  # of what it was counted over
    teacher: float | None = None  # the same of its teacher
    most: float | None = None  # the bar, where less is better
    least: float | None = None  # the bar, where more is better
    parts: dict[str, float] = field(default_factory=dict)  # the same number by voice, by tag

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where there is no bar."""
        if self.most is None and self.least is None:
            return None
        below = self.most is None or self.value <= self.most
        return below and (self.least is None or self.value >= self.least)

    @property
    def bar(self) -> str:
        """The bar as text."""
        if self.most is not None:
            return f"<= {number(self.most)}"
        return "" if self.least is None else f">= {number(self.least)}"


def percent(part: float, whole: float) -> float:
    """100 part / whole; 0 of nothing."""
    return 100 * part / whole if whole else 0.0


def number(value: float | None) -> str:
    """At most two digits behind the point, and none for show."""
    return "" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def rows(scores: Iterable[Score]) -> list[tuple[str, ...]]:
    """A row of text per score: what, nano, teacher, bar, met, counted over."""
    said = {None: "", True: "yes", False: "NO"}
    found: list[tuple[str, ...]] = []
    for s in scores:
        found.append(
            (
                f"{s.text}, {s.unit}" if s.unit else s.text,
                number(s.value), number(s.teacher), s.bar, said[s.met], str(s.count),
            )
        )  # fmt: skip
        found += [(f"  {name}", number(value), "", "", "", "") for name, value in s.parts.items()]
    return found


HEAD = ("what", "nano", "teacher", "bar", "met", "of")
WIDTHS = (52, 8, 8, 10, 4, 6)


def line(row: tuple[str, ...]) -> str:
    """One row of the table for people."""
    first, *others = zip(row, WIDTHS, strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f"{text:>{width}}" for text, width in others)


def as_json(model: str, scores: Iterable[Score], unmeasured: dict[str, str]) -> dict[str, Any]:
    """What a run found, numbers to three digits behind the point."""
    return {
        "model": model,
        "scores": {s.name: {**_rounded(asdict(s)), "met": s.met} for s in scores},
        "not_measured": unmeasured,
    }


def from_json(found: dict[str, Any]) -> list[Score]:
    """The scores in what `as_json` gave."""
    return [Score(**{k: v for k, v in s.items() if k != "met"}) for s in found["scores"].values()]


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return round(value, 3) if isinstance(value, float) else value
