"""A model that is asked for and not here: the question whether to download it -> the model, or the error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from bark_cli.cli.output import note
from bark_cli.errors import MissingModelError
from bark_cli.hub import ModelRef, is_offline, resolve_model


def forbid_network() -> None:
    """Keep this process off the network; it counts for libraries that are imported later."""
    os.environ["HF_HUB_OFFLINE"] = "1"


def resolve_or_offer(models: Iterable[str | None], *, may_ask: bool = True) -> list[ModelRef]:
    """The models by those names; one that is missing is downloaded if a human at a terminal says so.

    Raises:
        MissingModelError: one is not here, and nobody could be asked or the answer was no.
        BarkError: it cannot be found, or the download failed.
    """
    found = []
    for model in models:
        try:
            found.append(resolve_model(model))
        except MissingModelError as error:
            if not may_ask or is_offline() or not _is_terminal() or not _wants(error):
                raise
            found.append(resolve_model(model))
    return found


def _is_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _wants(error: MissingModelError) -> bool:
    """Ask, and download the model if the answer is yes."""
    from bark_cli.cli.download import fetch_model, plan_model

    plan = plan_model(error.name)
    note(f"model {error.name} is not on this machine; {plan.summary}")
    sys.stderr.write("Download it now? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        return False
    fetch_model(plan)
    return True
