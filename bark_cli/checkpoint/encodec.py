"""EnCodec whole, of the half that Bark has: Checkpoint -> tensors by encodec's names.

Bark only decodes. The encoder, and codebooks past Bark's, are written as zeros: strict loaders ask for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from bark_cli.checkpoint.record import Checkpoint
from bark_cli.model.codec import import_seanet
from bark_cli.model.config import CodecConfig
from bark_cli.model.decoder import CODEBOOK_NAME

_BOOK = re.compile(re.escape(CODEBOOK_NAME).replace(r"\{\}", r"\d+"))
_MODEL, _LSTM = "decoder.model.", "decoder.model.1.lstm."


def encodec_state(checkpoint: Checkpoint, n_codebooks: int, entries: int) -> dict[str, Tensor]:
    """All that encodec's model holds, with `n_codebooks` of `entries` each, in float32.

    A codec without an LSTM gets one of zeros, which adds nothing: Transformers cannot leave it out.
    """
    config = checkpoint.config.codec
    part = checkpoint.part("codec")
    decoder = {name: value for name, value in part.items() if name.startswith("decoder.")}
    if not config.lstm:
        decoder = _with_empty_lstm(decoder, config)
        config = replace(config, lstm=1)
    state: dict[str, Tensor] = {}
    for name, weight in {**_empty_encoder(config), **decoder}.items():
        state |= weight_norm(name, weight) if weight.ndim == 3 else {name: weight}
    for i in range(n_codebooks):
        name = CODEBOOK_NAME.format(i)
        book = torch.zeros(entries, config.dimension)
        if name in part:
            book[: config.codebook_size] = part[name]
        state |= _codebook(name, book)
    return state


def without_empty_entries(codec: Mapping[str, Tensor], size: int) -> dict[str, Tensor]:
    """The tensors of a codec whose codebooks end with zeros after `size` entries, as if they ended there.

    Raises:
        ValueError: a codebook goes on.
    """
    books = {name: value for name, value in codec.items() if _BOOK.fullmatch(name)}
    if any(book[size:].any() for book in books.values()):
        raise ValueError(f"the codec's codebooks are to have {size} entries, and go on after them")
    return {**codec, **{name: book[:size] for name, book in books.items()}}


def without_lstm(codec: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a codec whose LSTM, in the decoder's second layer, adds nothing, as if it had none.

    Raises:
        ValueError: it does add something.
    """
    if any(value.any() for name, value in codec.items() if name.startswith(_LSTM)):
        raise ValueError("the codec's LSTM is to be left out, and is not all zeros")
    return _renumbered(
        {name: value for name, value in codec.items() if not name.startswith(_LSTM)}, lambda i: i - (i > 1)
    )


def _with_empty_lstm(decoder: Mapping[str, Tensor], config: CodecConfig) -> dict[str, Tensor]:
    width = config.n_filters * 2 ** len(config.ratios)
    shapes: dict[str, tuple[int, ...]] = {
        "weight_ih_l0": (4 * width, width),
        "weight_hh_l0": (4 * width, width),
    }
    shapes |= {"bias_ih_l0": (4 * width,), "bias_hh_l0": (4 * width,)}
    return {
        **_renumbered(decoder, lambda i: i + (i > 0)),
        **{_LSTM + name: torch.zeros(shape) for name, shape in shapes.items()},
    }


def _renumbered(tensors: Mapping[str, Tensor], place: Callable[[int], int]) -> dict[str, Tensor]:
    """The decoder's layers under other numbers; what is not the decoder's stays as it is."""
    found = {}
    for name, value in tensors.items():
        if name.startswith(_MODEL):
            number, _, rest = name.removeprefix(_MODEL).partition(".")
            name = f"{_MODEL}{place(int(number))}.{rest}"
        found[name] = value
    return found


def _empty_encoder(config: CodecConfig) -> dict[str, Tensor]:
    with torch.device("meta"):  # names and shapes only
        encoder = import_seanet().SEANetEncoder(
            channels=1,
            dimension=config.dimension,
            n_filters=config.n_filters,
            ratios=list(config.ratios),
            n_residual_layers=config.n_residual_layers,
            norm="none",
            causal=config.causal,
            lstm=config.lstm,
            last_kernel_size=config.last_kernel_size,  # the encoder's, too
        )
    return {f"encoder.{name}": torch.zeros(value.shape) for name, value in encoder.state_dict().items()}


def weight_norm(name: str, weight: Tensor) -> dict[str, Tensor]:
    """Gain and direction of a convolution's weight (C, ...), which multiply out to it, to the last bit.

    The direction is the weight itself, and the gain its norm as the kernel that divides by it computes it.
    """
    ones = torch.ones(len(weight), 1, 1)
    _, norm = torch._weight_norm_interface(weight.contiguous(), ones, 0)
    norm = norm.view(ones.shape)
    direction = torch.where(norm == 0, ones, weight)  # zeros have no direction; any will do
    return {f"{name}_g": norm, f"{name}_v": direction}


def _codebook(name: str, entries: Tensor) -> dict[str, Tensor]:
    """A codebook with the averages that training it goes on from."""
    stem = name.removesuffix("embed")
    return {
        name: entries,
        f"{stem}embed_avg": entries.clone(),
        f"{stem}cluster_size": torch.ones(len(entries)),
        f"{stem}inited": torch.ones(1),
    }
