"""Bark itself: a model loaded from disk, and text (str) and a voice -> Speech."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bark_cli import audio as sound
from bark_cli import hub, semantic, voices
from bark_cli.audio import Audio
from bark_cli.backends import Backend
from bark_cli.backends.device import choose_device, fitting_threads
from bark_cli.backends.eager import EagerBackend
from bark_cli.checkpoint import build_networks, read_checkpoint
from bark_cli.engine import Progress, StageReport, Utterance
from bark_cli.errors import OptionError
from bark_cli.text import normalise
from bark_cli.tokenizer import BarkTokenizer
from bark_cli.tokens import BarkConfig, BarkTokens, SamplingOptions
from bark_cli.voice_file import check_tokens
from bark_cli.voices import NO_VOICE, Voice

__all__ = ["Bark", "Progress", "Speech", "StageReport"]

SEED_LIMIT = 2**32


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

    @property
    def duration_s(self) -> float:
        """Length of the sound in seconds."""
        return self.audio.duration_s

    @property
    def real_time_factor(self) -> float:
        """Seconds of computing per second of sound."""
        return sum(stage.seconds for stage in self.stages.values()) / self.duration_s

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the sound; the suffix names the format.

        Raises:
            OptionError: the suffix is of no known format.
            OutputError: the file exists and `force` is not given, or it cannot be written.
        """
        sound.save(self.audio, Path(path), force=force)

    def save_voice(self, path: str | Path, *, force: bool = False) -> None:
        """Write the tokens as a voice, so that a later utterance can continue this speaker.

        Raises:
            OutputError: the file exists and `force` is not given, or it cannot be written.
        """
        voices.save_voice(self.tokens, Path(path), force=force)


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
        options = options or self.config.sampling
        utterance = Utterance(
            config=self.config,
            backend=self._backend,
            voice=None if speaker is None else speaker.tokens,
            seed=seed,
            options=options,
            on_progress=on_progress,
        )
        with fitting_threads(self.config.coarse.gpt.n_embd):
            tokens = utterance.tokens(text_ids)
            audio = utterance.sound(tokens.fine)
        return Speech(
            audio=audio,
            tokens=tokens,
            text=line,
            model=self.name,
            voice=None if speaker is None else speaker.name,
            seed=seed,
            complete=len(tokens.semantic) < semantic.longest(self.config.semantic, options.max_duration_s),
            stages=utterance.stages,
        )

    def _speaker(self, voice: str | Path | Voice | None) -> Voice | None:
        """The voice that was asked for, else the model's default; None is no history."""
        wanted = self.config.default_voice if voice is None else voice
        if wanted is None or wanted == NO_VOICE:
            return None
        if isinstance(wanted, Voice):
            return Voice(wanted.name, check_tokens(wanted.tokens, wanted.name, self.config))
        return voices.find_voice(wanted, model_folder=self.folder, config=self.config)
