"""Names that become paths: what a user or a hub calls something -> a name that stays in its folder."""

from __future__ import annotations

import re
from pathlib import Path

from bark_cli.errors import OptionError
from bark_cli.store.places import models_home

# A letter or digit first, so that no part is hidden, an option or ".."; no drive, no backslash, no NUL.
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # devices on Windows
_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def is_repository(name: str) -> bool:
    """Whether it looks like OWNER/NAME, as a hub calls a repository."""
    return _REPOSITORY.fullmatch(name) is not None


def check_name(name: str, *, parts: int = 2) -> str:
    """`name`, once it is found to be at most `parts` plain names with / between them.

    Raises:
        OptionError: it is empty, or could lead out of the folder that it is to lie in.
    """
    if is_name(name, parts=parts):
        return name
    raise OptionError(
        f"{name!r} cannot be a name; use A to Z, a to z, digits, - _ . "
        f"in at most {parts} parts with / between"
    )


def is_name(name: str, *, parts: int = 2) -> bool:
    """Whether `name` is at most `parts` plain names with / between them."""
    pieces = name.split("/")
    return len(pieces) <= parts and all(map(_is_plain, pieces))


def _is_plain(part: str) -> bool:
    return bool(_PART.fullmatch(part)) and not part.endswith(".") and not _RESERVED.fullmatch(part)


def stays_inside(path: str) -> bool:
    """Whether a path with / , as a hub or a manifest gives it, is below its folder on every system."""
    return not ({"", ".", ".."} & set(path.split("/")) or set(path) & set("\\:\0"))


def model_home(name: str) -> Path:
    """The folder of a downloaded model: small, or owner--repository for owner/repository.

    Raises:
        OptionError: the name could lead out of the models' folder.
    """
    return models_home() / check_name(name).replace("/", "--")
