"""Rows of times in subtitles, as people and programs write them."""

from __future__ import annotations

import time

import pytest

from bark_cli.errors import TextError
from bark_cli.text.documents import format_of, read_document
from bark_cli.text.documents.times import Clock

AS_3_TO_4 = [  # all of them from 3 to 4 s
    *("00:00:03,000 --> 00:00:04,000", "00:00:03.000 --> 00:00:04.000", "00:00:03 --> 00:00:04"),
    *("00:03 --> 00:04", "0:03.0 --> 0:04.0", "0:0:3,0 --> 0:0:4,0", "00:03,000 --> 00:04,000"),
    *("00:00:03,000 -> 00:00:04,000", "00:00:03,000 ---> 00:00:04,000", "00:00:03,000 -- > 00:00:04,000"),
    *("00:00:03,000 => 00:00:04,000", "00:00:03,000 ==> 00:00:04,000", "00:00:03,000 → 00:00:04,000"),
    *("00:00:03,000 ⇒ 00:00:04,000", "00:00:03,000 —> 00:00:04,000", "00:00:03,000 --&gt; 00:00:04,000"),
    *("00:00:03,000 — 00:00:04,000", "00:00:03,000 – 00:00:04,000", "00:00:03,000 -- 00:00:04,000"),
    *("00:00:03,000 - 00:00:04,000", "00:00:03,000−−>00:00:04,000", "00:00:03,000 >> 00:00:04,000"),
    *("00:00:03,000,00:00:04,000", "0:00:03.000,0:00:04.000", "00:00:03,000 to 00:00:04,000"),
    *("00:00:03,000 00:00:04,000", "00:00:03,000\t-->\t00:00:04,000", "00:00:03,000\t00:00:04,000"),
    *(
        "00:00:03,000-->00:00:04,000",
        "  00:00:03,000  -->  00:00:04,000  ",
        "\ufeff00:00:03,000 --> 00:00:04,000",
    ),
    *("\u200e00:00:03,000\u200f --> \u202a00:00:04,000", "00:00:03,000\u00a0-->\u00a000:00:04,000"),
    *("００：００：０３，０００ --> ００：００：０４，０００", "00：00：03，000　→　00：00：04，000"),
    *("٠٠:٠٠:٠٣,٠٠٠ --> ٠٠:٠٠:٠٤,٠٠٠", "00.00.03,000 --> 00.00.04,000", "00.00.03 --> 00.00.04"),
    *(
        "00:00:03;000 --> 00:00:04;000",
        "00:00:03:000 --> 00:00:04:000",
        "00 : 00 : 03 , 000 --> 00 : 00 : 04 , 000",
    ),
    *("00:00:03,000000 --> 00:00:04,000000", "3.000 --> 4.000", "0000:00:03,000 --> 0000:00:04,000"),
    *("00:00:03,000 --> 00:00:04,000 align:start line:90%", "00:00:03,000 --> 00:00:04,000 X1:10 Y1:20"),
    *(
        "[00:00:03.000 --> 00:00:04.000]",
        "(00:00:03,000 --> 00:00:04,000)",
        "7 00:00:03,000 --> 00:00:04,000",
    ),
    *("7. 00:00:03,000 --> 00:00:04,000", "{72}{96}", "00:00:03,000 to 00:00:04,000 line:0"),
]
WITH_WORDS = [  # row, and when its words begin
    ("00:00:03,000 --> 00:00:04,000 Good day.", 3.0),
    ("[00:00:03.000 --> 00:00:04.000]   Good day.", 3.0),
    ("00:00:03,000 --> 00:00:04,000 align:start Good day.", 3.0),
    ("[00:03.00]Good day.", 3.0),
    ("[00:03]Good day.", 3.0),
    ("[00:03.00] [00:09.00] Good day.", 3.0),
    ("{72}{}{y:i}Good|day.", 3.003),
    ("00:00:03:Good|day.", 3.0),
]
WITHOUT_END = [
    "00:00:05,000 -->",
    "00:00:05;000 ->",
    "00.00.05,000 -->",
    "00:00:05,000",
    "00:00:05 →",
    "0:05 -->",
]
SAID = [
    *("At 10:30 we met.", "10:30", "10:30 - 11:45", "3:2 and 4:1", "A --> B", "In 1.5 -> 2.5 steps", "1987"),
    *("Step 1: open --> save", "1, 2, 3, 4, 5, 6, 7, 8", "10.0.0.1 - 10.0.0.255", "{A: hello}"),
    *("42", "12:30:00 and 13:30:00 are both fine.", "[12][14] say so.", "1,234.56", "- 3.5", "It was 5 - 3."),
]


def subtitles(row: str) -> str:
    rows = ("1", "00:00:01,000 --> 00:00:02,000", "One.", "", "2", row, "Two.", "")
    return "\n".join([*rows, "3", "00:00:08,000 --> 00:00:09,000", "Three.", ""])


@pytest.mark.parametrize("row", AS_3_TO_4)
def test_every_way_of_writing_times_is_read(row: str) -> None:
    script = read_document(subtitles(row), "srt")
    assert [line.text for line in script.lines] == ["One.", "Two.", "Three."]
    assert (script.lines[1].begin_s, script.lines[1].end_s) == pytest.approx((3.0, 4.0), abs=0.01)
    assert script.left_out == ()


