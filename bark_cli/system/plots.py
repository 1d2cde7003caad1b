"""Pictures that matplotlib draws: whether one can be drawn, and a figure -> a file."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bark_cli.errors import OptionError
from bark_cli.system.files import check_target, write_whole

SUFFIXES = (".png", ".svg", ".pdf")


def check_plot(path: Path, *, force: bool = False) -> None:
    """Find out whether a picture can be drawn into `path`, before anything is measured.

    Raises:
        OptionError: the suffix is of no picture, or matplotlib is not installed.
        OutputError: the file exists and `force` is off, or it cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OptionError(f"{path} is not the name of a picture; end it in {', '.join(SUFFIXES)}")
    if find_spec("matplotlib") is None:
        raise OptionError('a plot needs matplotlib, of the extra "plot"; run: pip install matplotlib')
    check_target(path, force=force)


def write_picture(figure: Any, path: Path, *, force: bool = False) -> None:
    """Write a matplotlib figure in the format that the suffix names.

    Raises:
        OutputError: the file exists and `force` is off, or the disk refuses.
    """
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:].lower(), dpi=120)
    write_whole(path, drawn.getvalue(), force=force)
