"""The scores of a model card: the JSON of training.evaluate -> the table between the card's marks.

python -m training.card scores.json [more.json ...] [--card bark_cli/assets/nano/README.md]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.evaluation.scores import HEAD, Score, from_json, rows
from training.settings import settings

BEGIN, END = "<!-- scores: python -m training.card -->", "<!-- end of scores -->"


def table(scores: Iterable[Score]) -> str:
    """The scores as a Markdown table."""
    lines = [HEAD, ("---",) * len(HEAD), *rows(scores)]
    return "\n".join("| " + " | ".join(cell.strip() for cell in row) + " |" for row in lines)


def filled(card: str, found: dict[str, Any]) -> str:
    """A card with the table of these scores between its marks.

    Raises:
        ValueError: the card has no marks.
    """
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the card has no lines {BEGIN} and {END} to put the scores between")
    missing = "".join(f"\nNot measured: {part}: {why}.\n" for part, why in found["not_measured"].items())
    return f"{before}{BEGIN}\n\n{table(from_json(found))}\n{missing}\n{END}{after}"


def together(founds: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Several runs' findings as one's: of what was measured twice the later, in the place of the first."""
    scores: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for found in founds:
        scores |= found["scores"]
        missing |= found["not_measured"]
    return {"scores": scores, "not_measured": missing}


def main() -> None:
    """Fill a card."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scores", type=Path, nargs="+", help="what training.evaluate --out wrote")
    parser.add_argument("--card", type=Path, default=settings("export")["assets"] / "README.md")
    given = parser.parse_args()
    found = together(json.loads(file.read_text(encoding="utf-8")) for file in given.scores)
    given.card.write_text(filled(given.card.read_text(encoding="utf-8"), found), encoding="utf-8")
    print(f"{given.card}: {len(found['scores'])} scores")


if __name__ == "__main__":
    main()