@pytest.mark.parametrize(("row", "begin_s"), WITH_WORDS)
def test_words_beside_times_are_said(row: str, begin_s: float) -> None:
    lines = read_document(subtitles(row).replace("Two.\n", ""), "srt").lines
    assert lines[1].text == "Good day."
    assert lines[1].begin_s == pytest.approx(begin_s, abs=0.001)


@pytest.mark.parametrize("words", ["Anna:Hello there", "A：你好吗", "می\u200cخواهم، بله", "so\u00adso"])
def test_words_beside_times_stay_as_they_are_written(words: str) -> None:
    for row in (f"[00:03.000 --> 00:04.000] {words}", f"\u200e[00:03.00]{words}"):
        assert Clock("").read(row)[0].words.strip() == words


@pytest.mark.parametrize("row", WITHOUT_END)
def test_where_no_end_is_said_a_subtitle_lasts_until_the_next(row: str) -> None:
    lines = read_document(subtitles(row), "srt").lines
    assert (lines[1].text, lines[1].begin_s, lines[1].end_s) == ("Two.", 5.0, 8.0)


@pytest.mark.parametrize(
    "row",
    ["00:00:xx,000 --> 00:00:04,000", "--> 00:00:04,000", "0h00m03s,0 --> 0h00m04s,0", "?:?:3 --> ?:?:4"],
)
def test_times_that_cannot_be_read_are_told_with_their_line_and_no_word_is_lost(row: str) -> None:
    script = read_document(subtitles(row), "srt")
    assert [line.text for line in script.lines] == ["One.", "Two.", "Three."]
    assert script.lines[1].begin_s == 2.0  # as the one before it ends
    assert script.left_out == ("times that cannot be read (line 6)",)


def test_a_time_that_no_film_has_makes_no_silence_of_days() -> None:
    script = read_document(subtitles("900:00:00,000 --> 900:00:01,000"), "srt")
    assert [(line.begin_s, line.text) for line in script.lines] == [
        (1.0, "One."),
        (2.0, "Two."),
        (8.0, "Three."),
    ]
    assert script.left_out == ("times that cannot be read (line 6)",)


@pytest.mark.parametrize("words", SAID)
def test_what_is_said_is_no_time(words: str) -> None:
    text = f"1\n00:00:01,000 --> 00:00:02,000\nOne:\n{words}\nso.\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo."
    script = read_document(text, "srt")
    assert [line.text for line in script.lines] == [f"One: {words.removeprefix('- ')} so.", "Two."]
    assert script.left_out == ()


def test_a_song_is_sung_in_its_order_and_its_refrain_again() -> None:
    text = "[ti:A song]\n[00:01.00]One\n[00:02.50][00:04.00]La la\n[00:03.00]two\n"
    assert format_of(text) == format_of("words", "song.lrc") == "srt"
    script = read_document(text, "auto", "song.lrc")
    assert [line.text for line in script.lines] == ["One", "La la", "two", "La la"]
    assert script.left_out[0] == "text before the first subtitle (line 1)"


def test_frames_are_of_the_rate_that_the_first_row_says() -> None:
    text = "{1}{1}25.000\n{50}{75}One.\n{100}{150}Two|more.\n"
    lines = read_document(text, "auto", "film.sub").lines
    assert [(line.begin_s, line.end_s, line.text) for line in lines] == [
        (2.0, 3.0, "One."),
        (4.0, 6.0, "Two more."),
    ]
    tenths = read_document("[20][30]One.\n[40][]Two.\n", "srt").lines
    assert [(line.begin_s, line.text) for line in tenths] == [(2.0, "One."), (4.0, "Two.")]


def test_bare_times_are_read_where_there_are_no_others() -> None:
    lines = read_document("0:01\nhello\n0:04\nthere\n1:02:03\nend\n", "srt").lines
    assert [(line.begin_s, line.text) for line in lines] == [(1.0, "hello"), (4.0, "there"), (3723.0, "end")]


@pytest.mark.parametrize(
    "text", ["[12:30] <ann> hi\n[12:31] <ben> ho\n", "12:30:45: started\n12:30:46: ended\n"]
)
def test_chats_and_logs_are_no_subtitles(text: str) -> None:
    assert format_of(text) == "text"


@pytest.mark.parametrize("name", ["film.ass", "film.smi", "film.ttml", "film.dfxp"])
def test_subtitles_in_markup_are_refused_with_what_converts_them(name: str) -> None:
    with pytest.raises(TextError, match=f"{name} is subtitles of another kind.*ffmpeg -i {name} text.srt"):
        read_document("x", "auto", name)


@pytest.mark.parametrize(
    "row", ["1" * 10**6, "1:" * 10**6, "00:00:01" + " " * 10**6, "[00:01]" * 10**5, "{1}" * 10**6]
)
def test_a_row_of_millions_is_looked_at_once(row: str) -> None:
    begun = time.process_time()
    Clock(row).read(row, is_due=True)
    assert time.process_time() - begun < 2
