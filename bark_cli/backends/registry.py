"""Every backend there is: a checkpoint, a device and a precision -> the one that computes so.

A new one is a file beside this one, a branch here, and its names in `device`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bark_cli.backends import Backend
from bark_cli.checkpoint.record import Checkpoint

if TYPE_CHECKING:
    from bark_cli.model.openvino.weights import GraphStorage


def backend_for(checkpoint: Checkpoint, device: str, precision: str, *, offload: bool = False) -> Backend:
    """The backend for a precision that `choose_precision` has chosen for this device.

    With `offload` the networks wait beside a GPU of torch's; elsewhere there is nothing to spare.

    Raises:
        BarkError: OpenVINO's device cannot take the model.
    """
    where, _, name = device.partition(":")
    if where == "openvino":
        from bark_cli.backends.openvino import OpenVINOBackend

        return OpenVINOBackend(checkpoint, name, cast("GraphStorage", precision))
    if precision == "int8":
        from bark_cli.backends.int8 import Int8Backend

        return Int8Backend(checkpoint)
    import torch

    from bark_cli.backends.cuda import CudaBackend
    from bark_cli.backends.eager import EagerBackend
    from bark_cli.backends.offloaded import OffloadedBackend
    from bark_cli.checkpoint.build import build_networks

    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    kind = CudaBackend if where == "cuda" else EagerBackend
    if offload and where != "cpu":
        kind = OffloadedBackend
    return kind(build_networks(checkpoint, types[precision]), torch.device(device))
