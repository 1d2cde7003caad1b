"""A model that can speak: its name or folder, a device and a precision -> LoadedModel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from bark_cli import store
from bark_cli.backends import Backend
from bark_cli.backends.device import choose_device, choose_precision
from bark_cli.backends.memory import cpu_cache_bytes, fitting_batch_size, free_bytes, roomy_batch_size
from bark_cli.backends.registry import backend_for
from bark_cli.backends.trial import Tries, paying
from bark_cli.checkpoint.mix import mix_stages
from bark_cli.checkpoint.open import open_checkpoint
from bark_cli.checkpoint.read import read_checkpoint
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.known_model import KnownModel
from bark_cli.model.options import STAGES
from bark_cli.store import ModelRef
from bark_cli.takes.usual import Memory

NUMBER_BYTES = 4  # of a cache, at most


class FairLock(AbstractContextManager[None]):
    """A lock for `count` holders at a time; a thread that waits gets it before the one that just had it."""

    def __init__(self, count: int) -> None:
        self._next, self._held = threading.Lock(), threading.Semaphore(count)

    def __enter__(self) -> None:
        with self._next:
            self._held.acquire()

    def __exit__(self, *_: object) -> None:
        self._held.release()


@dataclass(eq=False)
class LoadedModel(KnownModel):
    """A model that can speak: what was read from its folder, and where it computes."""

    backend: Backend
    device: str
    precision: str
    turn: FairLock = field(init=False, repr=False)  # whose engine may use the backend
    memory: Memory = field(init=False, repr=False)  # how its voices spoke
    _trying: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _paying: int | None = field(default=None, init=False, repr=False)  # utterances at once, once tried

    def __post_init__(self) -> None:
        self.turn = FairLock(self.backend.side_by_side)
        self.memory = Memory(self.name, self.config.semantic.pace)

    def fitting_batch_size(self) -> int:
        """How many utterances at once the free memory holds, 1 .. 64, and on a CPU pay.

        What pays is tried once on a machine, which takes a moment; of narrow networks in int8 it is known.
        """
        fitting = fitting_batch_size(self.config, NUMBER_BYTES, free_bytes(self.device))
        if self.device != "cpu":
            return fitting
        with self._trying, self.turn:  # several may have a turn, and trials beside each other mislead
            if self._paying is None:
                self._paying = self._tried(fitting)
        return min(fitting, self._paying)

    def _tried(self, fitting: int) -> int:
        """How many at once pay, as far as it can be told."""
        count = None
        if isinstance(self.backend, Tries):
            count = paying(self.backend, self.config, self.precision, fitting)
        return count or roomy_batch_size(self.config, self.precision, cpu_cache_bytes())


def load_model(
    model: str | Path | None,
    stages: Mapping[str, str | Path],
    *,
    size: str | None,
    device: str,
    precision: str,
    offload: bool,
    note: Callable[[str], None],
) -> LoadedModel:
    """Read a model, and other models' stages by name; arguments and errors are those of `Bark.load`."""
    # what is wrong with these is known before seconds are spent on reading
    refs = {stage: store.resolve_model(other) for stage, other in stages.items()}
    # where every stage is chosen, no other model is needed
    ref = refs["fine"] if model is None and len(refs) == len(STAGES) else store.resolve_model(model)
    is_openvino = store.places.is_openvino(ref.folder)
    target = choose_device("openvino" if device == "auto" and is_openvino else device)
    if precision == "auto" and is_openvino and target.startswith("openvino"):
        from bark_cli.checkpoint.openvino import stored_as

        precision = stored_as(ref.folder)
    precision = choose_precision(precision, target)
    base = _read(ref, size, precision, note)
    others = {stage: _read(other, None, precision, note) for stage, other in refs.items()}
    checkpoint, name = mix_stages(base, others), store.mixed_name(ref, refs)
    return model_of(checkpoint, name, target, precision, offload=offload)


def model_of(
    checkpoint: Checkpoint, name: str, device: str, precision: str, *, offload: bool = False
) -> LoadedModel:
    """A checkpoint as a model that computes on a device and in a precision that have been chosen."""
    return LoadedModel(
        name=name,
        folder=checkpoint.folder,
        config=checkpoint.config,
        tokenizer=checkpoint.tokenizer(),
        backend=backend_for(checkpoint, device, precision, offload=offload),
        device=device,
        precision=precision,
    )


def _read(ref: ModelRef, size: str | None, precision: str, note: Callable[[str], None]) -> Checkpoint:
    """The model's files, for int8 by way of a conversion that is kept."""
    if precision == "int8":
        return open_checkpoint(ref.folder, size=size or ref.size, storage="int8", note=note)
    return read_checkpoint(ref.folder, size=size or ref.size)
