"""A Ray actor that holds the model: orders in chunks -> parcels as files are finished."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from bark_cli import __version__
from bark_cli.batch.destination import FileFacts
from bark_cli.batch.make import Delivered, Failed, Finished, Progress, Said, is_for_all, make
from bark_cli.batch.order import Order
from bark_cli.batch.url import UrlFolder
from bark_cli.cluster.job import Job, Lacking, Parcel, Ready
from bark_cli.cluster.models import Packed, find, unpack
from bark_cli.errors import BarkError
from bark_cli.voices import Voice

_FOLDER = "bark-worker-"
_WAIT_S, _FULL = 0.25, 4 * 2**20  # how long, and how many bytes, parcels are kept to travel together


class Worker:
    """Its chunks are made side by side: they share one session, so that the engine is never short of work."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._home: Path | None = None

    def load(self, job: Job, brought: Mapping[int, Sequence[Packed]]) -> Ready | Lacking:
        """Load the model, or tell that it is not on this machine; `brought` are those that the command sent.

        Raises:
            BarkError: it cannot be loaded.
        """
        import ray
        import torch

        from bark_cli.pipeline import Bark

        torch.set_num_threads(self._threads)
        folders = []
        for number, wanted in enumerate(job.models):
            found = find(wanted)
            if found is None and number not in brought:
                return Lacking(model=number)
            found = found or unpack(brought[number], wanted, lambda part: bytes(ray.get(part)))  # type: ignore[call-overload]
            folders.append(found)
        leading, *others = folders
        settings = job.manner.settings
        stages: Any = {stage: ref.folder for stage, ref in zip(job.stages, others, strict=True)}
        bark = Bark.load(
            leading.folder,
            size=leading.size,
            device=settings.device,
            precision=settings.precision,
            **stages,
        )
        self._destination = None if job.url is None else UrlFolder(job.url)
        self._home = _home()
        self._job = job
        self._session = bark.session(settings.batch_size)
        return Ready(
            version=__version__,
            node=ray.get_runtime_context().get_node_id(),
            host=socket.gethostname(),
            pid=os.getpid(),
            device=bark.device,
            precision=bark.precision,
            batch_size=self._session.batch_size,
        )

    def close(self) -> None:
        """Clean up; nothing is asked of it afterwards."""
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)

    def make(self, orders: Sequence[Order], voices: Mapping[str, Any]) -> Iterator[list[Parcel]]:
        """Make files; what is finished at about the same time travels together.

        Args:
            orders: what to make.
            voices: by name; where to fetch each.
        """
        import ray

        assert self._home is not None  # it was loaded
        fetched: dict[str, Voice] = {name: ray.get(ref) for name, ref in voices.items()}
        scratch = Path(tempfile.mkdtemp(dir=self._home))
        making = self._job.manner.making(self._session, self._job.name, scratch, voices=fetched)
        parcels, since = list[Parcel](), time.monotonic()
        try:
            for parcel in _parcels(make(making, iter(orders)), self._destination):
                parcels.append(parcel)
                size = sum(len(parcel.sound or b"") for parcel in parcels)
                if size > _FULL or time.monotonic() - since > _WAIT_S:
                    yield parcels
                    parcels, since = [], time.monotonic()
            if parcels:
                yield parcels
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _home() -> Path:
    """An empty folder that bears the number of this process; those of processes that were killed go."""
    for path in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with suppress(ValueError, PermissionError):
            try:
                os.kill(int(path.name.removeprefix(_FOLDER).partition("-")[0]), 0)
            except ProcessLookupError:
                shutil.rmtree(path, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))


def _parcels(groups: Iterable[Sequence[Progress]], destination: UrlFolder | None) -> Iterator[Parcel]:
    """One for each order, once it is over: events of an order that dies with its worker are sent again."""
    told = defaultdict[str, list[Said | Failed]](list)
    for one in chain.from_iterable(groups):
        if isinstance(one, Finished):
            events = told.pop(one.order.task.output, [])
            yield _parcel(one, events) if destination is None else _delivered(one, events, destination)
        elif not isinstance(one, Delivered):
            told[one.task.output].append(one)
            if isinstance(one, Failed):
                yield Parcel(output=one.task.output, events=told.pop(one.task.output))


def _parcel(finished: Finished, events: Sequence[Said | Failed]) -> Parcel:
    """The files as bytes, for the command; here they are removed."""
    parcel = Parcel(
        output=finished.order.task.output,
        events=events,
        sound=finished.sound.read_bytes(),
        subtitles=None if finished.subtitles is None else finished.subtitles.read_bytes(),
        seconds=finished.seconds,
    )
    for path in filter(None, (finished.sound, finished.subtitles)):
        path.unlink()
    return parcel


def _delivered(finished: Finished, events: Sequence[Said | Failed], destination: UrlFolder) -> Parcel:
    """Put files where they go, the sound last, and report them to the command.

    Raises:
        UnreachableError: nothing can be put there.
    """
    order, files = finished.order, dict[str, FileFacts]()
    task = order.task
    staged = [path for path in (finished.subtitles, finished.sound) if path is not None]
    try:
        for path, output in zip(staged, task.outputs, strict=True):
            files[output] = destination.facts(path)
            destination.put(path, output, replaces=order.replaces)
    except BarkError as error:
        if is_for_all(error):
            raise
        return Parcel(output=task.output, events=[*events, Failed(task=task, error=error)])
    return Parcel(output=task.output, events=events, files=files, seconds=finished.seconds)
