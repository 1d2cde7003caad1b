"""`bark tags`: the sounds and manners of speaking that can be written into a text."""

from __future__ import annotations

from bark_cli.cli.options import JsonList
from bark_cli.cli.output import print_json


def tags(
    as_json: JsonList = False,
) -> None:
    """List the tags to write into a text, such as [laughs].

    \b
    bark tags
    bark say "Well... [sighs] I knew it. [pause 1s] Goodbye."
    """
    from bark_cli.text.tags import MARKS, TAGS

    if as_json:
        print_json([{"tag": tag.text, "meaning": tag.meaning} for tag in (*TAGS, *MARKS)])
        return
    width = max(len(tag.text) for tag in (*TAGS, *MARKS))
    for tag in (*TAGS, *MARKS):
        print(f"{tag.text.ljust(width)}  {tag.meaning}")
