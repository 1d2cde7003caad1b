"""An order at work: SpeechOrder -> the bytes of its sound, made and encoded on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol, cast

from bark_cli.audio import Audio, Provenance, open_sink
from bark_cli.audio.aac import AacPipe
from bark_cli.errors import OptionError
from bark_cli.model.options import draw_seed
from bark_cli.narration.compose import compose_for
from bark_cli.narration.narrate import Narration, narrate_soon
from bark_cli.narration.recipe import Recipe
from bark_cli.narration.timeline import Timeline
from bark_cli.server.caller import Caller
from bark_cli.server.channel import Channel, ClosedError
from bark_cli.server.listing import Listing
from bark_cli.server.order import SpeechOrder
from bark_cli.server.schema import SOUND_FORMATS
from bark_cli.session import Session


@dataclass
class RecitalFacts:
    """What became of an order so far."""

    seed: int
    voice: str | None = None
    text_tokens: int = 0
    speech_tokens: int = 0
    sound_s: float = 0.0
    work_s: float = 0.0  # of the engine, by its own clock
    pieces: int = 0


class Outlet(AbstractContextManager["Outlet"], Protocol):
    """Where sound goes: a Sink or a Player."""

    def put(self, audio: Audio) -> None:
        """The next of it."""


class Recital:
    """One order at work; read its bytes, and close it whatever happens.

    Args:
        order: what is asked for.
        session: who works on it.
        listing: what there is.
        open_outlet: the rate in Hz and what the sound says of itself -> where it goes instead; `read` then
            waits for its end.

    Raises:
        Problem: when read, something in the order is wrong.
        BarkError: when read, it cannot be said.
    """

    def __init__(
        self,
        order: SpeechOrder,
        session: Session,
        listing: Listing,
        open_outlet: Callable[[int, Provenance], Outlet] | None = None,
    ) -> None:
        self._order, self._listing, self._open = order, listing, open_outlet or self._open_channel
        self._caller = Caller(session)
        self._channel = Channel()
        given = order.settings.get("seed")
        self.facts = RecitalFacts(seed=given if isinstance(given, int) else draw_seed())
        threading.Thread(target=self._run, name="bark-recital", daemon=True).start()

    @property
    def sample_rate(self) -> int:
        """Of the sound, in Hz."""
        return self._caller.model.config.codec.sample_rate

    async def read(self) -> bytes | None:
        """The next bytes, None after the last.

        Raises:
            ClosedError: it was closed.
        """
        return await self._channel.read()

    def close(self) -> None:
        """Want no more: what is at work ends at the engine's next step."""
        self._channel.close()
        self._caller.cancel()

    # on its own thread

    def _run(self) -> None:
        try:
            self._say()
        except ClosedError:
            pass
        except Exception as error:
            self._channel.finish(error)
        else:
            self._channel.finish()
        finally:
            self._caller.cancel()

    def _say(self) -> None:
        order = self._order
        narration, metadata = self._composed()
        timeline = Timeline(narration, self.sample_rate)
        sounds = narrate_soon(self._caller, narration, exact=order.exact)
        with self._open(self.sample_rate, metadata) as outlet, closing(sounds):
            for one in sounds:
                for heard in timeline.lay(one.piece, one.sound, ends=one.speech is not None):
                    outlet.put(heard)
                if (speech := one.speech) is not None:
                    self.facts.pieces += 1
                    self.facts.speech_tokens += len(speech.tokens.semantic)
                    self.facts.work_s += speech.real_time_factor * speech.duration_s
                self.facts.sound_s = timeline.duration_s

    def _open_channel(self, rate: int, metadata: Provenance) -> Outlet:
        target = cast(BinaryIO, self._channel)  # it is written to, and nothing else
        if self._order.sound_format == "aac":
            return AacPipe(target, rate)
        return open_sink(target, SOUND_FORMATS[self._order.sound_format][1], rate, metadata)

    def _composed(self) -> tuple[Narration, Provenance]:
        """The pieces, and what the sound says of itself."""
        model, facts, order, listing = self._caller.model, self.facts, self._order, self._listing
        listing.check_files()
        script = order.script()
        # no name of a client's leads to a file: only those listed count
        script = replace(
            script, cast={name: listing.find_voice(voice, "cast") for name, voice in script.cast.items()}
        )
        settings = order.settle(None if order.voice is None else listing.find_voice(order.voice))
        recipe = Recipe.of(settings, model.config.sampling, order.language)
        if listing.lexicon is not None:
            try:
                script = listing.lexicon.respell(script, recipe.language)
            except OptionError as error:  # whose words are for who runs the server, not for its clients
                raise RuntimeError(str(error)) from error
        narration = compose_for(model, script, recipe, facts.seed)
        facts.voice = settings.voice or model.config.default_voice
        facts.text_tokens = sum(piece.tokens for piece in narration.pieces)
        told = {name: value for name, value in order.settings.items() if name not in ("seed", "preset")}
        return narration, narration.provenance(model.name, facts.voice, facts.seed, told)
