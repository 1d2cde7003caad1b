"""Train nano's fine GPT: the first codebooks of a window (2, F) -> all (8, F), one codebook at a time.

python -m training.fine             # resumes from training/runs/fine
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bark_cli.model import FineGPT
from bark_cli.tokens import FineConfig, GPTConfig
from training.codec import begun_anywhere, load_codec
from training.codes import Utterance, by_voice, load_utterances
from training.run import Losses, Run
from training.starts import CYCLE, WIDTH, aim_heads, cyclic_code, plain_attention, slow_code, soft_start

Ids = npt.NDArray[np.int64]


def fine_config(shape: dict[str, int]) -> FineConfig:
    """nano's fine layout: codes and the placeholder."""
    gpt = GPTConfig(
        n_layer=shape["n_layer"], n_head=shape["n_head"], n_embd=shape["n_embd"], norm_bias=True,
        input_vocab_size=shape["codebook_size"] + 1, output_vocab_size=shape["codebook_size"] + 1,
        block_size=shape["window"], n_codes_total=shape["n_codebooks"],
    )  # fmt: skip
    return FineConfig(
        gpt=gpt, n_codebooks=shape["n_codebooks"], codebook_size=shape["codebook_size"],
        window_frames=shape["window"],
        hop_frames=shape["window"] // 2, max_history_frames=shape["window"] // 2,
    )  # fmt: skip


@torch.no_grad()
def started(config: FineConfig) -> FineGPT:
    """A FineGPT whose first heads look at the frames around their own."""
    model = FineGPT(config.gpt)
    soft_start(model, len(model.h))
    for table in model.wtes:
        nn.init.normal_(table.weight, std=0.05)
        table.weight[:, :WIDTH] = 0
    # dice, never trained: their head is the table, so at any temperature one is as likely as another
    model.wtes[-1].weight.zero_()
    at = torch.arange(config.window_frames)
    model.wpe.weight[:, :CYCLE], model.wpe.weight[:, CYCLE:WIDTH] = cyclic_code(at), slow_code(at)
    aim_heads(model.h[0].attn, (0, 1, -1, 2), gain=1.5)
    return model


@torch.no_grad()
def know(model: FineGPT, meanings: Tensor) -> None:
    """Let the tables begin with what the codes mean (codebooks, K, D); their sum is the sound so far."""
    _, size, width = meanings.shape
    for table, meaning in zip(model.wtes, meanings, strict=True):
        table.weight[:size, WIDTH : WIDTH + width] = 0.1 * meaning


class Windows:
    """Random windows as inference fills them: a known beginning, then codes to predict, then padding."""

    def __init__(self, utterances: list[Utterance], config: FineConfig, seed: int) -> None:
        self.utterances, self.config = utterances, config
        self.random = np.random.default_rng(seed)
        self.by_voice = by_voice(utterances)

    def codebook(self) -> int:
        """One of those to predict, the coarser the more often: more of the sound hangs on it.

        Never the last, which is dice.
        """
        predicted = np.arange(2, self.config.n_codebooks - 1)
        shares = predicted[::-1] - 1.0  # 5 : 4 : 3 : 2 : 1 for Bark's eight
        return int(self.random.choice(predicted, p=shares / shares.sum()))

    def batch(self, size: int, codebook: int) -> tuple[Tensor, Tensor]:
        """Input codes (B, window, codebooks) and targets (B, window), -1 where there is padding."""
        chosen = self.random.integers(len(self.utterances), size=size)
        rows = [self._window(self.utterances[i], codebook) for i in chosen]
        codes, targets = (torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True))
        return codes, targets

    def _window(self, utterance: Utterance, codebook: int) -> tuple[Ids, Ids]:
        window, history = self.config.window_frames, self.config.max_history_frames
        codes, known = begun_anywhere(utterance.codes, self.random), 0
        if self.random.random() < 0.6:
            voice = self.by_voice[utterance.voice]
            past = voice[self.random.integers(len(voice))].codes[:, -history:]
            codes, known = np.concatenate([past, codes], axis=1), past.shape[1]
        if codes.shape[1] > window and self.random.random() < 0.5:  # a later window: its first half is known
            start = int(self.random.integers(0, codes.shape[1] - window + 1))
            codes, known = codes[:, start:], window // 2
        codes = codes[:, :window]
        canvas = np.full((window, self.config.n_codebooks), self.config.codebook_size, np.int64)
        canvas[: codes.shape[1]] = codes.T
        targets = np.full(window, -1, np.int64)
        targets[: codes.shape[1]] = codes[codebook]
        if self.random.random() < 0.9:
            canvas[known:, codebook] = self.config.codebook_size
        else:  # where windows overlap, inference sees an earlier prediction and replaces it
            hidden = self.random.integers(known, codes.shape[1] + 1)
            canvas[hidden:, codebook] = self.config.codebook_size
        return canvas, targets


def loss_of(logits: Tensor, codes: Tensor, targets: Tensor, placeholder: int) -> tuple[Tensor, Tensor]:
    """Cross entropy where the codebook (B, F) was the placeholder, and of repeating it where it was known."""
    asked = (targets >= 0) & (codes == placeholder)
    known = (targets >= 0) & ~asked
    loss = F.cross_entropy(logits[asked], targets[asked])
    copied = F.cross_entropy(logits[known], targets[known]) if known.any() else loss.new_zeros(())
    return loss, copied


def main() -> None:
    """Train, resuming; writes runs/fine/last.pt and loss.png."""
    run = Run("fine")
    config = fine_config(run.options["shape"])
    model = started(config)
    know(model, load_codec().meanings())
    run.take_up(model)
    windows = Windows(load_utterances(run.options["data"]), config, run.seed)

    def losses_of(step: int) -> Losses:
        codebook = windows.codebook()
        codes, targets = run.move(*windows.batch(run.options["batch"], codebook))
        with run.autocast():
            logits = model(codebook, codes)
        loss, copied = loss_of(logits.float(), codes[..., codebook], targets, config.codebook_size)
        return loss + 0.05 * copied, {"loss": loss.item()}

    with plain_attention(run.device):
        run.train(losses_of)


if __name__ == "__main__":
    main()
