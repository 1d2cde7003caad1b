"""Mel spectrograms, and how far two waveforms (B, samples) lie apart in them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

FLOOR = 3e-4  # below it nothing is heard, and the logarithm would make much of it


def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> Tensor:
    """Triangular mel filters (n_mels, n_fft // 2 + 1), each summing to at most one."""
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    points = 700 * (10 ** (np.linspace(0, top, n_mels + 2) / 2595) - 1)
    bins = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    rising = (bins - points[:-2, None]) / (points[1:-1, None] - points[:-2, None])
    falling = (points[2:, None] - bins) / (points[2:, None] - points[1:-1, None])
    filters = np.maximum(0, np.minimum(rising, falling))
    return torch.tensor(filters / np.maximum(filters.sum(1, keepdims=True), 1e-3), dtype=torch.float32)


class Resolution(nn.Module):
    """Spectra of one window length; a full-scale sine is about 0.5 whatever the window."""

    window: Tensor
    filters: Tensor

    def __init__(self, size: int, sample_rate: int = 24_000) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size))
        self.register_buffer("filters", mel_filters(sample_rate, size, min(80, size // 8)).T.contiguous())

    def spectrum(self, wave: Tensor) -> Tensor:
        """(B, samples) -> real and imaginary parts (B, frames, bins, 2)."""
        spectrum = torch.stft(
            wave, self.size, self.size // 4, window=self.window, return_complex=True, pad_mode="constant"
        )
        return torch.view_as_real(spectrum.transpose(1, 2)) / self.window.sum()

    def log_mel(self, wave: Tensor) -> Tensor:
        """(B, samples) -> (B, frames, mels)."""
        return torch.log(length(self.spectrum(wave)) @ self.filters + FLOOR)

    def envelope(self, magnitude: Tensor) -> Tensor:
        """(B, frames, bins) smoothed to the width of a mel band, never 0."""
        spread = self.filters.T / (self.filters.sum(1) + 1e-3)
        return magnitude @ self.filters @ spread + 1e-4


def length(parts: Tensor) -> Tensor:
    """Magnitudes of complex numbers given as (..., 2)."""
    return (parts.square().sum(-1) + 1e-9).sqrt()


class SpectralDistance(nn.Module):
    """Differences at several window lengths: "mel" and "lines" of log magnitudes, "phase" of the spectra.

    "mel" is what the ear resolves, "lines" sees single harmonics, and "phase" is the difference of the
    complex numbers in units of the spectrum's own envelope, so that faint harmonics count as much as loud
    ones, and in mel bands, or a voice's few low harmonics would count for nothing beside the noise above.
    """

    def __init__(
        self, windows: tuple[int, ...] = (256, 512, 1024, 2048), exact: tuple[int, ...] = (512, 1024, 2048)
    ):
        super().__init__()
        self.resolutions = nn.ModuleList(Resolution(size) for size in windows)
        self.exact = exact

    def forward(self, made: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """The mean over the window lengths of each, of two waveforms (B, samples)."""
        apart: dict[str, list[Tensor]] = {"mel": [], "lines": [], "phase": []}
        for each in self.resolutions:
            assert isinstance(each, Resolution)
            a, b = each.spectrum(made), each.spectrum(wanted)
            loud_a, loud_b = length(a), length(b)
            mels = [torch.log(loud @ each.filters + FLOOR) for loud in (loud_a, loud_b)]
            apart["mel"].append(F.l1_loss(*mels))
            apart["lines"].append(F.l1_loss(torch.log(loud_a + 1e-4), torch.log(loud_b + 1e-4)))
            if each.size in self.exact:
                apart["phase"].append((length(a - b) / each.envelope(loud_b) @ each.filters).mean())
        return {name: torch.stack(values).mean() for name, values in apart.items()}
