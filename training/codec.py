"""Train nano's EnCodec on the teacher's audio: (samples,) at 24 kHz -> 8 codebooks at 50 Hz and back.

EnCodec's own classes (encodec.modules, encodec.quantization), smaller. Loss: multi-scale log-mel plus L1 of
the waveform, and those of an adversary (training.adversary) where the settings have one. The autoencoder
learns alone first, then the codebooks are filled by k-means on its output and switched on.

    python -m training.codec            # resumes from training/runs/codec
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bark_cli.codec import import_seanet
from training.adversary import Contest
from training.run import Losses, Run
from training.shards import shard_files


class MelLoss(nn.Module):
    """L1 between log-mel spectrograms at several window lengths (waveforms are (B, samples))."""

    def __init__(
        self, sample_rate: int, windows: tuple[int, ...] = (256, 1024, 2048), floor: float = 3e-4
    ) -> None:
        super().__init__()
        self.windows, self.floor = windows, floor
        for n in windows:
            self.register_buffer(f"window{n}", torch.hann_window(n))
            self.register_buffer(f"mel{n}", mel_filters(sample_rate, n, min(80, n // 8)))

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        """The mean over the window lengths, of two waveforms (B, samples)."""
        total = made.new_zeros(())
        for n in self.windows:
            total = total + F.l1_loss(self.log_mel(made, n), self.log_mel(wanted, n))
        return total / len(self.windows)

    def log_mel(self, wave: Tensor, n: int) -> Tensor:
        """(B, samples) -> (B, mels, frames)."""
        window: Tensor = getattr(self, f"window{n}")
        spectrum = torch.stft(
            wave, n, n // 4, window=window, return_complex=True, center=True, pad_mode="constant"
        )
        power = torch.view_as_real(spectrum).square().sum(-1)
        magnitude = (power + 1e-8).sqrt() / window.sum()  # a full-scale sine is about 0.5 whatever the window
        return torch.log(torch.matmul(getattr(self, f"mel{n}"), magnitude) + self.floor)


def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> Tensor:
    """Triangular mel filters (n_mels, n_fft // 2 + 1), each summing to at most one."""
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    points = 700 * (10 ** (np.linspace(0, top, n_mels + 2) / 2595) - 1)
    bins = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    rising = (bins - points[:-2, None]) / (points[1:-1, None] - points[:-2, None])
    falling = (points[2:, None] - bins) / (points[2:, None] - points[1:-1, None])
    filters = np.maximum(0, np.minimum(rising, falling))
    return torch.tensor(filters / np.maximum(filters.sum(1, keepdims=True), 1e-3), dtype=torch.float32)


class TrainableCodec(nn.Module):
    """Encoder, residual quantizer and decoder with the shapes of `training/settings.toml`."""

    def __init__(self, shape: dict[str, object]) -> None:
        super().__init__()
        import_seanet()
        from encodec.modules import SEANetDecoder, SEANetEncoder
        from encodec.quantization import ResidualVectorQuantizer

        common = {
            "channels": 1, "dimension": shape["dimension"], "n_filters": shape["n_filters"],
            "ratios": shape["ratios"], "norm": "weight_norm", "causal": True, "lstm": shape["lstm"],
        }  # fmt: skip
        with warnings.catch_warnings():  # the old weight norm is the one whose names encodec's weights have
            warnings.filterwarnings("ignore", r".*weight_norm.* is deprecated", FutureWarning)
            self.encoder = SEANetEncoder(**common)
            self.decoder = SEANetDecoder(**common)
        self.quantizer = ResidualVectorQuantizer(
            dimension=shape["dimension"], n_q=shape["n_codebooks"], bins=shape["codebook_size"],
            decay=0.98, kmeans_init=False, threshold_ema_dead_code=0,
        )  # fmt: skip
        for name, parameter in self.named_parameters():
            if name.endswith("weight_g") or name.endswith("original0"):
                parameter.data.mul_(1.5)  # torch's default start lets the signal die on its way through

    def forward(self, wave: Tensor, quantize: bool) -> tuple[Tensor, Tensor]:
        """(B, 1, samples) -> the same shape, and the commitment loss. Random depth: every prefix decodes."""
        latent = self.encoder(wave)
        penalty = wave.new_zeros(())
        if quantize:
            layers = self.quantizer.vq.layers
            depth = len(layers) if torch.rand(()) < 0.7 else 2 << int(torch.randint(2, ()))
            quantized, _, losses = self.quantizer.vq(latent, n_q=depth)
            latent, penalty = quantized, losses.mean()
        return self.decoder(latent), penalty


@torch.no_grad()
def fill_codebooks(codec: TrainableCodec, latents: Tensor, rounds: int = 12) -> None:
    """k-means, layer by layer, on encoder outputs (N, dimension); writes encodec's codebook buffers."""
    residual = latents
    for layer in codec.quantizer.vq.layers:
        book = layer._codebook
        k = book.embed.shape[0]
        centres = residual[torch.randperm(len(residual))[:k]].clone()
        for _ in range(rounds):
            nearest = torch.cdist(residual, centres).argmin(1)
            counts = torch.bincount(nearest, minlength=k).float()
            sums = torch.zeros_like(centres).index_add_(0, nearest, residual)
            dead = counts == 0
            centres = torch.where(
                dead[:, None],
                residual[torch.randint(len(residual), (k,))],
                sums / counts.clamp(min=1)[:, None],
            )
        book.embed.copy_(centres)
        book.embed_avg.copy_(centres * counts.clamp(min=1)[:, None])
        book.cluster_size.copy_(counts.clamp(min=1))
        book.inited.fill_(1)
        residual = residual - centres[torch.cdist(residual, centres).argmin(1)]


class Crops:
    """Random crops of the audio shards of a folder, kept as int16 -> float (B, 1, samples)."""

    def __init__(self, folder: Path, seconds: float, batch: int, seed: int) -> None:
        self.samples, self.batch = int(seconds * 24_000) // 480 * 480, batch
        self.random = np.random.default_rng(seed)
        self.shards: list[npt.NDArray[np.int16]] = []
        for file in shard_files(folder, "audio", "prepare"):
            with np.load(file) as shard:  # an .npz is read array by array: the rest stays on the disk
                self.shards.append(shard["audio"])
        sizes = np.array([len(audio) for audio in self.shards], float)
        self.weights = sizes / sizes.sum()

    def __call__(self) -> Tensor:
        """The next batch, on the CPU."""
        chosen = self.random.choice(len(self.shards), self.batch, p=self.weights)
        crops = np.stack([self._crop(self.shards[i]) for i in chosen]).astype(np.float32) / 32768
        return torch.from_numpy(crops)[:, None]

    def _crop(self, audio: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        start = int(self.random.integers(0, len(audio) - self.samples))
        return audio[start : start + self.samples]


@torch.no_grad()
def latents_of(codec: TrainableCodec, crops: Crops, batches: int = 60) -> Tensor:
    """Encoder outputs (N, dimension) of some batches of crops."""
    device = next(codec.parameters()).device
    latents = (codec.encoder(crops().to(device)) for _ in range(batches))
    return torch.cat([latent.transpose(1, 2).flatten(0, 1) for latent in latents])


def contest_of(run: Run) -> Contest | None:
    """The adversary that a table [<step>.adversary] asks for."""
    table = run.options.get("adversary")
    return None if table is None else Contest(table, run.device)


def descent(
    made: Tensor, wanted: Tensor, parts: dict[str, Tensor], contest: Contest | None, run: Run, step: int
) -> Losses:
    """What to descend: the parts "mel" and "wave" against the adversary, or without one their plain sum."""
    if contest is not None and step >= run.options["adversary"].get("begin", 0):
        return contest(made, wanted, parts, step)
    return parts["mel"] + run.options["wave_weight"] * parts["wave"], {"mel": parts["mel"].item()}


def main() -> None:
    """Train, resuming; writes runs/codec/last.pt and loss.png."""
    run = Run("codec")
    options = run.options
    codec = TrainableCodec(options["shape"])
    contest = contest_of(run)
    run.take_up(codec, **({"contest": contest} if contest else {}))
    crops = Crops(options["data"], options["crop_s"], options["batch"], run.seed)
    mel = MelLoss(24_000).to(run.device)

    def losses_of(step: int) -> Losses:
        if step == options["quantize_from"]:
            fill_codebooks(codec, latents_of(codec, crops))
        [wave] = run.move(crops())
        made, penalty = codec(wave, quantize=step >= options["quantize_from"])
        made, wave = made[:, 0], wave[:, 0]
        parts = {"mel": mel(made, wave), "wave": F.l1_loss(made, wave)}
        loss, values = descent(made, wave, parts, contest, run, step)
        return loss + options["commit_weight"] * penalty, {**values, "commit": penalty.item()}

    run.train(losses_of)
    if run.start < options["steps"]:
        # The moving averages of small batches leave many entries unused: fill them once more, for good.
        fill_codebooks(codec, latents_of(codec, crops))
        run.save(options["steps"])


if __name__ == "__main__":
    main()
