"""Suno's layout: text.pt, coarse.pt and fine.pt (large: text_2.pt, ...) with EnCodec's .th -> Checkpoint.

After suno-ai/bark, generation.py (`_load_model`), whose fixed vocabulary is the default of our configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bark_cli import store
from bark_cli.checkpoint.check import check_config
from bark_cli.checkpoint.foreign import codec_tensors, required_tokenizer, without_masks, without_tied_heads
from bark_cli.checkpoint.layout import suno_sizes
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.checkpoint.untrusted import plain_tensors, read_pickle
from bark_cli.errors import ModelError
from bark_cli.model.config import BarkConfig, CoarseConfig, CodecConfig, FineConfig, GPTConfig, SemanticConfig

if TYPE_CHECKING:
    from torch import Tensor

# best_val_loss is a numpy number: what makes one, by numpy 1's and numpy 2's name, and its types.
_numpy_scalar = np.float64(0.0).__reduce__()[0]
_ALLOWED = (
    (_numpy_scalar, "numpy.core.multiarray.scalar"),
    (_numpy_scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    type(np.dtype(np.float32)),
    type(np.dtype(np.float64)),
)


def read_suno(folder: Path, size: str | None = None) -> Checkpoint:
    """Read a folder of Suno's; the tensors are not yet checked against the configuration.

    Raises:
        UnsafeFileError: a file would run code if it were read; it was not.
        ModelError: a file is missing, damaged or not Bark's.
    """
    size = size or suno_sizes(folder)[0]
    files = [folder / name for name in store.SUNO_FILES[size]]
    for file in files:
        if not file.is_file():
            raise ModelError(f"{file} is missing; the {size} model needs {', '.join(f.name for f in files)}")
    (semantic, semantic_state), (coarse, coarse_state), (fine, fine_state) = map(_read_stage, files)
    config = BarkConfig(
        semantic=SemanticConfig(gpt=semantic),
        coarse=CoarseConfig(gpt=coarse),
        fine=FineConfig(gpt=fine, n_codebooks=fine.n_codes_total),
        codec=CodecConfig(n_codebooks=fine.n_codes_total),
    )
    check_config(config, folder)
    parts = {
        "semantic": semantic_state,
        "coarse": coarse_state,
        "fine": without_tied_heads(fine_state, fine.n_codes_given, files[2]),
        "codec": _read_codec(folder, fine.n_codes_total),
    }
    return Checkpoint(
        config=config,
        tensors={f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()},
        tokenizer_file=required_tokenizer(folder),
        layout="suno",
        folder=folder,
    )


def _read_stage(file: Path) -> tuple[GPTConfig, dict[str, Tensor]]:
    """Shape and weights of one transformer under our names; the optimizer's state is left in the file."""
    values = read_pickle(file, allow=_ALLOWED)
    state, args = values.get("model"), values.get("model_args")
    if not isinstance(state, dict) or not isinstance(args, dict):
        raise ModelError(f"{file} has no model and model_args; it is not one of Bark's files")
    tensors = plain_tensors(state, file)
    named = without_masks({_our_name(name): tensor for name, tensor in tensors.items()})
    return _gpt_config(args, named, file), named


def _our_name(name: str) -> str:
    # torch.compile and DistributedDataParallel leave prefixes, in front of or inside of each other.
    return name.replace("_orig_mod.", "").removeprefix("module.").removeprefix("transformer.")


def _gpt_config(args: Mapping[str, Any], named: Mapping[str, Tensor], file: Path) -> GPTConfig:
    vocabulary = args.get("vocab_size")
    values = {
        "input_vocab_size": args.get("input_vocab_size", vocabulary),
        "output_vocab_size": args.get("output_vocab_size", vocabulary),
        "block_size": args.get("block_size", 1024),
        "bias": args.get("bias", True),
        "norm_bias": "ln_f.bias" in named,
        "n_codes_total": args.get("n_codes_total", 8 if "wtes.0.weight" in named else 1),
        "n_codes_given": args.get("n_codes_given", 1),
    }
    values |= {name: args.get(name) for name in ("n_layer", "n_head", "n_embd")}
    absent = next((name for name, value in values.items() if value is None), None)
    if absent:
        raise ModelError(f"{file}: model_args has no {absent}; it is not one of Bark's files")
    return GPTConfig(**values)


def _read_codec(folder: Path, n_codebooks: int) -> dict[str, Tensor]:
    file = store.find_codec(folder)
    if file is None:
        raise ModelError(f"{folder} has no encodec_24khz-d7cc33bc.th; put EnCodec's weights beside Bark's")
    values = read_pickle(file)
    for key in ("best_state", "model"):  # training checkpoints nest the weights; the published file does not
        if isinstance(values.get(key), dict):
            values = values[key]
    return codec_tensors(plain_tensors(values, file), n_codebooks, file)
