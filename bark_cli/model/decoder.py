"""EnCodec's decoder as a list of layers: CodecConfig -> what each hears and makes, by encodec's names.

After encodec, encodec/modules/seanet.py, SEANetDecoder; without torch, for other ways to compute them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bark_cli.model.config import CodecConfig

# encodec's name of codebook i, (codebook size, dimension)
CODEBOOK_NAME = "quantizer.vq.layers.{}._codebook.embed"
_FIRST = 7  # taps of the first convolution


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """Rows (T, inputs) -> (T * upsampling, outputs); transposed where it upsamples."""

    name: str  # of its tensors, without .weight and .bias
    inputs: int
    outputs: int
    taps: int
    dilation: int = 1
    upsampling: int = 1
    is_activated: bool = True  # an ELU goes before it
    branches: bool = False  # its input is kept, for the one that joins
    joins: bool = False  # it hears what was kept, and is added to what came of it meanwhile

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Its tensors by name."""
        channels = (self.inputs, self.outputs) if self.upsampling > 1 else (self.outputs, self.inputs)
        return {f"{self.name}.weight": (*channels, self.taps), f"{self.name}.bias": (self.outputs,)}


@dataclass(frozen=True, kw_only=True)
class Recurrence:
    """A layer of an LSTM, rows (T, width) -> (T, width); what the first hears is added in the last."""

    name: str  # of its tensors, before and after _
    number: int
    width: int
    branches: bool
    joins: bool

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Its tensors by name."""
        square, row = (4 * self.width, self.width), (4 * self.width,)
        kinds = {"weight_ih": square, "weight_hh": square, "bias_ih": row, "bias_hh": row}
        return {f"{self.name}.{kind}_l{self.number}": shape for kind, shape in kinds.items()}


def decoder_layers(config: CodecConfig) -> Iterator[Convolution | Recurrence]:
    """All layers with weights, in the order in which they are computed."""
    width, place = config.n_filters * 2 ** len(config.ratios), 0
    yield Convolution(
        name="decoder.model.0.conv.conv",
        inputs=config.dimension,
        outputs=width,
        taps=_FIRST,
        is_activated=False,
    )
    for number in range(config.lstm):
        place = 1
        yield Recurrence(
            name="decoder.model.1.lstm",
            number=number,
            width=width,
            branches=number == 0,
            joins=number == config.lstm - 1,
        )
    for ratio in config.ratios:
        place += 2  # the ELU has a place of its own
        yield Convolution(
            name=f"decoder.model.{place}.convtr.convtr",
            inputs=width,
            outputs=width // 2,
            taps=2 * ratio,
            upsampling=ratio,
        )
        width //= 2
        for number in range(config.n_residual_layers):
            place += 1
            yield from _residual(f"decoder.model.{place}", width, 2**number)
    name, taps = f"decoder.model.{place + 2}.conv.conv", config.last_kernel_size
    yield Convolution(name=name, inputs=width, outputs=1, taps=taps)


def _residual(name: str, width: int, dilation: int) -> Iterator[Convolution]:
    hidden = width // 2
    yield Convolution(
        name=f"{name}.block.1.conv.conv",
        inputs=width,
        outputs=hidden,
        taps=3,
        dilation=dilation,
        branches=True,
    )
    yield Convolution(name=f"{name}.block.3.conv.conv", inputs=hidden, outputs=width, taps=1)
    yield Convolution(
        name=f"{name}.shortcut.conv.conv",
        inputs=width,
        outputs=width,
        taps=1,
        is_activated=False,
        joins=True,
    )
