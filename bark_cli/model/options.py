"""How an utterance is drawn: temperature, filters and end for each stage; the defaults are Suno's.

After suno-ai/bark, bark/generation.py.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from numbers import Integral

from bark_cli.errors import OptionError

STAGES = ("semantic", "coarse", "fine")
SEED_LIMIT = 2**32
FEWEST_CODEBOOKS = 2  # those that Suno's coarse stage makes


@dataclass(frozen=True, kw_only=True)
class StageSampling:
    """How one stage draws its tokens. `temperature` 0 is argmax; None switches a filter off."""

    temperature: float
    top_k: int | None = None
    top_p: float | None = None

    @property
    def has_filters(self) -> bool:
        """Whether some ids are left out by how likely they are."""
        return self.top_k is not None or self.top_p is not None

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature <= 10.0:
            raise OptionError(f"temperature {self.temperature} is outside 0..10; 0.7 is usual")
        if 0.0 < self.temperature < 0.001:  # logits divided by so little overflow
            raise OptionError(f"temperature {self.temperature} is below 0.001; use 0 for the likeliest token")
        if self.top_k is not None and self.top_k < 1:
            raise OptionError(f"top-k {self.top_k} must be at least 1; leave it out for all")
        if self.top_p is not None and not 0.0 < self.top_p <= 1.0:
            raise OptionError(f"top-p {self.top_p} is outside 0..1 (0 excluded)")


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How an utterance is drawn; the defaults are Suno's.

    A `min_eos_p` of 0 means what it does in Suno's code: speech ends before its first token. Commands,
    settings and the server refuse it.
    """

    semantic: StageSampling = field(default_factory=lambda: StageSampling(temperature=0.7))
    coarse: StageSampling = field(default_factory=lambda: StageSampling(temperature=0.7))
    fine: StageSampling = field(default_factory=lambda: StageSampling(temperature=0.5))
    min_eos_p: float | None = 0.2  # stop as soon as end of speech is this likely
    max_duration_s: float | None = None  # stop the semantic stage after this much speech
    may_end: bool = True  # False: speech goes on until max_duration_s or the model's limit, to the token
    fine_codebooks: int | None = None  # how many are predicted and heard, for drafts; None is all

    def __post_init__(self) -> None:
        if self.min_eos_p is not None and not 0.0 <= self.min_eos_p <= 1.0:
            raise OptionError(f"min-eos-p {self.min_eos_p} is outside 0..1")
        if self.max_duration_s is not None and not self.max_duration_s > 0:
            raise OptionError(f"max-duration {self.max_duration_s} must be more than 0 seconds")
        if self.fine_codebooks is not None and self.fine_codebooks < FEWEST_CODEBOOKS:
            raise OptionError(f"fine-codebooks {self.fine_codebooks} must be at least {FEWEST_CODEBOOKS}")


def draw_seed() -> int:
    """A seed for those who gave none."""
    return random.SystemRandom().randrange(2**31)


def check_seed(seed: int) -> None:
    """Refuse what is not a seed.

    Raises:
        OptionError: it is no whole number, or outside 0 .. 2**32 - 1.
    """
    if not isinstance(seed, Integral):  # NumPy's are
        raise OptionError(f"a seed is a whole number from 0 to {SEED_LIMIT - 1}, not {seed!r}")
    if not 0 <= seed < SEED_LIMIT:
        raise OptionError(f"seed {seed} is outside 0..{SEED_LIMIT - 1}")
