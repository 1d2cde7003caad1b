"""How natural a sound is: float32 (N,) at 24 kHz -> DistillMOS, 1 (bad) to 5 (as good as can be)."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from training.evaluation.scores import UnmeasuredError

INSTALL = "pip install --no-deps distillmos==0.9.1 xls-r-sqa==0.1.0"


def naturalness(wave: npt.NDArray[np.float32]) -> float:
    """The mean opinion that listeners would have of a sound; raises UnmeasuredError without its package."""
    import torch
    from scipy.signal import resample_poly

    heard = torch.from_numpy(resample_poly(wave, 2, 3).astype(np.float32))
    with torch.inference_mode():
        return float(_network()(heard[None]))


@cache
def _network() -> Any:
    if importlib.util.find_spec("distillmos") is None:
        raise UnmeasuredError(f"DistillMOS is not installed: {INSTALL}")
    # it imports torchaudio for its command line only, and torchaudio is not made for every torch;
    # it tells where its weights are on stdout, which is ours
    with _standing_in("torchaudio"), contextlib.redirect_stdout(sys.stderr):
        return importlib.import_module("distillmos").ConvTransformerSQAModel().eval()


@contextlib.contextmanager
def _standing_in(name: str) -> Any:
    """An empty module of that name while something is imported."""
    before = sys.modules.get(name)
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
