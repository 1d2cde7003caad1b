"""What `bark say` was asked for: its parameters and the settings -> SayRequest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bark_cli.cli.speaking import NOTED, STAGES, Speaking, settings_flags, speaking
from bark_cli.errors import OptionError
from bark_cli.model.options import draw_seed
from bark_cli.settings import SETTINGS, Resolved, resolve

if TYPE_CHECKING:
    from pathlib import Path

    from bark_cli.audio import Level, Provenance
    from bark_cli.model.options import SamplingOptions
    from bark_cli.narration.recipe import Recipe


_MOST_REDONE = 100  # of a file: what it says of itself has little room


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Where the speech goes, and what is printed about it."""

    output: str | None  # a sound file; "-" is standard output; None plays
    format: str | None  # of the file or pipe; None: what the suffix says, a pipe has WAV
    plays: bool  # through the loudspeaker, in or out of company
    audio_device: str | None
    voice_file: str | None  # where the speaker is kept
    subtitles: str | None  # "srt" or "vtt", beside the file
    normalize: Level  # of the file
    metadata: bool
    force: bool  # write over files that exist
    fresh: bool  # make pieces anew that an earlier run has kept
    keep_partial: bool  # write what an earlier run has kept, and make no more
    keep_pieces: bool  # beside the file, for --redo
    exact: bool  # where it comes in pieces: the very sound that a file would hold
    as_json: bool
    quiet: bool
    verbose: bool

    @property
    def may_ask(self) -> bool:
        """Whether a question to the human is in order."""
        return not (self.quiet or self.as_json)

    @property
    def subtitle_file(self) -> Path | None:
        """Beside the sound, under its name."""
        from pathlib import Path

        return None if self.subtitles is None else Path(str(self.output)).with_suffix(f".{self.subtitles}")

    @property
    def is_stream(self) -> bool:
        """Whether the sound is delivered while it is being made."""
        return self.plays or self.output == "-"


@dataclass(frozen=True, kw_only=True)
class SayRequest(Speaking):
    """Everything `bark say` was asked for."""

    seed: int
    is_seed_drawn: bool
    is_alone: bool  # no server is asked
    redo: tuple[int, ...]  # pieces, counted from 1, that are said with another seed
    like_hash: str | None  # of the text that --like FILE holds
    delivery: Delivery

    def recipe(self, defaults: SamplingOptions) -> Recipe:
        """As `Speaking.recipe`, with the pieces that are said again."""
        return replace(super().recipe(defaults), redo=self.redo)

    def check_redo(self, text: str) -> None:
        """Refuse to say a piece again of another text than FILE's, whose pieces are not the same.

        Raises:
            OptionError: the texts differ.
        """
        from bark_cli.audio import hash_text

        if self.redo and self.like_hash not in (None, hash_text(text)):
            raise OptionError("--redo needs the text that --like FILE was made from; this is another")


def say_request(given: Mapping[str, Any]) -> SayRequest:
    """Put together the parameters of the command (None: not given), the file to be like, and the settings.

    Raises:
        BarkError: a value is outside its range, or values do not go together.
    """
    flags = settings_flags(given)
    if given["raw"]:
        if given["format"] not in (None, "raw"):
            raise OptionError(f"--raw and --format {given['format']} do not go together; give one of them")
        flags["format"] = "raw"
    like, redo = dict[str, Any](), tuple(given["redo"] or ())
    if given["like"] is not None:
        like = _like(given["like"])
        redo = (*like.pop("redo"), *redo)
        given = {**given, **{stage: given[stage] or like.get(stage) for stage in STAGES}}
        flags = {name: like.get(name) for name in SETTINGS} | _given(**flags)
    resolved = resolve(flags, whole=() if given["like"] is None else NOTED)
    settings, delivery = resolved.settings, _delivery(given, resolved)
    _spare_text(given.get("file"), delivery)
    if redo and settings.seed is None:
        raise OptionError("--redo says a piece of a file again: add --like FILE, or the --seed of its making")
    shared = speaking(given, resolved)
    if redo:
        shared["noted"] = {**shared["noted"], "redo": list(redo)}
    return SayRequest(
        **shared,
        redo=redo,
        like_hash=like.get("text_hash"),
        seed=draw_seed() if settings.seed is None else settings.seed,
        is_seed_drawn=settings.seed is None,
        is_alone=bool(given.get("no_server")),
        delivery=delivery,
    )


def _delivery(given: Mapping[str, Any], resolved: Resolved) -> Delivery:
    """Where it goes.

    Raises:
        OptionError: what was asked for does not go together.
    """
    settings, output = resolved.settings, given["output"]
    is_file = output not in (None, "-")
    if given["subtitles"] not in (None, "none") and not is_file:
        raise OptionError("--subtitles lie beside a sound file; add -o FILE")
    if given["normalize"] not in (None, "off") and not is_file:  # one that --like brings asks for nothing
        raise OptionError("--normalize has to hear all of it first; add -o FILE")
    if (given["tag"] or given["cover"]) and not is_file:
        raise OptionError("--tag and --cover are for a sound file; add -o FILE")
    if given.get("fresh") and given.get("keep_partial"):
        raise OptionError("--fresh throws away what --keep-partial is to write; give one of them")
    named = resolved.was_flag("format") or output == "-" or not _suffix(output)
    return Delivery(
        output=output,
        format=settings.format if named else None,
        plays=given["play"] or output is None,
        audio_device=settings.audio_device,
        voice_file=given["save_voice"],
        subtitles=settings.subtitles if is_file and settings.subtitles != "none" else None,
        normalize=settings.normalize if is_file else "off",  # type: ignore[arg-type]  # one of its choices
        metadata=settings.metadata,
        force=given["force"],
        fresh=bool(given.get("fresh")),
        keep_partial=bool(given.get("keep_partial")),
        keep_pieces=bool(given.get("keep_pieces")),
        exact=given["exact"],
        as_json=given["as_json"],
        quiet=given["quiet"],
        verbose=given["verbose"],
    )


def _spare_text(file: str | None, delivery: Delivery) -> None:
    """Keep --force from the text itself.

    Raises:
        OptionError: the text would be written over.
    """
    import os

    for written in (delivery.output, delivery.subtitle_file):
        if file is not None and written is not None and os.path.realpath(file) == os.path.realpath(written):
            raise OptionError(f"{written} is the text that is read; give -o another name")


def _suffix(output: str | None) -> str:
    from pathlib import PurePath

    return PurePath(output or "").suffix


def _like(path: str) -> dict[str, Any]:
    """What the file at `path` says it was made with, as flags.

    Raises:
        AudioError: it is no sound.
        OptionError: Bark did not make it, or it does not say.
    """
    from bark_cli.audio import read_provenance

    found: Provenance | None = read_provenance(path)
    if found is None:
        raise OptionError(f"{path} does not say how it was made; only files that bark wrote do")
    noted = {name: value for name, value in found.settings.items() if name in NOTED}
    model, *borrowed = found.model.split("+")  # as in nano+coarse:small
    stages = {f"{stage}_model": name for stage, _, name in (one.partition(":") for one in borrowed)}
    made = {"model": model, "voice": found.voice or "none", "seed": found.seed}
    return {**noted, **stages, **made, "redo": _redone(found), "text_hash": found.text_hash}


def _redone(found: Provenance) -> tuple[int, ...]:
    """The pieces of a file that were said again; what nobody can have asked for is nothing."""
    redo = found.settings.get("redo", ())
    good = isinstance(redo, list | tuple) and len(redo) <= _MOST_REDONE
    return tuple(redo) if good and all(type(one) is int and one > 0 for one in redo) else ()


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
