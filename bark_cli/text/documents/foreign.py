"""Files without a text to read aloud: a file's first bytes, or its name -> what it is, and what to do."""

from __future__ import annotations

import shlex
from pathlib import PurePath

_EXPORT = "save it as text, HTML or Markdown in the program that made it"
_PANDOC = "convert it first, as in: pandoc {0} -o text.md"
_BOOK = "`bark book {0} -o book.mp3` says it"
_SHEET = "save the sheet as CSV with a column text, for `bark batch`"
_SOUND = "`bark play` plays it"
_PICTURE = "pictures hold no text that is read; a program for OCR makes some of it"
_UNPACK = "unpack it and give the texts that are in it"
_NOT_TEXT = "give a text"

_TO_SRT = "convert them first, as in: ffmpeg -i {0} text.srt"
_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (  # where, what stands there, what it is, what to do
    (0, b"%PDF-", "a PDF", "take its text out first, as in: pdftotext {0} text.txt"),
    (0, b"%!PS", "PostScript", "take its text out first, as in: ps2ascii {0} > text.txt"),
    (0, b"{\\rtf", "rich text (RTF)", _EXPORT),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of an old Office (.doc, .xls, .ppt)", _EXPORT),
    (0, b"SQLite format 3\0", "a database (SQLite)", "export what is to be read as CSV, for `bark batch`"),
    (0, b"PAR1", "a table (Parquet)", "save it as CSV with a column text, for `bark batch`"),
    (0, b"ARROW1", "a table (Arrow)", "save it as CSV with a column text, for `bark batch`"),
    (0, b"\x89PNG\r\n\x1a\n", "a picture (PNG)", _PICTURE),
    (0, b"\xff\xd8\xff", "a picture (JPEG)", _PICTURE),
    (0, b"GIF87a", "a picture (GIF)", _PICTURE),
    (0, b"GIF89a", "a picture (GIF)", _PICTURE),
    (0, b"II*\0", "a picture (TIFF)", _PICTURE),
    (0, b"MM\0*", "a picture (TIFF)", _PICTURE),
    (8, b"WEBP", "a picture (WebP)", _PICTURE),
    (8, b"WAVE", "a sound (WAV)", _SOUND),
    (8, b"AVI ", "a film (AVI)", _NOT_TEXT),
    (0, b"RF64", "a sound (WAV)", _SOUND),
    (0, b"fLaC", "a sound (FLAC)", _SOUND),
    (0, b"OggS", "a sound (Ogg or Opus)", _SOUND),
    (0, b"ID3", "a sound (MP3)", _SOUND),
    (0, b"\xff\xfb", "a sound (MP3)", _SOUND),
    (0, b"\xff\xf3", "a sound (MP3)", _SOUND),
    (4, b"ftyp", "a film or a sound (MP4)", _NOT_TEXT),
    (0, b"\x1aE\xdf\xa3", "a film (Matroska or WebM)", _NOT_TEXT),
    (60, b"BOOKMOBI", "a Kindle book", "convert it first, as in: ebook-convert {0} text.txt"),
    (0, b"\x1f\x8b", "packed (gzip)", "unpack it first: gunzip {0}"),
    (0, b"BZh", "packed (bzip2)", "unpack it first: bunzip2 {0}"),
    (0, b"\xfd7zXZ\0", "packed (xz)", "unpack it first: unxz {0}"),
    (0, b"\x28\xb5\x2f\xfd", "packed (zstd)", "unpack it first: unzstd {0}"),
    (0, b"7z\xbc\xaf\x27\x1c", "an archive (7z)", _UNPACK),
    (0, b"Rar!\x1a\x07", "an archive (RAR)", _UNPACK),
    (257, b"ustar", "an archive (tar)", _UNPACK),
    (0, b"[Script Info]", "subtitles of another kind (.ass)", _TO_SRT),
    (0, b"\xef\xbb\xbf[Script Info]", "subtitles of another kind (.ass)", _TO_SRT),
    (0, b"<SAMI>", "subtitles of another kind (SAMI)", _TO_SRT),
    (0, b"\0\0\x01\xba", "a film, or subtitles in pictures", _NOT_TEXT),
    (0, b"\x93NUMPY", "an array of NumPy", _NOT_TEXT),
    (0, b"GGUF", "a model (GGUF)", "-m takes a model"),
    (0, b"\x7fELF", "a program", _NOT_TEXT),
    (0, b"MZ", "a program of Windows", _NOT_TEXT),
)
_PLAIN = (b"MZ", b"ID3", b"BZh", b"PAR1", b"RF64", b"GGUF", b"%!PS")  # a text may begin so, with no NUL near
_ZIPPED = (  # what stands in the first names of an archive
    (b"application/epub+zip", "an EPUB book", _BOOK),
    (b"opendocument.spreadsheet", "a spreadsheet (OpenDocument)", _SHEET),
    (b"opendocument", "a document of OpenDocument (.odt, .odp)", _PANDOC),
    (b"xl/", "a spreadsheet (.xlsx)", _SHEET),
    (b"word/", "a Word document (.docx)", _BOOK),
    (b"ppt/", "a presentation (.pptx)", _EXPORT),
    (b"_semantic_prompt", "a voice", "-v takes a voice"),
    (b"semantic_prompt.npy", "a voice (.npz)", "-v takes a voice"),
    (b"/data.pkl", "a model (PyTorch)", "-m takes a model"),
)
_READS = "--input-format text reads it as it stands"
_MARKUP = f"{_PANDOC}, or {_READS}"
_NAMES = {  # suffix -> the same, of what is written in letters
    **dict.fromkeys(
        (".csv", ".tsv", ".tab"), ("a table", "`bark batch {0}` says each row of its column text")
    ),
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), ("a spreadsheet", _SHEET)),
    ".jsonl": ("JSON Lines", "`bark batch {0}` says the text of each line"),
    **dict.fromkeys((".json", ".geojson", ".ipynb"), ("data in JSON", _READS)),
    **dict.fromkeys((".yaml", ".yml"), ("data in YAML", _READS)),
    ".fb2": ("a FictionBook", _BOOK),
    **dict.fromkeys((".xml", ".rss", ".atom"), ("data in XML", _READS)),
    ".svg": ("a picture (SVG)", _PICTURE),
    **dict.fromkeys(
        (".ass", ".ssa", ".smi", ".sami", ".ttml", ".dfxp"), ("subtitles of another kind", _TO_SRT)
    ),
    ".tex": ("LaTeX", _MARKUP),
    ".rst": ("reStructuredText", _MARKUP),
    ".org": ("an Org file", _MARKUP),
    ".adoc": ("AsciiDoc", _MARKUP),
}


def why_no_text(data: bytes, source: str) -> str | None:
    """What the bytes of `source` are, by how they begin, and what to do; None where they may be a text."""
    head = data[:4096]
    if head.startswith(b"PK\x03\x04"):
        found = next(((what, todo) for mark, what, todo in _ZIPPED if mark in _names(data)), None)
        return _said(source, *(found or ("an archive (zip)", _UNPACK)))
    for at, mark, what, todo in _MAGIC:
        if head[at : at + len(mark)] == mark and (mark not in _PLAIN or b"\0" in head):
            return _said(source, what, todo)
    return None


def why_no_prose(name: str) -> str | None:
    """What a file of that name is, where it is written in letters and yet not to be read aloud as it is."""
    found = _NAMES.get(PurePath(name).suffix.lower())
    return None if found is None else _said(name, *found)


def _names(data: bytes) -> bytes:
    """Where the names of an archive's members stand: at its beginning, and at its end."""
    return data[:4096] + data[-(2**16) :]


def _said(source: str, what: str, todo: str) -> str:
    file = shlex.quote(source) if PurePath(source).suffix else "FILE"  # "standard input" is none
    return f"{source} is {what}, not a text; {todo.format(file)}"
