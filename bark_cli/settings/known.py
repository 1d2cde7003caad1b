"""The known settings: a name and a value as written -> the value, of its type and in its range."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field, fields
from typing import Any

from bark_cli.errors import OptionError
from bark_cli.system.variables import OFF

Value = str | int | float | bool
_WORDS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(OFF, False),
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One line of the table: what may be set, to what, and by which names."""

    name: str
    kind: type[Value]
    default: Value | None  # None leaves it to the model or the machine
    help: str
    choices: tuple[str, ...] = ()
    is_open: bool = False  # a choice may be followed by ":" and a name of its own, as in cuda:1
    low: float | None = None
    high: float | None = None
    above: bool = False  # low itself is not allowed
    least: float = 0.0  # what is smaller and not 0 is not allowed
    is_place: bool = False  # a name, or the path of something that is read
    is_private: bool = False  # not for a project's file, which may be somebody else's

    @property
    def flag(self) -> str:
        """--min-eos-p for min_eos_p."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """BARK_MIN_EOS_P for min_eos_p."""
        return f"BARK_{self.name.upper()}"

    @property
    def takes(self) -> str:
        """The values it takes, in words."""
        if self.choices:
            more = ", some with a part after it, as in openvino:GPU" if self.is_open else ""
            return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}{more}"
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return "a name" if not self.is_place else "a name or a path"
        what = "a whole number" if self.kind is int else "a number"
        start = f"above {self.low:g}" if self.above else f"from {self.low:.10g}"
        end = "" if self.high is None else f" to {self.high:.10g}"
        least = f", but none below {self.least:g} except 0" if self.least else ""
        return f"{what} {start}{end}{least}"

    def check(self, value: object, where: str) -> Value:
        """The value in its own type: 1 is 1.0 where a number is wanted.

        Raises:
            OptionError: it has another type or is outside its range; the message begins with `where`.
        """
        if self.kind is float and type(value) is int:
            value = float(value) if abs(value) < 2**53 else math.inf
        if type(value) is self.kind and self._allows(value):
            return value
        raise OptionError(f"{where} takes {self.takes}, not {_short(value)}")

    def parse(self, text: str, where: str) -> Value:
        """A value written as text, as the shell gives it.

        Raises:
            OptionError: as `check`.
        """
        value: object = text.strip()
        try:
            if self.kind is bool:
                value = _WORDS[text.strip().lower()]
            elif self.kind is not str:
                value = self.kind(text)
        except (ValueError, KeyError):
            pass  # it stays text, and that is not allowed
        return self.check(value, where)

    def _allows(self, value: Any) -> bool:
        if self.choices:
            return (value.partition(":")[0] if self.is_open else value) in self.choices
        if self.kind is str:
            return bool(value) and value.isprintable()
        if self.kind is bool or self.low is None:
            return True
        low = value > self.low if self.above else value >= self.low
        return (
            low and value <= (self.high or math.inf) and math.isfinite(value) and not 0 < value < self.least
        )


def _setting(default: Value | None, help: str, kind: type[Value] | None = None, **limits: Any) -> Any:
    """A field of `Settings` that carries its own line of the table."""
    limits |= {"kind": kind or type(default), "default": default, "help": help}
    return field(default=default, metadata=limits)


_TEMPERATURE: dict[str, Any] = {"kind": float, "low": 0.0, "high": 10.0, "least": 0.001}
_FACTOR: dict[str, Any] = {"low": 0.1, "high": 5.0}
_SECONDS: dict[str, Any] = {"low": 0.0, "high": 60.0}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A value for every setting; None leaves it to the model or the machine."""

    preset: str | None = _setting(None, "settings that go together, by one name", str)
    model: str | None = _setting(None, "the model; the best installed if not set", str, is_place=True)
    voice: str | None = _setting(
        None, "who speaks: a name, a .npz file, or none; the model's own if not set", str, is_place=True
    )
    device: str = _setting(
        "auto", "where to compute", choices=("auto", "cpu", "cuda", "mps", "openvino"), is_open=True
    )
    precision: str = _setting(
        "auto", "what the networks compute in", choices=("auto", "fp32", "fp16", "bf16", "int8", "int4")
    )
    batch_size: int | None = _setting(
        None, "utterances spoken at once", int, low=1, high=1024, is_private=True
    )
    offline: bool = _setting(False, "never use the network", is_private=True)
    seed: int | None = _setting(
        None, "the same number gives the same sound; drawn if not set", int, low=0, high=2**32 - 1
    )
    temperature: float | None = _setting(
        None, "semantic and coarse: 0 takes the likeliest, more is livelier", **_TEMPERATURE
    )
    semantic_temperature: float | None = _setting(None, "what is said, and how", **_TEMPERATURE)
    coarse_temperature: float | None = _setting(None, "how it sounds", **_TEMPERATURE)
    fine_temperature: float | None = _setting(None, "the last detail of it", **_TEMPERATURE)
    # what suits every model: the temperatures of two models are as different as the models
    liveliness: float = _setting(
        1.0, "times the semantic temperature, the model's own or that set", **_FACTOR
    )
    top_k: int | None = _setting(
        None,
        "semantic and coarse: draw from so many of the likeliest; 0 from all",
        int,
        low=0,
        high=1_000_000,
    )
    top_p: float | None = _setting(
        None,
        "semantic and coarse: draw from the likeliest that make up so much",
        float,
        low=0.0,
        high=1.0,
        above=True,
    )
    min_eos_p: float | None = _setting(
        # at 0 speech would end before its first token, which only SamplingOptions and bark_cli.suno allow
        None,
        "stop once the end of speech has this probability",
        float,
        low=0.0,
        high=1.0,
        above=True,
    )
    max_duration: float | None = _setting(
        None, "stop after so many seconds of speech", float, low=0.0, above=True
    )
    fine_codebooks: int | None = _setting(
        None, "of 8, how many are made and heard: fewer are quicker, for drafts", int, low=2, high=8
    )
    continuity: str = _setting(
        "voice", "what each piece of a long text goes on from", choices=("voice", "previous", "none")
    )
    # Suno's long-form notebook has a quarter of a second between sentences, and half between speakers
    pause: float = _setting(0.25, "seconds of silence between sentences", **_SECONDS)
    paragraph_pause: float = _setting(0.5, "seconds of silence between paragraphs", **_SECONDS)
    speed: float = _setting(1.0, "times as fast, at the same pitch", low=0.25, high=4.0)
    takes: int = _setting(1, "how often each piece is said, to keep the best", low=1, high=100)
    retries: int = _setting(1, "how often a failed piece is said anew", low=0, high=100)
    format: str | None = _setting(
        None,
        "what a sound file is where its name does not say",
        str,
        choices=("wav", "flac", "ogg", "opus", "mp3", "raw"),
    )
    normalize: str = _setting("off", "how loud the sound is made", choices=("off", "loudness", "peak"))
    subtitles: str = _setting("none", "subtitles beside the sound", choices=("none", "srt", "vtt"))
    metadata: bool = _setting(True, "write into the sound file how it was made")
    audio_device: str | None = _setting(
        None, "the loudspeaker; the usual one if not set", str, is_private=True
    )


SETTINGS = {line.name: Setting(name=line.name, **line.metadata) for line in fields(Settings)}


def find_setting(name: str, where: str) -> Setting:
    """The setting of that name.

    Raises:
        OptionError: there is none; the message begins with `where` and offers the nearest.
    """
    if name in SETTINGS:
        return SETTINGS[name]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), SETTINGS, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    raise OptionError(f"{where}: there is no setting {_short(name)}; {meant}`bark config show` lists them")


def _short(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 64:  # Python prints none of many thousand digits
        return "a number so large"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
