"""One answer of the doctor: a topic -> ok, a warning or a problem, in a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found about one topic."""

    topic: str
    state: State = "ok"  # a problem: bark cannot speak; a warning: something else does not work
    text: str
    next: str | None = None  # the command to run
    facts: Mapping[str, Any] = field(default_factory=dict)  # for programs

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A question, and how bad it is if asking it fails."""

    topic: str
    ask: Callable[[], Iterable[Finding]]
    failure: State = "warning"

    def findings(self) -> list[Finding]:
        """The answers; a question that cannot be asked is one too."""
        try:
            return list(self.ask())
        except Exception as error:  # whatever is broken, the others are still asked
            text = " ".join(f"{type(error).__name__}: {error}".split())
            return [Finding(topic=self.topic, state=self.failure, text=text[:300])]
