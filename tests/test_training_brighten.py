"""Highs that are given back: they are measured, a filter has their gains, and the decoder takes it in."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_tiny_config
from scipy.signal import lfilter
from test_convert import make_native

from bark_cli.checkpoint import Checkpoint, Storage, build_codec, read_checkpoint, write_native
from bark_cli.checkpoint.native import Floats
from training import brighten
from training.settings import HERE, settings

NOISE = np.random.default_rng(0).normal(size=200_000) / 10
DULL = lfilter([0.6, 0.4], [1.0], NOISE)
EXPORTED = settings("codec")["shape"]["last_kernel_size"]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return make_native(tmp_path / "tiny", make_tiny_config())


def sound(checkpoint: Checkpoint) -> np.ndarray:
    codec = checkpoint.config.codec
    stream = torch.Generator().manual_seed(1)
    codes = torch.randint(codec.codebook_size, (codec.n_codebooks, 30), generator=stream)
    return build_codec(checkpoint).decode(codes).numpy()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(brighten, "said_by_both", lambda *_: ([DULL], [NOISE]))
    monkeypatch.setattr(sys, "argv", ["brighten", *arguments])
    brighten.main()


def test_what_a_filter_took_away_is_measured_and_given_back() -> None:
    taught = brighten.levels(brighten.spectrum([NOISE]))
    lacking = taught - brighten.levels(brighten.spectrum([DULL]))
    response = np.abs(np.fft.rfft([0.6, 0.4], 24_000)) ** 2
    left = [response[low:high].mean() / response[80:250].mean() for low, high in brighten.BANDS]
    np.testing.assert_allclose(lacking, -10 * np.log10(left), atol=0.3)
    again = lfilter(brighten.filter_of(lacking, [DULL], 21), [1.0], DULL)
    np.testing.assert_allclose(brighten.levels(brighten.spectrum([again])), taught, atol=1.0)
    assert np.abs(again).max() == pytest.approx(np.abs(DULL).max()), "nothing clips that did not"


def test_no_gain_is_no_filter() -> None:
    response = brighten.filter_of(np.zeros(len(brighten.BANDS)), [NOISE], 5)
    np.testing.assert_allclose(response, [1, 0, 0, 0, 0], atol=1e-6)


def test_the_decoder_sounds_as_if_filtered(tiny: Path) -> None:
    checkpoint, response = read_checkpoint(tiny), np.array([1.2, -0.3, 0.1])
    made = brighten.brightened(checkpoint, response)
    assert made.config.codec == replace(checkpoint.config.codec, last_kernel_size=9)
    before, after = sound(checkpoint), sound(made)
    assert before.std() > 0.01
    first = 8  # until then a beginning that has no past is mirrored
    np.testing.assert_allclose(after[first:], lfilter(response, [1.0], before)[first:], atol=1e-5)


def test_the_model_is_written_with_its_filter_and_never_twice(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plain = tmp_path / "out", read_checkpoint(tiny)
    run(monkeypatch, "--model", str(tiny), "--out", str(out), "--share", "1")
    assert "the last convolution has 19 taps, 7 before" in capsys.readouterr().out
    made = read_checkpoint(out)
    assert made.config.codec.last_kernel_size == EXPORTED + settings("brighten")["taps"] - 1
    others = [name for name in plain.tensors if made.tensors[name].shape == plain.tensors[name].shape]
    assert len(others) == len(plain.tensors) - 1
    after, before = (brighten.levels(brighten.spectrum([sound(each)])) for each in (made, plain))
    assert (after - before)[4:8].min() > 0.5
    with pytest.raises(SystemExit):
        run(monkeypatch, "--model", str(out))
    assert "has a filter already (19 taps); --again gives it a second one" in capsys.readouterr().err
    run(monkeypatch, "--model", str(out), "--again")
    assert read_checkpoint(out).config.codec.last_kernel_size == 31


@pytest.mark.parametrize("storage", [("fp32", "fp32"), ("fp16", "fp16"), ("int8", "fp32"), ("int8", "fp16")])
def test_in_its_place_a_model_keeps_its_storage_and_whatever_lies_beside_it(
    storage: tuple[Storage, Floats], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    write_native(read_checkpoint(tiny), model, storage=storage[0], floats=storage[1])
    (model / "voices").mkdir()
    (model / "voices" / "me.npz").write_bytes(b"me")
    run(monkeypatch, "--model", str(model))
    made = read_checkpoint(model)
    assert made.config.codec.last_kernel_size == 19
    assert brighten.storage_of(made) == storage
    assert (model / "voices" / "me.npz").read_bytes() == b"me"
    assert not list(tmp_path.glob(".bark-*"))


def test_a_write_that_is_broken_off_leaves_the_model_as_it_was(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(made: Checkpoint, folder: Path, **_: str) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    before = {path.name: path.read_bytes() for path in tiny.iterdir()}
    monkeypatch.setattr(brighten, "write_native", half)
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, "--model", str(tiny))
    assert {path.name: path.read_bytes() for path in tiny.iterdir()} == before


def test_nano_has_as_many_taps_as_the_recipe_gives_it() -> None:
    taps = read_checkpoint(HERE.parent / "bark_cli" / "assets" / "nano").config.codec.last_kernel_size
    assert taps == EXPORTED + settings("brighten")["taps"] - 1
