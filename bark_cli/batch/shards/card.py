"""What a data set of shards is -> README.md beside them, in the form of a data card of Hugging Face.

https://huggingface.co/docs/hub/datasets-cards
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bark_cli.audio.provenance import NOTICE
from bark_cli.batch.shards.packing import FOLDER, FORMS
from bark_cli.batch.shards.row import ShardKind
from bark_cli.store import MODELS, ModelRef

CARD = "README.md"
_HEAD = 2**14  # bytes of a model's card that are looked at
_NAMED = re.compile(r"^- `(.+)`", re.MULTILINE)
_MOST_NAMED = 1000  # voices in a card


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a data card tells."""

    kind: ShardKind
    format: str  # of the sounds
    models: Mapping[str, str]  # name -> licence of its weights, as "apache-2.0" or "other"
    voices: Collection[str]
    languages: Collection[str]
    seed: int | None  # of all sounds; None: each has its own
    settings: Mapping[str, Any]
    version: str  # of bark_cli

    def text(self) -> str:
        """The whole card, YAML head and all."""
        return f"{_head(self)}\n{_body(self)}"


def licence_of(model: ModelRef) -> str:
    """The licence of a model's weights, as Hugging Face names them; "other" where nothing here tells it."""
    try:
        with (model.folder / CARD).open("rb") as stream:
            head = stream.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        head = ""
    if (
        found := re.search(r"^license: *['\"]?([A-Za-z0-9.+-]{1,40})['\"]? *$", head, re.MULTILINE)
    ) is not None:
        return found[1].lower()
    return "mit" if model.name.partition("/")[0] in {*MODELS, "suno"} - {"nano"} else "other"


def voices_in(card: str) -> set[str]:
    """The voices that an earlier card of ours names."""
    return set(_NAMED.findall(card.partition("## Voices")[2].partition("##")[0])[:_MOST_NAMED])


def _head(card: Card) -> str:
    licences = set(card.models.values())
    [licence] = licences if len(licences) == 1 else ["other"]
    lines = ["---", f"license: {licence}", *_listed("language", sorted(card.languages))]
    lines += [*_listed("task_categories", ["text-to-speech", "automatic-speech-recognition"])]
    lines += [*_listed("tags", ["audio", "synthetic", "speech", "bark", f"format:{card.kind}"])]
    files = f"{FOLDER}/*{FORMS[card.kind].suffix}"
    lines += ["configs:", "  - config_name: default", "    data_files:", "      - split: train"]
    return "\n".join([*lines, f'        path: "{files}"', "---", ""])


def _listed(name: str, values: Iterable[str]) -> list[str]:
    """A list of YAML; nothing where it is empty."""
    lines = [f"  - {json.dumps(value)}" for value in values]
    return [f"{name}:", *lines] if lines else []


def _body(card: Card) -> str:
    seed = (
        "Each sound has its own, in the column `seed`."
        if card.seed is None
        else f"All have seed {card.seed}."
    )
    chosen = [f"- `{name}`: {json.dumps(value)}" for name, value in sorted(card.settings.items())]
    loads = {
        "parquet": 'load_dataset("parquet", data_files="data/*.parquet")',
        "webdataset": 'load_dataset("webdataset", data_files="data/*.tar")',
    }
    voices = sorted(card.voices)
    more = len(voices) - _MOST_NAMED
    parts = [
        f"# {NOTICE}",
        "Every sound here was made by a machine: nobody has said these words. Made by "
        f"[bark-cli](https://github.com/bark-cli/bark-cli) {card.version}.",
        "## Models",
        "\n".join(f"- `{name}`, licence of its weights: {licence}" for name, licence in card.models.items()),
        "## Voices",
        "\n".join(f"- `{voice}`" for voice in voices[:_MOST_NAMED]) or "The model has none.",
        *([f"and {more} more"] if more > 0 else []),
        "## Seeds and settings",
        seed + (" Chosen were:" if chosen else " All settings are the model's own."),
        *(["\n".join(chosen)] if chosen else []),
        "## Fields",
        f"`audio` ({card.format}), `text`, `voice`, `seed`, `duration` in seconds, `sample_rate` in Hz, "
        "`model`, `settings` as JSON.",
        f"```python\nfrom datasets import load_dataset\n\nspeech = {loads[card.kind]}\n```",
    ]
    return "\n\n".join(parts) + "\n"
