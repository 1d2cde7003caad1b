"""What is handed on: logits, samples and tokens, a voice's too: semantic (T,), coarse (2, F), fine (8, F)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CODEBOOKS = 8  # fine ones; a draft has the first few
Tokens = NDArray[np.int64]
Logits = NDArray[np.float32]
Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class BarkTokens:
    """What the stages made of one utterance, and equally what a voice is: a result is the next history.

    Shapes: semantic (T,), coarse (2, F), fine (8, F), all int64; F / T is the frame rate over the semantic
    rate.
    """

    semantic: Tokens
    coarse: Tokens
    fine: Tokens
