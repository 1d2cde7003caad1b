"""Rows <-> a Parquet file with a column of Audio, as the package `datasets` writes and reads it.

The sound is struct<bytes, path>; the features are described in the schema's metadata under "huggingface"
(datasets.features.Features.arrow_schema).
"""

from __future__ import annotations

import json
from collections.abc import Set
from contextlib import suppress
from pathlib import Path
from typing import Any

from bark_cli.batch.shards.row import Row

suffix = ".parquet"
_GROUP_ROWS, _GROUP_BYTES = 100, 32 * 2**20  # of a row group, which is what readers take at once
_FEATURES = {
    "audio": {"_type": "Audio"},
    "text": {"dtype": "string", "_type": "Value"},
    "voice": {"dtype": "string", "_type": "Value"},
    "seed": {"dtype": "int64", "_type": "Value"},
    "duration": {"dtype": "float64", "_type": "Value"},
    "sample_rate": {"dtype": "int32", "_type": "Value"},
    "model": {"dtype": "string", "_type": "Value"},
    "settings": {"dtype": "string", "_type": "Value"},
}
_WORDS = ["voice", "model", "settings"]  # columns with few different values


class ParquetShard:
    """A shard that is being written, a row group at a time."""

    def __init__(self, path: Path) -> None:
        self._table = _open(path)
        self._rows: list[dict[str, Any]] = []
        self._size = 0

    def add(self, row: Row) -> None:
        """Put a row at its end."""
        found = {**vars(row)}
        found["audio"] = {"bytes": found.pop("sound"), "path": found.pop("name")}
        self._rows.append(found)
        self._size += len(row.sound)
        if len(self._rows) >= _GROUP_ROWS or self._size >= _GROUP_BYTES:
            self._write()

    def close(self) -> None:
        """End it."""
        if self._rows:
            self._write()
        self._table.close()

    def abandon(self) -> None:
        """Let go of it where it cannot be ended; nothing is raised."""
        with suppress(OSError, ValueError):  # the end is written, if it can be
            self._table.close()
        self._table.is_open = False  # else it tries once more as it goes, and what it then says is printed

    def _write(self) -> None:
        import pyarrow

        self._table.write_table(pyarrow.Table.from_pylist(self._rows, schema=_schema()))
        self._rows, self._size = [], 0


def create(path: Path) -> ParquetShard:
    """A new shard at a path."""
    return ParquetShard(path)


def copy_without(old: Path, new: Path, names: Set[str]) -> None:
    """Write a shard anew that lacks some of its rows."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(old) as table, _open(new) as copy:
        for batch in table.iter_batches(_GROUP_ROWS):
            paths = batch.column("audio").field("path").to_pylist()
            kept = batch.filter(_mask([path not in names for path in paths]))
            if kept.num_rows:
                copy.write_batch(kept)


def _open(path: Path) -> Any:
    from pyarrow.parquet import ParquetWriter

    # sounds are packed already
    return ParquetWriter(path, _schema(), compression="none", use_dictionary=_WORDS)


def _schema() -> Any:
    import pyarrow

    kinds = {
        name: pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
        if feature["_type"] == "Audio"
        else getattr(pyarrow, feature["dtype"])()
        for name, feature in _FEATURES.items()
    }
    told = json.dumps({"info": {"features": _FEATURES}})
    return pyarrow.schema(kinds, metadata={"huggingface": told})


def _mask(keep: list[bool]) -> Any:
    import pyarrow

    return pyarrow.array(keep, pyarrow.bool_())
