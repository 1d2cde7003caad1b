"""From a hub to this machine: a model's name -> its files, whole and verified, as a model to use.

needs      what a model takes: plan holds it, choose picks the files, offers knows GGUF files of others
hub        what a repository holds; client is the way there, failures what goes wrong on it
transfer   one file; partial is what has come of it so far, bounded refuses too much
install    carries a plan out: prepare makes our layout, model_voices brings a model's own voices
installed  whether it is here already; room whether the disk holds it
step       how far it is, for listeners
suno_voices  Suno's voices, without a model
"""

from __future__ import annotations

from pathlib import Path

from bark_cli.download.install import install
from bark_cli.download.needs import make_plan
from bark_cli.download.plan import Plan
from bark_cli.download.step import Step, StepListener
from bark_cli.store import Manifest

__all__ = ["Plan", "Step", "StepListener", "download", "make_plan"]


def download(
    what: str,
    *,
    revision: str | None = None,
    layout: str | None = None,
    source: Path | None = None,
    file: str | None = None,
    listener: StepListener = lambda _: None,
) -> Manifest:
    """Have a model on this machine: `download("small")`; nothing is fetched that is there already.

    Args:
        what: a name, OWNER/NAME of a repository, or a folder; with `source`, the name that it is to have.
        revision: a branch, tag or commit of the repository.
        layout: "transformers", "suno" or "gguf"; by default the first that is there.
        source: a folder, or a GGUF file, to take it from.
        file: which GGUF file of the repository.
        listener: told how far it is.

    Raises:
        OptionError: there is no such model.
        DownloadError: the network or the hub does not give it.
        ModelError: there is no Bark, it is damaged, or the cache cannot be written.
        OutputError: the disk is too small.
    """
    plan = make_plan(what, revision=revision, layout=layout, source=source, file=file)
    return install(plan, listener=listener)[0]
