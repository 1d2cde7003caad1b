"""EnCodec's causal decoder in C (csrc/codec.c): codes (codebooks, F) -> samples (F * hop,), or its pieces.

A codec that is not causal hears the end in every sample, and is left to torch (model/codec.py).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from ctypes import Structure, byref, c_int32, c_int64, c_void_p
from itertools import accumulate

import numpy as np

from bark_cli.backends.buffers import Array, Buffers, address, room
from bark_cli.backends.kernel import compiled
from bark_cli.backends.threads import lent_threads
from bark_cli.model.config import CodecConfig
from bark_cli.model.decoder import CODEBOOK_NAME, Convolution, Recurrence, decoder_layers
from bark_cli.model.tokens import Samples, Tokens

# A piece is taken apart: what becomes of so many frames fits the caches.
FRAMES_AT_ONCE = 64
PANEL = 16  # outputs whose weights lie together; csrc/network.h


class _Layer(Structure):
    _fields_ = (
        ("weights", c_void_p), ("bias", c_void_p), ("recurrent", c_void_p),
        ("inputs", c_int32), ("outputs", c_int32), ("taps", c_int32), ("dilation", c_int32),
        ("upsampling", c_int32), ("activated", c_int32), ("mirrored", c_int32), ("branches", c_int32),
        ("joins", c_int32), ("past", c_int64),
    )  # fmt: skip


class _Room(Structure):
    _fields_ = (("x", c_void_p), ("y", c_void_p), ("kept", c_void_p), ("heard", c_void_p))


LAYOUT = ctypes.sizeof(_Layer) | ctypes.sizeof(_Room) << 16


class KernelCodec:
    """The decoding half of EnCodec, of tensors by encodec's names; implements `backends.Decoder`."""

    def __init__(self, config: CodecConfig, tensors: Mapping[str, Array]) -> None:
        code = compiled()
        assert code is not None  # `choose_precision` looks first
        self.code, self.config = code, config
        tensors = {name: np.asarray(array, np.float32) for name, array in tensors.items()}
        self._books = np.stack([tensors[CODEBOOK_NAME.format(i)] for i in range(config.n_codebooks)])
        self._memory = Buffers()
        layers = list(decoder_layers(config))
        sizes = [_past_size(layer) for layer in layers]
        self.past_size = sum(sizes)
        starts = accumulate(sizes, initial=0)
        self.layers = (_Layer * len(layers))(*(
            self._struct(layer, tensors, start) for layer, start in zip(layers, starts, strict=False)
        ))  # fmt: skip
        self.room_size = max(_room_sizes(layers))
        self.frames_to_start = max(_frames_to_start(layers))

    def decode_audio(self, codes: Tokens) -> Samples:
        """Codes (n_codebooks, F) -> samples (F * hop,)."""
        stream = self.audio_stream()
        return np.concatenate([stream.push(codes), stream.finish()])

    def audio_stream(self) -> KernelStream:
        """Begin an utterance that is decoded as its codes come."""
        return KernelStream(self)

    def latents(self, codes: Tokens) -> Array:
        """The sum of each codebook's entries: codes (n_codebooks, F) -> (F, dimension)."""
        found: Array = self._books[np.arange(len(codes))[:, None], codes].sum(axis=0)
        return found

    def _struct(self, layer: Convolution | Recurrence, tensors: Mapping[str, Array], past: int) -> _Layer:
        keep = self._memory.keep
        if isinstance(layer, Recurrence):
            inputs, recurrent, bias, own = (tensors[name] for name in layer.shapes)
            return _Layer(
                weights=keep(_panels(inputs)), bias=keep(_padded(bias + own)),
                recurrent=keep(_panels(recurrent)), inputs=layer.width, outputs=4 * layer.width, taps=1,
                dilation=1, upsampling=1, branches=layer.branches, joins=layer.joins, past=past,
            )  # fmt: skip
        weight, bias = (tensors[name] for name in layer.shapes)
        ups = layer.upsampling
        if ups > 1:
            # The kernel is two strides long and its overhang is cut off: the outputs of a row hear that row
            # and the one before. As a convolution of two taps it makes `ups` rows of outputs in one.
            halves = weight.reshape(layer.inputs, layer.outputs, 2, ups).transpose(3, 1, 2, 0)
            matrix, bias = halves[:, :, ::-1].reshape(ups * layer.outputs, -1), np.tile(bias, ups)
        else:
            matrix = weight.transpose(0, 2, 1).reshape(layer.outputs, -1)
        panels = matrix if len(matrix) == 1 else _panels(matrix)  # of a single output there is none to fill
        return _Layer(
            weights=keep(panels), bias=keep(_padded(bias)), inputs=layer.inputs,
            outputs=ups * layer.outputs, taps=_taps(layer), dilation=layer.dilation, upsampling=ups,
            activated=layer.is_activated, mirrored=ups == 1, branches=layer.branches, joins=layer.joins,
            past=past,
        )  # fmt: skip


