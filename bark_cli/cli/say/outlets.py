"""Where the sound of a command goes: a file, standard output, the loudspeaker -> one thing to put it in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from bark_cli.audio import Sink, Tags, open_sink
from bark_cli.cli.clock import seconds_since_start
from bark_cli.errors import OutputError

if TYPE_CHECKING:
    from bark_cli.audio import Audio, Player, Provenance
    from bark_cli.cli.say.request import Delivery
    from bark_cli.stages.progress import Listener, Progress

_BLOCK = 2**16  # samples
# Of sound that nobody but the player waits for: so much covers the making of many pieces at once, and however
# long the text is, no more of it lies in memory.
_AHEAD_S = 120.0


class Enough(Exception):  # noqa: N818  (no error)
    """The listener has heard enough, and nobody else wants the rest."""


class Outlets:
    """Everything the sound goes to."""

    def __init__(self, sinks: list[Sink], player: Player | None) -> None:
        self._sinks, self.player = sinks, player
        self.first_sound_s: float | None = None  # from Enter to the first sound

    def watched(self, watcher: Listener | None) -> Listener | None:
        """A listener that tells `watcher`, and raises Enough once the rest need not be made."""
        player = self._only_player
        if player is None:
            return watcher

        def hear(progress: Progress) -> None:
            if player.is_stopped:
                raise Enough
            if watcher is not None:
                watcher(progress)

        return hear

    @property
    def _only_player(self) -> Player | None:
        """The player where nothing else takes the sound."""
        return None if self._sinks else self.player

    def put(self, sound: Audio) -> None:
        """Hand on the next sound.

        Raises:
            BrokenPipeError: nobody reads standard output any more.
            BarkError: the disk or the device refuses.
        """
        for sink in self._sinks:
            sink.put(sound)
        if self.player is not None and not self.player.is_stopped:
            self.player.put(sound)
        self.first_sound_s = self.first_sound_s or seconds_since_start()
        if self._only_player is not None:
            self._only_player.drain(_AHEAD_S)


@contextmanager
def open_outlets(
    delivery: Delivery,
    sample_rate: int,
    metadata: Provenance | None,
    *,
    tags: Tags | None = None,
    is_held: bool = False,
) -> Iterator[Outlets]:
    """Open what was asked for; leaving it finishes the file and waits for the player, or undoes it all.

    With `is_held` a WAV goes into a pipe when all of it is there, and says how long it is.

    Raises:
        BarkError: one of them cannot be opened or closed.
    """
    with ExitStack() as held:
        if delivery.output == "-":
            held.enter_context(_told_of_stdout())
        sinks: list[Sink] = []
        if delivery.output is not None:
            target = sys.stdout.buffer if delivery.output == "-" else delivery.output
            name = (delivery.format or "wav") if delivery.output == "-" else delivery.format
            how: Any = {"tags": tags or Tags(), "force": delivery.force, "is_held": is_held}
            sink = open_sink(target, name, sample_rate, metadata, **how)
            if delivery.normalize != "off":
                from bark_cli.audio import LevelledSink

                sink = LevelledSink(sink, sample_rate, delivery.normalize)
            held.enter_context(sink)
            sinks.append(sink)
        player = None
        if delivery.plays:
            from bark_cli.audio import Player

            player = held.enter_context(Player(sample_rate, device=delivery.audio_device))
            from bark_cli.cli.play.keys import player_keys

            held.enter_context(player_keys(player, quiet=delivery.quiet or delivery.as_json))
        yield Outlets(sinks, player)
        if player is not None:
            player.drain()  # in here, where keys are heard


@contextmanager
def _told_of_stdout() -> Iterator[None]:
    """Say where it was that the system refused; a reader that went away is no error to be told."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"cannot write to standard output: {reason}; use -o FILE") from error
