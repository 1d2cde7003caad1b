"""EnCodec's decoder: codes (codebooks, F) -> waveform (F * hop,) float32, by encodec's own SEANet layers.

Only this module imports encodec. encodec imports torchaudio, which Bark does not need and which is often
missing or broken beside a CPU build of torch, so that import happens behind a temporary stand-in.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from bark_cli.errors import ModelError
from bark_cli.tokens import CodecConfig

# encodec's name of codebook i, (codebook size, dimension)
CODEBOOK_NAME = "quantizer.vq.layers.{}._codebook.embed"


def _forget_torchaudio() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]


@contextmanager
def _torchaudio_or_stand_in() -> Iterator[None]:
    """Make `import torchaudio` succeed inside the block, and leave no trace of a stand-in after it.

    A stand-in left behind would break whoever asks next whether torchaudio is there (transformers does).
    """
    hidden = sys.modules.get("torchaudio", sys) is None  # someone has ruled it out: so it stays
    try:
        importlib.import_module("torchaudio")
    # a torchaudio built for another torch fails in many ways: ImportError, OSError, RuntimeError
    except Exception:
        _forget_torchaudio()
        sys.modules["torchaudio"] = ModuleType("torchaudio")
        try:
            yield
        finally:
            _forget_torchaudio()
            if hidden:
                sys.modules["torchaudio"] = None  # type: ignore[assignment]
    else:
        yield


def import_seanet() -> Any:
    """encodec's SEANet module.

    Raises:
        ModelError: encodec is not installed.
    """
    if "encodec.modules.seanet" in sys.modules:
        return sys.modules["encodec.modules.seanet"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchaudio's and encodec's own deprecations, not ours to show
        with _torchaudio_or_stand_in():
            try:
                return importlib.import_module("encodec.modules.seanet")
            except ImportError as error:
                raise ModelError(f"encodec cannot be imported ({error}); run: pip install encodec") from error


class Codec(nn.Module):
    """The decoding half of EnCodec; `codebooks` is (codebooks, codebook size, dimension)."""

    codebooks: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.decoder = import_seanet().SEANetDecoder(
            channels=1,
            dimension=config.dimension,
            n_filters=config.n_filters,
            ratios=list(config.ratios),
            n_residual_layers=config.n_residual_layers,
            norm="none",  # the checkpoint's weight norm is folded into the weights when it is read
            causal=config.causal,
            lstm=config.lstm,
        )
        self.register_buffer(
            "codebooks", torch.empty(config.n_codebooks, config.codebook_size, config.dimension)
        )

    @classmethod
    def from_tensors(cls, config: CodecConfig, tensors: Mapping[str, Tensor]) -> Codec:
        """Build from encodec's names, `decoder.*` and `quantizer.vq.layers.{i}._codebook.embed`.

        The tensors must be complete; `read_checkpoint` sees to that.
        """
        # shapes only: no time is spent on random weights that are replaced at once
        with torch.device("meta"):
            codec = cls(config)
        books = [tensors[CODEBOOK_NAME.format(i)] for i in range(config.n_codebooks)]
        state = {name: value for name, value in tensors.items() if name.startswith("decoder.")}
        codec.load_state_dict({**state, "codebooks": torch.stack(books)}, assign=True)
        return codec.requires_grad_(False).eval()

    def latents(self, codes: Tensor) -> Tensor:
        """Sum of each codebook's entries: codes (codebooks, F) int64 -> (dimension, F)."""
        which = torch.arange(codes.shape[0], device=codes.device)[:, None]
        return self.codebooks[which, codes].sum(dim=0).T

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """Waveform (F * hop,) float32, about -1..1, of codes (codebooks, F) int64."""
        wave: Tensor = self.decoder(self.latents(codes)[None])
        return wave[0, 0].to(torch.float32)
