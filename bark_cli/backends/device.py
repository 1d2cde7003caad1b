"""Where to compute: the name of a device -> torch's device, the width of a network -> threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bark_cli.errors import OptionError

DEVICES = ("auto", "cpu", "cuda", "mps")
NARROW = 512  # below this width a step of one token is too short to be shared between threads


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


@contextmanager
def fitting_threads(width: int) -> Iterator[None]:
    """One thread for networks narrower than NARROW, inside the block.

    Threads that share so short a step spend their time waiting for each other, and where another process has
    one of the cores they spin for it: nano took twenty times as long then.
    """
    before = torch.get_num_threads()
    if width < NARROW:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
