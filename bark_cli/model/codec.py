"""EnCodec's decoder: codes (codebooks, F) -> waveform (F * hop,) float32, at once or as the codes come.

The layers and their names are encodec's own (SEANetDecoder). A causal decoder's convolutions run here as
matrix products, time along the rows: faster than encodec's forward, and each layer can keep its past.

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
from bark_cli.model.config import CodecConfig
from bark_cli.model.decoder import CODEBOOK_NAME

# A stream takes longer pieces apart: more rows at once are no faster, and need more memory.
FRAMES_AT_ONCE = 256


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
            last_kernel_size=config.last_kernel_size,
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
        codec.requires_grad_(False).eval()
        _put_taps(codec.decoder)
        return codec

    def latents(self, codes: Tensor) -> Tensor:
        """Sum of each codebook's entries: codes (codebooks, F) int64 -> (dimension, F)."""
        which = torch.arange(codes.shape[0], device=codes.device)[:, None]
        return self.codebooks[which, codes].sum(dim=0).T

    def decode(self, codes: Tensor) -> Tensor:
        """Waveform (F * hop,) float32, about -1..1, of codes (codebooks, F) int64."""
        stream = CodecStream(self)
        return torch.cat([stream.push(codes), stream.finish()])


def _put_taps(decoder: nn.Module) -> None:
    """Give every convolution its weights again as `taps` (k, inputs, outputs), which follow it anywhere."""
    seanet = import_seanet()
    for layer in decoder.modules():
        if isinstance(layer, seanet.SConv1d):
            taps = layer.conv.conv.weight.permute(2, 1, 0)
        elif isinstance(layer, seanet.SConvTranspose1d):
            # The kernel is two strides long and its overhang is cut off: the `stride` outputs of a row hear
            # that row and the one before. As a convolution of two taps it makes stride * channels outputs.
            convtr = layer.convtr.convtr
            halves = convtr.weight.unflatten(2, (2, convtr.stride[0]))  # (in, channels, 2, stride)
            taps = halves.permute(2, 0, 3, 1).flatten(2).flip(0)  # the older row comes first
        else:
            continue
        layer.register_buffer("taps", taps.contiguous(), persistent=False)


def frames_to_start(decoder: nn.Module) -> int:
    """Frames without which a causal decoder has no first sample.

    encodec pads a beginning with its own mirror image, so a convolution that reaches back by r inputs needs
    its first r + 1 inputs at once. The upsampling before it makes several of them from a frame.
    """
    seanet = import_seanet()
    frames, rate = 1, 1
    for layer in decoder.modules():
        if isinstance(layer, seanet.SConv1d):
            frames = max(frames, reach(layer) // rate + 1)
        elif isinstance(layer, seanet.SConvTranspose1d):
            rate *= layer.convtr.convtr.stride[0]
    return frames


def reach(layer: Any) -> int:
    """How many inputs before the current one an SConv1d hears."""
    convolution = layer.conv.conv
    return int((convolution.kernel_size[0] - 1) * convolution.dilation[0])


class CodecStream:
    """One utterance decoded as its codes come; the pieces join to what `Codec.decode` gives of all of them.

    Every layer keeps what it needs of the past (a convolution the rows that it reaches back to, the LSTM its
    state), so a frame costs the same however many came before it. The first samples wait for
    `frames_to_start`; a codec that is not causal hears the end in every sample, so all of them wait for it.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._start = frames_to_start(codec.decoder) if codec.config.causal else None
        self._waiting: Tensor | None = None  # codes of the frames that are held back
        self._past: dict[nn.Module, Any] = {}  # empty until the first samples

    @torch.inference_mode()
    def push(self, codes: Tensor) -> Tensor:
        """Samples (n * hop,) float32 of codes (codebooks, n) int64, those of frames held back included."""
        if self._waiting is not None:
            codes = torch.cat([self._waiting, codes], dim=1)
        enough = self._past or (self._start is not None and codes.shape[1] >= self._start)
        if not enough or not codes.shape[1]:
            self._waiting = codes
            return self._codec.codebooks.new_empty(0)
        self._waiting = None
        network = self._codec.decoder.model
        pieces = [
            self._run(network, self._codec.latents(piece).T).flatten()
            for piece in torch.split(codes, FRAMES_AT_ONCE, dim=1)
        ]
        return torch.cat(pieces)

    @torch.inference_mode()
    def finish(self) -> Tensor:
        """Samples (n * hop,) float32 of the frames still held back: those of a very short stream, or none."""
        codes, self._waiting = self._waiting, None
        if codes is None or not codes.shape[1]:
            return self._codec.codebooks.new_empty(0)
        wave: Tensor = self._codec.decoder(self._codec.latents(codes)[None])
        return wave.flatten()

    def _run(self, layer: nn.Module, x: Tensor) -> Tensor:
        """Rows (T, inputs) through `layer` and all within it -> (T * upsampling, outputs)."""
        seanet = import_seanet()
        if isinstance(layer, nn.Sequential):
            for inner in layer:
                x = self._run(inner, x)
            return x
        if isinstance(layer, seanet.SEANetResnetBlock):
            return self._run(layer.block, x).add_(self._run(layer.shortcut, x))
        if isinstance(layer, seanet.SConv1d):
            r = reach(layer)
            x = self._with_past(layer, x, x[1 : r + 1].flip(0))
            return _convolve(x, layer.taps, layer.conv.conv.bias, layer.conv.conv.dilation[0])
        if isinstance(layer, seanet.SConvTranspose1d):
            bias = layer.convtr.convtr.bias
            x = self._with_past(layer, x, torch.zeros_like(x[:1]))
            upsampling = layer.convtr.convtr.stride[0]
            return _convolve(x, layer.taps, bias.repeat(upsampling)).view(-1, len(bias))
        if isinstance(layer, seanet.SLSTM):
            hidden, self._past[layer] = layer.lstm(x[:, None], self._past.get(layer))
            out: Tensor = hidden[:, 0] + x  # encodec's skip connection
        else:
            out = layer(x)  # an activation has no past
        return out

    def _with_past(self, layer: nn.Module, x: Tensor, before_all: Tensor) -> Tensor:
        """Rows that came before x, `before_all` where none did, and then x; as many are kept for the next."""
        past: Tensor = self._past.get(layer, before_all)
        if not len(past):  # of a convolution of width 1, the most common kind
            return x
        x = torch.cat([past, x])
        self._past[layer] = x[len(x) - len(past) :].clone()  # a view would keep all of x alive
        return x


def _convolve(x: Tensor, taps: Tensor, bias: Tensor, dilation: int = 1) -> Tensor:
    """Rows x (T + (k - 1) * dilation, inputs) and taps (k, inputs, outputs), oldest first -> (T, outputs)."""
    length = len(x) - (len(taps) - 1) * dilation
    out = torch.addmm(bias, x[:length], taps[0])
    for i, tap in enumerate(taps[1:], start=1):
        out.addmm_(x[i * dilation :][:length], tap)
    return out
