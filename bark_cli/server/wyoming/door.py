"""A socket that listens -> clients that speak Wyoming, each on a task of its own, all on one Session.

Reading and speaking are two tasks: a client that goes away while it is spoken to is noticed at once, and what
it asked for ends at the engine's next step.
"""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.ping import Pong
from wyoming.tts import SynthesizeStopped

from bark_cli.errors import BarkError
from bark_cli.model.options import draw_seed
from bark_cli.server.accounts import GONE, LogEntry
from bark_cli.server.app import Serving
from bark_cli.server.metrics import Metrics
from bark_cli.server.order import SpeechOrder
from bark_cli.server.problem import Problem, problem_of
from bark_cli.server.recital import Recital
from bark_cli.server.speech import most_body
from bark_cli.server.wyoming.events import MOST_LINE, Wish, check_plain, info, read_event, text_in, wish_in
from bark_cli.server.wyoming.incoming import IncomingText
from bark_cli.session import Session
from bark_cli.settings import resolve

_Send = Callable[[Eventable], Awaitable[None]]
MOST_CLIENTS = 256
_QUIET_S = 120.0  # for which a client may say nothing, or take nothing of what is there
_CHUNK = 2**13  # bytes of sound in an event


class WyomingDoor:
    """Where clients of Wyoming come in."""

    def __init__(self, serving: Serving, metrics: Metrics, listener: socket.socket) -> None:
        self.serving, self.metrics, self._listener = serving, metrics, listener
        self._clients: dict[asyncio.Task[None], _Client] = {}
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Let clients in."""
        self._server = await asyncio.start_server(self._meet, sock=self._listener, limit=MOST_LINE)

    async def close(self, grace_s: float) -> None:
        """Let nobody else in, and end what is still being said after that many seconds."""
        if self._server is not None:
            self._server.close()
        speaking = [task for task, client in self._clients.items() if client.is_speaking]
        if speaking:
            await asyncio.wait(speaking, timeout=grace_s)
        left = list(self._clients)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._clients) >= MOST_CLIENTS:
            writer.close()
            return
        self._clients[task] = client = _Client(self, reader, writer)
        try:
            await client.run()
        except asyncio.CancelledError:
            pass  # the server stops, and asyncio would tell of a task that was cancelled
        finally:
            del self._clients[task]


class _Client:
    """A connection: what comes is heeded, and one text at a time is said."""

    def __init__(self, door: WyomingDoor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving, self._metrics = door.serving, door.metrics
        self._reader, self._writer, self._turn = reader, writer, asyncio.Lock()
        self._words: IncomingText | None = None  # of a text that comes bit by bit
        self._speaking: asyncio.Task[None] | None = None

    @property
    def is_speaking(self) -> bool:
        """Whether something is being said."""
        return self._speaking is not None and not self._speaking.done()

    async def run(self) -> None:
        """Heed what comes, to the end of the connection."""
        try:
            while (event := await self._next()) is not None:
                await self._heed(event)
        except Problem as problem:
            await self._refuse(problem)
        except (OSError, asyncio.TimeoutError):
            pass  # nobody is there any more
        finally:
            if self._speaking is not None:
                self._speaking.cancel()
                await asyncio.gather(self._speaking, return_exceptions=True)
            self._writer.close()
            # which waits for what is unread to be taken, and would for ever
            asyncio.get_running_loop().call_later(_QUIET_S, self._writer.transport.abort)

    async def _next(self) -> Event | None:
        """The next event; None after the last, and where a client has nothing to say and to hear."""
        reading = asyncio.ensure_future(read_event(self._reader, most_body(self._serving.max_text)))
        try:
            while not (await asyncio.wait([reading], timeout=_QUIET_S))[0]:
                if not self.is_speaking:
                    return None
            return reading.result()
        finally:
            reading.cancel()

    async def _heed(self, event: Event) -> None:
        """Do what it asks for; what is unknown is passed over, as the protocol wants it."""
        words = self._words
        if event.type == "describe":
            listing = self._serving.listing
            await self._send(info(listing.model, await asyncio.to_thread(listing.voices)))
        elif event.type == "ping":
            text = event.data.get("text")
            await self._send(Pong(text if isinstance(text, str) else None))
        elif event.type == "synthesize-start":
            check_plain(event)
            self._words = self._begin(wish_in(event), streamed=True)
        elif event.type == "synthesize-chunk" and words is not None:
            words.add(text_in(event))
        elif event.type == "synthesize-stop" and words is not None:
            words.end()
            self._words = None
        elif event.type == "synthesize" and words is None:  # else it is the text once more
            text = text_in(event)
            whole = self._begin(wish_in(event), streamed=False)
            whole.add(text)
            whole.end()

    def _begin(self, wish: Wish, *, streamed: bool) -> IncomingText:
        if self.is_speaking:
            raise Problem(409, "another text is being said on this connection; open one for each")
        words = IncomingText(self._serving.max_text, _QUIET_S, wish.language)
        self._speaking = asyncio.create_task(self._speak(words, wish, streamed=streamed))
        return words

    async def _speak(self, words: IncomingText, wish: Wish, *, streamed: bool) -> None:
        """Say a text, tell of it, and end the connection where that fails."""
        entry = LogEntry(uuid.uuid4().hex[:16], "WYOMING", "synthesize", status=GONE)
        entry.details["model"] = self._serving.listing.model
        try:
            async with self._serving.speaker.order() as session:
                await _Reply(self._serving, self._metrics, session, entry, self._send).say(words, wish)
            if streamed:
                await self._send(SynthesizeStopped())
            entry.status = 200
        except (Problem, BarkError) as error:
            problem = problem_of(error)
            entry.status, entry.note = problem.status, problem.message
            await self._refuse(problem)
        except (OSError, asyncio.TimeoutError, asyncio.CancelledError):
            entry.note = "the client went away"
            raise
        except Exception as error:
            entry.status, entry.note = 500, f"{type(error).__name__}: {error}"
            await self._refuse(problem_of(error))
        finally:
            entry.seconds = entry.age_s
            self._serving.tell(entry)

    async def _send(self, event: Eventable) -> None:
        async with self._turn:
            await asyncio.wait_for(async_write_event(event.event(), self._writer), _QUIET_S)

    async def _refuse(self, problem: Problem) -> None:
        """Say why not, and close: Home Assistant waits on after an error."""
        with suppress(OSError, asyncio.TimeoutError):
            await self._send(Error(problem.message, problem.code))
        self._writer.close()


class _Reply:
    """A text being said: its parts in a row, as one sound."""

    def __init__(
        self, serving: Serving, metrics: Metrics, session: Session, entry: LogEntry, send: _Send
    ) -> None:
        self._serving, self._metrics, self._session = serving, metrics, session
        self._entry, self._send = entry, send
        self._rate = session.model.config.codec.sample_rate
        self._n_samples = 0
        entry.details |= {"voice": None, "seed": draw_seed(), "sound": "0.00", "pieces": 0}

    async def say(self, words: IncomingText, wish: Wish) -> None:
        """All of it, from audio-start to audio-stop; a text without any words is no sound.

        Raises:
            Problem: nothing of it can be said, or no more of it comes.
            BarkError: the model fails.
        """
        voice = await asyncio.to_thread(self._voice, wish)
        unsaid: Problem | None = None
        while (text := await words.next()) is not None:
            try:
                await self._say_part(text, voice, wish.language)
            except Problem as problem:
                if problem.param != "input":
                    raise
                unsaid = problem  # a lone emoji, say: the others are said all the same
                self._entry.note = problem.message
        if unsaid is not None and not self._n_samples:
            raise unsaid
        if not self._n_samples:
            await self._send(AudioStart(self._rate, 2, 1))
        await self._send(AudioStop())

    def _voice(self, wish: Wish) -> str | None:
        """The name of the voice: the one that is named, else the first of the language, else the model's.

        Raises:
            Problem: there is none of that name.
        """
        listing = self._serving.listing
        if wish.name is not None:
            return listing.find_voice(wish.name)
        if wish.language is None:
            return None
        return next((voice.name for voice in listing.voices() if voice.language == wish.language), None)

    async def _say_part(self, text: str, voice: str | None, language: str | None) -> None:
        order = SpeechOrder(
            model=self._serving.listing.model,
            text=text,
            voice=voice,
            sound_format="pcm",
            language=language,
            settings={"seed": self._entry.details["seed"]},
        )
        began_s, whole = self._entry.age_s, False
        recital = Recital(order, self._session, self._serving.listing)
        try:
            sound = await recital.read()
            await self._begin()
            while sound is not None:
                await self._hand_over(sound)
                sound = await recital.read()
            whole = True
        finally:
            recital.close()
            facts, details = recital.facts, self._entry.details
            details |= {"voice": facts.voice, "sound": f"{self._n_samples / self._rate:.2f}"}
            details["pieces"] += facts.pieces
            self._metrics.count_speech(facts, self._entry.age_s - began_s, whole=whole)

    async def _begin(self) -> None:
        """Begin to sound; after an earlier part with the pause of a sentence's end."""
        if self._n_samples:
            await self._hand_over(bytes(2 * round(resolve({}).settings.pause * self._rate)))
            return
        self._entry.first_byte_s = self._entry.age_s
        self._metrics.count_first_byte(self._entry.first_byte_s)
        await self._send(AudioStart(self._rate, 2, 1))

    async def _hand_over(self, sound: bytes) -> None:
        for start in range(0, len(sound), _CHUNK):
            await self._send(AudioChunk(self._rate, 2, 1, sound[start : start + _CHUNK]))
        self._n_samples += len(sound) // 2
