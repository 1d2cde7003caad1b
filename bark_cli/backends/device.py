"""The name of a device as a user gives it -> torch's device."""

from __future__ import annotations

import torch

from bark_cli.errors import OptionError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" takes CUDA, then Apple's MPS, then the CPU; "cuda:1" is one of several.

    Raises:
        OptionError: the name is unknown, or this machine has no such device.
    """
    kind, _, index = name.partition(":")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, here in present.items() if here))
    if kind not in present or (index and not index.isdecimal()):
        raise OptionError(f"device {name!r} is unknown; use one of {', '.join(DEVICES)}")
    if not present[kind] or (kind == "cuda" and int(index or 0) >= torch.cuda.device_count()):
        raise OptionError(f"this machine has no device {name} that torch can use; use --device cpu or auto")
    return torch.device(name)
