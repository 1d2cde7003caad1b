"""What stands in quotation marks is told from what does not, in the marks of thirteen languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bark_cli.text.quotations import Dialogue, is_dialogue, spans_of
from bark_cli.text.reading import Reading
from bark_cli.text.script import Line, Script


def marked(*texts: str) -> list[str]:
    """The paragraphs, with * before what is said and | where the voice changes."""
    return [
        "|".join("*" * span.is_said + text[span.begin : span.end] for span in spans)
        for text, spans in zip(texts, spans_of(texts), strict=True)
    ]


@pytest.mark.parametrize(
    "parts",
    [
        "*“Yes,”| he said. |*“I don’t ‘know’ that.”| He left.",
        '*"It\'s 5" tall,"| he said. |*"Don\'t go."| A 3" pipe.',
        "*„Ja“,| sagte er. |*„Ich sage »nein«!“| Dann ging er.",
        "*»Gut«,| sagte sie, |*»ich ‚auch‘.«",
        "*« Oui »,| dit-il. |*« Le mot “non” m'ennuie. »",
        "*«No»,| dijo. |*«Sí.»",
        "*“Va bene”,| disse. |*“Ci vediamo.”",
        "*“Sim”,| disse ele.",
        "*„Tak”| – rzekł. |*„Nie.”",
        "*«Да»,| — сказал он. |*„Нет.“",
        "*“Evet,”| dedi. |*‹Hayır.›",
        "*“हाँ,”| उसने कहा। |*“नहीं।”",
        "*「はい」|と彼は言った。|*『いいえ。』",
        "*“네,”| 그가 말했다.",
        "*“好。”|他说。|*「不。」",
    ],
)
def test_speech_is_found_in_every_language(parts: str) -> None:
    text = "".join(parts.replace("*", "").split("|"))
    assert marked(text) == [parts]


@pytest.mark.parametrize(
    "text",
    [
        "A “so-called” essay on “Moby Dick” was read.",
        "Don't, said the dogs' master; 'twas ‘so’.",
        "5\" and 6'",
        "",
    ],
)
def test_titles_apostrophes_and_inches_are_no_speech(text: str) -> None:
    assert "*" not in "".join(marked(text))


@pytest.mark.parametrize(
    ("paragraphs", "parts"),
    [
        (
            ["“I begin.", "“I go on.", "“And end.” He sat."],
            ["*“I begin.", "*“I go on.", "*“And end.”| He sat."],
        ),
        (
            ["« Je dis.", "Sans marque.", "Fin. » Il sort.", "Rien."],
            ["*« Je dis.", "*Sans marque.", "*Fin. »| Il sort.", "Rien."],
        ),
        (["“Never closed.", "A tale.", "“Yes.” No."], ["*“Never closed.", "A tale.", "*“Yes.”| No."]),
        (["He: “A.\n\nB.” C."], ["He: |*“A.\n\nB.”| C."]),
    ],
)
def test_a_quotation_goes_on_in_the_next_paragraph_if_it_ends_there(
    paragraphs: list[str], parts: list[str]
) -> None:
    assert marked(*paragraphs) == parts


@given(st.lists(st.text(alphabet="ab .,\n“”„«»‹›「」『』\"'"), max_size=6))
def test_nothing_is_lost_whatever_the_marks(texts: list[str]) -> None:
    for text, spans in zip(texts, spans_of(texts), strict=True):
        assert "".join(text[span.begin : span.end] for span in spans) == text


def test_lines_are_cut_with_pauses_where_sentences_end_and_speakers_of_scripts_stay() -> None:
    dialogue = Dialogue(voice="b", pause_s=0.3)
    lines = (
        Line(text="“Yes,” he said. “Come.” Rain.", pause_after_s=2.0, begin_s=1.0),
        Line(text="“Mine.”", speaker="ANNA"),
    )
    [script] = dialogue.part([Script(lines=lines, cast={"ANNA": "a"})])
    assert [line.text for line in script.lines] == ["“Yes,”", " he said. ", "“Come.”", " Rain.", "“Mine.”"]
    assert [is_dialogue(line.speaker) for line in script.lines] == [True, False, True, False, False]
    assert [line.pause_after_s for line in script.lines] == [0.0, 0.3, 0.3, 2.0, None]
    assert [line.begin_s for line in script.lines[:4]] == [1.0, None, None, None]
    assert {script.cast[line.speaker] for line in script.lines if is_dialogue(line.speaker)} == {"b"}


def test_a_cast_is_still_refused_where_there_is_no_script() -> None:
    reading = Reading(format="text", cast={"ANNA": "a"}, dialogue=Dialogue(voice="b", pause_s=0.0))
    with pytest.raises(Exception, match="--cast is for scripts"):
        reading.check_cast(reading.script("“Yes,” he said."), "it")


def test_marks_without_end_take_time_that_grows_with_them() -> None:
    texts = ["“" * 2_000] * 500
    assert len(spans_of(texts)) == 500
