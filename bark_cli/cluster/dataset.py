"""A Ray Data set of texts -> the same with their sounds, made as `bark batch` makes them."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bark_cli.audio.formats import find_format
from bark_cli.batch.items import FIELDS, Item, item_of
from bark_cli.batch.make import Failed, Finished, make
from bark_cli.batch.manner import Manner
from bark_cli.batch.order import Order
from bark_cli.batch.outputs import Task
from bark_cli.errors import BarkError, OptionError, TextError
from bark_cli.settings import Settings
from bark_cli.system.digest import digest

if TYPE_CHECKING:
    import pyarrow
    import ray.data

log = logging.getLogger("bark_cli.cluster")
FORMAT = "flac"
ROWS = 64  # that a worker is given at once


def speak_dataset(
    dataset: ray.data.Dataset,
    *,
    model: str | None = None,
    columns: Mapping[str, str] | None = None,
    format: str = FORMAT,
    seed: int | None = None,
    workers: int = 1,
    worker_cpus: int = 1,
    worker_gpus: float = 0.0,
    rows: int = ROWS,
    **settings: Any,
) -> ray.data.Dataset:
    """Speak every row; nothing is made before the data set that comes back is gone through.

    Args:
        dataset: with a column `text`; `voice`, `seed`, `language` and `cast` are used where they are there.
        model: a name or a folder that every machine has; None is the best installed there.
        columns: field -> column, such as {"text": "caption"}.
        format: of the sounds: flac, wav, opus, ogg or mp3.
        seed: of rows without their own; None: it follows from text and voice.
        workers: how many actors hold the model.
        worker_cpus: CPU cores of each.
        worker_gpus: GPUs of each, or a fraction of one.
        rows: that a worker is given at once.
        settings: those of `bark batch`: voice, temperature, speed, precision and others.

    Returns:
        The rows with the columns `audio` (a whole file, bytes), `duration` (seconds), `seed`, and `error`,
        which says why there is no audio and is null where there is.

    Raises:
        OptionError: there is no such setting, field or format.
    """
    import ray.data

    columns = dict(columns or {})
    if unknown := columns.keys() - set(FIELDS):
        raise OptionError(f"{min(unknown)} is not a field; fields are {', '.join(FIELDS)}")
    try:
        how = Settings(model=model, format=find_format(name=format), seed=seed, **settings)
    except TypeError as error:
        raise OptionError(
            f"{str(error).rpartition(' ')[2]} is not a setting; `bark config show` lists them"
        ) from error
    if ray.is_initialized():
        there = ray.cluster_resources()  # type: ignore[no-untyped-call]
        warn_of_cores(workers * worker_cpus, there.get("CPU", 0.0))
    return dataset.map_batches(
        DatasetSpeaker,
        fn_constructor_args=(how, columns, worker_cpus),
        batch_size=rows,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=worker_cpus,
        num_gpus=worker_gpus or None,
    )


def warn_of_cores(wanted: int, there: float) -> None:
    """Log a warning where workers take every core: Ray Data then waits, and does not say what for."""
    if wanted >= there:
        log.warning(
            f"the workers take {wanted} cores, and the cluster has {there:g} now; Ray Data reads with one of "
            "its own: unless the cluster grows it waits for ever; ask for fewer workers or worker_cpus"
        )


class DatasetSpeaker:
    """An actor of Ray Data: it holds the model, and speaks a batch of rows."""

    def __init__(self, settings: Settings, columns: Mapping[str, str], threads: int) -> None:
        import torch

        from bark_cli.pipeline import Bark

        torch.set_num_threads(threads)
        self._manner, self._columns = Manner(settings=settings), columns  # field -> column
        self._bark = Bark.load(settings.model, device=settings.device, precision=settings.precision)

    def __call__(self, table: pyarrow.Table) -> pyarrow.Table:
        """Rows -> the same with their sounds."""
        import pyarrow

        names = {self._columns.get(field, field): field for field in FIELDS}
        given = table.select([name for name in table.column_names if name in names])
        orders, found = list[Order](), [_Row() for _ in range(table.num_rows)]
        for number, row in enumerate(given.to_pylist()):
            try:
                ours = {names[name]: value for name, value in row.items() if value is not None}
                if ours.get("text", "") == "":
                    raise TextError(f"it has no {self._columns.get('text', 'text')}")
                order = self._order(item_of(ours, f"row {number}", str(number)), number)
                orders.append(order)
                found[number].seed = order.seed
            except BarkError as error:
                found[number].error = str(error)
        with tempfile.TemporaryDirectory(prefix="bark-rows-") as scratch:
            self._speak(orders, Path(scratch), found)
        added = {
            "audio": pyarrow.array([row.audio for row in found], pyarrow.binary()),
            "duration": pyarrow.array([row.duration for row in found], pyarrow.float64()),
            "seed": pyarrow.array([row.seed for row in found], pyarrow.int64()),
            "error": pyarrow.array([row.error for row in found], pyarrow.string()),
        }
        kept = table.drop_columns([name for name in added if name in table.column_names])
        for name, values in added.items():
            kept = kept.append_column(name, values)
        return kept

    def _order(self, item: Item, number: int) -> Order:
        settings = self._manner.settings
        seed = settings.seed if item.seed is None else item.seed
        if seed is None:
            voice = settings.voice if item.voice is None else item.voice
            seed = int(digest(item.text, voice)[:8], 16)
        task = Task(item=item, output=str(number), format=settings.format or FORMAT)
        return Order(task=task, text=item.text, seed=seed, key="")

    def _speak(self, orders: list[Order], scratch: Path, found: list[_Row]) -> None:
        bark, manner = self._bark, self._manner
        making = manner.making(bark, bark.name, scratch, batch_size=manner.settings.batch_size)
        for events in make(making, orders):
            for one in events:
                if isinstance(one, Finished):
                    row = found[int(one.order.task.output)]
                    row.audio, row.duration = one.sound.read_bytes(), one.seconds
                    one.sound.unlink()
                elif isinstance(one, Failed):
                    found[int(one.task.output)].error = str(one.error)


@dataclass
class _Row:
    """What came of a row."""

    audio: bytes | None = None
    duration: float | None = None
    seed: int | None = None
    error: str | None = None
