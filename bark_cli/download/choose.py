"""Which files a model is made of: names in a repository or folder -> those that reading it takes, no more.

Preferred is Transformers' file (1.7 GB for small), which also holds the codec; Suno's own .pt files (4.7 GB)
carry the state of their optimizer along. Of safetensors and pickled weights only the former are taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from bark_cli.errors import ModelError, OptionError
from bark_cli.store import SUNO_FILES, WEIGHT_FILES
from bark_cli.store.places import GGUF_SUFFIX, TOKENIZER_FILES

LAYOUTS = ("transformers", "suno", "gguf")
CODEC_FILE = "encodec_24khz-d7cc33bc.th"
_CONFIG_FILES = ("config.json", "generation_config.json")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What to take."""

    layout: str  # one of LAYOUTS; a model in our own layout has the same files as Transformers'
    size: str | None  # of Suno's, which one
    weights: tuple[str, ...]
    others: tuple[str, ...]  # configuration, tokenizer, codec, as far as they are there
    tokenizer: str | None  # one of `others`; None: there is none

    @property
    def is_complete(self) -> bool:
        """Whether the weights hold the tokenizer and the codec too."""
        return self.layout == "gguf"

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, small files first: what is wrong with a model is then soon known."""
        return (*self.others, *self.weights)


def choose_files(
    names: Collection[str],
    where: str,
    *,
    layout: str | None = None,
    size: str | None = None,
    file: str | None = None,
) -> Choice:
    """Choose from the names of the files that lie in `where`, which messages name.

    Args:
        names: paths with /; what lies in folders is not looked at.
        where: a repository or a folder.
        layout: "transformers", "suno" or "gguf"; None takes the first of them that is there.
        size: "small" or "large", of Suno's files; None takes the large ones where both are there.
        file: the GGUF file that is wanted.

    Raises:
        OptionError: there is no such layout.
        ModelError: the files of a Bark are not all there.
    """
    if layout not in (None, *LAYOUTS):
        raise OptionError(f"layout {layout!r} is unknown; use {' or '.join(LAYOUTS)}")
    if file is not None or layout == "gguf":
        return _choose_gguf(names, where, file)
    if layout != "suno" and (weights := _weights(names)) and "config.json" in names:
        return _choice("transformers", None, weights, names, _CONFIG_FILES)
    wanted = {size: SUNO_FILES[size]} if size else SUNO_FILES
    whole = [known for known, files in wanted.items() if set(files) <= set(names)]
    if layout != "transformers" and whole:
        return _choice("suno", whole[0], SUNO_FILES[whole[0]], names, (CODEC_FILE,))
    if layout is None and size is None and _gguf_files(names):
        return _choose_gguf(names, where, None)
    raise ModelError(f"{where} holds no whole Bark (no {_looked_for(layout, size)}); check the name")


def _choose_gguf(names: Collection[str], where: str, file: str | None) -> Choice:
    """One GGUF file, which is a whole model.

    Raises:
        OptionError: several are there, and none was chosen.
        ModelError: it is not there.
    """
    found = _gguf_files(names)
    listed = ", ".join(found) or "none"
    if file is not None and file not in found:
        raise ModelError(f"{where} holds no GGUF file {file} (there: {listed}); check the name")
    if not found:
        raise ModelError(f"{where} holds no GGUF file; check the name")
    if file is None and len(found) > 1:
        raise OptionError(f"{where} holds several GGUF files ({listed}); choose one with --file")
    return Choice(layout="gguf", size=None, weights=(file or found[0],), others=(), tokenizer=None)


def _gguf_files(names: Collection[str]) -> list[str]:
    return sorted(name for name in names if name.lower().endswith(GGUF_SUFFIX) and "/" not in name)


def _choice(
    layout: str, size: str | None, weights: tuple[str, ...], names: Collection[str], others: tuple[str, ...]
) -> Choice:
    tokenizer = next((name for name in TOKENIZER_FILES if name in names), None)
    there = [name for name in (*others, tokenizer) if name is not None and name in names]
    return Choice(layout=layout, size=size, weights=weights, others=tuple(there), tokenizer=tokenizer)


def _weights(names: Collection[str]) -> tuple[str, ...]:
    """The weight file, or the index and every shard: model-00001-of-00002.safetensors, ..."""
    for name in WEIGHT_FILES:
        if name in names:
            return (name,)
        index = f"{name}.index.json"
        stem, _, suffix = name.rpartition(".")
        shard = re.compile(rf"{re.escape(stem)}-(\d+)-of-(\d+)\.{suffix}")
        found = [match for other in sorted(names) if (match := shard.fullmatch(other))]
        if index in names and found and all(int(match[2]) == len(found) for match in found):
            return (index, *(match[0] for match in found))
    return ()


def _looked_for(layout: str | None, size: str | None) -> str:
    suno = (", ".join(files) for known, files in SUNO_FILES.items() if size in (None, known))
    wanted = {"transformers": f"config.json with {' or '.join(WEIGHT_FILES)}", "suno": " or ".join(suno)}
    wanted |= {"gguf": f"*{GGUF_SUFFIX}"} if size is None else {}
    return wanted[layout] if layout else "; no ".join(wanted.values())
