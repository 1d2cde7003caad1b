"""Rows of Markdown in any dialect -> as many rows of CommonMark, without what no reader would say.

Known are front matter (Jekyll, Hugo), containers (Docusaurus, Pandoc), callouts (GitHub, Obsidian),
admonitions and tabs (MkDocs), templates (Jinja, Liquid, Hugo), attributes (Kramdown, Pandoc), comments
(Obsidian) and LaTeX.
"""

from __future__ import annotations

import re

from bark_cli.text.documents.passed import PassedOver
from bark_cli.text.documents.plain import ended

_FRONT = {"---": ("---", "..."), "+++": ("+++",)}
_LONGEST_FRONT = 500  # rows
_FENCE = re.compile(r"\s{0,40}(?:>\s?){0,100}\s{0,40}(`{3,}|~{3,})")
_CONTAINER = re.compile(r"\s{0,3}:{3,}\s*(?:\{[^{}]*\}|[\w-]+(?:\{[^{}]*\})?)?\s*")  # ::: warning
_CALLOUT = re.compile(r"(\s{0,3}(?:>\s?){1,100}\s{0,9})\[!([\w-]{1,40})\][+-]?[ \t]*")
_TEMPLATE = re.compile(r"\{\{[^{}]{0,1000}\}\}|\{%[^{}]{0,1000}%\}")
_ATTRIBUTES = re.compile(r"\{[#.:][^{}]{0,200}\}$")
_EMBEDDED = re.compile(r"!\[\[[^\[\]]{1,300}\]\]")
_ADMONITION = re.compile(
    r"\s{0,20}(?:(?:!!!|\?\?\?\+?)[ \t]+([\w-]{1,40})(?:[ \t]+(?:inline|end)){0,2}|===!?(?=[ \t]+\"))"
    r"(?:[ \t]+\"([^\"]{0,200})\")?[ \t]*"
)
_BODY = "    "  # what is before a row within an admonition
_MATHS = (
    r"(?:equation|align(?:at|ed)?|flalign|gather|multline|eqnarray|(?:display)?math|array|cases|split|"
    r"\w?matrix)"
)
_FORMULA = re.compile(rf"\s{{0,20}}\\(?:begin\{{({_MATHS}\*?)\}}|\[\s*$)")
_LONGEST_FORMULA = 200  # rows
_COMMAND = re.compile(r"\s{0,3}\\[a-zA-Z]{2,30}(?:\[[^\[\]]{0,99}\])?(?:\{[^{}]{0,99}\}){0,3}\s*")  # \newpage
_CONTENTS = re.compile(r"\s{0,3}(?:\[\[?_?toc_?\]?\]|\{:toc\})\s*", re.IGNORECASE)
_SILENT = (  # a part of a row, and what it is
    (_TEMPLATE, "a template's commands"),
    (_EMBEDDED, "embedded things"),
    (re.compile(r"(?<!\S)%%(?=\s)[^%]{1,1000}%%(?!\S)"), "comments"),
    (re.compile(r"(?<=\S)\^\[[^\[\]]{1,1000}\]"), "footnotes"),
    (re.compile(r"\s\^[A-Za-z][\w-]{2,40}\s*$"), "names of paragraphs"),
    (re.compile(r"^\s{0,3}\*\[[^\[\]]{1,60}\]:.*"), "definitions of abbreviations"),
    (_CONTENTS, "a table of contents"),
)


def common_rows(rows: list[str], passed: PassedOver) -> list[str]:
    """As many rows, so that their numbers stay what they are."""
    return _prepared(_without_front_matter(rows, passed), passed)


def _without_front_matter(rows: list[str], passed: PassedOver) -> list[str]:
    """The rows, with those of a front matter in YAML or TOML blank."""
    fences = _FRONT.get(rows[0].rstrip()) if rows else None
    if fences is None:
        return rows
    end = next((n for n, row in enumerate(rows[1:_LONGEST_FRONT], 1) if row.rstrip() in fences), 0)
    if end:
        passed.add("front matter", 1)
    return [""] * (end + 1) + rows[end + 1 :] if end else rows


def _prepared(rows: list[str], passed: PassedOver) -> list[str]:
    """The rows, without what other dialects have: containers, callouts, a template's commands."""
    found: list[str] = []
    fence = formula = ""  # what ends the one that we are in
    depth = 0  # of admonitions that we are in
    for number, row in enumerate(rows, 1):
        depth = min(depth, _inner(row)) if row.strip() else depth
        row = row[len(_BODY) * depth :]
        if formula:
            _, is_over, row = row.partition(formula)
            if not is_over:
                found.append("")
                continue
            formula = ""
        if match := _FENCE.match(row):
            if not fence:
                fence = match[1]
            elif match[1][0] == fence[0] and len(match[1]) >= len(fence):
                fence = ""
        elif not fence and (ending := _end_of_formula(row, rows[number : number + _LONGEST_FORMULA])):
            passed.add("formulas", number)
            _, is_whole, row = row.partition(ending)
            formula = "" if is_whole else ending
        elif not fence and (title := _ADMONITION.fullmatch(row)):
            row, depth = _titled(title), depth + 1 + _inner(row)
        elif not fence:
            row = _row(row, number, passed)
        found.append(row)
    return found


def _inner(row: str) -> int:
    """How many admonitions a row may be in, by its indentation."""
    return (len(row) - len(row.lstrip(" "))) // len(_BODY)


def _titled(found: re.Match[str]) -> str:
    """What is said of the first row of an admonition, !!! note "Title"."""
    kind = (found[1] or "").replace("-", " ").capitalize()
    return " ".join(f"{words.rstrip('.')}." for words in (kind, found[2]) if words)


def _end_of_formula(row: str, below: list[str]) -> str:
    """What ends the formula that begins on a row, if one does; "" if none does, or if it has no end."""
    if not (begun := _FORMULA.match(row)):
        return ""
    ending = f"\\end{{{begun[1]}}}" if begun[1] else "\\]"
    return ending if any(ending in one for one in (row, *below)) else ""


def _row(row: str, number: int, passed: PassedOver) -> str:
    if _CONTAINER.match(row):
        row = ended(_CONTAINER.sub("", row, count=1))
    if match := _CALLOUT.match(row):  # > [!NOTE] Title
        title = ended(row[match.end() :])
        row = f"{match[1]}{match[2].replace('-', ' ').capitalize()}. {title}".rstrip()
    if _COMMAND.fullmatch(row):
        passed.add("LaTeX's commands", number)
        return ""
    for pattern, what in _SILENT:
        if pattern.search(row):
            passed.add(what, number)
            row = pattern.sub(" ", row)
    return _ATTRIBUTES.sub("", row.rstrip()) if row.rstrip().endswith("}") else row
