"""Make nano from nothing: every step in turn, each going on from where it was interrupted.

python -m training              # all of it
python -m training --at-once 2  # the four networks two at a time
python -m training coarse fine  # these steps only
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

from bark_cli.model.config import CodecConfig
from training.processes import alone
from training.settings import check_settings, settings

NETWORKS = ("decoder", "coarse", "semantic", "fine")  # none needs another; the longest first
STEPS = (
    "teacher", "texts", "prepare", "alignment", "codec", "codes", "expected", *NETWORKS,
    "export", "auditions", "brighten", "evaluate",
)  # fmt: skip


def made_once(data: Path) -> dict[str, Path]:
    """What the steps without a way back of their own write; where it is there, they are done."""
    return {"teacher": data / "teacher.onnx", "texts": data / "texts" / "train.txt"}


def steps_left() -> list[str]:
    """The steps that are to be run where none is named."""
    done = {step for step, file in made_once(settings("prepare")["data"]).items() if file.exists()}
    if settings("codec")["shape"]["last_kernel_size"] > CodecConfig.last_kernel_size:
        done.add("brighten")  # the decoder begins with one that has its filter
    return [step for step in STEPS if step not in done]


def groups(steps: list[str]) -> Iterator[list[str]]:
    """The steps in their order, those that may run side by side together."""
    ordered = [step for step in STEPS if step in steps]
    for _, together in groupby(ordered, key=lambda step: "network" if step in NETWORKS else step):
        yield list(together)


def in_a_process(step: str, runs: Path) -> int:
    """Run a step in a process of its own, which ends with this one; its exit code."""
    print(f"== {step}", flush=True)
    arguments = ["--out", str(runs / "scores.json")] if step == "evaluate" else []
    given = f"training.{step}", arguments, runs / "times.jsonl"
    process = get_context("spawn").Process(target=alone, args=given)
    process.start()
    process.join()
    return process.exitcode or 0


def main() -> int:
    """Run the steps; the exit code of the first that fails."""
    parser = argparse.ArgumentParser(prog="python -m training", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)}; none means all")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="networks to train side by side")
    given = parser.parse_args()
    if unknown := [step for step in given.steps if step not in STEPS]:
        parser.error(f"no step is called {unknown[0]}")
    check_settings()
    runs = settings("common")["runs"]
    try:
        with ThreadPoolExecutor(max(1, given.at_once)) as side_by_side:
            for together in groups(given.steps or steps_left()):
                codes = list(side_by_side.map(in_a_process, together, [runs] * len(together)))
                for step, code in zip(together, codes, strict=True):
                    if code:
                        print(f"{step} failed; run this again when it is mended, and it goes on from here")
                        return max(code, 1)  # below 0 where it was killed
    except KeyboardInterrupt:
        print("stopped; run this again, and it goes on from here")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
