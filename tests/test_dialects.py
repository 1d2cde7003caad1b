"""Markdown as other programs write it, read as a person would."""

from __future__ import annotations

import time

import pytest

from bark_cli.text.documents import read_document

SAID = {  # text -> what is said, and what is told to be left out
    '!!! note "Mind the gap"\n    It is wide.\n\n    And deep.\n\nAfter.': (
        ["Note. Mind the gap. It is wide.", "And deep.", "After."],
        (),
    ),
    '1. One\n\n    !!! note "Mind"\n        First.\n\n        Second.\n\n2. Two': (
        ["1. One.", "Note. Mind. First.", "Second.", "2. Two."],
        (),
    ),
    "\\begin{align}\n\\begin{pmatrix} a & b \\end{pmatrix} x = 0\n\\end{align}\n\nSaid.": (
        ["Said."],
        ("formulas (line 1)",),
    ),
    "\\begin{align}\n\\begin{cases} a \\\\\nb \\end{cases}\nc = 0\n\\end{align}\n\nSaid.": (
        ["Said."],
        ("formulas (line 1)",),
    ),
    "!!! warning inline end\n    Hot.\n": (["Warning. Hot."], ()),
    '??? tip "More"\n\n    !!! danger\n\n        Deep.\n\n    Less.\n': (
        ["Tip. More.", "Danger.", "Deep.", "Less."],
        (),
    ),
    '=== "Linux"\n\n    Run it.\n\n=== "Mac"\n\n    Open it.\n': (
        ["Linux.", "Run it.", "Mac.", "Open it."],
        (),
    ),
    "!!! wow, this is loud": (["!!! wow, this is loud"], ()),
    "Seen.^[In 1987.] Gone.": (["Seen. Gone."], ("footnotes (line 1)",)),
    "%% a comment %%\nText. ^id-1": (["Text."], ("comments (line 1)", "names of paragraphs (line 2)")),
    "100%% sure and 50%% not.": (["100%% sure and 50%% not."], ()),
    "*[HTML]: Hyper Text\n\nHTML is.": (["HTML is."], ("definitions of abbreviations (line 1)",)),
    "[TOC]\n\nText.": (["Text."], ("a table of contents (line 1)",)),
    "\\newpage\n\nText.": (["Text."], ("LaTeX's commands (line 1)",)),
    "Let\n\\begin{align*}\nx &= 1\n\\end{align*}\nbe.": (["Let", "be."], ("formulas (line 2)",)),
    "Let\n\n\\[\nx\n\\]\n\nbe.": (["Let", "be."], ("formulas (line 3)",)),
    "\\[sic\\] he said, \\begin{x} and so on.": (["[sic] he said, \\begin{x} and so on."], ()),
    "\\begin{quote}\nHe said.\n\\end{quote}": (["He said."], ("LaTeX's commands (lines 1, 3)",)),
    "\\begin{align}\nNo end.": (["No end."], ("LaTeX's commands (line 1)",)),
    "Good :+1: and :-1: bad.": (["Good and bad."], ("emoji, such as :+1: (line 1)",)),
}


@pytest.mark.parametrize("text", SAID)
def test_other_dialects_are_read_as_a_person_would(text: str) -> None:
    script = read_document(text, "markdown")
    assert ([line.text for line in script.lines], script.left_out) == SAID[text]


@pytest.mark.parametrize(
    "row", ["!!! a\n", "    ", "\\begin{a}\n", "\\[\n", "%% ", "^[", "*[a", '=== "', " ^abc"]
)
def test_a_hundred_thousand_of_anything_are_read_soon(row: str) -> None:
    begun = time.process_time()
    read_document(row * (100_000 // len(row)), "markdown")
    assert time.process_time() - begun < 10
