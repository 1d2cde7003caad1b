"""The evaluation of nano: ratios, bars, tables, finders and cards, on a few renderings and made-up sounds."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("transformers", reason="the extra `train` is not installed: Whisper's normaliser")

from training import card, evaluate, samples, units
from training.evaluation import parts, speakers, tags
from training.evaluation.cases import own_sentences, unseen
from training.evaluation.listening import f0, levelled, log_mel, worn
from training.evaluation.scores import Score, UnmeasuredError, as_json, from_json, line, rows
from training.evaluation.stages import phone_errors
from training.judge import word_errors
from training.voices import VOICES

needs_teacher = pytest.mark.skipif(
    importlib.util.find_spec("hibari") is None, reason="the extra `train` is not installed: no hibari"
)


@pytest.mark.parametrize(
    ("wanted", "heard"),
    [
        ("It costs $5 million.", "it costs five million dollars"),
        ("In 1984, Mr. Smith came 2nd.", "In nineteen eighty-four Mister Smith came second"),
        ("3 cats and 12.5%", "three cats and twelve point five percent"),
        ("At 3:30 on May 21st", "At three thirty on May twenty-first."),
        ("At 10 o'clock, 7 p.m.", "at ten o'clock seven pm"),
        ("[laughs] It's Dr. Lee", "it's doctor lee"),
        ("60,000 fans", "Sixty thousand fans"),
        ("The neighbors have gray tea cups", "the neighbours have grey teacups"),
    ],
)
def test_numbers_and_titles_are_alike_however_they_are_written(wanted: str, heard: str) -> None:
    wrong, words = word_errors(wanted, heard)
    assert wrong == 0
    assert words > 1


def test_a_wrong_number_is_wrong() -> None:
    assert word_errors("It costs $5 million.", "It costs six million dollars.")[0] == 1
    assert word_errors("He is 30 years old.", "")[0] == 5


def test_own_sentences_are_many_and_speakable() -> None:
    for kind in ("everyday", "news"):
        lines = own_sentences(kind)
        assert len(set(lines)) == len(lines) == 60
        assert all(line == line.strip() and line.isascii() and len(line) < 120 for line in lines)
    assert sum(any(c.isdigit() for c in line) for line in own_sentences("news")) > 45


def test_what_was_trained_on_is_not_a_test() -> None:
    lines = ["We ran out of milk again.", "The dog barked at the mailman."]
    assert unseen(lines, ["Something else."]) == lines
    assert unseen(lines, ["Well, the DOG barked at the mailman"]) == lines[:1]


def test_a_sentence_that_was_trained_on_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    m = parts.Measured(parts.Plan(model="nano", data=Path(), heldout=0, most=4))
    monkeypatch.setattr(parts, "trained_texts", lambda _: {"Nothing of the kind."})
    assert m.sentences("news") == own_sentences("news")[:4]
    m = parts.Measured(m.plan)
    monkeypatch.setattr(parts, "trained_texts", lambda _: {own_sentences("news")[40].lower()})
    with pytest.raises(ValueError, match=own_sentences("news")[40]):
        m.sentences("news")


def test_bars_are_met_from_the_right_side() -> None:
    def score(**more: float) -> Score:
        return Score(name="a", text="a", value=5.0, count=3, **more)

    assert [score(most=5.0).met, score(most=4.9).met, score(least=5.0).met, score(least=5.1).met] == [
        True, False, True, False,
    ]  # fmt: skip
    assert score().met is None
    assert (score(most=1.0).bar, score(least=3.25).bar, score().bar) == ("<= 1", ">= 3.25", "")


SCORES = [
    Score(name="wer", text="word errors", value=7.5, teacher=1.25, most=8.0, count=60),
    Score(name="mos", text="naturalness", value=2.0, unit="", least=3.2, count=6, parts={"nano/ben": 2.0}),
]


def test_a_table_has_a_line_per_score_and_part() -> None:
    found = rows(SCORES)
    assert found[0] == ("word errors, %", "7.5", "1.25", "<= 8", "yes", "60")
    assert found[1:] == [("naturalness", "2", "", ">= 3.2", "NO", "6"), ("  nano/ben", "2", "", "", "", "")]
    assert len({len(line(row)) for row in found}) == 1


def test_json_gives_the_scores_back() -> None:
    found = json.loads(json.dumps(as_json("nano", SCORES, {"codec": "gone"})))
    assert from_json(found) == SCORES
    assert found["scores"]["wer"]["met"] is True
    assert found["not_measured"] == {"codec": "gone"}


def test_a_card_is_filled_between_its_marks_and_again() -> None:
    text = f"# nano\n\n{card.BEGIN}\n\nold\n\n{card.END}\n\nMore.\n"
    found = as_json("nano", SCORES, {"codec": "it is gone"})
    once = card.filled(text, found)
    assert card.filled(once, found) == once
    assert "old" not in once
    assert "| word errors, % | 7.5 | 1.25 | <= 8 | yes | 60 |" in once
    assert "Not measured: codec: it is gone." in once
    assert once.startswith("# nano\n")
    assert once.endswith(f"{card.END}\n\nMore.\n")
    with pytest.raises(ValueError, match="no lines"):
        card.filled("# nano", found)


def test_of_what_was_measured_twice_the_later_stands_in_the_place_of_the_first() -> None:
    runs = [
        {"scores": {"a": 1, "b": 2}, "not_measured": {}},
        {"scores": {"a": 3}, "not_measured": {"c": "why"}},
    ]
    found = card.together(runs)
    assert list(found["scores"].items()) == [("a", 3), ("b", 2)]
    assert found["not_measured"] == {"c": "why"}


def test_the_card_of_nano_has_marks() -> None:
    text = Path("bark_cli/assets/nano/README.md").read_text(encoding="utf-8")
    assert text.startswith("---\n")
    assert text.index(card.BEGIN) < text.index(card.END)


def test_run_ons_and_early_stops_are_counted() -> None:
    assert parts.outside([1.0, 0.6, 1.6, 0.59, 1.61]) == 40.0
    assert parts.outside([]) == 0.0


def test_means_by_voice() -> None:
    assert parts.by_voice(["b", "a", "b"], [1.0, 5.0, 3.0]) == {"a": 5.0, "b": 2.0}


def test_quick_is_a_tenth_but_hears_each_voice() -> None:
    plan = parts.Plan(model="nano", data=Path(), heldout=180, quick=True)
    assert [plan.few(180), plan.few(60), plan.few(4)] == [18, 6, 4]
    assert parts.Plan(model="nano", data=Path(), heldout=180, most=10).few(60) == 10


@pytest.mark.parametrize("every", [1, 3, 6])
def test_some_cases_are_as_many_of_each_voice(every: int) -> None:
    cases = [SimpleNamespace(voice=VOICES[n % len(VOICES)].name) for n in range(120)]
    counts = Counter(case.voice for case in parts.some(cases, every))  # type: ignore[arg-type,attr-defined]
    assert set(counts) == {voice.name for voice in VOICES}
    assert len(set(counts.values())) == 1


def test_what_was_measured_before_a_part_broke_is_on_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(_: object) -> list[Score]:
        raise ValueError("a bug")

    monkeypatch.setitem(evaluate.PARTS, "size", lambda _: iter(SCORES))
    monkeypatch.setitem(evaluate.PARTS, "speed", broken)
    out = tmp_path / "scores.json"
    monkeypatch.setattr(sys, "argv", ["evaluate", "--only", "size", "speed", "--out", str(out)])
    with pytest.raises(ValueError, match="a bug"):
        evaluate.main()
    assert from_json(json.loads(out.read_text(encoding="utf-8"))) == SCORES


def test_a_part_that_cannot_be_measured_says_so_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> list[Score]:
        raise UnmeasuredError("no codec here")

    monkeypatch.setitem(parts.PARTS, "codec", broken)
    monkeypatch.setitem(parts.PARTS, "size", lambda _: iter(SCORES[:1]))
    assert list(parts.measure(SimpleNamespace(), ["codec", "size"])) == [  # type: ignore[arg-type]
        ("codec", "no codec here"), SCORES[0],
    ]  # fmt: skip


def test_main_prints_json_alone_on_stdout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(evaluate.PARTS, "size", lambda _: iter(SCORES))
    out = tmp_path / "scores.json"
    monkeypatch.setattr(sys, "argv", ["evaluate", "--only", "size", "--out", str(out)])
    evaluate.main()
    told = capsys.readouterr()
    assert json.loads(told.out) == json.loads(out.read_text(encoding="utf-8"))
    assert from_json(json.loads(told.out)) == SCORES
    assert "naturalness" in told.err


def test_phones_are_compared_without_pauses() -> None:
    assert phone_errors("hæt kæt", "hæ t kɛt") == (1, 6)


def test_tags_stand_everywhere_in_every_voice() -> None:
    wanted = tags.tagged(["one two three four", "five six seven"], 120)
    assert len({(tag, place, voice) for _, tag, place, voice in wanted}) == 6 * 3 * len(VOICES)
    assert tags.with_tag("a b c", "sighs", "start") == "[sighs] a b c"
    assert tags.with_tag("a b c", "sighs", "middle") == "a b [sighs] c"
    assert tags.with_tag("a b c", "sighs", "end") == "a b c [sighs]"
    assert [tags.in_place(at, "start") for at in (0.1, 0.9)] == [True, False]
    assert [tags.in_place(at, "end") for at in (0.1, 0.9)] == [False, True]


def tone(hz: float, seconds: float = 0.6) -> np.ndarray:
    """A voiced sound of six harmonics."""
    t = np.arange(int(seconds * 24_000)) / 24_000
    return np.float32(0.05) * sum(np.cos(2 * np.pi * hz * h * t) for h in range(1, 7)).astype(np.float32)


@pytest.mark.parametrize("hz", [80.0, 140.0, 250.0])
def test_pitch_is_heard(hz: float) -> None:
    assert np.median(f0(tone(hz))) == pytest.approx(hz, rel=0.03)
    noise = np.random.default_rng(0).standard_normal(24_000).astype(np.float32)
    assert (f0(noise) > 0).mean() < 0.1


def test_level_is_not_heard() -> None:
    wave = tone(120.0)
    assert np.allclose(log_mel(wave), log_mel(wave / 20), atol=1e-3)
    assert levelled(np.zeros(960, np.float32)).max() == 0.0
    assert worn(wave, np.random.default_rng(0)).shape == wave.shape


def test_speakers_are_told_apart_by_pitch() -> None:
    known = [tone(hz) for hz in (100.0, 104.0, 200.0, 206.0)]
    made = speakers.Speakers(
        ["low", "high"], np.stack([speakers.likeness(w) for w in known]), np.array([0, 0, 1, 1])
    )
    assert [made.who(tone(hz)) for hz in (98.0, 210.0)] == ["low", "high"]


def test_a_finder_learns_what_it_is_shown_and_where() -> None:
    random = np.random.default_rng(0)

    def wave(loud: slice | None) -> tuple[np.ndarray, np.ndarray]:
        """Tones for speech, noise for a gasp."""
        named = np.zeros(100, np.int64)
        sound = tone(random.uniform(90, 200), 2.0)
        if loud is not None:
            named[loud] = 1 + list(tags.SOUNDS).index("gasps")
            at = slice(loud.start * 480, loud.stop * 480)
            sound[at] = 0.1 * random.standard_normal(at.stop - at.start, np.float32)
        return sound, named

    shown = [wave(None), wave(slice(20, 50)), wave(slice(60, 90)), wave(slice(5, 30))]
    finder = tags.fitted([(log_mel(w), n) for w, n in shown], steps=40, random=random)
    assert finder.finds(wave(slice(70, 95))[0]) == ["gasps"]
    assert finder.hear(wave(slice(70, 95))[0])["gasps"].at == pytest.approx(0.82, abs=0.1)
    assert finder.finds(wave(None)[0]) == []


def test_labels_come_from_the_teachers_tokens() -> None:
    row = [units.pause("gap"), units.IDS[units.Unit("sound", "laugh-voice", 2)]]
    row += [units.IDS[units.Unit("music", "ring", 3)], units.IDS[units.Unit("sound", "throat-gap", 1)]]
    assert [([None, *tags.SOUNDS])[i] for i in tags.labels(np.array(row))] == [
        None, "laughs", "music", "clears throat",
    ]  # fmt: skip


@needs_teacher
def test_a_finder_hears_laughs_of_the_teacher_that_it_never_heard() -> None:
    from training.compose import compose
    from training.teacher import Teacher
    from training.vocoder import render

    teacher = Teacher(Path("training/data/teacher.onnx"))
    random = np.random.default_rng(3)
    lessons = []
    for _ in range(4):
        lessons += tags._lesson("We ran. [laughs] It fell.", teacher, random)
        lessons += tags._lesson("Look at the old lighthouse.", teacher, random)
    finder = tags.fitted(lessons, steps=60, random=random)
    pieces = compose("I know. [laughs] You too.", teacher, random)
    laughing = finder.hear(render(pieces, VOICES[2], random).wave)["laughs"]
    assert laughing.sure > tags.SURE
    assert tags.in_place(laughing.at, "middle")
    plain = compose("Where is the milk now?", teacher, random)
    assert finder.hear(render(plain, VOICES[2], random).wave)["laughs"].sure < laughing.sure


def test_samples_have_each_voice_and_the_command_that_makes_them() -> None:
    assert {s.voice for s in samples.SAMPLES} == {voice.name for voice in VOICES}
    assert len({s.name for s in samples.SAMPLES}) == len(samples.SAMPLES) == 12
    page = samples.page(samples.SAMPLES, "nano")
    assert (
        "bark say 'Do you remember where we parked the car?' -v nano/anna --seed 0 -o question.opus" in page
    )
    for s in samples.SAMPLES:  # $25 in double quotes would be 5 to a shell
        shell = s.command("nano").replace("bark say", "printf %s").partition(" -v ")[0]
        assert subprocess.run(["sh", "-c", shell], capture_output=True, check=True).stdout.decode() == s.text
    assert all(s.text in page and f"({s.name}.opus)" in page for s in samples.SAMPLES)
    assert "--model 'my nano'" in samples.SAMPLES[0].command("my nano")
