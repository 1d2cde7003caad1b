from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bark_cli.errors import OptionError, TextError
from bark_cli.text.documents import MAX_BYTES, decode, format_of, read_document
from bark_cli.text.reading import Reading

WORDS = "Grüße — “hi” 日本 😀"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_says_what_a_text_is(encoding: str) -> None:
    assert decode(WORDS.encode(encoding)) == WORDS


def test_utf_16_of_either_order_needs_no_name_with_its_mark() -> None:
    assert decode(b"\xff\xfe" + WORDS.encode("utf-16-le")) == WORDS
    assert decode(b"\xfe\xff" + WORDS.encode("utf-16-be")) == WORDS
    assert decode(b"\xfe\xff" + WORDS.encode("utf-16-be"), "utf-8") == WORDS


@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "ISO-8859-15", "utf-16-le", "utf-16-be", "mac-roman"]
)
def test_an_encoding_can_be_named(encoding: str) -> None:
    assert decode("Grüße".encode(encoding), encoding) == "Grüße"


@pytest.mark.parametrize(
    ("data", "encoding", "complaint"),
    [
        (b"caf\xe9 noir", None, r"song.txt is not UTF-8 text \(byte 3 is 0xe9\); .*--encoding cp1252"),
        (b"caf\xc3", None, r"not UTF-8 text \(byte 3 is 0xc3\)"),
        (b"caf\xe9", "ascii", r"is not ascii text \(byte 3 is 0xe9\)"),
        (b"\xff\xfea", None, "is not utf-16 text"),
        (b"a\0b", None, r"NUL byte at byte 1; it is not a text file"),
        ("hello you".encode("utf-16-le"), None, r"looks like UTF-16 .*--encoding utf-16-le"),
        ("hello you".encode("utf-16-be"), None, r"looks like UTF-16 .*--encoding utf-16-be"),
        (b"a" * (MAX_BYTES + 1), None, "larger than 16 MiB; split it"),
    ],
)
def test_what_is_no_text_is_named_with_its_place(data: bytes, encoding: str | None, complaint: str) -> None:
    with pytest.raises(TextError, match=complaint):
        decode(data, encoding, source="song.txt")


def archive(**members: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as found:
        for name, text in members.items():
            found.writestr(name, text)
    return packed.getvalue()


SPREADSHEET = "application/vnd.oasis.opendocument.spreadsheet"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7\n\xe2\xe3", r"a PDF, not a text; .*pdftotext 'my file\.x' text\.txt"),
        (b"{\\rtf1\\ansi Hello}", "rich text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office"),
        (b"SQLite format 3\0", "a database"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"\xff\xd8\xff\xe0", "a picture"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "a sound.*`bark play`"),
        (b"ID3\x04\0", "a sound"),
        (b"\0\0\0\x20ftypM4A ", "a film or a sound"),
        (b"\x1f\x8b\x08\0", r"packed \(gzip\).*gunzip"),
        (b"\x7fELF\x02", "a program"),
        (archive(**{"word/document.xml": "<w/>"}), "a Word document.*bark book "),
        (archive(**{"[Content_Types].xml": "x" * 9000, "xl/workbook.xml": "<w/>"}), "a spreadsheet.*CSV"),
        (archive(mimetype=SPREADSHEET), "a spreadsheet"),
        (archive(**{"a.txt": "Hello"}), "an archive"),
    ],
)
@pytest.mark.parametrize("encoding", [None, "utf-8", "latin-1"])
def test_a_file_of_another_kind_is_named_with_what_to_do(
    data: bytes, what: str, encoding: str | None
) -> None:
    with pytest.raises(TextError, match=what):
        decode(data, encoding, source="my file.x")


