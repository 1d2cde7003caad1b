from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bark_cli.cli.tags import tags
from bark_cli.errors import TextError
from bark_cli.text.tags import KNOWN, TAGS, TagProblem, check_tags, pause_seconds, split_pauses


@pytest.mark.parametrize("tag", TAGS)
def test_what_is_listed_is_known(tag: object) -> None:
    assert check_tags(f"Well {tag.text} then.") == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("[laugh]", "[laughs]"),
        ("[laughter ]", "[laughter]"),
        ("[Laughs]", "[laughs]"),
        ("[LAUGHS]", "[laughs]"),
        ("[clear throat]", "[clears throat]"),
        ("[clears  throat]", "[clears throat]"),
        ("[clears\nthroat]", "[clears throat]"),
        ("[gasp]", "[gasps]"),
        ("[sigh]", "[sighs]"),
        ("[musik]", "[music]"),
        ("[pause]", "[pause 1s]"),
        ("[pause 2]", "[pause 2s]"),
        ("[pause 1.5 seconds]", "[pause 1.5s]"),
        ("[explosion]", None),
    ],
)
def test_a_wrong_tag_is_shown_with_the_one_that_was_meant(written: str, meant: str | None) -> None:
    text = f"Oh {written} no. [laughs]"
    assert check_tags(text) == [TagProblem(written, 3, meant)]
    message = str(check_tags(text)[0])
    assert written in message
    assert (meant or "bark tags") in message


def test_the_model_says_what_it_knows() -> None:
    assert check_tags("[barks] [laughs]", {"[barks]"}) == [TagProblem("[laughs]", 8, None)]
    assert check_tags("[bark]", {"[barks]"})[0].meant == "[barks]"
    assert check_tags("[laugh]", {"[barks]"})[0].meant is None


def test_pauses_are_known_and_asides_are_no_tags() -> None:
    assert check_tags("a [pause 1.5s] b [pause 800 ms] c [Pause 1,5 s] " + "[" + "x" * 65 + "]") == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("no pause", [("no pause", None)]),
        ("", [("", None)]),
        ("a [pause 1.5s] b", [("a ", 1.5), (" b", None)]),
        ("a [pause 800ms][PAUSE 1 s] b [pause 0.1s]", [("a ", 1.8), (" b ", 0.1)]),
        ("[pause 2s] a", [("", 2.0), (" a", None)]),
        ("[pause soon] a", [("[pause soon] a", None)]),
    ],
)
def test_a_text_is_cut_at_its_pauses(text: str, parts: list[tuple[str, float | None]]) -> None:
    assert list(split_pauses(text)) == [(part, pytest.approx(s) if s else s) for part, s in parts]
    assert pause_seconds(text) == pytest.approx(sum(s or 0 for _, s in parts))


def test_a_pause_has_an_end() -> None:
    with pytest.raises(TextError, match=r"\[pause 601s\] pauses longer than 600 s"):
        list(split_pauses("a [pause 601s] b"))


@given(st.text("[]laughs pause1.5", max_size=40))
def test_any_text_can_be_checked(text: str) -> None:
    for problem in check_tags(text):
        assert text[problem.start :].startswith(problem.text)
        assert problem.text not in KNOWN


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    tags(as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert {"tag": "[laughs]", "meaning": "a short laugh"} in listed
    tags()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(listed)
    assert lines[1].split(maxsplit=1) == ["[laughs]", "a short laugh"]
