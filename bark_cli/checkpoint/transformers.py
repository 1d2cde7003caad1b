"""The layout of Hugging Face Transformers' BarkModel: config.json and one or many weight files -> Checkpoint.

After transformers' models/bark and models/encodec; where the numbers come from is in transformers_config.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bark_cli.checkpoint.check import check_config
from bark_cli.checkpoint.encodec import without_empty_entries, without_lstm
from bark_cli.checkpoint.foreign import codec_tensors, required_tokenizer, without_masks, without_tied_heads
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.checkpoint.transformers_config import Values, bark_config
from bark_cli.checkpoint.untrusted import AGAIN, plain_tensors, read_json, read_pickle, read_safetensors
from bark_cli.errors import ModelError, UnsafeFileError
from bark_cli.model.config import BarkConfig, CodecConfig
from bark_cli.store import WEIGHT_FILES

if TYPE_CHECKING:
    from torch import Tensor

ReadWeights = Callable[[Path], Mapping[str, Any]]

_READERS: dict[str, ReadWeights] = {".safetensors": read_safetensors, ".bin": read_pickle}
PARTS = {
    "semantic": "semantic",
    "coarse_acoustics": "coarse",
    "fine_acoustics": "fine",
    "codec_model": "codec",
}
GPT_NAMES = {
    "input_embeds_layer": "wte",
    "input_embeds_layers": "wtes",
    "position_embeds_layer": "wpe",
    "layers": "h",
    "layernorm_1": "ln_1",
    "layernorm_2": "ln_2",
    "layernorm_final": "ln_f",
    "att_proj": "c_attn",
    "out_proj": "c_proj",
    "in_proj": "c_fc",
}
_LSTM = "codec_model.decoder.layers.1.lstm."


def read_transformers(folder: Path, values: Values) -> Checkpoint:
    """Read a folder whose config.json holds `values`; the tensors are not yet checked against them.

    Raises:
        UnsafeFileError: a file would run code if it were read, or an index points out of the folder.
        ModelError: a file is missing, damaged or not Bark's.
    """
    generation = folder / "generation_config.json"
    config = bark_config(folder, values, read_json(generation) if generation.is_file() else {})
    check_config(config, folder)
    tensors = _rename(_read_weights(folder), config, folder)
    return Checkpoint(
        config=config,
        tensors=tensors,
        tokenizer_file=required_tokenizer(folder),
        layout="transformers",
        folder=folder,
    )


def _read_weights(folder: Path) -> Mapping[str, Any]:
    for name in WEIGHT_FILES:
        read = _READERS[Path(name).suffix]
        if (folder / name).is_file():
            return read(folder / name)
        index = folder / f"{name}.index.json"
        if index.is_file():
            tensors: dict[str, Any] = {}
            for shard in _shards(index, Path(name).suffix):
                tensors |= read(folder / shard)
            return tensors
    raise ModelError(f"{folder} has neither model.safetensors nor pytorch_model.bin; {AGAIN}")


def _shards(index: Path, suffix: str) -> list[str]:
    """File names that an index lists, all of them plain names of the index's own kind."""
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{index} lists no files; {AGAIN}")
    names = {name for name in weight_map.values() if isinstance(name, str)}
    if len(names) > 1000 or not all(isinstance(name, str) for name in weight_map.values()):
        raise ModelError(f"{index} is damaged; {AGAIN}")
    for name in names:
        if any(mark in name for mark in "/\\:\0") or not name.endswith(suffix):
            raise UnsafeFileError(f"{index} points out of its folder, to {name!r}; it was not followed")
    return sorted(names)


def _rename(weights: Mapping[str, Any], config: BarkConfig, where: Path) -> dict[str, Tensor]:
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS.values()}
    tensors = plain_tensors(weights, where)
    has_lstm = any(name.startswith(_LSTM) for name in tensors)
    for full_name in map(str, weights):
        prefix, _, name = full_name.partition(".")
        if prefix not in PARTS or full_name not in tensors:
            raise ModelError(f"{where} holds {full_name}, which Bark does not have; is it another model?")
        part = PARTS[prefix]
        ours = _codec_name(name, config.codec, has_lstm) if part == "codec" else _gpt_name(name)
        parts[part][ours] = tensors[full_name]
    parts["codec"] = codec_tensors(parts["codec"], config.codec.n_codebooks, where)
    try:  # what was written for Transformers, which cannot do without it
        parts["codec"] = without_empty_entries(parts["codec"], config.codec.codebook_size)
        if has_lstm and not config.codec.lstm:
            parts["codec"] = without_lstm(parts["codec"])
    except ValueError as error:
        raise ModelError(f"{where}: {error}; {AGAIN}") from error
    parts["fine"] = without_tied_heads(parts["fine"], config.fine.gpt.n_codes_given, where)
    named = {f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()}
    return without_masks(named)


def _gpt_name(name: str) -> str:
    return ".".join(GPT_NAMES.get(piece, piece) for piece in name.split("."))


def _codec_name(name: str, codec: CodecConfig, has_lstm: bool) -> str:
    """encodec's name; it tells transposed convolutions by name where Transformers tells them by position."""
    pieces = name.split(".")
    if pieces[:2] == ["quantizer", "layers"]:
        return name.replace("quantizer.layers", "quantizer.vq.layers").replace(".codebook.", "._codebook.")
    if pieces[:2] != ["decoder", "layers"] or len(pieces) < 4:
        return name
    # Layers: convolution, LSTM, then for each ratio activation, transposed convolution, residual blocks.
    period, first = 2 + codec.n_residual_layers, 3 if has_lstm else 2
    upsampling = {str(first + period * i) for i in range(len(codec.ratios))}
    convolution = "convtr.convtr" if pieces[2] in upsampling else "conv.conv"
    renamed = [convolution if piece == "conv" else piece for piece in pieces[2:]]
    return ".".join(["decoder", "model", *renamed])
