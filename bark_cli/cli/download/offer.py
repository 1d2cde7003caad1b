"""A model that is asked for and not here: ask whether to download it -> the model, or the error."""

from __future__ import annotations

import os
from collections.abc import Iterable

from bark_cli.cli.ask import confirm, is_terminal
from bark_cli.cli.output import note
from bark_cli.errors import DownloadError, MissingModelError
from bark_cli.store import ModelRef, is_offline, resolve_model


def forbid_network() -> None:
    """Keep this process off the network; it counts for libraries that are imported later."""
    os.environ["HF_HUB_OFFLINE"] = "1"


def resolve_or_offer(models: Iterable[str | None], *, may_ask: bool = True) -> list[ModelRef]:
    """The models by those names; one that is missing is downloaded if a human at a terminal says so.

    Raises:
        MissingModelError: one is not here, and nobody could be asked, the answer was no, or the hub cannot be
            reached.
        BarkError: there is no such model, or the download failed.
    """
    found = []
    for model in models:
        try:
            found.append(resolve_model(model))
        except MissingModelError as error:
            if not may_ask or is_offline() or not is_terminal() or not _download_if_wanted(error):
                raise
            found.append(resolve_model(model))
    return found


def _download_if_wanted(missing: MissingModelError) -> bool:
    """Say what is wrong and what the model takes, ask, and download it if the answer is yes."""
    from bark_cli.cli.download.progress import download_lines
    from bark_cli.download import make_plan
    from bark_cli.download.install import install

    try:
        plan = make_plan(missing.name)
    except DownloadError as error:
        note(str(error))
        return False
    what = str(missing).rpartition("; ")[0]  # without the command, which is what the question offers
    if not confirm(f"{what[:1].upper()}{what[1:]}: {plan.summary}. Download it now?"):
        return False
    with download_lines(quiet=False) as lines:
        install(plan, listener=lines)
    return True
