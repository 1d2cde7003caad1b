"""EnCodec's decoder as a graph: codes (codebooks, F) -> samples (F * hop,), at once or as the codes come.

The layers are those of `model.codec`; what each needs of the past is an input, and what it will need then an
output. Without a past a convolution hears the mirror image of its beginning, as encodec pads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import openvino as ov
import torch
from openvino import opset15 as ops
from torch import nn

from bark_cli.model.codec import Codec, import_seanet, reach
from bark_cli.model.config import CodecConfig
from bark_cli.model.decoder import CODEBOOK_NAME
from bark_cli.model.openvino.ops import Node, integers, length, number, parameter, result, row
from bark_cli.model.openvino.weights import GraphWeights


def codec_graph(config: CodecConfig, weights: GraphWeights, name: str = "codec") -> ov.Model:
    """The decoder of a causal codec.

    Inputs: codes (codebooks, F), and of every layer past.i (1, channels, r), or of an LSTM's layers hidden.i
    and cell.i (1, 1, channels); before the first codes with r = 0, or zeros. Outputs: samples (F * hop,), and
    as next.past.i and so on what is to be given with the next codes.
    """
    with torch.device("meta"):  # its structure only
        decoder = Codec(config).decoder
    codes = parameter("codes", [config.n_codebooks, -1])
    x = None
    for i in range(config.n_codebooks):
        rows = weights.table(CODEBOOK_NAME.format(i), ops.gather(codes, integers(i), integers(0)))
        x = rows if x is None else ops.add(x, rows)  # (F, dimension)
    builder = _Builder(weights)
    y = builder.run(decoder.model, _channels_first(x), "decoder.model")
    samples = result("samples", ops.reshape(y, integers([-1]), False))
    return ov.Model([samples, *builder.outputs], [codes, *builder.inputs], name)


def _channels_first(x: Node) -> Node:
    """(T, C) -> (1, C, T)."""
    return ops.unsqueeze(ops.transpose(x, integers([1, 0])), integers(0))


@dataclass
class _Builder:
    """The graph so far: layers turn (1, inputs, T) into (1, outputs, T * upsampling)."""

    weights: GraphWeights
    inputs: list[Node] = field(default_factory=list)
    outputs: list[Node] = field(default_factory=list)

    def run(self, layer: nn.Module, x: Node, name: str) -> Node:
        """x through `layer`, called so among the tensors, and all within it."""
        seanet = import_seanet()
        if isinstance(layer, nn.Sequential):
            for number_, inner in layer.named_children():
                x = self.run(inner, x, f"{name}.{number_}")
            return x
        if isinstance(layer, seanet.SEANetResnetBlock):
            beside = self.run(layer.shortcut, x, f"{name}.shortcut")
            return ops.add(self.run(layer.block, x, f"{name}.block"), beside)
        if isinstance(layer, seanet.SConv1d):
            return self._convolution(layer, x, f"{name}.conv.conv")
        if isinstance(layer, seanet.SConvTranspose1d):
            return self._upsampling(layer, x, f"{name}.convtr.convtr")
        if isinstance(layer, seanet.SLSTM):
            return ops.add(self._lstm(layer.lstm, x, f"{name}.lstm"), x)
        if isinstance(layer, nn.ELU):
            return ops.elu(x, layer.alpha)
        if isinstance(layer, nn.Identity):
            return x
        raise TypeError(f"{name} is a {type(layer).__name__}, which a SEANet decoder does not have")

    def _convolution(self, layer: Any, x: Node, name: str) -> Node:
        convolution, r = layer.conv.conv, reach(layer)
        if r:
            # where there are fewer than r + 1, encodec puts zeros after them before it mirrors
            longer = ops.concat([x, self._zeros(convolution.in_channels, r)], 2)
            mirrored = ops.slice(longer, integers([r]), integers([0]), integers([-1]), integers([2]))
            x = self._with_past(x, mirrored, convolution.in_channels, r)
        weight = self.weights.plain(f"{name}.weight")
        y = ops.convolution(x, weight, [1], [0], [0], [convolution.dilation[0]])
        return ops.add(y, self._bias(name))

    def _upsampling(self, layer: Any, x: Node, name: str) -> Node:
        """The kernel is two strides long: each row is heard at its own place and at the next."""
        convolution = layer.convtr.convtr
        stride, channels = convolution.stride[0], convolution.in_channels
        x = self._with_past(x, self._zeros(channels, 1), channels, 1)
        weight = self.weights.plain(f"{name}.weight")
        y = ops.convolution_backprop_data(
            x, weight, strides=[stride], pads_begin=[0], pads_end=[0], dilations=[1]
        )
        y = ops.slice(y, integers([stride]), integers([-stride]), integers([1]), integers([2]))
        return ops.add(y, self._bias(name))

    def _bias(self, name: str) -> Node:
        return ops.unsqueeze(self.weights.plain(f"{name}.bias"), integers([0, 2]))

    def _with_past(self, x: Node, before_all: Node, channels: int, r: int) -> Node:
        """The r that came before x, those of `before_all` where none did, and then x."""
        past = self._given("past", [1, channels, -1])
        lacking = ops.subtract(integers(r), length(past, 2))  # r or 0
        begin = ops.slice(before_all, integers([0]), row(lacking), integers([1]), integers([2]))
        whole = ops.concat([begin, past, x], 2)
        last = ops.slice(
            whole, integers([-r]), integers([np.iinfo(np.int64).max]), integers([1]), integers([2])
        )
        self._kept(past, last)
        return whole

    def _lstm(self, lstm: nn.LSTM, x: Node, name: str) -> Node:
        x = ops.transpose(x, integers([0, 2, 1]))  # (1, T, C)
        for layer in range(lstm.num_layers):
            shape = [1, 1, lstm.hidden_size]
            hidden, cell = self._given("hidden", shape), self._given("cell", shape)
            input_weight, own_weight = (
                self._gates(self.weights.plain(f"{name}.weight_{part}_l{layer}")) for part in ("ih", "hh")
            )
            biases = [self.weights.plain(f"{name}.bias_{part}_l{layer}") for part in ("ih", "hh")]
            made = ops.lstm_sequence(
                x,
                hidden,
                cell,
                row(length(x, 1)),
                input_weight,
                own_weight,
                self._gates(ops.add(*biases)),
                lstm.hidden_size,
                "forward",
            )
            self._kept(hidden, made.output(1))
            self._kept(cell, made.output(2))
            x = ops.squeeze(made.output(0), integers([1]))
        return ops.transpose(x, integers([0, 2, 1]))

    def _gates(self, weight: Node) -> Node:
        """Torch's order of gates, input, forget, cell, output, to OpenVINO's, which begins with forget."""
        gates = ops.split(weight, integers(0), 4).outputs()
        return ops.unsqueeze(ops.concat([gates[i] for i in (1, 0, 2, 3)], 0), integers(0))

    def _zeros(self, channels: int, count: int) -> Node:
        return ops.broadcast(number(0), integers([1, channels, count]))

    def _given(self, what: str, shape: list[int]) -> Node:
        index = sum(node.get_friendly_name().startswith(what) for node in self.inputs)
        self.inputs.append(parameter(f"{what}.{index}", shape, np.float32))
        return self.inputs[-1]

    def _kept(self, given: Node, value: Node) -> None:
        self.outputs.append(result(f"next.{given.get_friendly_name()}", value))
