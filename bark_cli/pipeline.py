"""Bark itself: moves an utterance through the stages, text -> semantic -> coarse -> fine -> codec -> Speech."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bark_cli import audio as sound
from bark_cli import coarse, fine, hub, semantic, voices
from bark_cli.audio import Audio
from bark_cli.backends import Backend, CausalStage
from bark_cli.backends.device import choose_device
from bark_cli.backends.eager import EagerBackend
from bark_cli.checkpoint import build_networks, read_checkpoint
from bark_cli.errors import GenerationError, OptionError
from bark_cli.sampling import random_stream
from bark_cli.steps import CausalSteps, FineSteps, Prefill
from bark_cli.text import normalise
from bark_cli.tokenizer import BarkTokenizer
from bark_cli.tokens import BarkConfig, BarkTokens, SamplingOptions, Tokens
from bark_cli.voices import Voice

NO_VOICE = "none"  # asks for no history even where the model has a default voice
SEED_LIMIT = 2**32


@dataclass(frozen=True)
class Progress:
    """How far a stage is; its last report has done == total."""

    stage: str  # "semantic", "coarse", "fine" or "codec"
    done: int  # steps of the network
    total: int  # of the semantic stage: at most so many, for speech ends when it ends
    seconds: float  # since the stage began
    audio_s: float = 0.0  # seconds of speech that this stage has made


@dataclass(frozen=True)
class StageReport:
    """What a stage cost."""

    seconds: float
    tokens: int  # made by it: semantic tokens, coarse codes, fine codes; of the codec: frames


@dataclass(frozen=True, eq=False)
class Speech:
    """One spoken utterance, and everything needed to say it again."""

    audio: Audio
    tokens: BarkTokens
    text: str  # as the model read it
    model: str
    voice: str | None
    seed: int
    stages: dict[str, StageReport]

    @property
    def duration_s(self) -> float:
        """Length of the sound in seconds."""
        return len(self.audio.samples) / self.audio.sample_rate

    @property
    def real_time_factor(self) -> float:
        """Seconds of computing per second of sound."""
        return sum(stage.seconds for stage in self.stages.values()) / self.duration_s

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the sound; the suffix names the format.

        Raises:
            AudioError: the file exists and `force` is not given, or it cannot be written.
        """
        sound.save(self.audio, Path(path), force=force)

    def save_voice(self, path: str | Path, *, force: bool = False) -> None:
        """Write the tokens as a voice, so that a later utterance can continue this speaker.

        Raises:
            VoiceError: the file exists and `force` is not given, or the utterance is too short for a voice.
        """
        voices.save_voice(self.tokens, Path(path), force=force)


@dataclass
class _Watch:
    """Times one stage and tells whoever listens how far it is."""

    on_progress: Callable[[Progress], None] | None
    stage: str
    total: int
    step_s: float  # seconds of speech in one step
    done: int = 0
    began: float = field(default_factory=time.perf_counter)

    def __enter__(self) -> _Watch:
        self._tell()
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            self.done = self.total
            self._tell()

    def step(self) -> None:
        """One more step of the network is done."""
        self.done += 1
        self._tell()

    @property
    def seconds(self) -> float:
        """Since the stage began."""
        return time.perf_counter() - self.began

    def _tell(self) -> None:
        if self.on_progress is not None:
            self.on_progress(
                Progress(self.stage, self.done, self.total, self.seconds, self.done * self.step_s)
            )


@dataclass(frozen=True, eq=False)
class _Utterance:
    """One request on its way through the stages; each method makes what the next one takes."""

    config: BarkConfig
    backend: Backend
    voice: BarkTokens | None
    seed: int
    options: SamplingOptions
    on_progress: Callable[[Progress], None] | None
    stages: dict[str, StageReport] = field(default_factory=dict)

    def semantic(self, text_ids: Tokens) -> Tokens:
        """Text ids (N,) -> semantic tokens (T,)."""
        config = self.config.semantic
        history = None if self.voice is None else self.voice.semantic
        steps = semantic.steps(text_ids, history, config, self.options, random_stream(self.seed, "semantic"))
        with self._watch(
            "semantic", semantic.longest(config, self.options.max_duration_s), 1 / config.rate_hz
        ) as watch:
            tokens = _drive("semantic", steps, self.backend, watch.step)
            watch.total = len(tokens)
        self._report(watch, len(tokens))
        return tokens

    def coarse(self, tokens: Tokens) -> Tokens:
        """Semantic tokens (T,) -> codes (n_codebooks, F) of the first codebooks."""
        config, rate_hz = self.config.coarse, self.config.semantic.rate_hz
        steps = coarse.steps(
            tokens, self.voice, config, rate_hz, self.options.coarse, random_stream(self.seed, "coarse")
        )
        total = coarse.n_steps(len(tokens), config, rate_hz)
        with self._watch("coarse", total, 1 / config.rate_hz / config.n_codebooks) as watch:
            codes = _drive("coarse", steps, self.backend, watch.step)
        self._report(watch, codes.size)
        return codes

    def fine(self, codes: Tokens) -> Tokens:
        """Codes of the first codebooks (n, F) -> all codes (n_codebooks, F)."""
        config = self.config.fine
        steps = fine.steps(codes, self.voice, config, self.options.fine, random_stream(self.seed, "fine"))
        total = fine.n_steps(codes.shape[1], codes.shape[0], self.voice, config)
        with self._watch("fine", total, self._seconds(codes) / total) as watch:
            complete = _drive_fine(steps, self.backend, watch.step)
        self._report(watch, complete.size - codes.size)
        return complete

    def sound(self, codes: Tokens) -> Audio:
        """All codes (n_codebooks, F) -> samples (F * hop,)."""
        with self._watch("codec", 1, self._seconds(codes)) as watch:
            samples = self.backend.decode_audio(codes).numpy()
        self._report(watch, codes.shape[1])
        return Audio(samples=samples, sample_rate=self.config.codec.sample_rate)

    def _watch(self, stage: str, total: int, step_s: float) -> _Watch:
        return _Watch(self.on_progress, stage, total, step_s)

    def _report(self, watch: _Watch, tokens: int) -> None:
        self.stages[watch.stage] = StageReport(seconds=watch.seconds, tokens=tokens)

    def _seconds(self, codes: Tokens) -> float:
        return int(codes.shape[1]) / self.config.coarse.rate_hz


