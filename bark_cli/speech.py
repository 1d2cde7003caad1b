"""SpeechRequest and Speech, and the job that turns one into the other: voice, text ids, takes, verdict."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from bark_cli import audio as sound
from bark_cli import voices
from bark_cli.audio import Audio, Provenance
from bark_cli.backends import Backend
from bark_cli.backends.memory import fitting_batch_size, free_bytes
from bark_cli.hearing import words_right
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import SamplingOptions, check_seed, draw_seed
from bark_cli.model.spelling import Loss
from bark_cli.model.tokenizer import BarkTokenizer
from bark_cli.model.tokens import BarkTokens
from bark_cli.stages.progress import Listener, StageReport
from bark_cli.stages.steps import Job
from bark_cli.stages.utterance import Samples, Streaming, Utterance
from bark_cli.takes.attempt import ONCE, Attempts, Take, attempt
from bark_cli.takes.expected import expected
from bark_cli.takes.usual import Memory
from bark_cli.text.normalise import normalise
from bark_cli.text.split import language_of
from bark_cli.voices import Voice
from bark_cli.voices.file import check_tokens

NUMBER_BYTES = 4  # of a cache, at most


@dataclass(frozen=True, eq=False)
class Speech:
    """One spoken utterance, and everything needed to say it again."""

    audio: Audio
    tokens: BarkTokens
    text: str  # as the model read it
    model: str
    voice: str | None
    seed: int
    complete: bool  # it ended by itself; False: at the model's limit or at max_duration_s, maybe in a word
    stages: dict[str, StageReport]
    takes: tuple[Take, ...] = ()  # what was thought of each, where several were asked for; `seed` is the best

    @property
    def duration_s(self) -> float:
        """Length of the sound in seconds."""
        return self.audio.duration_s

    @property
    def doubt(self) -> str | None:
        """What may be wrong with it, though it was said as often as was asked for."""
        kept = next((take for take in self.takes if take.seed == self.seed), None)
        return None if kept is None or kept.is_good else kept.reason

    @property
    def real_time_factor(self) -> float:
        """Seconds of computing per second of sound."""
        return sum(stage.seconds for stage in self.stages.values()) / self.duration_s

    @property
    def provenance(self) -> Provenance:
        """What its file says of it."""
        from bark_cli import __version__

        text_hash = sound.hash_text(self.text)
        return Provenance(self.model, self.voice, self.seed, text_hash, version=__version__)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the sound, and how it was made; the suffix names the format.

        Raises:
            OptionError: the suffix is of no known format.
            OutputError: the file exists and `force` is not given, or it cannot be written.
        """
        sound.save(self.audio, Path(path), force=force, metadata=self.provenance)

    def save_voice(self, path: str | Path, *, force: bool = False) -> None:
        """Write the tokens as a voice, so that a later utterance can continue this speaker.

        Raises:
            OutputError: the file exists and `force` is not given, or it cannot be written.
        """
        voices.save_voice(self.tokens, Path(path), force=force)


@dataclass(frozen=True, kw_only=True)
class SpeechRequest:
    """What to say, and how; the fields are the arguments of `Bark.say`."""

    text: str
    voice: str | Path | Voice | None = None  # None is the model's default, "none" is no voice at all
    seed: int | None = None  # None draws one
    options: SamplingOptions | None = None  # None is the model's own way
    attempts: Attempts = ONCE  # how often it is said
    language: str | None = None  # e.g. de, to judge takes by; None: what its letters suggest
    streaming: Streaming = "whole"  # how its sound comes


class FairLock(AbstractContextManager[None]):
    """A lock that goes to who waits for it before it goes back to who had it."""

    def __init__(self) -> None:
        self._next, self._held = threading.Lock(), threading.Lock()

    def __enter__(self) -> None:
        with self._next:
            self._held.acquire()

    def __exit__(self, *_: object) -> None:
        self._held.release()


@dataclass(eq=False)
class LoadedModel:
    """A model that can speak: what was read from its folder, and where it computes."""

    name: str
    folder: Path
    config: BarkConfig
    tokenizer: BarkTokenizer
    backend: Backend
    device: str
    precision: str
    turn: FairLock = field(default_factory=FairLock, repr=False)  # whose engine may use the backend
    memory: Memory = field(init=False, repr=False)  # how its voices spoke

    def __post_init__(self) -> None:
        self.memory = Memory(self.name, self.config.semantic.pace)

    def fitting_batch_size(self) -> int:
        """How many utterances at once the free memory holds, 1 .. 64."""
        return fitting_batch_size(self.config, NUMBER_BYTES, free_bytes(torch.device(self.device)))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has for this model."""
        return self.tokenizer.count(texts)

    def loss(self, text: str) -> Loss:
        """What this model cannot read of a text, or not as it stands."""
        return self.tokenizer.loss(text)

    def find_voice(self, voice: str | Path | Voice | None) -> Voice | None:
        """The voice that was asked for, checked, else the model's default; None is no history.

        Raises:
            VoiceError: it is unknown, malformed or made for another model.
        """
        wanted = self.config.default_voice if voice is None else voice
        if wanted is None or wanted == voices.NO_VOICE:
            return None
        if isinstance(wanted, Voice):
            return Voice(wanted.name, check_tokens(wanted.tokens, wanted.name, self.config))
        return voices.find_voice(wanted, model_folder=self.folder, config=self.config)


def speech_job(
    model: LoadedModel,
    request: SpeechRequest,
    *,
    number: int = 0,
    on_progress: Listener | None = None,
    on_sound: Callable[[Samples], None] | None = None,
) -> Job[Speech]:
    """The whole way from a request to a Speech, whose `stages` its engine knows.

    Args:
        model: who speaks.
        request: what is said.
        number: of the utterance among those asked for together, for `on_progress`.
        on_progress: told of every step of the network.
        on_sound: given samples (N,) as they come, if the request is streamed or of one take.

    Raises:
        TextError: the text is empty, too long or unreadable.
        VoiceError: the voice is unknown, malformed or made for another model.
        OptionError: the seed is out of range.
        GenerationError: the model made no speech.
    """
    line = normalise(request.text)
    seed = draw_seed() if request.seed is None else request.seed
    check_seed(seed)
    speaker = model.find_voice(request.voice)
    name = voices.NO_VOICE if speaker is None else speaker.name
    utterance = Utterance(
        text_ids=model.tokenizer.encode(line),
        voice=None if speaker is None else speaker.tokens,
        seed=seed,
        options=request.options or model.config.sampling,
        streaming=request.streaming,
        index=number,
    )
    rate = model.config.codec.sample_rate
    language = language_of(line, request.language)
    chosen = yield from attempt(
        utterance,
        model.config,
        request.attempts,
        partial(expected, line, language, model.memory.usual(name)),
        lambda samples: words_right(samples, rate, text=line, language=language),
        on_progress,
        on_sound,
        wants_heard=model.memory.wants(name, seed),
    )
    if chosen.heard is not None:
        model.memory.add(name, chosen.heard)
    return Speech(
        audio=Audio(samples=chosen.spoken.samples, sample_rate=rate),
        tokens=chosen.spoken.tokens,
        text=line,
        model=model.name,
        voice=None if speaker is None else speaker.name,
        seed=chosen.seed,
        complete=chosen.complete,
        stages={},
        takes=chosen.takes,
    )
