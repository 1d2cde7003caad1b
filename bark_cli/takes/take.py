"""How often a text is said, and what became of each try."""

from __future__ import annotations

from dataclasses import dataclass

from bark_cli.errors import OptionError
from bark_cli.settings.known import Settings
from bark_cli.takes.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """How often a text is said.

    Raises:
        OptionError: no take at all, or fewer retries than none.
    """

    takes: int = Settings.takes  # the best is kept; several are listened to, if there is a judge of words
    retries: int = Settings.retries  # more than that, while none is free of problems

    def __post_init__(self) -> None:
        if not 1 <= self.takes <= 100:
            raise OptionError(f"takes {self.takes} is outside 1..100")
        if not 0 <= self.retries <= 100:
            raise OptionError(f"retries {self.retries} is outside 0..100")


DEFAULT_ATTEMPTS = Attempts()  # of Python as of the command
ONCE = Attempts(takes=1, retries=0)


@dataclass(frozen=True, kw_only=True)
class Take:
    """One try, as it was judged; `verdict` is None where no speech came at all."""

    seed: int
    verdict: Verdict | None

    @property
    def score(self) -> tuple[bool, float]:
        """Larger is better: first of all no problem."""
        return (self.is_good, -1.0 if self.verdict is None else self.verdict.score)

    @property
    def is_good(self) -> bool:
        """Whether nothing asks for another."""
        return self.verdict is not None and self.verdict.is_good

    @property
    def reason(self) -> str:
        """What there is to say of it."""
        return "it made no speech" if self.verdict is None else self.verdict.reason
