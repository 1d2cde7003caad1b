"""`bark say --dry-run`: the pieces of a text, their tokens and estimated seconds; no model is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bark_cli.cli.download.offer import resolve_or_offer
from bark_cli.cli.output import note, one_line, print_json
from bark_cli.cli.say.check import check_voices
from bark_cli.cli.table import aligned
from bark_cli.system.excerpt import excerpt

if TYPE_CHECKING:
    from bark_cli.cli.say.request import SayRequest
    from bark_cli.cli.speaking import Speaking
    from bark_cli.narration.narrate import Narration
    from bark_cli.text.script import Script

_WIDTH = 60  # characters of a piece that are shown


def outline(script: Script, request: SayRequest) -> None:
    """Print what would be said.

    Raises:
        BarkError: the model or a voice is not here, or nothing of the text can be said.
    """
    narration = _compose(script, request)
    if narration.told is not None and not request.delivery.quiet:
        note(narration.told)
    pieces, speed = narration.pieces, narration.speed
    needed_s, start_s = work_s(narration, request), _start_s(request)
    if request.delivery.as_json:
        print_json(_record(narration, needed_s, start_s))
        return
    rows = [
        (
            str(n),
            str(piece.tokens),
            f"{piece.estimate_s / speed:.1f}",
            str(piece.voice or "-"),
            excerpt(one_line(piece.text), _WIDTH),
        )
        for n, piece in enumerate(pieces, 1)
    ]
    print("\n".join(aligned([("PIECE", "TOKENS", "SECONDS", "VOICE", "TEXT"), *rows])))
    count = f"{len(pieces)} piece{'s' * (len(pieces) != 1)}"
    what = "speech" if all(piece.begin_s is None for piece in pieces) else "sound, silences included"
    speech = f"about {_duration(narration.estimate_s)} of {what}"
    work = "" if needed_s is None else f", about {_duration(needed_s)} of work as fast as it has spoken here"
    start = "" if needed_s is None or start_s is None else f", and {_duration(start_s)} to start"
    note(f"{count}, {speech}{work}{start}")


def _compose(script: Script, request: SayRequest) -> Narration:
    """The pieces, by the model's small files alone."""
    from bark_cli.checkpoint.vocabulary import read_vocabulary
    from bark_cli.narration.compose import budget, compose

    with request.naming_origins():
        folder = resolve_or_offer(request.models, may_ask=request.delivery.may_ask)[0].folder
        check_voices(script, request, folder)
    config, tokenizer = read_vocabulary(folder)
    limits = budget(config, tokenizer.count, tokenizer.loss)
    return compose(script, request.recipe(config.sampling), limits, seed=request.seed)


def _start_s(request: Speaking) -> float | None:
    """Seconds until the model begins to speak, as they were here; None where it never did."""
    from bark_cli.store import resolve_model
    from bark_cli.store.speeds import recall_start

    s = request.settings
    return recall_start(resolve_model(request.models[0]).name, s.device, s.precision)


def work_s(narration: Narration, request: Speaking) -> float | None:
    """Seconds of work, at the speed with which the model has spoken here; None where it never did."""
    from bark_cli.store import resolve_model
    from bark_cli.store.speeds import recall_speed

    leading, *stages = request.models
    if stages:  # as fast as none of its models
        return None
    name = resolve_model(leading).name
    s = request.settings
    factor = recall_speed(name, s.device, s.precision)
    return None if factor is None else factor * s.takes * sum(piece.estimate_s for piece in narration.pieces)


def _record(narration: Narration, work_s: float | None, start_s: float | None) -> dict[str, object]:
    speed = narration.speed
    return {
        "seconds": round(narration.estimate_s, 1),
        "work_seconds": None if work_s is None else round(work_s, 1),
        "start_seconds": None if start_s is None else round(start_s, 1),
        "pieces": [
            {
                "text": piece.text,
                "tokens": piece.tokens,
                "seconds": round(piece.estimate_s / speed, 2),
                "pause": round(piece.pause_s / speed, 2),
                "voice": None if piece.voice is None else str(piece.voice),
                "seed": piece.seed,
            }
            for piece in narration.pieces
        ],
    }


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
