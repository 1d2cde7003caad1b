"""The command: `python -m benchmarks [--quick] [--only CASE ...] [--rounds N] [--peer-python PYTHON]`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from bark_cli.store import cache_home
from bark_cli.system.files import write_whole
from benchmarks.cases import CASES, QUICK, Case
from benchmarks.peers import Workplace
from benchmarks.report import draw, read_measured, report
from benchmarks.runner import make_peer_environment, run_case


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and write the report of all that is there."""
    options = _options(arguments)
    if find_spec("matplotlib") is None:
        raise SystemExit("benchmarks: the picture needs matplotlib; run: pip install matplotlib")
    cache = options.cache.resolve()
    cases = QUICK if options.quick else CASES
    results = options.results or (cache / "quick" if options.quick else Path(__file__).parent / "results")
    if not options.report_only:
        # absolute but not resolved: a virtual environment's Python is a link
        peer = (options.peer_python or make_peer_environment(cache / "transformers")).absolute()
        suno = options.suno_python and options.suno_python.absolute()
        place = Workplace(cache=cache, results=results, peer_python=peer, suno_python=suno)
        for case in _chosen(cases, options.only):
            run_case(case, place, options.rounds, options.precision)
    measured = read_measured(results, cases)
    if not measured:
        raise SystemExit("benchmarks: nothing is measured yet")
    write_whole(results / "results.md", report(measured).encode(), force=True)
    draw(measured, results / "speed.png")
    print(f"see {results / 'results.md'}")


def _chosen(cases: Sequence[Case], names: Sequence[str] | None) -> Sequence[Case]:
    known = {case.name: case for case in cases}
    for name in names or ():
        if name not in known:
            raise SystemExit(f"benchmarks: there is no case {name}; the cases are {', '.join(known)}")
    return cases if names is None else [known[name] for name in names]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="CASE", help="these cases; all if not given")
    parser.add_argument("--quick", action="store_true", help="a second of speech, to see that it works")
    parser.add_argument("--rounds", type=int, default=2, help="of each side, of which the best counts")
    parser.add_argument("--precision", default="auto", help="what bark computes in")
    parser.add_argument("--report-only", action="store_true", help="measure nothing")
    parser.add_argument(
        "--peer-python",
        type=Path,
        help="a Python with torch and transformers; if not given, an environment is made in the cache",
    )
    parser.add_argument(
        "--suno-python", type=Path, help="a Python with suno-ai/bark, which is left out if none is named"
    )
    parser.add_argument("--cache", type=Path, default=cache_home() / "bark_benchmarks")
    parser.add_argument("--results", type=Path, help="where the results are kept; benchmarks/results")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
