"""A folder's voices, of whichever layout -> the same in the model that is made of it, under their names.

A hub's repository brings none: Suno's voices are fetched once for all models (suno_voices.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli.download.plan import Plan
from bark_cli.errors import VoiceError
from bark_cli.store import FileRecord
from bark_cli.store.manifest import record_file
from bark_cli.store.names import stays_inside

if TYPE_CHECKING:
    from bark_cli.voices.catalogue import VoiceInfo


def record_voices(plan: Plan) -> tuple[FileRecord, ...]:
    """Sizes and hashes of the voices' files in the plan's folder, whether they can be used or not.

    Raises:
        OSError: one cannot be read.
    """
    folder = Path(plan.origin)
    files = [file.relative_to(folder).as_posix() for info in _voices(plan) for file in info.files]
    return tuple(record_file(folder, file) for file in files)


def take_voices(plan: Plan, build: Path, tell: Callable[[str], None]) -> None:
    """Write the voices of the plan's folder into the model that was made of it.

    They are checked against the model and written from what was checked; `tell` hears of each left out.

    Raises:
        OSError: the disk refuses.
    """
    from bark_cli.model.published import config_in
    from bark_cli.voices.catalogue import place_in_model
    from bark_cli.voices.file import read_voice_file, voice_bytes

    config = config_in(build)
    for info in _voices(plan):
        try:
            data = voice_bytes(read_voice_file(info.path, info.name, config))
        except VoiceError as error:
            tell(f"left out: {error}")
            continue
        target = build / place_in_model(info.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _voices(plan: Plan) -> list[VoiceInfo]:
    """Those that can keep their names, the first of each."""
    from bark_cli.voices.catalogue import model_voices

    found: dict[str, VoiceInfo] = {}
    for info in model_voices(Path(plan.origin)) if plan.revision is None else ():
        if stays_inside(info.name):
            found.setdefault(info.name, info)
    return list(found.values())
