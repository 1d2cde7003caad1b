"""Train the codec's decoder on, alone: fixed codes (8, F) -> the teacher's samples (480 F,).

Once audio is encoded, coarse and fine learn from those codes, so encoder and codebooks must stay as they are;
the decoder may go on learning beside them, at half the cost of training the whole codec; with a table
[decoder.adversary] in the settings, against an adversary (training.adversary).

    python -m training.decoder          # resumes from training/runs/decoder
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.codec import MelLoss, contest_of, descent
from training.codes import load_codec
from training.run import Losses, Run
from training.shards import shard_files

FRAME = 480  # samples
WINDOWS = (256, 512, 1024, 2048)


class CodeCrops:
    """Random stretches of codes with their samples: (8, B, F) int64 and (B, 480 F) float."""

    def __init__(self, folder: Path, seconds: float, batch: int, seed: int) -> None:
        self.frames, self.batch = int(seconds * 24_000) // FRAME, batch
        self.random = np.random.default_rng(seed)
        self.shards = []
        for file in shard_files(folder, "codes", "codes"):
            audio = np.load(file.with_name(file.name.replace("codes-", "audio-")))["audio"]
            self.shards.append((np.load(file)["codes"], audio))

    def __call__(self) -> tuple[Tensor, Tensor]:
        """The next batch."""
        codes, waves = [], []
        for i in self.random.integers(len(self.shards), size=self.batch):
            tokens, audio = self.shards[i]
            at = int(self.random.integers(0, tokens.shape[1] - self.frames))
            codes.append(tokens[:, at : at + self.frames])
            waves.append(audio[FRAME * at : FRAME * (at + self.frames)])
        stacked = np.stack(codes, axis=1).astype(np.int64)
        return torch.from_numpy(stacked), torch.from_numpy(np.stack(waves).astype(np.float32) / 32768)


def main() -> None:
    """Train, resuming; writes runs/decoder/last.pt and loss.png."""
    run = Run("decoder")
    options = run.options
    codec, contest = load_codec().to(run.device), contest_of(run)
    decoder = codec.decoder.train()
    run.take_up(decoder, **({"contest": contest} if contest else {}))
    crops = CodeCrops(options["data"], options["crop_s"], options["batch"], run.seed)
    mel = MelLoss(24_000, WINDOWS).to(run.device)

    def losses_of(step: int) -> Losses:
        codes, wave = run.move(*crops())
        with torch.no_grad():
            latents = codec.quantizer.vq.decode(codes)
        made = decoder(latents)[:, 0]
        parts = {"mel": mel(made, wave), "wave": F.l1_loss(made, wave)}
        return descent(made, wave, parts, contest, run, step)

    run.train(losses_of)


if __name__ == "__main__":
    main()
