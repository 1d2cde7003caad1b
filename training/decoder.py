"""Train what nano's codes sound like: codes (8, F) -> the teacher's samples (480 F,).

The codes are fixed (training.expected), so coarse and fine may learn them at the same time. The first steps
only teach the pulses and ticks that the excitation's codes speak of: told at once to match spectra, the
decoder finds a waveform that repeats with the frames, and never gets away from it. After that the tables of
the codes and the decoder learn together: the waveform, spectra at four window lengths, and from a certain
step on an adversary (training.adversary).

    python -m training.decoder          # resumes from training/runs/decoder
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.adversary import Contest
from training.codec import DICE, END, MIDDLE, load_codec
from training.excitation import FRAME, Sketch
from training.run import Losses, Run
from training.shards import shard_files
from training.spectra import SpectralDistance

LOUDNESS = 0.05  # of the sketch


class CodeCrops:
    """Random stretches of codes with their samples: (8, B, F) int64 and (B, 480 F) float.

    A share `full` of them has codes that tell all they can of the sound, the others those that fine is to
    make of the first two, and with which nano speaks.
    """

    def __init__(self, folder: Path, seconds: float, batch: int, seed: int, full: float) -> None:
        self.frames, self.batch, self.full = int(seconds * 24_000) // FRAME, batch, full
        self.random = np.random.default_rng(seed)
        self.shards = []
        for file in shard_files(folder, "expected", "expected"):
            audio = np.load(file.with_name(file.name.replace("expected-", "audio-")))["audio"]
            codes = np.load(file)
            self.shards.append((codes["codes"], codes["full"], audio))

    def __call__(self) -> tuple[Tensor, Tensor]:
        """The next batch."""
        codes, waves = [], []
        for i in self.random.integers(len(self.shards), size=self.batch):
            expected, full, audio = self.shards[i]
            tokens = full if self.random.random() < self.full else expected
            at = int(self.random.integers(0, tokens.shape[1] - self.frames))
            codes.append(tokens[:, at : at + self.frames])
            waves.append(audio[FRAME * at : FRAME * (at + self.frames)])
        stacked = np.stack(codes, axis=1).astype(np.int64)
        return torch.from_numpy(stacked), torch.from_numpy(np.stack(waves).astype(np.float32) / 32768)


def missed(made: Tensor, wanted: Tensor) -> Tensor:
    """The power of the difference of two waveforms (B, samples) in that of the second, past two frames."""
    made, wanted = made[:, 2 * FRAME :], wanted[:, 2 * FRAME :]
    return F.mse_loss(made, wanted) / wanted.square().mean().clamp(min=1e-6)


def main() -> None:
    """Train, resuming; writes runs/decoder/last.pt and loss.png."""
    run = Run("decoder")
    options = run.options
    codec = load_codec().train()
    weights = options["weights"]
    table = options.get("adversary")
    contest = None if table is None else Contest({**table, "weights": weights | table["weights"]}, run.device)
    run.take_up(codec, **({"contest": contest} if contest else {}))
    crops = CodeCrops(options["data"], options["crop_s"], options["batch"], run.seed, options["full"])
    distance, sketch = SpectralDistance().to(run.device), Sketch(run.device)

    def losses_of(step: int) -> Losses:
        codes, wave = run.move(*crops())
        made = codec(codes)
        if step < options.get("sketch", 0):
            loss = missed(made, LOUDNESS * sketch(codes[[END, MIDDLE, DICE]]))
            return loss, {"sketch": loss.item()}
        parts = {**distance(made, wave), "wave": F.l1_loss(made, wave) / wave.abs().mean()}
        if contest is not None and step >= contest.options["begin"]:
            return contest(made, wave, parts, step)
        loss = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        return loss, {name: part.item() for name, part in parts.items()}

    run.train(losses_of)


if __name__ == "__main__":
    main()
