"""A bar for whoever waits in Python or in a notebook: Progress -> a line of text for each stage.

Text alone, which every notebook shows as it is: bars made of widgets need a package in the kernel and another
in the page, and are not there when a notebook is opened again.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bark_cli.stages.progress import Progress

if TYPE_CHECKING:
    from tqdm import tqdm

_FORMAT = "{desc:<9}{percentage:3.0f}% |{bar:30}| {elapsed}"


class ProgressBar:
    """Shows how far each stage is, on stderr or in a cell: `bark.say("Hello", on_progress=ProgressBar())`.

    Several utterances together share the line of a stage.
    """

    def __init__(self) -> None:
        self._steps: dict[str, dict[int, tuple[int, int]]] = {}  # stage -> utterance -> done, total
        self._bars: dict[str, tqdm[None]] = {}

    def __call__(self, progress: Progress) -> None:
        """Take a report in."""
        from tqdm import tqdm

        # a notebook shows what comes on stderr as if it were a fault
        stream = sys.stdout if _is_notebook() else sys.stderr
        steps = self._steps.setdefault(progress.stage, {})
        steps[progress.utterance] = progress.done, progress.total
        done, total = (sum(counts) for counts in zip(*steps.values(), strict=True))
        bar = self._bars.get(progress.stage)
        if bar is None:
            bar = tqdm(desc=progress.stage, total=total, bar_format=_FORMAT, file=stream)
            self._bars[progress.stage] = bar
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.refresh()
            self._bars.pop(progress.stage).close()
            steps.clear()


def _is_notebook() -> bool:
    """Whether the code runs in a kernel; having IPython or a kernel's package imported is not enough."""
    ipython = sys.modules.get("IPython")
    return hasattr(ipython.get_ipython(), "kernel") if ipython is not None else False
