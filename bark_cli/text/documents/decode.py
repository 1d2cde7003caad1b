"""Bytes of a text file -> str: UTF-8, what its byte order mark says, or the encoding that was named."""

from __future__ import annotations

import codecs
import re

from bark_cli.errors import OptionError, TextError
from bark_cli.text.documents.foreign import why_no_text

MAX_BYTES = 16 * 2**20  # three times the Bible; more is a mistake, such as a film given for a text
_MARKS = (  # that of UTF-32 first: it begins as that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Python's own, for host names and source code: slow beyond any bound, or raising other errors
_NO_TEXT = {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined"}


def decode(data: bytes, encoding: str | None = None, *, source: str = "the text") -> str:
    """The text that the bytes are, without a byte order mark.

    Raises:
        TextError: they are too many, a file of another kind, not text in that encoding, or hold a NUL.
        OptionError: there is no such encoding.
    """
    if len(data) > MAX_BYTES:
        raise TextError(f"{source} is larger than {MAX_BYTES // 2**20} MiB; split it into several texts")
    if (why := why_no_text(data, source)) is not None:
        raise TextError(why)
    named = None if encoding is None else text_encoding(encoding)
    told = marked(data)
    # a mark is more to be trusted than a name, if the named encoding has marks at all
    if told and (named is None or named.startswith("utf")):
        named = told
    if named == "iso8859-1" and re.search(rb"[\x80-\x9f]", data) and _is(data, "cp1252"):
        named = "cp1252"  # as browsers do: what is called latin-1 has its quotes and dashes from there
    try:
        text = data.decode(named or "utf-8")
        text.encode("utf-8")  # UTF-7 can say half a character, which nothing can be done with
    except UnicodeDecodeError as error:
        raise _undecodable(data, error, source, named) from error
    except UnicodeEncodeError as error:
        raise TextError(
            f"{source} holds half a character (character {error.start}); save it as UTF-8"
        ) from error
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        raise _with_nul(data, source)
    return text


def marked(data: bytes) -> str | None:
    """The encoding that a byte order mark at the beginning says."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), None)


def text_encoding(encoding: str) -> str:
    """The name that Python has for an encoding of texts.

    Raises:
        OptionError: there is no such encoding.
    """
    try:
        name = codecs.lookup(encoding.strip()).name
        if name in _NO_TEXT:
            raise LookupError(name)
        "".encode(name).decode(name)
    except (LookupError, ValueError, TypeError) as error:  # rot13 is a codec and no encoding
        raise OptionError(
            f"there is no text encoding {encoding}; give one such as utf-8, utf-16, latin-1 or cp1252"
        ) from error
    return name


def _undecodable(data: bytes, error: UnicodeDecodeError, source: str, named: str | None) -> TextError:
    at = f"byte {error.start}"
    if error.start < len(data):
        at += f" is 0x{data[error.start]:02x}"
    likely = next((name for name in ("cp1252", "latin-1") if name != named and _is(data, name)), "utf-8")
    if named is not None:
        return TextError(f"{source} is not {named} text ({at}); say what it is, as in --encoding {likely}")
    return TextError(
        f"{source} is not UTF-8 text ({at}); save it as UTF-8, or say what it is, as in --encoding {likely}"
    )


def _is(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _with_nul(data: bytes, source: str) -> TextError:
    at = data.index(0)
    even, odd = data[0::2].count(0), data[1::2].count(0)
    if max(even, odd) > max(3, 0.2 * len(data)):  # every other byte of Latin letters
        which = "le" if odd > even else "be"
        return TextError(
            f"{source} looks like UTF-16 without its mark (byte {at}); add --encoding utf-16-{which}"
        )
    return TextError(f"{source} holds a NUL byte at byte {at}; it is not a text file")