@pytest.mark.parametrize("text", ["MZ is two letters.", "ID3 tags", "GGUF, GIF and PDF", "PKZIP", "BZh!"])
def test_a_text_may_begin_as_a_file_of_another_kind_does(text: str) -> None:
    assert decode(text.encode()) == text


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("sheet.csv", "a table, not a text; `bark batch sheet.csv`"),
        ("list.JSONL", "JSON Lines"),
        ("notebook.ipynb", "data in JSON.*--input-format text"),
        ("feed.xml", "data in XML"),
        ("novel.fb2", "a FictionBook.*bark book novel.fb2 -o book.mp3"),
        ("film.ass", "subtitles of another kind.*ffmpeg -i film.ass text.srt"),
        ("paper.tex", "LaTeX.*pandoc.*--input-format text"),
    ],
)
def test_data_and_other_markup_are_read_only_if_asked_for(name: str, what: str) -> None:
    with pytest.raises(TextError, match=what):
        read_document("a,b\nc,d\n", "auto", name)
    assert read_document("a,b\nc,d\n", "text", name).lines
    assert read_document("a,b\nc,d\n", "auto", "notes.log").lines  # what nobody knows may be a text


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "hex", "", "a\0b"])
def test_an_encoding_that_does_not_exist_is_refused(encoding: str) -> None:
    with pytest.raises(OptionError, match=r"there is no text encoding .*latin-1"):
        decode(b"abc", encoding)


@given(st.binary(max_size=40), st.sampled_from([None, "utf-8", "utf-16", "latin-1", "shift_jis", "utf-7"]))
def test_any_bytes_are_text_or_a_text_error(data: bytes, encoding: str | None) -> None:
    try:
        text = decode(data, encoding)
    except TextError as error:
        text = str(error)
    assert "\0" not in text


MARKDOWN = """---
title: not read
---
# The *old* house <!-- not read -->

It was **very** old[^1], see [the plan](http://x.org/plan) or
<https://www.example.org/a?b=1>. She [laughs] loudly &amp; [pause 1.5s] sat.
Also `this`, ~~that~~ and https://foo.org/bar. ![a red door](door.png)

- one
- two!
  1. inner
  2. **more**

> quoted *text*,
> twice

```py
print("not read")
```

    not read

| Name | Age |
|------|-----|
| Ann  | 30  |
|      | 40  |

Setext
======

[^1]: A footnote, not read.

<div>in a box</div>

***

"The end?"\\
Yes<br>no
"""


def test_markdown_is_read_as_a_person_would() -> None:
    lines = read_document(MARKDOWN, "markdown").lines
    assert [(line.number, line.text, line.pause_after_s) for line in lines] == [
        (4, "The old house.", None),
        (6, "It was very old, see the plan or example.org. She [laughs] loudly &", 1.5),
        (6, "sat. Also this, that and foo.org. a red door", None),
        (10, "one.", None),
        (11, "two!", None),
        (12, "1. inner.", None),
        (13, "2. more.", None),
        (15, "quoted text, twice", None),
        (24, "Name, Age.", None),
        (26, "Ann, 30.", None),
        (27, "40.", None),
        (29, "Setext.", None),
        (34, "in a box", None),
        (38, '"The end?" Yes no', None),
    ]


def test_quotes_within_quotes_lose_nothing() -> None:
    assert [line.text for line in read_document("> " * 60 + "deep", "markdown").lines] == ["deep"]


@given(st.text("#*_[]()!`>-|1. \n<a/hp:t&\\~^"))
def test_any_markdown_can_be_read(text: str) -> None:
    for line in read_document(text, "markdown").lines:
        assert line.text == " ".join(line.text.split())
        # marks between the two may have been taken away, as in "_1]_("
        assert "](" not in line.text or re.search(r"\][^\[\]()!. \n1]*\(", text)


SUBRIP = """1
00:00:01,000 --> 00:00:02,500
<i>Hello</i>
- there.

2
00:00:03,000 --> 00:00:04,000 X1:100
{\\an8}Bye &amp; <font color="red">so</font>
3
01:02:03.5 --> 01:02:04,25
♪ la ♪

4
01:03:00,000 --> 01:03:01,000

"""
VTT = """WEBVTT - a title

NOTE not heard
at all

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.000 align:start
<v Anna>Good <00:01.500>day</v>
"""


