"""A package whose names are imported when they are first used: where each lives -> its `__getattr__`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def imported_later(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Look names up in the package's modules, each of which is imported when one of its own is asked for.

    No module may be called as one of the names: once imported it would be what that name gives.
    """
    homes = {name: module for module, own in names.items() for name in own}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return get
