"""The tokens that stages hand on, and that a voice is made of: semantic (T,), coarse (2, F), fine (8, F)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class BarkTokens:
    """What the stages made of one utterance, and equally what a voice is: a result is the next history.

    Shapes: semantic (T,), coarse (2, F), fine (8, F), all int64; F / T is the frame rate over the semantic
    rate.
    """

    semantic: Tokens
    coarse: Tokens
    fine: Tokens
