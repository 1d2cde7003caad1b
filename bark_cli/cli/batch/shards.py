"""What `--shards` asks for: a BatchRequest and its models -> how sounds are packed, and their card."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli import __version__
from bark_cli.batch.ledger import Ledger
from bark_cli.batch.place import NewFile, place
from bark_cli.batch.shards.card import CARD, Card, licence_of, voices_in
from bark_cli.batch.shards.packing import Packing, Sharding
from bark_cli.batch.shards.row import Row, plain
from bark_cli.cli.batch.progress import tell
from bark_cli.model.published import config_in
from bark_cli.store import mixed_name
from bark_cli.system.files import told_of
from bark_cli.voices.catalogue import NO_VOICE, language_of_voice

if TYPE_CHECKING:
    from bark_cli.batch.identity import Maker
    from bark_cli.batch.items import Item
    from bark_cli.batch.make import Finished
    from bark_cli.cli.batch.request import BatchRequest


def packing(request: BatchRequest, maker: Maker, ledger: Ledger, scratch: Path) -> Packing | None:
    """What packs sounds into shards; None where each gets a file of its own."""
    if request.shards is None:
        return None
    config = config_in(maker.models[0].folder)
    stages = [
        stage.removesuffix("_model") for stage, name in request.stage_models.items() if name is not None
    ]
    model = mixed_name(maker.models[0], dict(zip(stages, maker.models[1:], strict=False)))
    settings = json.dumps(dict(request.noted), sort_keys=True)

    def describe(finished: Finished, sound: bytes) -> Row:
        order = finished.order
        return Row(
            name=plain(order.task.output),
            sound=sound,
            text=order.text,
            voice=voice_of(order.task.item, maker),
            seed=order.seed,
            duration=finished.seconds,
            sample_rate=config.codec.sample_rate,
            model=model,
            settings=settings,
        )

    sharding = Sharding(kind=request.shards, size=request.shard_size, describe=describe)
    return Packing(sharding, ledger, scratch, (lambda _: None) if request.quiet else tell)


def voice_of(item: Item, maker: Maker) -> str | None:
    """The voice that an item is spoken in: its own, the batch's, or the model's."""
    name = maker.voice if item.voice is None else item.voice
    name = maker.default_voice if name is None else name
    return None if name is None or name == NO_VOICE else plain(name)


def spoken_in(item: Item, request: BatchRequest, maker: Maker) -> set[tuple[str | None, str | None]]:
    """The voices of an item, those of its cast included, each with the language that was asked for."""
    cast = item.cast or request.reading.cast
    voices = {voice_of(item, maker), *map(plain, cast.values())}
    return {(voice, item.language or request.language) for voice in voices}


def write_card(
    request: BatchRequest,
    maker: Maker,
    spoken: Collection[tuple[str | None, str | None]],
    ledger: Ledger,
    scratch: Path,
) -> None:
    """Write README.md beside the shards, unless somebody else has.

    Raises:
        OutputError: the disk refuses.
    """
    if request.shards is None or not ledger.shards:
        return
    destination, known = ledger.destination, ""
    if destination.exists(CARD):
        if not ledger.is_ours(CARD):
            tell(f"{destination.shown(CARD)} is not one that bark wrote, and is left as it is")
            return
        with destination.reading(CARD, scratch) as path:
            known = path.read_text("utf-8")
    earlier = {(voice, request.language) for voice in voices_in(known)}
    spoken = {*spoken, *earlier}
    card = Card(
        kind=request.shards,
        format=request.format,
        models={ref.name: licence_of(ref) for ref in maker.models},
        voices={voice for voice, _ in spoken if voice is not None},
        languages={code for voice, asked in spoken if (code := asked or language_of_voice(voice))},
        seed=maker.seed,
        settings=request.noted,
        version=__version__,
    )
    if (text := card.text()) != known:
        staged = scratch / CARD
        with told_of(staged):
            staged.write_text(text, "utf-8")
        place(NewFile(staged, CARD, "", "--shards", 0.0, 0), ledger)
