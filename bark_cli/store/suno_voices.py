"""Suno's voices as they were fetched: $BARK_HOME/suno-voices/ and its manifest.json -> what is damaged."""

from __future__ import annotations

from collections.abc import Callable

from bark_cli.errors import ModelError
from bark_cli.store.manifest import MANIFEST_FILE, Damage, Manifest, damaged_files, read_manifest
from bark_cli.store.places import bark_home, suno_voices_home

# Of their lock, and of their folder in downloads/; no model can be called so (store/names.py).
SUNO_VOICES_PLACE = "_suno-voices"


def suno_voices_manifest() -> Manifest | None:
    """What was fetched; None if nothing was.

    Raises:
        ModelError: the manifest cannot be read.
    """
    return read_manifest(suno_voices_home())


def verify_suno_voices(on_bytes: Callable[[int], None] = lambda _: None) -> list[Damage]:
    """Voices that are not what they were when they were fetched, found by reading every byte."""
    try:
        manifest = suno_voices_manifest()
    except ModelError:
        return [Damage(suno_voices_home() / MANIFEST_FILE, "cannot be read")]
    # the manifest lies among the files that it lists, so its "build" is the folder's own name
    return [] if manifest is None else damaged_files(bark_home(), manifest, on_bytes)