def test_subtitles_keep_their_times() -> None:
    lines = read_document(SUBRIP, "srt").lines
    assert [(line.begin_s, line.end_s, line.text, line.number) for line in lines] == [
        (1.0, 2.5, "Hello there.", 2),
        (3.0, 4.0, "Bye & so", 7),
        (3723.5, 3724.25, "♪ la ♪", 10),
    ]
    (cue,) = read_document(VTT.replace("\n", "\r\n"), "srt").lines
    assert (cue.begin_s, cue.end_s, cue.text) == (1.0, 2.0, "Good day")


@pytest.mark.parametrize("name", ["", "chapter one\n", "7\n"])
@pytest.mark.parametrize("head", ["WEBVTT\n\n", ""])
def test_the_only_row_of_a_subtitle_is_no_name_of_the_next(head: str, name: str) -> None:
    if not head and not name[:1].isdecimal():
        name = ""
    times = "00:0{0}:00.000 --> 00:0{0}:02.000\n"
    said = ["One.", "How many? 42", "Three."]
    rows = [text.replace("? ", "?\n") for text in said]
    text = head + "".join(f"{name}{times.format(n)}{row}\n\n" for n, row in enumerate(rows, 1))
    assert [line.text for line in read_document(text, "srt").lines] == said


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Hello.", "film.srt holds no subtitles such as 00:00:01,000 --> 00:00:02,500"),
    ],
)
def test_what_are_no_subtitles_is_said(text: str, complaint: str) -> None:
    with pytest.raises(TextError, match=complaint):
        read_document(text, "srt", "film.srt")


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("# A title", "a.md", "markdown"),
        ("# A title", "A.MARKDOWN", "markdown"),
        ("# A title", None, "text"),
        (SUBRIP, None, "srt"),
        (SUBRIP, "film.txt", "srt"),
        (VTT, None, "srt"),
        ("x", "film.vtt", "srt"),
        ("At 00:00:01,000 --> it began.", None, "text"),
        ("---\ncast:\n  A: x\n---\nA: Hi.", None, "script"),
        ("---\ntitle: x\n---\nA: Hi.", None, "text"),
        ("Anna: Hi.", "play.script", "script"),
        ("Anna: Hi.", "play.txt", "text"),
        ("", None, "text"),
    ],
)
def test_the_format_is_known_by_the_suffix_or_by_the_text(text: str, name: str | None, kind: str) -> None:
    assert format_of(text, name) == kind


def test_a_cast_makes_a_script_of_a_text() -> None:
    script = read_document("ANNA: Hi.", cast={"ANNA": "v"})
    assert [(line.speaker, line.text) for line in script.lines] == [("ANNA", "Hi.")]
    assert script.cast == {"ANNA": "v"}
    assert read_document("ANNA: Hi.", "text", cast={"ANNA": "v"}).lines[0].speaker is None


def test_plain_text_keeps_its_paragraphs_and_is_cut_at_its_pauses() -> None:
    lines = read_document("One.\n\nTwo. [pause 2s] Three.", "auto", "a.txt").lines
    assert [(line.text, line.pause_after_s) for line in lines] == [("One.\n\nTwo.", 2.0), ("Three.", None)]


def test_there_is_no_such_format() -> None:
    with pytest.raises(OptionError, match="no input format docx; give one of auto, text, markdown"):
        read_document("x", "docx")


@given(st.text(), st.sampled_from(["auto", "text", "markdown", "srt", "script"]))
def test_any_text_is_a_document_or_a_text_error(text: str, kind: str) -> None:
    try:
        lines = read_document(text, kind).lines
    except TextError:
        return
    assert all(line.number >= 1 for line in lines)


