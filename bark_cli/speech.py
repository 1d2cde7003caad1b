"""SpeechRequest, what is asked for, and Speech, what comes of it; `session.job` makes one of the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from bark_cli import audio as sound
from bark_cli import voices
from bark_cli.audio import Audio, Provenance
from bark_cli.errors import OptionError, TextError
from bark_cli.model.options import SamplingOptions
from bark_cli.model.tokens import CODEBOOKS, BarkTokens
from bark_cli.stages.progress import StageReport
from bark_cli.takes.take import DEFAULT_ATTEMPTS, Attempts, Take
from bark_cli.voices import Voice

if TYPE_CHECKING:
    from bark_cli.stages.utterance import Streaming


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

    def play(self, *, device: str | None = None) -> None:
        """Play it on this machine, and wait until it has ended.

        Raises:
            AudioError: PortAudio or an output device is missing, or playing failed.
            OptionError: no device, or several, are called `device`.
        """
        sound.play(self.audio, device=device)

    def _repr_html_(self) -> str:
        """As a notebook shows it: a player under the text and who says it."""
        return sound.player_html(sound.pcm16(self.audio), self.audio.sample_rate, self._described())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """The same for IPython, with a line where there are no players."""
        return {"text/plain": self._described(), "text/html": self._repr_html_()}

    def _described(self) -> str:
        """In a line: what, by whom, how long, and the seed to hear it again."""
        text = shorten(self.text, 80, placeholder=" …")
        voice = "" if self.voice is None else f", {self.voice}"
        return f"“{text}” {self.model}{voice}, {self.duration_s:.1f} s, seed {self.seed}"

    def save_voice(self, path: str | Path, *, force: bool = False) -> None:
        """Write the tokens as a voice, so that a later utterance can continue this speaker.

        Raises:
            OptionError: the path does not end in .npz, or the speech is a draft.
            OutputError: the file exists and `force` is not given, or it cannot be written.
        """
        if (books := len(self.tokens.fine)) < CODEBOOKS:
            raise OptionError(
                f"a draft of {books} codebooks is no voice; say it with all {CODEBOOKS} to keep one"
            )
        voices.save_voice(self.tokens, Path(path), force=force)


@dataclass(frozen=True, kw_only=True)
class SpeechRequest:
    """What to say, and how; the fields are the arguments of `Bark.say`.

    Raises:
        TextError: the text is no str.
        OptionError: the options are something else.
    """

    text: str
    voice: str | Path | Voice | None = None  # None is the model's default, "none" is no voice at all
    seed: int | None = None  # None draws one
    options: SamplingOptions | None = None  # None is the model's own way
    attempts: Attempts = DEFAULT_ATTEMPTS  # how often it is said
    language: str | None = None  # e.g. de; None: what the voice, else its letters, suggest
    streaming: Streaming = "whole"  # how its sound comes

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise TextError(f"the text is to be a str, not {type(self.text).__name__}")
        if not isinstance(self.options, SamplingOptions | None):
            raise OptionError(f"options are SamplingOptions(…), not {type(self.options).__name__}")
