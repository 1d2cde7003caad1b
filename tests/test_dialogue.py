from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bark_cli.errors import OptionError, TextError
from bark_cli.text.documents.dialogue import front_matter, parse_cast, read_script

DIALOGUE = """---
title: The noise
cast:
  ANNA: v2/en_speaker_9
  Ben: "ben.npz"   
author: nobody
---
It was late.
# nobody hears this
ANNA: Did you hear that: a noise? [gasps]
  Listen: there.
and once more. [pause 1.5s] Again!
ben: No.
BEN:
Not at all.

I sleep. [pause 800ms] [pause 200ms]

MAN: Good night.
# the end
"""


def said(text: str, cast: dict[str, str] | None = None) -> list[tuple[str | None, str, float | None]]:
    return [(line.speaker, line.text, line.pause_after_s) for line in read_script(text, cast).lines]


def test_a_dialogue_is_who_says_what() -> None:
    assert said(DIALOGUE) == [
        (None, "It was late.", None),
        ("ANNA", "Did you hear that: a noise? [gasps] Listen: there. and once more.", 1.5),
        ("ANNA", "Again!", None),
        ("Ben", "No.", None),
        ("Ben", "Not at all.", None),
        ("Ben", "I sleep.", 1.0),
        (None, "MAN: Good night.", None),
    ]
    script = read_script(DIALOGUE)
    assert script.cast == {"ANNA": "v2/en_speaker_9", "Ben": "ben.npz"}
    assert [line.number for line in script.lines] == [8, 10, 10, 13, 15, 17, 19]


def test_the_voices_given_go_before_those_in_the_text() -> None:
    assert read_script(DIALOGUE, {"anna": "mine.npz", "EVE": "x"}).cast == {
        "anna": "mine.npz",
        "Ben": "ben.npz",
        "EVE": "x",
    }
    assert said(DIALOGUE, {"anna": "mine.npz"})[1][0] == "anna"


def test_without_a_cast_key_the_front_matter_is_the_cast() -> None:
    assert read_script("---\n# who\nA: one\n\nB: two\n---\nA: x").cast == {"A": "one", "B": "two"}


def test_man_and_woman_are_names_only_in_the_cast() -> None:
    assert said("MAN: Hi.\nWOMAN: Ho.") == [(None, "MAN: Hi.", None), (None, "WOMAN: Ho.", None)]
    assert said("MAN: Hi.", {"MAN": "m"}) == [("MAN", "Hi.", None)]


@pytest.mark.parametrize(
    "row",
    [
        "he said: go",
        "He said: go",
        "http://x.org",
        "3:45 is the time",
        "One Two Three Four: x",
        " Anna: x",
        "a:b",
    ],
)
def test_what_is_no_name_is_text(row: str) -> None:
    assert said(row) == [(None, row.strip(), None)]


@pytest.mark.parametrize("name", ["Anna", "OLD MAN", "Dr. O'Neil", "Jean-Luc", "小明", "robot 2", "Ёж"])
def test_what_is_a_name(name: str) -> None:
    assert said(f"{name}: Hello.", {name: "v"}) == [(name, "Hello.", None)]


def test_a_colon_of_full_width() -> None:
    assert said("小明：你好。", {"小明": "v"}) == [("小明", "你好。", None)]


def test_an_unknown_name_is_an_error_that_lists_the_names() -> None:
    with pytest.raises(TextError) as error:
        read_script("ANNA: Hi.\n\nBOB: Ho.\nEve Ann: He.", {"ANNA": "a", "CARL": "c"}, source="play.txt")
    assert str(error.value) == (
        "play.txt, line 3: BOB has no voice (BOB, Eve Ann have none); the cast is ANNA, CARL; "
        "add --cast BOB=VOICE, or indent the line if that is not a name"
    )
    with pytest.raises(TextError, match=r"line 1: BOB has no voice; there is no cast; add --cast BOB=VOICE"):
        read_script("BOB: Ho.")
    many = "\n".join(f"P{n}: Hi." for n in range(1000))
    with pytest.raises(
        TextError, match=r"P0 has no voice \(P0, P1, P2, P3, P4 and 995 more have none\); there"
    ):
        read_script(many)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("---\nA: x\nB: y", "line 1 opens a front matter that no other --- ends"),
        ("---\nA: x\nB\n---\n", "line 3: B is not NAME: voice"),
        ("---\ncast:\n  A: x\n  B:\n---\n", "line 4: B: is not NAME: voice"),
    ],
)
def test_a_front_matter_that_is_not_understood_is_named(text: str, complaint: str) -> None:
    with pytest.raises(TextError, match=complaint):
        read_script(text)


def test_the_cast_of_the_command_line() -> None:
    assert parse_cast(["ANNA=v2/en_speaker_9", " Old Man = a=b.npz "]) == {
        "ANNA": "v2/en_speaker_9",
        "Old Man": "a=b.npz",
    }
    for wrong in ("ANNA", "=x", "ANNA="):
        with pytest.raises(OptionError, match="is not NAME=VOICE"):
            parse_cast([wrong])
    with pytest.raises(OptionError, match="anna is given twice"):
        parse_cast(["ANNA=x", "anna=y"])


@given(st.text("AB:ab# \n-[]pause1s：é"))
def test_any_text_is_a_script_or_a_text_error(text: str) -> None:
    try:
        script = read_script(text, {"A": "a"})
    except TextError:
        return
    assert {line.speaker for line in script.lines} <= {"A", None}
    rows = front_matter(text)[1].splitlines()
    kept = sum(len("".join(row.split())) for row in rows if not row.startswith("#"))
    assert sum(len("".join(line.text.split())) for line in script.lines) <= kept
