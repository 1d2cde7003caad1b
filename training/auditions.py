"""Which utterance is each voice's best history: the first that fit speak a few sentences -> a table.

    python -m training.auditions [--model FOLDER] [--candidates 6] [--sentences 10]

A voice is an utterance in front of the text, and how well it holds depends on which one. What is counted is
how often the voice is known again, less the share of words that are wrong. The best are written as the
model's voices, and their numbers into runs/histories.json, where training.export finds them. The sentences
are templates, none of training/sentences, and the classifier hears other renderings than the evaluation's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bark_cli import Bark
from bark_cli.speech import SpeechRequest
from bark_cli.takes.take import ONCE
from bark_cli.voices.catalogue import save_voice
from training.codes import load_utterances
from training.evaluate import trained_model
from training.evaluation.speakers import Speakers, train_speakers
from training.export import SECONDS, fitting, histories_file, voice_of, voices_folder, write_voices
from training.judge import Judge, word_errors
from training.phrases import everyday
from training.settings import settings
from training.shards import write_bytes
from training.teacher import Teacher
from training.voices import VOICES


@dataclass(frozen=True)
class Audition:
    """What was heard of one utterance as a voice: shares of sentences and of words."""

    known: float
    wrong: float

    @property
    def score(self) -> float:
        """Higher is better."""
        return self.known - self.wrong


def texts(count: int, seed: int = 11) -> list[str]:
    """Sentences of 5 to 12 words to speak."""
    made = everyday(np.random.default_rng(seed), 40 * count)
    return [text for text in made if 5 <= len(text.split()) <= 12][-count:]


def heard(bark: Bark, voice: Path, name: str, lines: list[str], speakers: Speakers, judge: Judge) -> Audition:
    """What a voice file makes of some lines."""
    requests = [
        SpeechRequest(text=text, voice=str(voice), seed=n, attempts=ONCE) for n, text in enumerate(lines)
    ]
    waves = [speech.audio.samples for speech in bark.say_all(requests, batch_size=8)]
    errors = [word_errors(text, judge.hear(wave)) for text, wave in zip(lines, waves, strict=True)]
    return Audition(
        known=float(np.mean([speakers.who(wave) == name for wave in waves])),
        wrong=sum(wrong for wrong, _ in errors) / sum(words for _, words in errors),
    )


def main() -> None:
    """Try them, print what was heard, and write the best of them as the voices."""
    options = settings("auditions")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=trained_model())
    parser.add_argument("--candidates", type=int, default=options["candidates"])
    parser.add_argument("--sentences", type=int, default=options["sentences"])
    given, data = parser.parse_args(), options["data"]
    bark, judge, lines = Bark.load(given.model), Judge(), texts(given.sentences)
    speakers = train_speakers(Teacher(data / "teacher.onnx"), seed=5)
    utterances, best = load_utterances(data), {}
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "voice.npz"
        for number, voice in enumerate(VOICES):
            found = []
            for candidate in fitting(utterances, number, SECONDS)[: given.candidates]:
                save_voice(voice_of(candidate), file, force=True)
                found.append(heard(bark, file, voice.name, lines, speakers, judge))
                print(f"{voice.name} {len(found) - 1}: known {found[-1].known:.0%}, words wrong "
                      f"{found[-1].wrong:.0%}", flush=True)  # fmt: skip
            best[voice.name.rpartition("/")[2]] = int(np.argmax([each.score for each in found]))
    print("histories = {" + ", ".join(f"{name} = {index}" for name, index in best.items()) + "}")
    if given.model == trained_model():
        write_bytes(histories_file(), json.dumps(best).encode())
        write_voices(voices_folder())


if __name__ == "__main__":
    main()
