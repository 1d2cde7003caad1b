"""Score nano on sentences it was never trained on: word errors of the whole and of each stage, size, speed.

    python -m training.evaluate [--model FOLDER] [--sentences N] [--stages] [--picture FILE] [--keep FOLDER]

A stage "alone" gets all that comes before it from the teacher. Semantic tokens have no sound of their own,
so their score is the error in phones against the teacher's. Coarse codes are heard through the model's fine
stage and codec.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bark_cli import Bark, Speech, coarse, fine
from bark_cli.engine import Engine
from bark_cli.errors import BarkError
from bark_cli.sampling import random_stream
from bark_cli.steps import Growing, Job, Sound
from bark_cli.tokens import Tokens
from training.alignment import Symbols, plain_ids, viterbi
from training.codec import Codes, TrainableCodec, load_codec
from training.compose import compose, tokens_of
from training.judge import Judge, edits, word_errors
from training.prepare import load_pairs
from training.settings import settings
from training.teacher import VOICES, Teacher, render
from training.vocabulary import build_tokenizer, factors_of, layout, segments, spelled

Wave = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Case:
    """A held-out sentence as the teacher says it in one voice."""

    text: str
    voice: str
    wave: Wave
    excitation: Codes
    semantic: npt.NDArray[np.int64]


class Reference:
    """The teacher, and the alignment that gives its tokens their places."""

    def __init__(self, folder: Path) -> None:
        self.teacher = Teacher(folder / "teacher.onnx")
        saved = np.load(folder / "alignment.npz")
        self.emissions, self.symbol = saved["emissions"], Symbols(saved["names"].tolist())
        self.tokenizer = build_tokenizer()

    def case(self, text: str, number: int) -> Case:
        """A sentence in voice `number`."""
        random, voice = np.random.default_rng(number), VOICES[number % len(VOICES)]
        pieces = compose(text, self.teacher, random)
        tokens = tokens_of(pieces)
        observed = np.array([self.symbol(s.name) for s in segments(tokens)])
        places = viterbi(observed, plain_ids(self.tokenizer, text), self.emissions)
        semantic = layout().ids(factors_of(tokens, places))
        made = render(pieces, voice, random)
        return Case(text, voice.name, made.wave, made.excitation, semantic)


def held_out(folder: Path, count: int) -> list[str]:
    """Sentences kept aside, less any that is in the training text after all."""
    seen = {text.lower() for text in load_pairs(folder).texts}
    lines = (folder / "texts" / "heldout.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.lower() not in seen][:count]


def stage_alone(bark: Bark, codec: TrainableCodec, stage: str, case: Case, number: int) -> Wave:
    """What is heard when the teacher's tokens enter at `stage`: "coarse", "fine" or "codec"."""
    audio, random = np.rint(case.wave * 32767).astype(np.int16), np.random.default_rng(number)
    codes = codec.codes(audio, case.excitation, random).astype(np.int64)
    [outcome] = Engine[Wave](bark._backend).run([_from_stage(bark, stage, case, codes, number)])
    if isinstance(outcome.result, BarkError):
        raise outcome.result
    return outcome.result


def _from_stage(bark: Bark, stage: str, case: Case, codes: Tokens, seed: int) -> Job[Wave]:
    """The stages from `stage` on: the teacher's semantic tokens, or codes (n_codebooks, F) -> sound."""
    speaker, config, options = bark._speaker(case.voice), bark.config, bark.config.sampling
    voice = None if speaker is None else speaker.tokens
    first = codes[:2]
    if stage == "coarse":
        spoken, stream = Growing(case.semantic.tolist(), ended=True), random_stream(seed, "coarse")
        first = yield from _asking("coarse", coarse.steps(
            spoken, voice, config.coarse, config.semantic.rate_hz, options.coarse, stream
        ))  # fmt: skip
    if stage != "codec":
        stream = random_stream(seed, "fine")
        codes = yield from _asking("fine", fine.steps(first, voice, config.fine, options.fine, stream))
    return (yield "codec", Sound(codes)).numpy()


def _asking(stage: str, steps: Generator[Any, Any, Tokens]) -> Job[Tokens]:
    """One stage as the engine takes it."""
    answer = None
    while True:
        try:
            request = steps.send(answer)
        except StopIteration as end:
            return end.value
        answer = yield stage, request