def test_a_file_is_read_from_bytes_to_lines(tmp_path: Path) -> None:
    path = tmp_path / "chapter.md"
    path.write_bytes("# Über\n\nText.".encode("latin-1"))
    lines = read_document(decode(path.read_bytes(), "latin-1"), name=path.name).lines
    assert [line.text for line in lines] == ["Über.", "Text."]


@pytest.mark.parametrize(
    "encoding",
    [
        "punycode",
        "idna",
        "unicode_escape",
        "raw_unicode_escape",
        "undefined",
        "rot13",
        "hex",
        "zlib",
        "a\0b",
        "",
    ],
)
def test_what_is_a_codec_of_pythons_and_no_texts_is_no_encoding(encoding: str) -> None:
    for data in (b"abc-", b"\xff\\u12", b"xn--a-\xe4"):
        with pytest.raises(OptionError, match="there is no text encoding"):
            decode(data, encoding)


def test_half_a_character_is_no_text() -> None:
    with pytest.raises(TextError, match="holds half a character"):
        decode(b"+2AA-", "utf-7")


def said(text: str, kind: str) -> list[str]:
    return [line.text for line in read_document(text, kind).lines]


def test_what_is_not_read_aloud_in_plain_text_is_told_with_its_line() -> None:
    script = read_document(
        "In Baker Street.[^1] He was [2] old.[3,4]\n\n[^1]: The note.\n  more\n\nE\x07nd.", "text"
    )
    assert " ".join(script.lines[0].text.split()) == "In Baker Street. He was old. End."
    assert script.left_out == (
        "control characters, such as U+0007 in column 2 (line 6)",
        "footnotes (line 3)",
        "marks of footnotes and sources, such as [^1] (3, in line 1)",
    )


def test_bullets_and_headings_are_lines_of_their_own() -> None:
    text = "Shopping:\n- apples\n- pears and\n  plums\n\nI came in\n1987. He left.\n\n"
    text += "Chapter One\nIt was dark.\n"
    assert said(text, "text") == [
        *("Shopping:", "apples.", "pears and plums.", "I came in\n1987. He left."),
        *("Chapter One.", "It was dark."),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It is nega-\ntive now", "It is negative now"),
        ("Anglo-\nSaxon and twenty-\none", "Anglo-Saxon and twenty-one"),
        ("don&#x27;t&nbsp;go, AT&amp;T", "don't go, AT&T"),
        ("&notit; ?a=1&copy=2&reg;", "&notit; ?a=1&copy=2®"),
        ("a \x1b[31mred\x1b[0m fox", "a red fox"),
        ("So it is.[4]-[6] And so [7],[8]–[9] on [between [1]-[x]].", "So it is. And so on [between-[x]]."),
    ],
)
def test_cut_words_entities_and_escapes(text: str, words: str) -> None:
    assert [" ".join(one.split()) for one in said(text, "text")] == [words]


def test_dialects_of_markdown() -> None:
    text = "+++\nt='x'\n+++\n- [ ] task\n\n> [!NOTE]\n> Use.\n\n[[A|the page]] ==hot== {{< fig >}} $x^2$"
    text += " $\\frac{1}{2}$\n\n::: tip\nBody\n:::\n"
    script = read_document(text, "markdown")
    assert [line.text for line in script.lines] == ["task.", "Note. Use.", "the page hot x²", "Body"]
    assert [one.split(" (")[0].split(",")[0] for one in script.left_out] == [
        *("front matter", "a template's commands", "boxes of tasks", "formulas"),
    ]


