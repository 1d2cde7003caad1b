"""A checkpoint, a device and a precision -> the backend that computes so."""

from __future__ import annotations

import torch

from bark_cli.backends import Backend
from bark_cli.backends.cuda import CudaBackend
from bark_cli.backends.eager import EagerBackend
from bark_cli.backends.int8 import Int8Backend
from bark_cli.checkpoint import Checkpoint, build_networks

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def make_backend(checkpoint: Checkpoint, device: torch.device, precision: str) -> Backend:
    """The backend for a precision that `choose_precision` has chosen for this device."""
    if precision == "int8":
        return Int8Backend(checkpoint)
    kind = CudaBackend if device.type == "cuda" else EagerBackend
    return kind(build_networks(checkpoint, _TYPES[precision]), device)
