"""Samples to listen to: ten short texts -> docs/samples/*.opus, and a README.md that says how each was made.

python -m training.samples [--model FOLDER] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bark_cli import Bark
from training.settings import HERE


@dataclass(frozen=True)
class Sample:
    """One sample: how its file is called, and what makes it."""

    name: str
    text: str
    voice: str
    seed: int = 0

    def command(self, model: str) -> str:
        """What makes the same on a command line."""
        of = "" if model == "nano" else f" --model {shlex.quote(model)}"
        return f"bark say {shlex.quote(self.text)} -v {self.voice} --seed {self.seed}{of} -o {self.name}.opus"


SAMPLES = (
    Sample("anna", "Good morning! The coffee is ready, and the sun is shining.", "nano/anna"),
    Sample("ben", "We could take the early train and be home by noon.", "nano/ben"),
    Sample("carl", "The old lighthouse has been empty for almost thirty years.", "nano/carl"),
    Sample("dora", "Come closer, and I will tell you what happened that night.", "nano/dora"),
    Sample("emil", "In 1969, about 600 million people watched the landing on the moon.", "nano/emil"),
    Sample("finn", "Mr. Tanaka paid $25 for three tickets.", "nano/finn"),
    Sample("question", "Do you remember where we parked the car?", "nano/anna"),
    Sample("hesitation", "Well... I am not sure about that.", "nano/emil"),
    Sample("laughs", "That was the best joke of the evening. [laughs]", "nano/ben"),
    Sample("capitals", "I did NOT say that he was late.", "nano/dora"),
    Sample("song", "♪ The moon is high and the night is long. ♪", "nano/anna"),
    Sample("sighs", "My friends, [sighs] it is over.", "nano/anna"),
)


def page(samples: Iterable[Sample], model: str) -> str:
    """The README beside the samples."""
    lines = [
        "# Samples of nano",
        "",
        "Made by `python -m training.samples`; each command makes the same again.",
    ]
    for s in samples:
        lines += ["", f"[{s.name}.opus]({s.name}.opus), voice {s.voice}, seed {s.seed}:", ""]
        lines += [f"> {s.text}", ""]
        lines += ["```sh", s.command(model), "```"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write samples and README."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="nano")
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "samples")
    given = parser.parse_args()
    bark = Bark.load(given.model)
    given.out.mkdir(parents=True, exist_ok=True)
    for s in SAMPLES:
        file = given.out / f"{s.name}.opus"
        bark.say(s.text, voice=s.voice, seed=s.seed).save(file, force=True)
        print(f"{file}: {file.stat().st_size / 1e3:.0f} kB", flush=True)
    (given.out / "README.md").write_text(page(SAMPLES, given.model), encoding="utf-8")


if __name__ == "__main__":
    main()