@pytest.mark.parametrize(
    ("page", "read"),
    [
        ("<p><ruby>漢<rt>kan</ruby> is a sign.</p><p>More.</p>", ["漢 is a sign.", "More."]),
        ('<p style="display:none">hidden<p>Seen.', ["Seen."]),
        ("<ul><li hidden>one<ul><li>two</ul>three<li>four</ul><p>After.", ["four.", "After."]),
        ("<select><option>one<option>two</select><p>After.", ["After."]),
        ("<table><tr><td>one<td>two<tr><td>three</table><p>After.", ["one, two.", "three.", "After."]),
        ("<table><tr><td>Outer</td><td><table><tr><td>inner</table></table>", ["Outer.", "inner."]),
    ],
)
def test_elements_whose_end_is_left_out_hide_nothing_that_follows(page: str, read: list[str]) -> None:
    assert said(page, "html") == read


def test_html_is_read_without_tags_scripts_and_styles() -> None:
    text = "<!doctype html><style>p{}</style><h1>One</h1><script>x()</script>\n"
    text += "<p>Two &amp; <b>three</b><ul><li>four</ul>"
    script = read_document(text)
    assert [(line.number, line.text) for line in script.lines] == [
        (1, "One."),
        (2, "Two & three"),
        (2, "four."),
    ]
    assert said("<div>\nall <i>of</i> it\n</div>", "markdown") == ["all of it"]


def test_subtitles_are_read_leniently_and_what_is_passed_over_is_told() -> None:
    text = (
        "1\n00:00:01 --> 00:00:02\nNo fraction\n\n2\n00:00:03,000 -> 00:00:04,000\nArrow\n\nafter a blank\n\n"
        "3\n00:00:07:500 -->\nIf x < 5 and y > 3\n\n4\n00:00:06,000 --> 00:00:05,000\nback"
    )
    script = read_document(text, "srt")
    assert [(line.begin_s, line.end_s, line.text) for line in script.lines] == [
        (1.0, 2.0, "No fraction"),
        (3.0, 4.0, "Arrow after a blank"),
        (6.0, 7.5, "back"),
        (7.5, None, "If x < 5 and y > 3"),
    ]
    assert len(script.left_out) == 2


def test_latin_1_with_quotes_of_windows_is_cp1252_and_the_hint_names_what_works() -> None:
    data = "“quoted” — text".encode("cp1252")
    assert decode(data, "latin-1") == "“quoted” — text"
    with pytest.raises(TextError, match="--encoding cp1252"):
        decode(data)


@pytest.mark.parametrize("family", ["[", "*_", "<a ", "<!--", "    ", "> ", "a"])
def test_a_hundred_thousand_hostile_characters_are_read(family: str) -> None:
    for kind in ("markdown", "html", "text"):
        read_document(family * (100_000 // len(family)), kind)


def test_a_cast_of_thousands_is_looked_up() -> None:
    rows = "".join(f"P{n}: Hi.\n" for n in range(10_000))
    assert len(read_document(rows, "script", cast={f"P{n}": "v" for n in range(10_000)}).lines) == 10_000


def test_a_control_character_is_left_out_or_an_error_if_strict() -> None:
    text = "One.\n\nTwo\x07 and\x1b[31m three.\n"
    script = Reading().script(text)
    assert "Two and three." in script.lines[0].text
    assert script.left_out == ("control characters, such as U+001B in column 9 (2, in line 3)",)
    with pytest.raises(TextError, match=r"\(U\+0007\) at line 3, column 4; --strict forbids it"):
        Reading(strict=True).script(text)
    assert Reading(strict=True).script("One.\r\n\tTwo.\x0c\n").lines


def test_lines_of_what_is_left_out_are_told_in_order() -> None:
    assert read_document("one\x01\ntwo\x1b[31m", "text").left_out == (
        "control characters, such as U+001B in column 4 (lines 1, 2)",
    )


@pytest.mark.parametrize("name", ["a.xlsx", "b.XLS", "c.ods"])
def test_a_text_that_is_named_as_a_spreadsheet_is_refused_by_name(name: str) -> None:
    with pytest.raises(TextError, match=f"{name} is a spreadsheet, not a text; save the sheet as CSV"):
        read_document("text,voice\nhi,", name=name)
