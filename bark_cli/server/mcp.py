"""The Model Context Protocol on standard input and output: what an assistant asks for -> speech.

Standard output is the protocol's alone: the SDK sends whatever else is written there to standard error.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from bark_cli import __version__
from bark_cli.audio import FORMATS, Player, check_sound_file, open_sink
from bark_cli.errors import BarkError
from bark_cli.server.listing import Listing
from bark_cli.server.order import SpeechOrder
from bark_cli.server.problem import Problem
from bark_cli.store.names import is_name
from bark_cli.text.tags import MARKS, TAGS

if TYPE_CHECKING:
    from bark_cli.audio import Provenance
    from bark_cli.server.recital import Outlet, RecitalFacts
    from bark_cli.server.speaker import Speaker

MOST_TEXT = 4096  # characters
_TAGS = "Tags such as [laughs] and ♪ around a song are heeded; list_tags has them all."
_Text = Annotated[str, Field(min_length=1, max_length=MOST_TEXT, description=f"What to say. {_TAGS}")]
_Voice = Annotated[str | None, Field(max_length=256, description="A name from list_voices.")]
_Language = Annotated[
    str | None, Field(pattern="^[A-Za-z]{2}$", description="The language of the text, such as de.")
]
_Name = Annotated[
    str,
    Field(max_length=100, description=f"A new file's name, ending in {', '.join(FORMATS)}; no folder."),
]


@dataclass(eq=False)
class Assistant:
    """What an assistant may do here.

    Args:
        listing: the model and its voices.
        make_speaker: the model, which is read when it is first needed.
        folder: where files are written; None: none are.
        audio_device: what plays; None is the default.
    """

    listing: Listing
    make_speaker: Callable[[], Speaker]
    folder: Path | None = None
    audio_device: str | None = None

    def __post_init__(self) -> None:
        self._speaker: Speaker | None = None
        self._loudspeaker = asyncio.Lock()

    def server(self) -> MCPServer[None]:
        """The server, with its tools."""
        server: MCPServer[None] = MCPServer(
            "bark",
            version=__version__,
            instructions=f"Bark speaks aloud. {_TAGS}",
            log_level="WARNING",
            lifespan=self._lifespan,
        )
        server.add_tool(self.speak)
        if self.folder is not None:
            server.add_tool(self.save_speech)
        server.add_tool(self.list_voices)
        server.add_tool(self.list_tags)
        return server

    @asynccontextmanager
    async def _lifespan(self, server: MCPServer[None]) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if self._speaker is not None:
                await self._speaker.stop()

    # the tools; their docstrings are what an assistant reads

    async def speak(self, text: _Text, voice: _Voice = None, language: _Language = None) -> str:
        """Say a text through the loudspeaker of this computer, and return when it has been heard."""
        players: list[Player] = []

        def play(rate: int, _: Provenance) -> Outlet:
            players.append(Player(rate, device=self.audio_device))
            return players[-1]

        async with self._loudspeaker:  # one voice at a time
            try:
                facts = await self._say(self._order(text, voice, language), play)
            finally:
                for player in players:  # it may have been given up
                    player.stop()
        return f"Said in {facts.sound_s:.1f} s, {_made_with(facts)}."

    async def save_speech(
        self, text: _Text, file_name: _Name, voice: _Voice = None, language: _Language = None
    ) -> str:
        """Say a text into a new sound file; a file that exists is never overwritten."""
        path = self._new_file(file_name)
        facts = await self._say(
            self._order(text, voice, language), lambda rate, made: open_sink(path, None, rate, made)
        )
        return f"Saved {path}: {facts.sound_s:.1f} s, {_made_with(facts)}."

    async def list_voices(self) -> list[dict[str, Any]]:
        """List the voices, with language and description."""
        voices = await asyncio.to_thread(self.listing.voices)
        return [
            {"name": voice.name, "language": voice.language, "description": voice.description}
            for voice in voices
        ]

    async def list_tags(self) -> list[dict[str, str]]:
        """List the tags for sounds and manners of speaking, to be written into a text."""
        return [{"tag": tag.text, "meaning": tag.meaning} for tag in (*TAGS, *MARKS)]

    # how

    def _new_file(self, name: str) -> Path:
        """The path of a file that may be written.

        Raises:
            ToolError: it is not a plain name of a sound file, or there is one already.
        """
        if self.folder is None or not is_name(name, parts=1):
            raise ToolError(f"{name!r} is not a plain file name; use letters, digits, - _ . as in hello.wav")
        path = self.folder / name
        if os.path.lexists(path):  # a link that leads nowhere, too
            raise ToolError(f"{path} exists, and no file is written over; choose another name")
        try:
            check_sound_file(path)
        except BarkError as error:
            raise ToolError(str(error)) from error
        return path

    def _order(self, text: str, voice: str | None, language: str | None) -> SpeechOrder:
        code = None if language is None else language.lower()
        return SpeechOrder(model=self.listing.model, text=text, voice=voice or None, language=code)

    async def _say(self, order: SpeechOrder, outlet: Callable[[int, Provenance], Outlet]) -> RecitalFacts:
        """Say it, and give it up when the assistant does.

        Raises:
            ToolError: it cannot be said, or its sound cannot be delivered.
        """
        from bark_cli.server.recital import Recital

        if self._speaker is None:
            self._speaker = self.make_speaker()
        try:
            async with self._speaker.order() as session:
                recital = Recital(order, session, self.listing, outlet)
                try:
                    await recital.read()
                finally:
                    recital.close()
                return recital.facts
        except (Problem, BarkError) as error:
            raise ToolError(str(error)) from error


def _made_with(facts: RecitalFacts) -> str:
    return f"voice {facts.voice or 'none'}, seed {facts.seed}"
