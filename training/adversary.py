"""Whom a decoder is trained against: waveforms (B, samples), made and real -> gradients for the made ones.

A multi-scale STFT discriminator, feature matching and a loss balancer as in EnCodec's paper (Défossez et al.,
"High Fidelity Neural Audio Compression", 2022). The encodec package has the first only beside torchaudio and
the last not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from training.run import Losses

Gradients = dict[str, Tensor]  # of each loss, with respect to the made waveform


class Scale(nn.Module):
    """Judges a complex spectrogram of one window length; the shapes are encodec.msstftd's."""

    hann: Tensor

    def __init__(self, window: int, filters: int) -> None:
        super().__init__()
        self.window = window
        self.register_buffer("hann", torch.hann_window(window))
        shapes = [(2, (3, 9), (1, 1), 1), *((filters, (3, 9), (1, 2), d) for d in (1, 2, 4))]
        shapes.append((filters, (3, 3), (1, 1), 1))
        self.convs = nn.ModuleList(_conv(*shape, filters) for shape in shapes)
        self.verdict = _conv(filters, (3, 3), (1, 1), 1, 1)

    def forward(self, wave: Tensor) -> list[Tensor]:
        """(B, samples) -> the features of every layer (B, filters, frames, bins), then the verdict."""
        spectrum = torch.stft(wave, self.window, self.window // 4, window=self.hann, return_complex=True)
        parts = softened(torch.view_as_real(spectrum / self.hann.norm())).permute(0, 3, 2, 1)
        x, features = parts.contiguous(memory_format=torch.channels_last), []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
            features.append(x)
        return [*features, self.verdict(x)]


def softened(parts: Tensor, power: float = 0.3) -> Tensor:
    """Complex numbers (..., 2) with magnitudes raised to a power: faint parts count, as they are heard.

    EnCodec's discriminator gets them as they are; with a few thousand steps it learns little from those.
    """
    return parts * (parts.square().sum(-1, keepdim=True) + 1e-6) ** ((power - 1) / 2)


def _conv(
    inward: int, kernel: tuple[int, int], stride: tuple[int, int], dilation: int, outward: int
) -> nn.Module:
    padding = (dilation * (kernel[0] // 2), kernel[1] // 2)
    conv = nn.Conv2d(inward, outward, kernel, stride, padding, (dilation, 1))
    return weight_norm(conv.to(memory_format=torch.channels_last))  # twice as fast on a CPU


class Balance:
    """Sums the gradients of several losses so that each has the share its weight says, whatever its scale."""

    def __init__(self, weights: Mapping[str, float], keep: float = 0.99) -> None:
        total = sum(weights.values())
        self.shares = {name: weight / total for name, weight in weights.items()}
        self.keep, self.norms = keep, dict.fromkeys(weights, 0.0)

    def __call__(self, gradients: Gradients) -> Tensor:
        """One gradient, of norm about 1."""
        for name, gradient in gradients.items():
            norm, before = float(gradient.norm()), self.norms[name]
            self.norms[name] = self.keep * before + (1 - self.keep) * norm if before else norm
        scaled = [self.shares[name] / (self.norms[name] + 1e-12) * g for name, g in gradients.items()]
        return torch.stack(scaled).sum(0)


class Contest:
    """A discriminator that learns to tell made from real, and what the maker learns from it.

    `options` are a table [<step>.adversary]: `windows`, `filters` and `lr` of the discriminator; `every`, how
    many steps of the maker go to one of its own; `features`, the weight of matching its features beside that
    of convincing it; `weights`, the shares of the losses given to a call and of both of these, "adversary";
    `begin`, the step of the maker's at which training.decoder brings it in.
    """

    def __init__(self, options: Mapping[str, Any], device: torch.device) -> None:
        scales = [Scale(window, options["filters"]) for window in options["windows"]]
        self.network = nn.ModuleList(scales).to(device)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=options["lr"], betas=(0.5, 0.9))
        self.balance, self.options, self.device = Balance(options["weights"]), options, device
        # torch 2.13's convolutions in bfloat16 go wrong on a CPU with 20, 24 or 28 channels: NaN, or a crash
        self.in_half = device.type != "cpu" or options["filters"] <= 16 or options["filters"] % 16 == 0

    def __call__(self, made: Tensor, real: Tensor, losses: dict[str, Tensor], step: int) -> Losses:
        """Waveforms (B, samples) and other losses of `made` -> a scalar of balanced gradient, and values.

        When it is the discriminator's turn it learns from the same pass.
        """
        learning = step % int(self.options["every"]) == 0
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.in_half):
            guess = [scale(made) for scale in self.network]
            with torch.set_grad_enabled(learning):
                truth = [scale(real) for scale in self.network]
        convinced, apart = convince(guess), features_apart(guess, truth)
        values = {name: loss.item() for name, loss in losses.items()}
        values |= {"convince": convinced.item(), "features": apart.item()}
        losses = {**losses, "adversary": convinced + self.options["features"] * apart}
        gradients = {
            name: torch.autograd.grad(loss, made, retain_graph=True)[0] for name, loss in losses.items()
        }
        if learning:
            values["told"] = self._learn(told_apart(guess, truth))
        return (made * self.balance(gradients)).sum(), values

    def _learn(self, loss: Tensor) -> float:
        weights = list(self.network.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = gradient
        nn.utils.clip_grad_norm_(weights, 5.0, error_if_nonfinite=True)
        self.optimizer.step()
        return loss.item()

    def state_dict(self) -> dict[str, Any]:
        """The discriminator, its optimizer and the balance."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "norms": self.balance.norms,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.balance.norms.update(state["norms"])


def convince(guess: list[list[Tensor]]) -> Tensor:
    """The maker's hinge loss over the verdicts of all scales."""
    return torch.stack([F.relu(1 - layers[-1].float()).mean() for layers in guess]).mean()


def told_apart(guess: list[list[Tensor]], truth: list[list[Tensor]]) -> Tensor:
    """The discriminator's hinge loss: real above 1, made below -1; 2 is not knowing."""
    hinges = [
        F.relu(1 - real[-1].float()).mean() + F.relu(1 + made[-1].float()).mean()
        for made, real in zip(guess, truth, strict=True)
    ]
    return torch.stack(hinges).mean()


def features_apart(guess: list[list[Tensor]], truth: list[list[Tensor]]) -> Tensor:
    """Mean difference of the layers' features, relative to those of the real ones."""
    apart = [
        (made - real.detach()).abs().mean(dtype=torch.float32)
        / real.detach().abs().mean(dtype=torch.float32).clamp(min=1e-4)
        for mades, reals in zip(guess, truth, strict=True)
        for made, real in zip(mades[:-1], reals[:-1], strict=True)
    ]
    return torch.stack(apart).mean()
