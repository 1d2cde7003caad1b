"""Pieces kept until their text is all spoken: piece, narration -> its Speech, from a file or made now.

They lie in a hidden folder beside the output, one file each, named by a digest of all that makes the sound;
so what was stopped goes on where it was, and a piece whose text, voice or settings changed is made anew.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from bark_cli.audio import Audio
from bark_cli.errors import BarkError, OutputError
from bark_cli.model.tokens import BarkTokens
from bark_cli.narration.each import Speaks
from bark_cli.narration.narrate import Narration, Piece, PieceResult, narrate
from bark_cli.speech import Speech
from bark_cli.stages.progress import Listener
from bark_cli.system.digest import digest
from bark_cli.system.files import told_of, write_whole
from bark_cli.system.ours import read_ours
from bark_cli.system.parts import held
from bark_cli.takes.take import Take
from bark_cli.voices import Voice

_MOST_BYTES = 2**26  # of one piece: a minute of sound has six million
_MOST_IN_NAME = 255  # bytes; what systems allow
_FEW = 8  # pieces at once, of which each is made about as quickly as of many
_ARRAYS = ("samples", "semantic", "coarse", "fine")
_FACTS = ("text", "model", "voice", "seed", "complete")


class KeptPieces:
    """The pieces of one text on their way into `output`.

    Args:
        output: the file that they are for; they lie beside it.
        made_by: finds what decides a sound beside piece and narration: the model's files, precision,
            version; asked once, and only where there is a piece to be kept.

    Raises:
        OutputError: the name of their folder belongs to something else, or the disk refuses.
    """

    def __init__(self, output: Path, made_by: Callable[[], str]) -> None:
        self.output = output
        self.folder = output.absolute().with_name(_folder_name(output.name))
        self._made_by, self._is_full = cache(made_by), False
        with told_of(output), suppress(FileNotFoundError):
            status = self.folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or not _is_mine(status):
                raise OutputError(
                    f"{self.folder} is not a folder that bark made; move it away, or choose another -o"
                )

    def seed(self, text: str, drawn: int) -> int:
        """The seed with which a text was begun; where it was not, `drawn`, which is remembered."""
        if (found := self.recall_seed(text)) is not None:
            return found
        self.remember_seed(text, drawn)
        return drawn

    def recall_seed(self, text: str) -> int | None:
        """The seed that was remembered for a text."""
        with suppress(ValueError, OSError):
            if (found := read_ours(self._seed_file(text), 20)) and re.fullmatch(rb"[0-9]{1,10}", found):
                return int(found)
        return None

    def remember_seed(self, text: str, seed: int) -> None:
        """Remember it; where there is no room it is forgotten."""
        with suppress(OutputError):
            self._make_folder()
            write_whole(self._seed_file(text), str(seed).encode(), force=True, follow=False)

    def _seed_file(self, text: str) -> Path:
        return self.folder / f"{digest(self._made_by(), text)[:32]}.seed"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from them.

        Raises:
            OutputError: another one has them, or the disk refuses.
        """
        with ExitStack() as stack:
            with told_of(self.output):
                is_ours = stack.enter_context(held(self.folder))
            if not is_ours:
                raise OutputError(f"another run is writing {self.output}; wait for its end, or stop it")
            yield

    def empty(self) -> None:
        """Let go of all of them, and not of their folder."""
        with suppress(OSError):
            for path in self.folder.iterdir():
                path.unlink()

    def clear(self) -> None:
        """Let go of all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def has(self, piece: Piece, narration: Narration) -> bool:
        """Whether a piece was spoken before."""
        return self._path(piece, narration).is_file()

    def count(self, narration: Narration) -> int:
        """How many of its pieces were spoken before."""
        return sum(self.has(piece, narration) for piece in narration.pieces)

    def find(self, piece: Piece, narration: Narration) -> Speech | None:
        """A piece that was spoken before; None if there is none, or if its file is damaged."""
        path = self._path(piece, narration)
        with suppress(OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, BarkError):
            data = read_ours(path, _MOST_BYTES)
            if data is None or len(data) > _MOST_BYTES:
                return None
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(member.file_size for member in archive.infolist()) > 2 * _MOST_BYTES:
                    return None
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                facts = json.loads(bytes(arrays["facts"]))
                samples, semantic, coarse, fine = (arrays[name] for name in _ARRAYS)
            return Speech(
                audio=Audio(samples.astype(np.float32, copy=False), int(facts["sample_rate"])),
                tokens=BarkTokens(semantic=semantic, coarse=coarse, fine=fine),
                stages={},
                takes=tuple(Take(seed=int(seed), verdict=None) for seed in facts["takes"]),
                **{name: facts[name] for name in _FACTS},
            )
        return None

    def keep(self, piece: Piece, narration: Narration, speech: Speech) -> None:
        """Keep a piece that was spoken; where there is no room remove all: the output needs it."""
        if self._is_full:
            return
        facts = {name: getattr(speech, name) for name in _FACTS}
        facts |= {"sample_rate": speech.audio.sample_rate, "takes": []}
        written, tokens = io.BytesIO(), speech.tokens
        np.savez(
            written,
            facts=np.frombuffer(json.dumps(facts).encode(), np.uint8),
            samples=speech.audio.samples,
            semantic=tokens.semantic,
            coarse=tokens.coarse,
            fine=tokens.fine,
        )
        try:
            self._make_folder()
            path = self._path(piece, narration)
            write_whole(path, written.getvalue(), force=True, follow=False, synced=False)
        except OutputError:
            self._is_full = True
            self.clear()

    def _make_folder(self) -> None:
        with told_of(self.folder):
            self.folder.mkdir(mode=0o700, exist_ok=True)

    def _path(self, piece: Piece, narration: Narration) -> Path:
        how = None if narration.options is None else asdict(narration.options)
        told = (self._made_by(), piece.text, piece.seed, _voice(piece), how, asdict(narration.attempts))
        return self.folder / f"{digest(*told, piece.language, narration.continuity)[:32]}.npz"


def _folder_name(name: str) -> str:
    """What the folder beside a file of that name is called; where its own name has no room, a digest's is."""
    usual = f".{name}.pieces"
    return usual if len(os.fsencode(usual)) <= _MOST_IN_NAME else f".{digest(name)[:32]}.pieces"


