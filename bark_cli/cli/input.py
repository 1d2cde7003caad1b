"""Where the text of a command comes from: arguments, a file, or a pipe -> str."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bark_cli.errors import TextError, UsageError

MAX_BYTES = 16 * 2**20  # three times the Bible; more is a mistake, such as a film given for a text
STDIN = "-"


def read_text(words: Sequence[str], file: str | None) -> str | None:
    """The text of the words, else of `file`, else of the pipe into us (`-` names it); None if there is none.

    Raises:
        UsageError: words and a file are both given.
        TextError: the file cannot be read, is too large, or is not UTF-8 text.
    """
    if words and file is not None:
        raise UsageError("the text is given twice, as words and with -f; give one of them")
    if file not in (None, STDIN):
        return _read_file(Path(str(file)))
    if words and list(words) != [STDIN]:
        return " ".join(words)
    asked_for = file == STDIN or bool(words)
    if sys.stdin is None or (sys.stdin.isatty() and not asked_for):
        return None
    return decode(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return decode(stream.read(MAX_BYTES + 1), str(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TextError(f"cannot read text file {path}: {reason}; check the name given to -f") from error


def decode(data: bytes, source: str) -> str:
    """Bytes of a text file as str; a byte order mark is dropped.

    Raises:
        TextError: they are too many, not UTF-8, or hold a NUL.
    """
    if len(data) > MAX_BYTES:
        raise TextError(f"{source} is larger than {MAX_BYTES // 2**20} MiB; split it into several texts")
    if b"\0" in data:
        raise TextError(f"{source} holds a NUL byte at byte {data.index(0)}; it is not a UTF-8 text file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = f"byte {error.start} is 0x{data[error.start]:02x}"
        raise TextError(f"{source} is not UTF-8 text ({at}); save it as UTF-8") from error
