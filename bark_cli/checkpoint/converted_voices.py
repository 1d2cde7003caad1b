"""The voices in a model's folder -> the same voices beside a conversion, as its layout keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli.checkpoint.convertible import EMBEDDINGS, ConvertRequest
from bark_cli.errors import VoiceError
from bark_cli.system.files import told_of
from bark_cli.voices.catalogue import model_voices, place_in_model
from bark_cli.voices.file import KEYS, read_voice_file, voice_bytes

if TYPE_CHECKING:
    from bark_cli.checkpoint import Checkpoint, LayoutName
    from bark_cli.model.tokens import BarkTokens

_NO_HISTORY = (
    "no voices were written: Transformers would lay them over the text, which this model never learnt to read"
)


def put_voices(checkpoint: Checkpoint, folder: Path, request: ConvertRequest) -> tuple[int, tuple[str, ...]]:
    """Write the voices that lie in the model's folder; how many, and what was left out."""
    found = list(model_voices(request.model.folder))
    if request.layout == "transformers" and not checkpoint.config.semantic.max_history_tokens:
        _write_embeddings(folder, {})
        return 0, (_NO_HISTORY,)
    voices, damaged = {}, []
    for info in {info.name: info for info in reversed(found)}.values():  # of a name the first counts
        try:
            voices[info.name] = read_voice_file(info.path, info.name, checkpoint.config)
        except VoiceError as error:
            damaged.append(f"voice {info.name} was left out: {error}")
    with told_of(request.out):
        _write_voices(folder, voices, request.layout)
    return len(voices), tuple(damaged)


def _write_voices(folder: Path, voices: dict[str, BarkTokens], layout: LayoutName) -> None:
    if layout == "transformers":
        _write_embeddings(folder, voices)
        return
    for name, tokens in voices.items():
        file = folder / (f"assets/prompts/{name}.npz" if layout == "suno" else place_in_model(name))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(voice_bytes(tokens))


def _write_embeddings(folder: Path, voices: dict[str, BarkTokens]) -> None:
    """Each voice as three .npy files, and the list of them that Transformers' BarkProcessor reads."""
    import numpy as np

    listed: dict[str, object] = {"repo_or_path": "."}  # whoever reads it puts in the folder it lies in
    for name, tokens in voices.items():
        arrays = dict(zip(KEYS, (tokens.semantic, tokens.coarse, tokens.fine), strict=True))
        files = {key: f"{EMBEDDINGS}/{name}_{key}.npy" for key in arrays}
        (folder / files[KEYS[0]]).parent.mkdir(parents=True, exist_ok=True)
        for key, array in arrays.items():
            np.save(folder / files[key], array, allow_pickle=False)
        listed[name] = files
    (folder / f"{EMBEDDINGS}_path.json").write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")
