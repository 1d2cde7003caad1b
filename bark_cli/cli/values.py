"""What a command line gives for a parameter -> its value, without pydantic where it is plain.

typer hands even what was not given to pydantic, whose import and validators take 0.1 s of every command.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

_WHOLE, _NUMBER = re.compile(r"-?[0-9]{1,15}"), re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_NOT_PLAIN = object()


def take_plainly(parameter: Any) -> None:
    """Let a parameter of typer's take what is plainly right as it is; the rest stays typer's to judge."""
    of_typer = getattr(parameter, "get_runtime_param", None)
    if of_typer is None or isinstance(of_typer, _Plainly):  # typer before 0.26 had no pydantic
        return
    parameter.get_runtime_param = _Plainly(parameter.type_descriptor, of_typer)


class _Plainly:
    """Stands for what typer converts a parameter's values with, as long as they are plain."""

    def __init__(self, descriptor: Any, of_typer: Callable[[], Any]) -> None:
        self._kind, self._info, self._of_typer = descriptor.annotation, descriptor.parameter_info, of_typer

    def __call__(self) -> _Plainly:
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value, as typer would have it.

        Raises:
            BadParameter: typer will not have it.
        """
        found = _NOT_PLAIN
        if param.multiple or param.nargs == -1:
            inner = [self._plain(get_args(self._kind)[:1], one) for one in value or ()]
            found = _NOT_PLAIN if _NOT_PLAIN in inner else inner if value is not None else ()
        elif value is None:
            found = None
        else:
            found = self._plain((self._kind,), value)
        return self._typers(value, param, ctx) if found is _NOT_PLAIN else found

    def _typers(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as typer converts it, whose errors say no word of pydantic's."""
        try:
            return self._of_typer().coerce(value, param=param, ctx=ctx)
        except Exception as error:  # of typer's own Click, which has no public name
            if isinstance(message := getattr(error, "message", None), str):
                error.message = message.removeprefix("Value error, ")  # type: ignore[attr-defined]
            raise

    def _plain(self, kinds: tuple[Any, ...], text: object) -> Any:
        """The value of a text, if it is of the one kind and within its bounds."""
        [kind] = kinds or (None,)
        if not isinstance(text, str) or self._info.parser is not None:
            return _NOT_PLAIN
        if kind is str or (get_origin(kind) is Literal and text in get_args(kind)):
            return text
        for number, pattern in ((int, _WHOLE), (float, _NUMBER)):
            if kind is number and pattern.fullmatch(text) and not self._info.clamp:
                low, high = self._info.min, self._info.max
                value = number(text)
                if (low is None or low <= value) and (high is None or value <= high):
                    return value
        return _NOT_PLAIN
