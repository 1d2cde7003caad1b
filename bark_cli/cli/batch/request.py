"""What `bark batch` was asked for: its parameters and the settings -> BatchRequest, which reads items."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bark_cli.cli.speaking import Speaking, settings_flags, speaking
from bark_cli.errors import OptionError, TextError, UsageError
from bark_cli.settings import resolve
from bark_cli.system.home import expanded
from bark_cli.system.units import parse_bytes

if TYPE_CHECKING:
    from bark_cli.batch.destination import Destination
    from bark_cli.batch.gather import Sources
    from bark_cli.batch.identity import Maker
    from bark_cli.batch.items import Item
    from bark_cli.batch.manner import Manner
    from bark_cli.batch.shards.row import ShardKind
    from bark_cli.cluster.hiring import Asked
    from bark_cli.settings import Settings
    from bark_cli.store import ModelRef

FORMAT = "flac"
SHARD_SIZE = "256MB"
LEDGER_SUFFIX = ".bark"  # list.jsonl -> list.jsonl.bark, where the files themselves go to a URL
# settings that leave the sound as it is, or are part of an item's key in another way
_UNHEARD = {"preset", "model", "voice", "seed", "device", "batch_size", "offline", "format", "subtitles"}
_UNHEARD |= {"metadata", "audio_device", "normalize", "speed"}


@dataclass(frozen=True, kw_only=True)
class OnCluster:
    """Where workers are, and how many are asked for."""

    address: str | None  # None: a cluster is started on this machine
    asked: Asked


@dataclass(frozen=True, kw_only=True)
class BatchRequest(Speaking):
    """Everything `bark batch` was asked for."""

    sources: Sources
    folder: Path  # that all goes into, or at least the ledger
    url: str | None  # that all but the ledger goes to
    joins: bool
    overwrite: bool
    format: str
    subtitles: str | None  # "srt" or "vtt", beside every file
    shards: ShardKind | None  # what files are packed into; None: each is one
    shard_size: int  # bytes
    cluster: OnCluster | None  # None is this process
    as_json: bool
    quiet: bool
    verbose: bool  # a line for each worker

    @cached_property
    def destination(self) -> Destination | None:
        """Where files go, if not into the folder.

        Raises:
            OptionError: what reaches it is not installed.
        """
        from bark_cli.batch.url import UrlFolder

        return None if self.url is None else UrlFolder(self.url)

    @property
    def manner(self) -> Manner:
        """How its items are spoken."""
        from bark_cli.batch.manner import Manner

        return Manner(
            settings=self.settings,
            reading=self.reading,
            language=self.language,
            noted=self.noted,
            tags=self.tags,
        )

    def maker(self, models: Sequence[ModelRef]) -> Maker:
        """Who makes it, and how.

        Raises:
            VoiceError: a voice that was named does not exist.
        """
        from bark_cli.batch.identity import Maker, told, voice_identity

        settings, reading, folder = self.settings, self.reading, models[0].folder
        voice_identity(settings.voice, folder)
        heard = {name: value for name, value in asdict(settings).items() if name not in _UNHEARD}
        if settings.fine_codebooks is None:  # then what was made by earlier versions is still the same
            del heard["fine_codebooks"]
        heard |= {"size": self.size, "input_format": reading.format, "encoding": reading.encoding}
        heard |= {"language": self.language}
        if reading.lexicon is not None:  # else what was made by earlier versions is still the same
            entries = reading.lexicon.by_language
            heard["lexicon"] = {"by_language": {code: asdict(one) for code, one in entries.items()}}
        if reading.dialogue is not None:
            heard["dialogue"] = [voice_identity(reading.dialogue.voice, folder), reading.dialogue.pause_s]
        if reading.reads_numbers:
            heard["read_numbers"] = True
        heard |= {"cast": {name: voice_identity(voice, folder) for name, voice in reading.cast.items()}}
        files = {name: getattr(settings, name) for name in ("metadata", "normalize", "subtitles")}
        if self.shards is not None:
            files["shards"] = self.shards
        if settings.speed != 1.0:  # else what was made by earlier versions is still the same
            files["speed"] = settings.speed
        if self.tags:
            files["tags"] = told(self.tags)
        return Maker(
            models=models,
            voice=settings.voice,
            seed=settings.seed,
            settings=heard,
            files=files,
        )

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
                return decode(stream.read(MAX_BYTES + 1), self.reading.encoding, source="it")
        except OSError as error:
            raise TextError(f"it cannot be read: {error.strerror}; check its permissions") from error


def batch_request(given: Mapping[str, Any]) -> BatchRequest:
    """Put together the parameters of the command (None: not given) and the settings.

    Raises:
        BarkError: a value is outside its range, or values do not go together.
    """
    if given["output"] == "-":
        raise UsageError("-o takes a folder, for there are many files; for one to a pipe, `bark say -o -`")
    from bark_cli.audio.tags import check_tags_fit

    resolved = resolve(settings_flags(given))
    settings, shared = resolved.settings, speaking(given, resolved)
    check_tags_fit(settings.format or FORMAT, shared["tags"])
    return BatchRequest(
        **shared,
        sources=_sources(given),
        **_place(given),
        joins=given["join"],
        overwrite=given["overwrite"],
        format=settings.format or FORMAT,
        subtitles=None if settings.subtitles == "none" else settings.subtitles,
        shards=_shards(given, settings),
        shard_size=_shard_size(given),
        cluster=_cluster(given),
        as_json=given["as_json"],
        quiet=given["quiet"],
        verbose=given["verbose"],
    )


def _sources(given: Mapping[str, Any]) -> Sources:
    """Where the items are.

    Raises:
        OptionError: --column is not understood.
    """
    from bark_cli.batch.gather import Sources

    return Sources(
        paths=given["paths"],
        pattern=given["glob"],
        is_jsonl=given["jsonl"],
        columns=_columns(given["column"] or []),
        encoding=given["encoding"],
        stdin=None if sys.stdin is None else sys.stdin.buffer,
    )


def _place(given: Mapping[str, Any]) -> dict[str, Any]:
    """What -o and --ledger say: the fields `folder` and `url`.

    Raises:
        OptionError: they do not go together, or it is not known where the ledger is to be.
    """
    output, ledger, paths = given["output"], given["ledger"], given["paths"]
    from bark_cli.batch.url import check_url, is_url

    if not is_url(output):
        if ledger is not None:
            raise OptionError("--ledger is for -o with a URL; in a folder the ledger lies with the files")
        return {"folder": expanded(output), "url": None}
    check_url(output)
    if ledger is None:
        path = Path(paths[0])
        if len(paths) > 1 or not path.exists() or not path.name:
            raise OptionError("which files are done is noted on this machine; say where with --ledger DIR")
        return {"folder": path.with_name(path.name + LEDGER_SUFFIX), "url": output}
    if is_url(ledger):
        raise OptionError("--ledger takes a folder of this machine, for only one run may have it at a time")
    return {"folder": expanded(ledger), "url": output}


def _shards(given: Mapping[str, Any], settings: Settings) -> ShardKind | None:
    """What --shards says.

    Raises:
        OptionError: it does not go together with what else was asked for, or pyarrow is not installed.
    """
    kind: ShardKind | None = given["shards"]
    if kind is None:
        if given["shard_size"] is not None:
            raise OptionError("--shard-size is for shards; add --shards parquet or --shards webdataset")
        return None
    if given["join"]:
        raise OptionError("--join makes one file of all, and --shards a few; choose one of them")
    if settings.subtitles not in (None, "none"):
        raise OptionError("shards hold no subtitles, but the text of each sound; add --subtitles none")
    if settings.format == "raw":
        raise OptionError("in shards raw sounds would not say what they are; use --format wav")
    if kind == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise OptionError("--shards parquet needs pyarrow; run: pip install 'bark-cli[ray]'")
    return kind


def _shard_size(given: Mapping[str, Any]) -> int:
    """The bytes of a shard.

    Raises:
        OptionError: it is no size.
    """
    try:
        size = parse_bytes(given["shard_size"] or SHARD_SIZE)
    except ValueError as error:
        raise OptionError(
            f"--shard-size takes a size such as {SHARD_SIZE}, not {given['shard_size']}"
        ) from error
    if size == 0:
        raise OptionError("--shard-size has to be more than nothing")
    return size


def _cluster(given: Mapping[str, Any]) -> OnCluster | None:
    """What --on and --workers say; --verbose tells of workers.

    Raises:
        OptionError: they do not go together, or the cluster cannot be meant.
    """
    if given["on"] is None:
        for name in ("workers", "worker_cpus", "worker_gpus"):
            if given[name] is not None:
                raise OptionError(f"--{name.replace('_', '-')} is for a cluster; add --on ray")
        if given["verbose"]:
            raise OptionError("--verbose shows the workers of a cluster; add --on ray")
        return None
    from bark_cli.cluster.connect import address_of
    from bark_cli.cluster.hiring import Asked

    asked = Asked(workers=given["workers"], cpus=given["worker_cpus"], gpus=given["worker_gpus"])
    return OnCluster(address=address_of(given["on"]), asked=asked)


def _columns(given: Sequence[str]) -> dict[str, str]:
    """What --column says: field -> column.

    Raises:
        OptionError: one is not FIELD=NAME, or there is no such field.
    """
    from bark_cli.batch.items import FIELDS

    columns = dict[str, str]()
    for one in given:
        name, equals, column = (part.strip() for part in one.partition("="))
        if not (equals and column) or name not in FIELDS:
            raise OptionError(
                f"--column takes FIELD=NAME such as text=caption, with a field of {', '.join(FIELDS)}; "
                f"{one} is not one"
            )
        columns[name] = column
    return columns