class KernelStream:
    """One utterance decoded as its codes come; the pieces join to what `decode_audio` makes of all.

    A frame costs the same however many came before it. encodec puts its own mirror image before a beginning,
    so the first samples wait for as many frames as that needs.
    """

    def __init__(self, codec: KernelCodec) -> None:
        self._codec = codec
        self._waiting: Tokens | None = None  # codes of the frames that are held back
        self._past, self._begun = room(codec.past_size), False
        self._rooms = [room(codec.room_size) for _ in range(4)]

    def push(self, codes: Tokens) -> Samples:
        """Samples (n * hop,) of codes (codebooks, n), those of frames held back included."""
        if self._waiting is not None:
            codes = np.concatenate([self._waiting, codes], axis=1)
        enough = self._begun or codes.shape[1] >= self._codec.frames_to_start
        self._waiting = None if enough else codes
        return self._decoded(codes) if enough else np.empty(0, np.float32)

    def finish(self) -> Samples:
        """Samples (n * hop,) of the frames still held back: those of a very short stream, or none."""
        codes, self._waiting = self._waiting, None
        return np.empty(0, np.float32) if codes is None else self._decoded(codes)

    def _decoded(self, codes: Tokens) -> Samples:
        codec, frames = self._codec, codes.shape[1]
        samples = np.empty(frames * codec.config.hop, np.float32)
        for first in range(0, frames, FRAMES_AT_ONCE):
            latents = codec.latents(codes[:, first : first + FRAMES_AT_ONCE])
            self._rooms[0][: latents.size] = latents.ravel()
            codec.code.bark_decode(
                codec.layers, len(codec.layers), byref(_Room(*map(address, self._rooms))),
                address(self._past), self._begun, len(latents),
                address(samples[first * codec.config.hop :]), lent_threads(),
            )  # fmt: skip
            self._begun = True
        return samples


def _taps(layer: Convolution) -> int:
    return 2 if layer.upsampling > 1 else layer.taps


def _reach(layer: Convolution | Recurrence) -> int:
    """How many rows before the current one a layer hears."""
    return 0 if isinstance(layer, Recurrence) else (_taps(layer) - 1) * layer.dilation


def _past_size(layer: Convolution | Recurrence) -> int:
    """Numbers that a stream keeps for a layer."""
    return 2 * layer.width if isinstance(layer, Recurrence) else _reach(layer) * layer.inputs


def _room_sizes(layers: list[Convolution | Recurrence]) -> Iterator[int]:
    """Numbers that each layer hears and makes at once."""
    rows = FRAMES_AT_ONCE
    for layer in layers:
        if isinstance(layer, Recurrence):
            yield 4 * rows * layer.width
        else:
            yield (rows + _reach(layer)) * layer.inputs
            rows *= layer.upsampling
            yield rows * layer.outputs


def _frames_to_start(layers: list[Convolution | Recurrence]) -> Iterator[int]:
    """Frames that each layer needs for the mirror image of its beginning."""
    rate = 1
    for layer in layers:
        if isinstance(layer, Convolution):
            yield 1 if layer.upsampling > 1 else _reach(layer) // rate + 1
            rate *= layer.upsampling


def _panels(matrix: Array) -> Array:
    """(R, C) -> (R / 16, C, 16) float32, zeros beyond R."""
    rows, columns = matrix.shape
    whole = np.zeros((-(-rows // PANEL) * PANEL, columns), np.float32)
    whole[:rows] = matrix
    panels = room((len(whole) // PANEL, columns, PANEL))
    panels[:] = whole.reshape(-1, PANEL, columns).transpose(0, 2, 1)
    return panels


def _padded(row: Array) -> Array:
    """(R,) with zeros up to a whole panel."""
    whole = np.zeros(-(-len(row) // PANEL) * PANEL, np.float32)
    whole[: len(row)] = row
    return whole
