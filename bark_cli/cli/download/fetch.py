"""A plan carried out in sight: Plan -> the model on this machine, with a line per file on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bark_cli.download import Plan
    from bark_cli.store import Manifest


def fetch_model(plan: Plan, *, keep_original: bool = False, quiet: bool = False) -> tuple[Manifest, bool]:
    """Install what is planned and show how far it is; the manifest, and whether anything had to be done."""
    from bark_cli.cli.download.progress import download_lines
    from bark_cli.download.install import install

    with download_lines(quiet=quiet, watched=sys.stderr.isatty()) as lines:
        return install(plan, keep_original=keep_original, listener=lines)
