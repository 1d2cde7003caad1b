"""Score nano on sentences it was never trained on: a table on stderr, one JSON object on stdout.

    python -m training.evaluate [--model FOLDER] [--only PART ...] [--quick] [--out FILE.json]

Parts: size, speed, words (errors in words), lengths (run-ons and early stops), voices, natural (DistillMOS),
tags, manners (CAPITALS and notes), codec, stages (each alone, the teacher's tokens in front of it).
training/evaluation/ says how.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from training.evaluation.cases import KINDS
from training.evaluation.cases import Reference as Reference
from training.evaluation.cases import held_out as held_out
from training.evaluation.parts import PARTS, Measured, Plan, measure
from training.evaluation.scores import HEAD, Score, as_json, line, rows
from training.settings import HERE, settings


def trained_model() -> str:
    """The model that training.export writes: nano itself, or a folder where the settings name another."""
    assets: Path = settings("export")["assets"]
    return "nano" if assets == HERE.parent / "bark_cli" / "assets" / "nano" else str(assets)


def arguments() -> argparse.Namespace:
    """The command line."""
    options = settings("evaluate")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=trained_model(), help="%(default)s unless given")
    parser.add_argument("--only", nargs="+", metavar="PART", choices=list(PARTS), help="these parts")
    parser.add_argument(
        "--sentences", type=int, default=options.get("most"), metavar="N", help="at most so many of each kind"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--wheel", type=Path, help="a wheel to weigh")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the JSON there, too")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw a sentence beside its teacher's")
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="an earlier model or its WAVs, to draw")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what nano says there")
    return parser.parse_args()


def show(found: Score | tuple[str, str]) -> None:
    """Print one score with its parts, or why there is none."""
    if isinstance(found, Score):
        for row in rows([found]):
            print(line(row), file=sys.stderr, flush=True)
    else:
        print("{}: not measured: {}".format(*found), file=sys.stderr, flush=True)


def keep(m: Measured, folder: Path) -> None:
    """Write what nano said of each kind of sentence that it was asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        for number, speech in enumerate(m.said(kind)):
            speech.save(folder / f"{kind}-{number:03}.wav", force=True)


def picture(m: Measured, file: Path, earlier: Path | None) -> None:
    """Draw the first everyday sentence: the teacher's, an earlier nano's, and nano's."""
    from training.evaluation.pictures import before, draw

    case = m.cases("everyday")[0]
    sounds = {"teacher": case.wave}
    if earlier is not None:
        sounds["before"] = before(earlier, case)
    sounds["nano"] = m.said("everyday")[0].audio.samples
    draw(f"{case.voice}: {case.text}", sounds, file)


def main() -> None:
    """Measure, show and write."""
    given, options = arguments(), settings("evaluate")
    m = Measured(
        Plan(
            model=given.model, data=options["data"], heldout=options["sentences"], quick=given.quick,
            most=given.sentences, wheel=given.wheel,
        )
    )  # fmt: skip
    scores: list[Score] = []
    reasons: dict[str, str] = {}
    text = ""
    print(line(HEAD), file=sys.stderr)
    for each in measure(m, [name for name in PARTS if not given.only or name in given.only]):
        show(each)
        if isinstance(each, Score):
            scores.append(each)
        else:
            reasons.update([each])
        text = json.dumps(as_json(given.model, scores, reasons), indent=2)
        if given.out:  # as each comes: the parts take hours together
            given.out.write_text(text + "\n", encoding="utf-8")
    if given.picture:
        picture(m, given.picture, given.before)
    if given.keep:
        keep(m, given.keep)
    print(text)


if __name__ == "__main__":
    main()
