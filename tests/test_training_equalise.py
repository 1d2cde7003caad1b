"""Highs that are given back: the filter has its gains, and the decoder's last convolution takes it in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bark_cli.checkpoint import read_checkpoint
from bark_cli.model.codec import Codec
from training.equalise import equalise, shaped
from training.settings import HERE, settings

NANO = HERE.parent / "bark_cli" / "assets" / "nano"
BANDS = ((500, 1_500), (2_000, 3_000), (4_000, 6_000), (7_000, 9_000))


@pytest.fixture(scope="module")
def codes() -> torch.Tensor:
    """Three seconds of one of nano's voices."""
    kept = np.load(HERE.parent / "presets" / "nano" / "emil.npz")["fine_prompt"]
    return torch.from_numpy(kept[:, :150].astype(np.int64))


def sound(model: Path, codes: torch.Tensor) -> np.ndarray:
    checkpoint = read_checkpoint(model)
    tensors = {name: tensor.float() for name, tensor in checkpoint.part("codec").items()}
    return Codec.from_tensors(checkpoint.config.codec, tensors).decode(codes).numpy()


def loudness(wave: np.ndarray) -> np.ndarray:
    """Decibels in each of BANDS."""
    power = np.abs(np.fft.rfft(wave)) ** 2
    hz = np.fft.rfftfreq(len(wave), 1 / 24_000)
    return np.array([10 * np.log10(power[(hz >= low) & (hz < high)].sum()) for low, high in BANDS])


def test_a_filter_has_the_gains_that_were_asked_for() -> None:
    options = settings("equalise")
    response = np.abs(np.fft.rfft(shaped(options["hz"], options["db"], options["taps"]), 1_200))
    gains = 20 * np.log10(response[np.asarray(options["hz"][1:]) // 20])
    np.testing.assert_allclose(gains, options["db"][1:], atol=0.25)


def test_a_decoder_of_the_same_size_sounds_as_if_filtered(tmp_path: Path, codes: torch.Tensor) -> None:
    options = settings("equalise")
    brighter = tmp_path / "nano"
    equalise(NANO, brighter, shaped(options["hz"], options["db"], options["taps"]), [codes])
    before, after = loudness(sound(NANO, codes)), loudness(sound(brighter, codes))
    np.testing.assert_allclose(after - before, [1.0, 2.1, 3.1, 3.4], atol=0.5)
    assert (brighter / "model.safetensors").stat().st_size == (NANO / "model.safetensors").stat().st_size


def test_no_gain_changes_nothing(tmp_path: Path, codes: torch.Tensor) -> None:
    same = tmp_path / "nano"
    equalise(NANO, same, shaped([0, 12_000], [0.0, 0.0], 5), [codes])
    np.testing.assert_allclose(sound(same, codes), sound(NANO, codes), atol=2e-3)
