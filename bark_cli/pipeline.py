"""Bark itself: a model loaded from disk, and text (str) and a voice -> Speech."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence, Sized
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import torch

from bark_cli import store, voices
from bark_cli.audio import Audio
from bark_cli.backends import Backend
from bark_cli.backends.device import choose_device, choose_precision, fitting_threads
from bark_cli.backends.make import make_backend
from bark_cli.backends.memory import fitting_batch_size, free_bytes
from bark_cli.checkpoint import Checkpoint, mix_stages, open_checkpoint, read_checkpoint
from bark_cli.engine import Engine, Outcome
from bark_cli.errors import BarkError, OptionError
from bark_cli.hearing import words_right
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import SamplingOptions
from bark_cli.model.tokenizer import BarkTokenizer
from bark_cli.speech import Speech, SpeechRequest, SpeechStream
from bark_cli.stages.progress import Progress, StageReport
from bark_cli.stages.steps import Job
from bark_cli.stages.utterance import Delivery, Samples, Utterance, costs
from bark_cli.store import ModelRef
from bark_cli.takes.attempt import SEED_LIMIT, attempt
from bark_cli.text.normalise import normalise
from bark_cli.text.split import estimate_seconds, language_of
from bark_cli.voices.catalogue import NO_VOICE, Voice
from bark_cli.voices.file import check_tokens

__all__ = ["Bark", "Progress", "Speech", "SpeechRequest", "SpeechStream", "StageReport"]

NUMBER_BYTES = 4  # of a cache, at most


class Bark:
    """A loaded model: `Bark.load("nano").say("Hello").save("hello.wav")`."""

    def __init__(
        self,
        *,
        name: str,
        folder: Path,
        config: BarkConfig,
        tokenizer: BarkTokenizer,
        backend: Backend,
        device: str,
        precision: str,
    ) -> None:
        self.name = name
        self.folder = folder
        self.config = config
        self.device = device
        self.precision = precision
        self._tokenizer = tokenizer
        self._backend = backend

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        *,
        size: str | None = None,
        semantic: str | Path | None = None,
        coarse: str | Path | None = None,
        fine: str | Path | None = None,
        device: str = "auto",
        precision: str = "auto",
        on_note: Callable[[str], None] | None = None,
    ) -> Bark:
        """Load a model by name or folder; None is the best one installed.

        For int8 a model of another layout is converted once and kept in the cache.

        Args:
            model: a name (`nano`, `small`, `large`) or the folder of a model in any layout.
            size: `small` or `large`, where a folder holds both.
            semantic: another model, by name or folder, for this stage alone.
            coarse: the same for this stage.
            fine: the same for this stage, and for the codec.
            device: `auto`, `cpu`, `cuda` or `mps`.
            precision: what the networks compute in, `auto`, `fp32`, `bf16` or `int8`.
            on_note: told in a line when a conversion begins or cannot be kept.

        Raises:
            ModelError: the model is missing, incomplete, damaged or foreign.
            OptionError: this machine has no such device, the precision is unknown, or the stages come from
                models whose tokens differ.
        """
        # what is wrong with these is known before seconds are spent on reading
        target = choose_device(device)
        precision = choose_precision(precision, target)
        given = {"semantic": semantic, "coarse": coarse, "fine": fine}
        refs = {stage: store.resolve_model(other) for stage, other in given.items() if other is not None}
        # where every stage is chosen, no other model is needed
        ref = refs["fine"] if model is None and len(refs) == len(given) else store.resolve_model(model)
        note = on_note or (lambda _: None)
        base = _read(ref, size, precision, note)
        others = {stage: _read(other, None, precision, note) for stage, other in refs.items()}
        borrowed = [f"{stage}:{r.name}" for stage, r in refs.items() if r.name != ref.name]
        name = "+".join([ref.name, *borrowed])
        return cls._computing(mix_stages(base, others), name, target, precision)

    @classmethod
    def from_checkpoint(
        cls, checkpoint: Checkpoint, *, name: str, device: str = "auto", precision: str = "auto"
    ) -> Bark:
        """Make a model of what `read_checkpoint` returned.

        Raises:
            OptionError: this machine has no such device, or the precision is unknown.
        """
        target = choose_device(device)
        return cls._computing(checkpoint, name, target, choose_precision(precision, target))

    @classmethod
    def _computing(cls, checkpoint: Checkpoint, name: str, device: torch.device, precision: str) -> Bark:
        """Make a model that computes on a device and in a precision that have been chosen."""
        return cls(
            name=name,
            folder=checkpoint.folder,
            config=checkpoint.config,
            tokenizer=BarkTokenizer.from_file(checkpoint.tokenizer_file, checkpoint.config.semantic),
            backend=make_backend(checkpoint, device, precision),
            device=str(device),
            precision=precision,
        )

    def say(
        self,
        text: str,
        *,
        voice: str | Path | Voice | None = None,
        seed: int | None = None,
        options: SamplingOptions | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Speech:
        """Speak one text.

        Args:
            text: at most `config.semantic.max_text_tokens` tokens.
            voice: a voice, its name or its file; None is the model's default, "none" is no voice at all.
            seed: 0 .. 2**32 - 1; the same seed gives the same sound. None draws one, found in the result.
            options: how to sample; None is the model's own way.
            on_progress: called after every step of the network.

        Raises:
            TextError: the text is empty, too long or unreadable.
            VoiceError: the voice is unknown, malformed or made for another model.
            OptionError: the seed is out of range.
            GenerationError: the model made no speech.
        """
        request = SpeechRequest(text=text, voice=voice, seed=seed, options=options)
        [speech] = self.say_all([request], batch_size=1, on_progress=on_progress)
        return speech

    def stream(
        self,
        text: str,
        *,
        voice: str | Path | Voice | None = None,
        seed: int | None = None,
        options: SamplingOptions | None = None,
        exact: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> SpeechStream:
        """Speak one text, and hand over its sound in pieces while the rest is still being made.

        Semantic and coarse tokens are those of `say`, and so is the length. The fine codes are not, unless
        `exact`: each piece is begun as soon as its coarse codes are there, and continues the pieces before it
        as Bark continues a voice, but does not hear what comes after it. Either way the same seed gives the
        same sound again.

        Args:
            text: this and all else as for `say`.
            voice: a voice, its name or its file.
            seed: 0 .. 2**32 - 1.
            options: how to sample.
            exact: make the sound of `say`; its first piece comes when all its codes are there.
            on_progress: called after every step of the network.

        Raises:
            BarkError: for `say`'s reasons, when the pieces are taken.
        """
        pieces: deque[Audio] = deque()
        rate = self.config.codec.sample_rate
        job = self._job(
            0,
            SpeechRequest(text=text, voice=voice, seed=seed, options=options),
            on_progress,
            "exact" if exact else "early",
            lambda samples: pieces.append(Audio(samples, rate)),
        )
        return SpeechStream(self._steps(job), pieces)

    def say_all(
        self,
        requests: Iterable[SpeechRequest],
        *,
        batch_size: int | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> list[Speech]:
        """Speak several texts, many at a time; each sounds as it does alone.

        Args:
            requests: what to say.
            batch_size: how many are worked on at once; None is as many as fit into memory, at most 64.
            on_progress: called after every step of each; `Progress.utterance` says whose.

        Raises:
            BarkError: the first that cannot be said, for a reason of `say`'s; `say_each` goes on with the
                others.
        """
        speeches: dict[int, Speech] = {}
        spoken = self.say_each(requests, batch_size=batch_size, on_progress=on_progress)
        with closing(spoken):
            for index, result in spoken:
                if isinstance(result, BarkError):
                    raise result
                speeches[index] = result
        return [speeches[index] for index in sorted(speeches)]

    def say_each(
        self,
        requests: Iterable[SpeechRequest | None],
        *,
        batch_size: int | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Generator[tuple[int, Speech | BarkError], None, None]:
        """Speak several texts, many at a time, and yield each with its index as soon as it is done.

        Arguments are those of `say_all`; requests are taken one by one as there is room. One that cannot be
        said is yielded as the error that `say` would raise, and the others go on. None among them says that
        there is no request until one of those at work is done; it has no index.

        Raises:
            OptionError: the batch size is less than 1.
        """
        if batch_size is None:
            batch_size = self.fitting_batch_size()
        if isinstance(requests, Sized) and len(requests):
            batch_size = min(batch_size, len(requests))  # which decides about threads
        numbers = count()
        jobs = (None if r is None else self._job(next(numbers), r, on_progress) for r in requests)
        with closing(Engine[Speech](self._backend, batch_size).run(jobs)) as outcomes:
            while True:
                with fitting_threads(batch_size * self.config.coarse.gpt.n_embd):  # only while it is our turn
                    outcome = next(outcomes, None)
                if outcome is None:
                    break
                yield outcome.index, _accounted(outcome)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has for this model."""
        return self._tokenizer.count(texts)

    def fitting_batch_size(self) -> int:
        """How many utterances at once the free memory holds, 1 .. 64."""
        return fitting_batch_size(self.config, NUMBER_BYTES, free_bytes(torch.device(self.device)))

    def _steps(self, job: Job[Speech]) -> Generator[Speech | None, None, None]:
        """Work on one job alone; None after each step, and the Speech after the last."""
        with closing(Engine[Speech](self._backend).steps([job])) as steps:
            speech = None
            while speech is None:
                with fitting_threads(self.config.coarse.gpt.n_embd):
                    outcomes = next(steps)
                speech = _accounted(outcomes[0]) if outcomes else None
                if isinstance(speech, BarkError):
                    raise speech
                yield speech

    def _job(
        self,
        index: int,
        request: SpeechRequest,
        listener: Callable[[Progress], None] | None,
        delivery: Delivery = "whole",
        on_sound: Callable[[Samples], None] | None = None,
    ) -> Job[Speech]:
        """The whole way from a request to a Speech, whose costs its engine knows."""
        line = normalise(request.text)
        seed = random.SystemRandom().randrange(2**31) if request.seed is None else request.seed
        if not 0 <= seed < SEED_LIMIT:
            raise OptionError(f"seed {seed} is outside 0..{SEED_LIMIT - 1}")
        speaker = self._speaker(request.voice)
        utterance = Utterance(
            text_ids=self._tokenizer.encode(line),
            voice=None if speaker is None else speaker.tokens,
            seed=seed,
            options=request.options or self.config.sampling,
            delivery=delivery,
            index=index,
        )
        rate = self.config.codec.sample_rate
        language = language_of(line, request.language)
        chosen = yield from attempt(
            utterance,
            self.config,
            request.attempts,
            partial(estimate_seconds, line, language),
            lambda samples: words_right(samples, rate, text=line, language=language),
            listener,
            on_sound,
        )
        return Speech(
            audio=Audio(samples=chosen.spoken.samples, sample_rate=rate),
            tokens=chosen.spoken.tokens,
            text=line,
            model=self.name,
            voice=None if speaker is None else speaker.name,
            seed=chosen.seed,
            complete=chosen.complete,
            stages={},
            takes=chosen.takes,
        )

    def _speaker(self, voice: str | Path | Voice | None) -> Voice | None:
        """The voice that was asked for, else the model's default; None is no history."""
        wanted = self.config.default_voice if voice is None else voice
        if wanted is None or wanted == NO_VOICE:
            return None
        if isinstance(wanted, Voice):
            return Voice(wanted.name, check_tokens(wanted.tokens, wanted.name, self.config))
        return voices.find_voice(wanted, model_folder=self.folder, config=self.config)


def _read(ref: ModelRef, size: str | None, precision: str, note: Callable[[str], None]) -> Checkpoint:
    """The model's files, for int8 by way of a conversion that is kept."""
    if precision == "int8":
        return open_checkpoint(ref.folder, size=size or ref.size, storage="int8", note=note)
    return read_checkpoint(ref.folder, size=size or ref.size)


def _accounted(outcome: Outcome[Speech]) -> Speech | BarkError:
    """What became of a request, a speech with what its stages cost."""
    if isinstance(outcome.result, BarkError):
        return outcome.result
    return replace(outcome.result, stages=costs(outcome.result.tokens, outcome.seconds))