def phone_errors(wanted: str, made: str) -> tuple[int, int]:
    """Edit distance between two phone strings without pauses, and the number wanted."""
    phones = wanted.replace(" ", "")
    return edits(phones, made.replace(" ", "")), len(phones)


def score(judge: Judge, cases: list[Case], wave_of: Callable[[Case, int], Wave]) -> float:
    """Word error rate in percent over the cases."""
    errors = words = 0
    for number, case in enumerate(cases):
        wrong, count = word_errors(case.text, judge.hear(wave_of(case, number)))
        errors, words = errors + wrong, words + count
    return 100 * errors / max(1, words)


def whole(bark: Bark, cases: list[Case], keep: Path | None) -> list[Speech]:
    """nano says every sentence, the seed being its number."""
    spoken = [bark.say(case.text, voice=case.voice, seed=number) for number, case in enumerate(cases)]
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for number, speech in enumerate(spoken):
            speech.save(keep / f"{number:03}.wav", force=True)
    return spoken


def picture(speech: Speech, case: Case, file: Path) -> None:
    """The teacher's mel spectrogram above nano's."""
    import matplotlib

    matplotlib.use("Agg")
    import torch
    from matplotlib import pyplot

    from training.spectra import Resolution

    figure, axes = pyplot.subplots(2, 1, figsize=(9, 5), sharex=True)
    mel = Resolution(1024)
    for axis, name, wave in ((axes[0], "teacher", case.wave), (axes[1], "nano", speech.audio.samples)):
        image = mel.log_mel(torch.from_numpy(np.ascontiguousarray(wave))[None])[0].T.numpy()
        seconds = len(wave) / 24_000
        axis.imshow(
            image, origin="lower", aspect="auto", extent=(0, seconds, 0, 80), cmap="magma", vmin=-8, vmax=-2
        )
        axis.set_ylabel(f"{name}\nmel band")
    axes[0].set_title(f"{case.voice}: {case.text}", fontsize=10)
    axes[1].set_xlabel("seconds")
    figure.savefig(file, dpi=110, bbox_inches="tight")


def spoken_scores(cases: list[Case], spoken: list[Speech]) -> dict[str, float]:
    """What needs no judge: phone errors of the semantic tokens, lengths and speed."""
    table = layout()
    errors, phones = np.sum(
        [
            phone_errors(spelled(case.semantic, table), spelled(speech.tokens.semantic, table))
            for case, speech in zip(cases, spoken, strict=True)
        ],
        axis=0,
    )
    ratios = np.array([s.duration_s * 24_000 / len(c.wave) for c, s in zip(cases, spoken, strict=True)])
    return {
        "semantic_phone_error_percent": 100 * errors / phones,
        "length_outside_0.6_to_1.6_percent": 100 * float(np.mean((ratios < 0.6) | (ratios > 1.6))),
        "real_time_factor": float(np.median([s.real_time_factor for s in spoken])),
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--sentences", type=int, default=settings("evaluate")["sentences"])
    parser.add_argument("--stages", action="store_true", help="each stage alone, too")
    parser.add_argument("--picture", type=Path, help="draw the first sentence beside its teacher's")
    parser.add_argument("--keep", type=Path, help="keep what nano says in this folder")
    return parser.parse_args()


def main() -> None:
    """Print the scores, one JSON object."""
    given, data = arguments(), settings("evaluate")["data"]
    reference, judge, bark = Reference(data), Judge(), Bark.load(given.model)
    cases = [reference.case(text, number) for number, text in enumerate(held_out(data, given.sentences))]
    spoken = whole(bark, cases, given.keep)
    scores = {
        "sentences": len(cases),
        "wer_percent": score(judge, cases, lambda _, n: spoken[n].audio.samples),
        "teacher_wer_percent": score(judge, cases, lambda case, _: case.wave),
        **spoken_scores(cases, spoken),
        "megabytes": sum(f.stat().st_size for f in bark.folder.rglob("*") if f.is_file()) / 1e6,
    }
    if given.stages:
        codec = load_codec()
        for stage in ("codec", "fine", "coarse"):
            alone = partial(stage_alone, bark, codec, stage)
            scores[f"{stage}_alone_wer_percent"] = score(judge, cases, alone)
    if given.picture:
        picture(spoken[0], cases[0], given.picture)
    print(json.dumps({name: round(float(value), 2) for name, value in scores.items()}, indent=2))


if __name__ == "__main__":
    main()