def _drive(stage: CausalStage, steps: CausalSteps, backend: Backend, on_step: Callable[[], None]) -> Tokens:
    """Answer a causal stage's requests until it returns its tokens."""
    context: Any = None
    request = next(steps)
    while True:
        if isinstance(request, Prefill):
            context, logits = backend.prefill(stage, request)
        else:
            [logits] = backend.decode(stage, [(context, request)])
        try:
            request = steps.send(logits)
        except StopIteration as end:
            tokens: Tokens = end.value
            return tokens
        on_step()


def _drive_fine(steps: FineSteps, backend: Backend, on_step: Callable[[], None]) -> Tokens:
    """Answer the fine stage's requests until it returns its codes."""
    request = next(steps)
    while True:
        [logits] = backend.fine_logits([request])
        try:
            request = steps.send(logits)
        except StopIteration as end:
            codes: Tokens = end.value
            return codes
        on_step()


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
    ) -> None:
        self.name = name
        self.folder = folder
        self.config = config
        self.device = device
        self._tokenizer = tokenizer
        self._backend = backend

    @classmethod
    def load(cls, model: str | Path | None = None, *, size: str | None = None, device: str = "auto") -> Bark:
        """Load a model by name or folder; None is the best one installed.

        Args:
            model: a name (`nano`, `small`, `large`) or the folder of a model in any layout.
            size: `small` or `large`, where a folder holds both.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            ModelError: the model is missing, incomplete, damaged or foreign.
            OptionError: this machine has no such device.
        """
        target = choose_device(device)
        ref = hub.resolve_model(model)
        checkpoint = read_checkpoint(ref.folder, size=size or ref.size)
        return cls(
            name=ref.name,
            folder=ref.folder,
            config=checkpoint.config,
            tokenizer=BarkTokenizer.from_file(checkpoint.tokenizer_file, checkpoint.config.semantic),
            backend=EagerBackend(build_networks(checkpoint), target),
            device=str(target),
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
        line = normalise(text)
        text_ids = self._tokenizer.encode(line)
        if seed is None:
            seed = random.SystemRandom().randrange(2**31)
        if not 0 <= seed < SEED_LIMIT:
            raise OptionError(f"seed {seed} is outside 0..{SEED_LIMIT - 1}")
        speaker = self._speaker(voice)
        utterance = _Utterance(
            config=self.config,
            backend=self._backend,
            voice=None if speaker is None else speaker.tokens,
            seed=seed,
            options=options or self.config.sampling,
            on_progress=on_progress,
        )
        spoken = utterance.semantic(text_ids)
        if coarse.n_steps(len(spoken), self.config.coarse, self.config.semantic.rate_hz) == 0:
            raise GenerationError(
                f"the model said nothing with seed {seed}; try another --seed or other words"
            )
        first_codes = utterance.coarse(spoken)
        codes = utterance.fine(first_codes)
        return Speech(
            audio=utterance.sound(codes),
            tokens=BarkTokens(semantic=spoken, coarse=first_codes, fine=codes),
            text=line,
            model=self.name,
            voice=None if speaker is None else speaker.name,
            seed=seed,
            stages=utterance.stages,
        )

    def _speaker(self, voice: str | Path | Voice | None) -> Voice | None:
        """The voice that was asked for, else the model's default; None is no history."""
        wanted = self.config.default_voice if voice is None else voice
        if wanted is None or wanted == NO_VOICE:
            return None
        if isinstance(wanted, Voice):
            return wanted
        return voices.find_voice(wanted, model_folder=self.folder, config=self.config)
