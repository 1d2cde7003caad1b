"""The parts of an evaluation: the model and the sentences -> scores with their bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bark_cli import Bark, Speech
from bark_cli.speech import SpeechRequest
from bark_cli.takes.take import ONCE
from training.evaluation import stages
from training.evaluation.cases import (
    KINDS,
    Case,
    Reference,
    Wave,
    held_out,
    own_sentences,
    trained_texts,
    unseen,
)
from training.evaluation.manners import SUNG, has_weight, sung, weighed
from training.evaluation.naturalness import naturalness
from training.evaluation.scores import Score, UnmeasuredError, percent
from training.evaluation.speakers import train_speakers
from training.evaluation.tags import asked, in_place, tagged, train_finder
from training.judge import Judge, word_errors
from training.vocabulary import layout, spelled
from training.voices import VOICES

SHORTEST, LONGEST = 0.6, 1.6  # of the teacher's length: outside is a run-on or an early stop


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured, and how much of it."""

    model: str
    data: Path
    heldout: int  # sentences of the held-out ones; of the others all
    quick: bool = False  # a tenth of everything
    most: int | None = None  # sentences of each kind
    wheel: Path | None = None

    def few(self, count: int, least: int = len(VOICES)) -> int:
        """How many of `count` are done; at least one in each voice."""
        count = min(count, max(least, count // 10)) if self.quick else count
        return count if self.most is None else min(count, self.most)


class Measured:
    """The model, its teacher and its judge, loaded when first asked for; what is said is said once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._sentences: dict[str, list[str]] = {}
        self._cases: dict[str, list[Case]] = {}
        self._said: dict[str, list[Speech]] = {}

    @cached_property
    def bark(self) -> Bark:
        """The model."""
        return Bark.load(self.plan.model)

    @cached_property
    def reference(self) -> Reference:
        """The teacher."""
        return Reference(self.plan.data)

    @cached_property
    def judge(self) -> Judge:
        """Whisper base."""
        return Judge()

    @cached_property
    def trained(self) -> set[str]:
        """The texts that may have been trained on."""
        return trained_texts(self.plan.data)

    def sentences(self, kind: str) -> list[str]:
        """The sentences of a kind; raises ValueError where one of the project's own was trained on."""
        if kind not in self._sentences:
            self._sentences[kind] = self._held_out() if kind == "heldout" else self._own(kind)
        return self._sentences[kind]

    def _held_out(self) -> list[str]:
        return held_out(self.plan.data, self.plan.few(self.plan.heldout))

    def _own(self, kind: str) -> list[str]:
        lines = own_sentences(kind)
        new = unseen(lines, self.trained)
        if known := [line for line in lines if line not in new]:
            raise ValueError(f"training/sentences/{kind}.txt has what was trained on: {known[0]}")
        return lines[: self.plan.few(len(lines))]

    def cases(self, kind: str) -> list[Case]:
        """What the teacher says, in its voices in turn."""
        if kind not in self._cases:
            lines = enumerate(self.sentences(kind))
            self._cases[kind] = [self.reference.case(text, number) for number, text in lines]
        return self._cases[kind]

    def said(self, kind: str) -> list[Speech]:
        """What the model says of the same, the seed being the sentence's number."""
        if kind not in self._said:
            self._said[kind] = self.say(self.cases(kind))
        return self._said[kind]

    def say(self, cases: Sequence[Case]) -> list[Speech]:
        """Each case as the model says it."""
        requests = [
            SpeechRequest(text=c.text, voice=c.voice, seed=n, attempts=ONCE) for n, c in enumerate(cases)
        ]
        return self.bark.say_all(requests, batch_size=8)

    def both(self, *kinds: str) -> Iterator[tuple[Case, Speech]]:
        """Each case of some kinds and what the model makes of it."""
        for kind in kinds:
            yield from zip(self.cases(kind), self.said(kind), strict=True)

    def wer(self, cases: Sequence[Case], waves: Sequence[Wave]) -> float:
        """Word errors in percent."""
        heard = [
            word_errors(case.text, self.judge.hear(wave)) for case, wave in zip(cases, waves, strict=True)
        ]
        return percent(sum(wrong for wrong, _ in heard), sum(words for _, words in heard))


def some(cases: Sequence[Case], every: int) -> list[Case]:
    """One round of the voices in so many: as many cases of each voice."""
    return [case for number, case in enumerate(cases) if number // len(VOICES) % every == 0]


def samples(speeches: Sequence[Speech]) -> list[Wave]:
    """The sound of each."""
    return [speech.audio.samples for speech in speeches]


def words(m: Measured) -> Iterator[Score]:
    """Word errors of each kind of sentence."""
    bars = {"everyday": 3.0, "news": 6.0, "heldout": 7.0}
    texts = {
        "everyday": "everyday sentences",
        "news": "news with names and numbers",
        "heldout": "held-out ones",
    }
    for kind in KINDS:
        cases = m.cases(kind)
        yield Score(
            name=f"wer_{kind}", text=f"word errors, {texts[kind]}", most=bars[kind], count=len(cases),
            value=m.wer(cases, samples(m.said(kind))), teacher=m.wer(cases, [c.wave for c in cases]),
        )  # fmt: skip


def by_voice(voices: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """The mean of each voice's values."""
    return {
        voice: float(np.mean([v for name, v in zip(voices, values, strict=True) if name == voice]))
        for voice in sorted(set(voices))
    }


def natural_score(
    cases: Sequence[Case], made: Sequence[Wave], *, name: str, text: str, least: float
) -> Score:
    """DistillMOS of what was made of the cases, beside the teacher's; each voice counts the same."""
    voices = [case.voice for case in cases]
    ours, theirs = (
        by_voice(voices, [naturalness(wave) for wave in waves])
        for waves in (made, [case.wave for case in cases])
    )
    return Score(
        name=name, text=text, unit="", least=least, count=len(cases), parts=ours,
        value=float(np.mean(list(ours.values()))), teacher=float(np.mean(list(theirs.values()))),
    )  # fmt: skip


def natural(m: Measured) -> Iterator[Score]:
    """DistillMOS of everyday sentences, each voice counting the same."""
    cases, made = m.cases("everyday"), samples(m.said("everyday"))
    text = "naturalness (DistillMOS), mean over voices"
    yield natural_score(cases, made, name="distillmos", text=text, least=3.8)


def codec(m: Measured) -> Iterator[Score]:
    """The teacher's speech through the codec and back."""
    cases = [*m.cases("everyday"), *m.cases("news")]
    trained = stages.codec_of(m.bark, cases[0])
    codes = [stages.codes_of(trained, case) for case in cases]
    made = [stages.stage_alone(m.bark, "codec", case, codes[n], n) for n, case in enumerate(cases)]
    waves = [case.wave for case in cases]
    yield Score(
        name="codec_wer_added", text="codec alone: word errors added", unit="points", most=1.0,
        value=m.wer(cases, made) - m.wer(cases, waves), count=len(cases),
    )  # fmt: skip
    text = "codec alone: naturalness (DistillMOS)"
    yield natural_score(cases, made, name="codec_distillmos", text=text, least=3.6)


def tags(m: Measured) -> Iterator[Score]:
    """Whether the sound that a tag asks for is heard, and no sound where there is no tag."""
    finder = train_finder(m.reference.teacher)
    wanted = tagged(m.sentences("everyday"), m.plan.few(120, least=18))
    cases = [m.reference.case(text, 500 + n, voice) for n, (text, _, _, voice) in enumerate(wanted)]
    ours, theirs = ([finder.hear(wave) for wave in waves] for waves in (
        samples(m.say(cases)), [case.wave for case in cases]
    ))  # fmt: skip
    names = [tag for _, tag, _, _ in wanted]
    found, known = (
        [100.0 * (heard[asked(tag)].sure >= 0.5) for tag, heard in zip(names, all_, strict=True)]
        for all_ in (ours, theirs)
    )
    yield Score(
        name="tags_found", text="tags: the sound asked for is heard", least=90.0, value=float(np.mean(found)),
        teacher=float(np.mean(known)), count=len(cases), parts=by_voice(names, found),
    )  # fmt: skip
    placed, right = (
        [100.0 * in_place(heard[asked(tag)].at, place) for (_, tag, place, _), heard, is_found in
         zip(wanted, all_, hits, strict=True) if is_found]
        for all_, hits in ((ours, found), (theirs, known))
    )  # fmt: skip
    yield Score(
        name="tags_in_place", text="tags: of those, where the tag stands", count=len(placed),
        value=float(np.mean(placed or [0.0])), teacher=float(np.mean(right or [0.0])),
    )  # fmt: skip
    pairs = list(m.both("everyday"))
    yield Score(
        name="tags_false_alarms", text="tags: sentences without one where a sound is heard",
        value=percent(sum(bool(finder.finds(s.audio.samples)) for _, s in pairs), len(pairs)),
        teacher=percent(sum(bool(finder.finds(c.wave)) for c, _ in pairs), len(pairs)), count=len(pairs),
    )  # fmt: skip


def manners(m: Measured) -> Iterator[Score]:
    """Whether a word in CAPITALS has weight, and what stands between notes is sung in the same words."""
    table, lines = layout(), m.sentences("everyday")
    wanted = weighed(lines, m.reference.tokenizer)
    plain, strong = (
        [m.reference.case(text, number) for number, text in enumerate(texts)]
        for texts in ([w.plain for w in wanted], [w.strong for w in wanted])
    )
    ours, theirs = (
        [100.0 * has_weight(*each, table) for each in zip(wanted, *rows, strict=True)]
        for rows in (
            [[speech.tokens.semantic for speech in m.say(cases)] for cases in (plain, strong)],
            [[case.semantic for case in cases] for cases in (plain, strong)],
        )
    )
    yield Score(
        name="capitals_heard", text="CAPITALS: the word is longer, and no lower", value=float(np.mean(ours)),
        teacher=float(np.mean(theirs)), count=len(wanted),
    )  # fmt: skip
    songs = [m.reference.case(sung(text), number) for number, text in enumerate(lines)]
    made = m.say(songs)
    longer, teacher_longer = (
        [100.0 * (long >= SUNG * len(spoken.tokens.semantic)) for long, spoken in
         zip(lengths, m.said("everyday"), strict=True)]
        for lengths in ([len(s.tokens.semantic) for s in made], [len(c.semantic) for c in songs])
    )  # fmt: skip
    yield Score(
        name="notes_heard", text="notes: the line is drawn out", value=float(np.mean(longer)),
        teacher=float(np.mean(teacher_longer)), count=len(songs),
    )  # fmt: skip
    yield Score(
        name="wer_sung", text="word errors, sung", value=m.wer(songs, samples(made)),
        teacher=m.wer(songs, [case.wave for case in songs]), count=len(songs),
    )  # fmt: skip


def voices(m: Measured) -> Iterator[Score]:
    """Whether the voice that is heard is the one asked for."""
    speakers = train_speakers(m.reference.teacher)
    pairs = list(m.both("everyday", "news"))
    names = [case.voice for case, _ in pairs]
    ours = [100.0 * (speakers.who(speech.audio.samples) == case.voice) for case, speech in pairs]
    theirs = [100.0 * (speakers.who(case.wave) == case.voice) for case, _ in pairs]
    yield Score(
        name="voices_right", text="voices: the right one is heard", least=95.0, value=float(np.mean(ours)),
        teacher=float(np.mean(theirs)), count=len(pairs), parts=by_voice(names, ours),
    )  # fmt: skip


def outside(ratios: Sequence[float]) -> float:
    """Run-ons and early stops in percent, of lengths in the teacher's lengths."""
    return percent(sum(not SHORTEST <= ratio <= LONGEST for ratio in ratios), len(ratios))


def lengths(m: Measured) -> Iterator[Score]:
    """How many sentences run on or stop early."""
    ratios = [speech.duration_s * 24_000 / len(case.wave) for case, speech in m.both(*KINDS)]
    yield Score(
        name="length_outside", text="length outside 0.6 to 1.6 of the teacher's", most=1.0,
        value=outside(ratios), count=len(ratios),
    )  # fmt: skip
    yield Score(
        name="length_median", text="length, median, of the teacher's", unit="",
        value=float(np.median(ratios)), count=len(ratios),
    )  # fmt: skip


def alone(m: Measured) -> Iterator[Score]:
    """Each stage with the teacher's tokens in front of it."""
    table = layout()
    counts = [
        stages.phone_errors(spelled(case.semantic, table), spelled(speech.tokens.semantic, table))
        for case, speech in m.both("everyday", "news")
    ]
    wrong, phones = np.sum(counts, axis=0)
    yield Score(
        name="semantic_phone_error", text="semantic alone: phones that differ from the teacher's",
        value=percent(wrong, phones), count=int(phones),
    )  # fmt: skip
    cases = some([*m.cases("everyday"), *m.cases("news")], 1 if m.plan.quick else 6)
    theirs = m.wer(cases, [case.wave for case in cases])
    for stage in stages.STAGES:
        trained = None if stage == "coarse" else stages.codec_of(m.bark, cases[0])
        made = []
        for n, case in enumerate(cases):
            codes = np.zeros((2, 0), np.int64) if trained is None else stages.codes_of(trained, case)
            made.append(stages.stage_alone(m.bark, stage, case, codes, n))
        yield Score(
            name=f"{stage}_alone_wer", text=f"{stage} alone: word errors", value=m.wer(cases, made),
            teacher=theirs, count=len(cases),
        )  # fmt: skip


def speed(m: Measured) -> Iterator[Score]:
    """Seconds of computing per second of sound, one sentence at a time."""
    lines = m.sentences("everyday")[: m.plan.few(12, least=4)]
    m.bark.say(lines[0], seed=0)  # the first one warms up
    factors = [
        m.bark.say(text, seed=number, attempts=ONCE).real_time_factor for number, text in enumerate(lines)
    ]
    yield Score(
        name="real_time_factor", text="real-time factor, one at a time, median", unit="", most=0.25,
        value=float(np.median(factors)), count=len(factors),
    )  # fmt: skip


def size(m: Measured) -> Iterator[Score]:
    """Megabytes of the model, and of the wheel where there is one."""
    files = [file for file in m.bark.folder.rglob("*") if file.is_file()]
    yield Score(
        name="model_megabytes", text="size of the model", unit="MB", most=25.0, count=len(files),
        value=sum(file.stat().st_size for file in files) / 1e6,
    )  # fmt: skip
    if m.plan.wheel is not None:
        yield Score(
            name="wheel_megabytes", text="size of the wheel", unit="MB", most=27.0, count=1,
            value=m.plan.wheel.stat().st_size / 1e6,
        )  # fmt: skip


PARTS: dict[str, Callable[[Measured], Iterator[Score]]] = {
    "size": size, "speed": speed, "words": words, "lengths": lengths, "voices": voices, "natural": natural,
    "tags": tags, "manners": manners, "codec": codec, "stages": alone,
}  # fmt: skip


def measure(m: Measured, names: Sequence[str]) -> Iterator[Score | tuple[str, str]]:
    """The scores of some parts as they come; (part, reason) where one cannot be measured here."""
    for name in names:
        try:
            yield from PARTS[name](m)
        except (UnmeasuredError, ImportError) as error:
            yield name, str(error)
