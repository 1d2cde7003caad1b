"""XML from anybody: bytes -> a tree of elements by local name; entities are refused, nothing is fetched.

Parsed by the standard library's expat.
"""

from __future__ import annotations

from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from bark_cli.errors import TextError

_DEEPEST, _MOST = 200, 500_000  # elements within each other, and in all


class _Refused(Exception):  # noqa: N818  (never seen outside)
    pass


def parse_xml(data: bytes, source: str) -> Element:
    """The root; names of elements and attributes are without their namespaces.

    Raises:
        TextError: it is no XML, declares entities, or is nested without end.
    """
    builder, parser = TreeBuilder(), expat.ParserCreate(namespace_separator="}")
    depth = count = 0

    def refuse(*_: Any) -> NoReturn:
        raise _Refused("it declares entities of its own, which a book does not need")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > _DEEPEST or count > _MOST:
            raise _Refused("it has more elements than any book")
        builder.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_local(name))

    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.buffer_text = True
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, _Refused, ValueError, LookupError) as error:
        raise TextError(f"{source} cannot be read: {error}; the book is damaged") from error


def words_of(element: Element | None) -> str:
    """All the text in an element, in one line."""
    return "" if element is None else " ".join("".join(element.itertext()).split())


def _local(name: str) -> str:
    return name.rpartition("}")[2]
