"""Cues -> the text of .srt and .vtt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bark_cli.audio.subtitles import Cue, _columns, break_lines, subtitles

CUES = [
    Cue(0.0, 1.2345, "Hello, my name is Bark."),
    Cue(1.5, 1.6, "  "),
    Cue(3599.9996, 360_000.25, 'I say "<i> & </i>" --> and this goes on for longer than one line can be.'),
]


def test_srt() -> None:
    assert subtitles(CUES, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,234\nHello, my name is Bark.\n\n"
        "2\n01:00:00,000 --> 100:00:00,250\n"
        'I say "<i> & </i>" → and this goes\non for longer than one line can be.\n'
    )


def test_vtt() -> None:
    assert subtitles(CUES, "vtt") == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.234\nHello, my name is Bark.\n\n"
        "01:00:00.000 --> 100:00:00.250\n"
        'I say "&lt;i&gt; &amp; &lt;/i&gt;" --&gt; and this goes\non for longer than one line can be.\n'
    )
    assert subtitles([], "vtt") == "WEBVTT\n"
    assert subtitles([], "srt") == ""


def test_lines_are_short_and_of_about_the_same_length() -> None:
    assert break_lines("one two three four five six seven eight nine") == [
        "one two three four five",
        "six seven eight nine",
    ]
    assert break_lines("short\n\n\tone") == ["short one"]
    assert break_lines("我" * 30) == ["我" * 21, "我" * 9]  # two columns each
    assert break_lines("e\u0301" * 42) == ["e\u0301" * 42]  # an accent takes none


@given(st.text(max_size=300), st.sampled_from([1, 10, 42]))
def test_no_letter_is_lost_no_line_too_long_or_empty(text: str, width: int) -> None:
    lines = break_lines(text, max(width, 2))
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(line.strip() and _columns(line) <= max(width, 2) for line in lines)


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_a_cue_cannot_end_early_or_begin_another(kind: str) -> None:
    text = subtitles([Cue(0, 1, "a\n\n2\n00:00:01,000 --> 00:00:02,000\nb")], kind)  # type: ignore[arg-type]
    assert text.count("-->") == 1
    assert text.rstrip().count("\n\n") == (kind == "vtt")
