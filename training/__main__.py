"""Make nano from nothing: every step in turn, each going on from where it was interrupted.

python -m training              # all of it
python -m training coarse fine  # these steps only
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from training.settings import settings

STEPS = (
    "teacher", "texts", "prepare", "alignment", "codec", "codes",
    "expected", "decoder", "semantic", "coarse", "fine", "export", "evaluate",
)  # fmt: skip


def made_once(data: Path) -> dict[str, Path]:
    """What the steps without a way back of their own write; where it is there, they are done."""
    return {"teacher": data / "teacher.onnx", "texts": data / "texts" / "train.txt"}


def main() -> int:
    """Run the steps, each in a process of its own; the exit code of the first that fails."""
    parser = argparse.ArgumentParser(prog="python -m training", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)}; none means all")
    chosen: list[str] = parser.parse_args().steps
    if unknown := [step for step in chosen if step not in STEPS]:
        parser.error(f"no step is called {unknown[0]}")
    done = made_once(settings("prepare")["data"])
    for step in STEPS:
        if (chosen and step not in chosen) or (not chosen and step in done and done[step].exists()):
            continue
        print(f"== {step}", flush=True)
        if code := subprocess.run([sys.executable, "-m", f"training.{step}"], check=False).returncode:
            print(f"{step} failed; run this again when it is mended, and it goes on from here", flush=True)
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
