from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bark_cli.errors import TextError
from bark_cli.text.normalise import normalise


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("Hello", "Hello"),
        ("  two\t\twords \r\n and\u00a0more\n", "two words and more"),
        ("\ufeffwith a byte order mark", "with a byte order mark"),
        ("[laughs]", "[laughs]"),
        (
            "\u0939\u093f\u0928\u094d\u0926\u0940 \u200d\U0001f600",
            "\u0939\u093f\u0928\u094d\u0926\u0940 \u200d\U0001f600",
        ),
    ],
)
def test_whitespace_is_collapsed_and_nothing_else_changed(typed: str, line: str) -> None:
    assert normalise(typed) == line


@pytest.mark.parametrize("typed", ["", " \n\t ", "\u2003", "\ufeff"])
def test_empty_text_says_what_to_do(typed: str) -> None:
    with pytest.raises(TextError, match="empty; give some words"):
        normalise(typed)


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("ab\x00cd", r"control character \(U\+0000\) at line 1, column 3"),
        ("\x1b[31mred", r"control character \(U\+001B\) at line 1, column 1"),
        ("one\r\ntwo\n\nfo\x07ur", r"control character \(U\+0007\) at line 4, column 3"),
        ("caf\udce9", "not valid UTF-8 at line 1, column 4"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(typed: str, complaint: str) -> None:
    with pytest.raises(TextError, match=complaint):
        normalise(typed)


@given(st.text())
def test_any_text_is_one_clean_line_or_a_text_error(typed: str) -> None:
    try:
        line = normalise(typed)
    except TextError:
        return
    assert line == normalise(line)
    assert line.split() == line.split(" ")
