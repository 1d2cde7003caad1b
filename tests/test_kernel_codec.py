"""The codec in C against encodec's own decoder, for every instruction set that runs here."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np
import pytest
import torch
from test_codec import CODECS, CONFIG, by_encodec, random_codec, random_codes

from bark_cli.backends import codec as codecs
from bark_cli.backends import kernel
from bark_cli.backends.codec import LAYOUT, KernelCodec
from bark_cli.backends.kernel import load, runnable
from bark_cli.model.codec import Codec
from bark_cli.model.decoder import CODEBOOK_NAME
from bark_cli.model.tokens import Samples, Tokens

RUN_HERE = {name: code for name in runnable() if (code := load(name)) is not None}
pytestmark = pytest.mark.skipif(not RUN_HERE, reason="no C compiler was there when bark was installed")


@pytest.fixture(scope="module", params=CODECS)
def theirs(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]()


@pytest.fixture(params=RUN_HERE)
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(codecs, "compiled", lambda: RUN_HERE[request.param])
    return str(request.param)


def in_c(codec: Codec) -> KernelCodec:
    """The same weights."""
    tensors = {name: value.numpy() for name, value in codec.state_dict().items()}
    books = tensors.pop("codebooks")
    return KernelCodec(codec.config, tensors | {CODEBOOK_NAME.format(i): b for i, b in enumerate(books)})


def expected(codec: Codec, codes: Tokens) -> Samples:
    return by_encodec(codec, torch.from_numpy(codes)).numpy()


def codes_of(codec: Codec, frames: int) -> Tokens:
    return random_codes(codec.config, frames).numpy()


def in_pieces(codec: KernelCodec, codes: Tokens, chunks: list[int]) -> Samples:
    stream, pieces, begin, sizes = codec.audio_stream(), [], 0, cycle(chunks)
    while begin < codes.shape[1]:
        end = begin + next(sizes)
        pieces.append(stream.push(codes[:, begin:end]))
        begin = end
    return np.concatenate([*pieces, stream.finish()])


def test_the_structs_are_those_of_the_kernel() -> None:
    code = kernel.compiled()
    assert code is not None
    code.bark_decoder_layout.restype = ctypes.c_int64
    assert code.bark_decoder_layout() == LAYOUT


@pytest.mark.parametrize("frames", [1, 6, 7, 61])
def test_the_sound_is_encodecs(frames: int, theirs: Codec, variant: str) -> None:
    """Also of streams that are shorter than the first convolution."""
    codes = codes_of(theirs, frames)
    wanted = expected(theirs, codes)
    assert frames < 61 or wanted.std() > 0.01  # a sound, a thousand times as loud as what may differ
    np.testing.assert_allclose(in_c(theirs).decode_audio(codes), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("chunks", [[1], [7], [50], [3, 1, 20, 0, 2, 11, 1]])
def test_pieces_join_to_the_whole_to_the_last_bit(chunks: list[int], theirs: Codec) -> None:
    ours, codes = in_c(theirs), codes_of(theirs, 70)  # more than are taken at once
    np.testing.assert_array_equal(in_pieces(ours, codes, chunks), ours.decode_audio(codes))


def test_threads_change_no_bit(theirs: Codec, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, codes, found = in_c(theirs), codes_of(theirs, 40), []
    for threads in (1, 2, 3):
        monkeypatch.setattr(codecs, "lent_threads", lambda count=threads: count)
        found.append(ours.decode_audio(codes))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_streams_do_not_hear_each_other() -> None:
    codec = random_codec(CONFIG)
    ours, codes = in_c(codec), [codes_of(codec, n) for n in (40, 41, 42, 43)]
    alone, found = [ours.decode_audio(one) for one in codes], {}

    def decode(number: int) -> None:
        found[number] = in_pieces(ours, codes[number], [9])

    threads = [threading.Thread(target=decode, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, sound in enumerate(alone):
        np.testing.assert_array_equal(found[number], sound)


def test_nothing_comes_of_nothing() -> None:
    stream = in_c(random_codec(CONFIG)).audio_stream()
    assert not len(stream.push(np.empty((8, 0), np.int64)))
    assert not len(stream.finish())


@pytest.mark.parametrize("change", [
    {"n_filters": 3, "lstm": 1}, {"n_filters": 3, "lstm": 3}, {"n_filters": 2},
    {"ratios": (2,), "last_kernel_size": 20}, {"last_kernel_size": 1}, {"last_kernel_size": 64},
])  # fmt: skip
def test_other_shapes_are_computed_as_well(change: dict[str, Any]) -> None:
    """Channels that fill no panel or are one, LSTMs of other depths, several residual blocks; and last
    convolutions of any length, even ones, too: before a causal one encodec pads all that it lacks."""
    codec = random_codec(replace(CONFIG, n_residual_layers=3, dimension=10, **change))
    codes = codes_of(codec, 33)
    np.testing.assert_allclose(in_c(codec).decode_audio(codes), expected(codec, codes), atol=1e-5, rtol=1e-6)