def narrate_kept(
    bark: Speaks,
    narration: Narration,
    kept: KeptPieces,
    *,
    batch_size: int | None = None,
    on_progress: Listener | None = None,
) -> Generator[PieceResult, None, None]:
    """As `narrate` of one narration, without making what is kept; what is made is kept.

    All that are worked on at once are done at about the same time, so that a text in one batch would keep
    nothing until its end: unless told otherwise, no more than a quarter is begun, or a few.
    """
    pieces = narration.pieces
    missing = [number for number, piece in enumerate(pieces) if not kept.has(piece, narration)]

    def watch(progress: Any) -> None:
        assert on_progress is not None
        on_progress(replace(progress, utterance=missing[progress.utterance]))

    rest = replace(narration, pieces=[pieces[number] for number in missing])
    if batch_size is None and len(missing) > 1:
        batch_size = min(bark.batch_size, max(_FEW, len(missing) // 4))
    spoken = narrate(bark, [rest], batch_size=batch_size, on_progress=watch if on_progress else None)
    due = set(missing)
    with closing(spoken):
        for number, piece in enumerate(pieces):
            if number not in due and (found := kept.find(piece, narration)) is not None:
                yield PieceResult(piece=number, sound=found.audio, result=found)
                continue
            if number in due:
                one = next(spoken)
            else:  # damaged: made anew, alone
                [one] = narrate(bark, [replace(narration, pieces=[piece])], batch_size=1)
            if isinstance(one.result, Speech):
                kept.keep(piece, narration, one.result)
            yield replace(one, piece=number)
            if isinstance(one.result, BarkError):
                return


def _voice(piece: Piece) -> object:
    voice = piece.voice
    if not isinstance(voice, Voice):
        return str(voice)
    arrays = (voice.tokens.semantic, voice.tokens.coarse, voice.tokens.fine)
    return [voice.name, *(sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for array in arrays)]


def _is_mine(status: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or status.st_uid == os.getuid()
