"""A compressed list, or one in Parquet -> its bytes or its rows, a little at a time."""

from __future__ import annotations

import gzip
import importlib.util
import io
import zlib
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from bark_cli.errors import OptionError, TextError
from bark_cli.system.units import human_bytes
from bark_cli.text.documents.decode import marked, text_encoding
from bark_cli.text.documents.foreign import why_no_text

_HEAD = 2**16  # bytes of a table that tell what it is
_MOST_IN_LINE = 2**20  # characters
_ROWS = 1024  # of a table that are in memory at once
_MOST_IN_COLUMN = 2**30  # bytes that one column of one row group may unpack to


@contextmanager
def open_list(file: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked as they are read where its name ends in .gz or .zst.

    Raises:
        TextError: it cannot be read, or is not packed as its name says; also while it is read.
        OptionError: pyarrow is needed for it and not installed.
    """
    suffix = file.suffix.lower()
    try:
        with file.open("rb") as stream:
            if suffix == ".gz":
                with gzip.open(stream) as unpacked:
                    yield cast(BinaryIO, unpacked)
            elif suffix == ".zst":
                _check_pyarrow(file)
                import pyarrow

                with pyarrow.CompressedInputStream(pyarrow.PythonFile(stream), "zstd") as unpacked:
                    yield io.BufferedReader(unpacked)
            else:
                yield stream
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise TextError(f"{file} is not whole, or not packed with gzip ({error})") from error
    except OSError as error:
        raise TextError(f"cannot read {file}: {error.strerror or error}; check it") from error


def table_lines(file: Path, encoding: str | None = None) -> Generator[str, None, None]:
    """The lines of a table, with their ends: in what its byte order mark says, `encoding` or UTF-8.

    Raises:
        TextError: it cannot be read, is no text, or has a line that no table has.
        OptionError: there is no such encoding.
    """
    number, named = 1, None if encoding is None else text_encoding(encoding)
    # as of texts (`decode`): what is called latin-1 has its quotes and dashes from cp1252
    encoded = "cp1252" if named == "iso8859-1" else named or "utf-8"
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
            if (why := why_no_text(head, str(file))) is not None:
                raise TextError(why)
            stream.seek(0)
            told = marked(head) if encoded.startswith("utf") else None
            with io.TextIOWrapper(stream, encoding=told or encoded, newline="") as lines:
                while line := lines.readline(_MOST_IN_LINE + 1):
                    if len(line) > _MOST_IN_LINE:
                        raise TextError(f"{file}:{number} is too long for a row; is it a table?")
                    if "\0" in line:
                        raise TextError(f"{file}:{number} holds a NUL; save the table as UTF-8")
                    yield line
                    number += 1
    except UnicodeError as error:
        raise TextError(
            f"{file} is not {named or 'UTF-8'} text (near line {number}); save it as UTF-8, or say what it "
            "is, as in --encoding cp1252"
        ) from error
    except OSError as error:
        raise TextError(f"cannot read {file}: {error.strerror}; check its permissions") from error


def parquet_rows(file: Path, columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, one at a time: what is there of some columns, and not empty.

    Args:
        file: which file.
        columns: field -> the column it is in; that of `text` has to be there.

    Raises:
        TextError: it cannot be read, or has no column of texts.
        OptionError: pyarrow is not installed.
    """
    _check_pyarrow(file)
    import pyarrow

    try:
        with _open_parquet(file, columns.values()) as table:
            names = table.schema_arrow.names
            if columns["text"] not in names:
                raise TextError(
                    f'{file} has no column "{columns["text"]}" (it has: {", ".join(names)[:80]}); '
                    "name it, as in --column text=caption"
                )
            found = {field: name for field, name in columns.items() if name in names}
            _check_columns(table.metadata, found.values(), file)
            for batch in table.iter_batches(_ROWS, columns=list(found.values())):
                of_fields = {field: batch.column(name) for field, name in found.items()}
                for n in range(batch.num_rows):  # one by one: a word that is kept once may be said in all
                    row = {field: column[n].as_py() for field, column in of_fields.items()}
                    yield {field: value for field, value in row.items() if value is not None}
    except (OSError, pyarrow.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise TextError(f"cannot read {file}: {reason}; is it a Parquet file?") from error


def _check_pyarrow(file: Path) -> None:
    if importlib.util.find_spec("pyarrow") is None:
        raise OptionError(f"{file} needs pyarrow; run: pip install 'bark-cli[ray]'")


def _open_parquet(file: Path, columns: Iterable[str]) -> Any:
    """A Parquet file, in which a text that many rows share is in memory once."""
    from pyarrow import types
    from pyarrow.parquet import ParquetFile

    with ParquetFile(file) as table:
        shared = [field.name for field in table.schema_arrow if types.is_string(field.type)]
    return ParquetFile(file, read_dictionary=[name for name in shared if name in columns])


def _check_columns(metadata: Any, names: Collection[str], file: Path) -> None:
    """Refuse what would not fit into memory.

    Raises:
        TextError: a column is too large.
    """
    for n in range(metadata.num_row_groups):
        group = metadata.row_group(n)
        for column in (group.column(i) for i in range(group.num_columns)):
            name, size = column.path_in_schema.partition(".")[0], column.total_uncompressed_size
            if name in names and size > _MOST_IN_COLUMN:
                raise TextError(
                    f"{file}: column {name} unpacks to {human_bytes(size)} in one row group, more than "
                    f"{human_bytes(_MOST_IN_COLUMN)}; write it in smaller ones"
                )
