"""What a reader passes over (kinds, line numbers) -> a few words about each kind, for one note."""

from __future__ import annotations

_SHOWN = 3  # line numbers of a kind


class PassedOver:
    """What of a text is not said, by kind."""

    def __init__(self) -> None:
        self._lines: dict[str, list[int]] = {}
        self._examples: dict[str, str] = {}

    def add(self, what: str, number: int, example: str = "") -> None:
        """Remember something that stands on that line; `what` is its kind, in the plural."""
        self._lines.setdefault(what, []).append(number)
        if example:
            self._examples.setdefault(what, f", such as {example}")

    @property
    def told(self) -> tuple[str, ...]:
        """Such as: code (lines 3, 9); footnotes (line 12)."""
        kinds = self._lines.items()
        return tuple(f"{what}{self._examples.get(what, '')} ({_where(numbers)})" for what, numbers in kinds)


def _where(numbers: list[int]) -> str:
    lines = sorted(set(numbers))
    shown = ", ".join(map(str, lines[:_SHOWN])) + (" and others" if len(lines) > _SHOWN else "")
    times = f"{len(numbers)}, in " if len(numbers) > len(lines) or len(lines) > _SHOWN else ""
    return f"{times}line{'s' * (len(lines) > 1)} {shown}"
