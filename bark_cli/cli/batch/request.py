"""What `bark batch` was asked for: its parameters and the settings -> BatchRequest, which reads items."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bark_cli.cli.say.request import SayRequest, say_request
from bark_cli.errors import TextError, UsageError

if TYPE_CHECKING:
    from bark_cli.batch.identity import Maker
    from bark_cli.batch.items import Item, Sources
    from bark_cli.model.options import SamplingOptions
    from bark_cli.narration.compose import Manner
    from bark_cli.store import ModelRef
    from bark_cli.text.script import Script

FORMAT = "flac"
# parameters of `bark say` that make no sense for many files
_OF_ONE = {
    **dict.fromkeys(("raw", "play", "exact", "force", "verbose"), False),
    **dict.fromkeys(("like", "save_voice", "audio_device"), None),
}
# settings that leave the sound as it is, or are part of an item's key in another way
_UNHEARD = {"preset", "model", "voice", "seed", "device", "batch_size", "offline", "format", "subtitles"}
_UNHEARD |= {"metadata", "audio_device", "normalize"}


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """Everything `bark batch` was asked for."""

    paths: Sequence[str]
    folder: Path  # that all goes into
    pattern: str | None
    is_jsonl: bool
    joins: bool
    overwrite: bool
    format: str
    say: SayRequest  # what holds for every item

    @property
    def sources(self) -> Sources:
        """Where the items are."""
        from bark_cli.batch.items import Sources

        stdin = None if sys.stdin is None else sys.stdin.buffer
        return Sources(paths=self.paths, pattern=self.pattern, is_jsonl=self.is_jsonl, stdin=stdin)

    def maker(self, models: Sequence[ModelRef]) -> Maker:
        """Who makes it, and how.

        Raises:
            VoiceError: a voice that was named does not exist.
        """
        from bark_cli.batch.identity import Maker, voice_identity

        say, reading, folder = self.say, self.say.reading, models[0].folder
        voice_identity(say.settings.voice, folder)
        heard = {name: value for name, value in asdict(say.settings).items() if name not in _UNHEARD}
        heard |= {"size": say.choice.size, "input_format": reading.format, "encoding": reading.encoding}
        heard |= {"language": reading.language}
        heard |= {"cast": {name: voice_identity(voice, folder) for name, voice in reading.cast.items()}}
        return Maker(
            models=models,
            voice=say.settings.voice,
            seed=None if say.is_seed_drawn else say.seed,
            settings=heard,
            files={name: getattr(say.settings, name) for name in ("metadata", "normalize", "subtitles")},
        )

    def manner(self, item: Item, seed: int, defaults: SamplingOptions) -> Manner:
        """How one item is read."""
        voice = self.say.settings.voice if item.voice is None else item.voice
        return replace(self.say, seed=seed, settings=replace(self.say.settings, voice=voice)).manner(defaults)

    def read(self, item: Item) -> str:
        """The text of an item.

        Raises:
            TextError: its file cannot be read, or is no text.
        """
        from bark_cli.text.documents import MAX_BYTES, decode

        if item.file is None:
            return item.text
        try:
            with item.file.open("rb") as stream:
                return decode(stream.read(MAX_BYTES + 1), self.say.reading.encoding, source="it")
        except OSError as error:
            raise TextError(f"it cannot be read: {error.strerror}; check its permissions") from error

    def script(self, item: Item, text: str) -> Script:
        """What is said of a text.

        Raises:
            TextError: it is not what it should be, or has a tag that no model knows and must not.
        """
        from bark_cli.text.documents import read_document
        from bark_cli.text.tags import check_tags

        reading = self.say.reading
        name = None if item.file is None else str(item.file)
        script = read_document(text, reading.format, name, cast=reading.cast)
        unknown = (problem for line in script.lines for problem in check_tags(line.text))
        if reading.strict and (problem := next(unknown, None)) is not None:
            raise TextError(f"{problem}; --strict forbids it")
        return script


def batch_request(given: Mapping[str, Any]) -> BatchRequest:
    """Put together the parameters of the command (None: not given) and the settings.

    Raises:
        BarkError: a value is outside its range, or values do not go together.
    """
    if given["output"] == "-":
        raise UsageError("-o takes a folder, for there are many files; for one to a pipe, `bark say -o -`")
    say = say_request({**given, **_OF_ONE})
    return BatchRequest(
        paths=given["paths"],
        folder=Path(given["output"]).expanduser(),
        pattern=given["glob"],
        is_jsonl=given["jsonl"],
        joins=given["join"],
        overwrite=given["overwrite"],
        format=say.settings.format or FORMAT,
        say=say,
    )
