"""Train nano's fine GPT: the first codebooks of a window (2, F) -> all (8, F), one codebook at a time.

python -m training.fine             # resumes from training/runs/fine
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from bark_cli.model.config import FineConfig, GPTConfig
from bark_cli.model.networks import FineGPT
from training.codec import begun_anywhere, load_codec, same_codes
from training.codes import Utterance, by_voice, load_utterances
from training.neighbours import Neighbours, divergence, sample_of
from training.run import Losses, Run
from training.starts import CYCLE, WIDTH, aim_heads, cyclic_code, plain_attention, slow_code, soft_start

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


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


class TrainableFine(FineGPT):
    """A FineGPT whose first heads look at the frames around their own, or that begins with a finished one."""

    part = "fine"

    @torch.no_grad()
    def __init__(self, config: FineConfig) -> None:
        super().__init__(config.gpt)
        soft_start(self, len(self.h))
        for table in self.wtes:
            nn.init.normal_(table.weight, std=0.05)
            table.weight[:, :WIDTH] = 0
        # dice, never trained: their head is the table, so at any temperature one is as likely as another
        self.wtes[-1].weight.zero_()
        at = torch.arange(config.window_frames)
        self.wpe.weight[:, :CYCLE], self.wpe.weight[:, CYCLE:WIDTH] = cyclic_code(at), slow_code(at)
        aim_heads(self.h[0].attn, (0, 1, -1, 2), gain=1.5)

    @torch.no_grad()
    def know(self, meanings: Tensor) -> None:
        """Let the tables begin with what the codes mean (codebooks, K, D); their sum is the sound so far."""
        _, size, width = meanings.shape
        for table, meaning in zip(self.wtes, meanings, strict=True):
            table.weight[:size, WIDTH : WIDTH + width] = 0.1 * meaning

    @torch.no_grad()
    def begin_with(self, plain: Mapping[str, Tensor]) -> None:
        """Take over a finished network, its tables as far as the codes are the same ones."""
        tables = ("wtes.", "lm_heads.")
        self.load_state_dict({k: t for k, t in plain.items() if not k.startswith(tables)}, strict=False)
        for codebook, table in enumerate(self.wtes[:-1]):
            found, same = plain[f"wtes.{codebook}.weight"], same_codes(codebook)
            table.weight[:-1][same] = found[:-1][same]
            table.weight[-1] = found[-1]  # the placeholder


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
        shares = np.sqrt(
            predicted[::-1] - 1.0
        )  # of Bark's eight the third comes twice as often as the seventh
        return int(self.random.choice(predicted, p=shares / shares.sum()))

    def batch(self, size: int, codebook: int) -> tuple[Tensor, Tensor]:
        """Codes (B, window, codebooks), K for padding, and where a codebook is asked for (B, window)."""
        chosen = self.random.integers(len(self.utterances), size=size)
        rows = [self._window(self.utterances[i], codebook) for i in chosen]
        codes, asked = (torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True))
        return codes, asked

    def _window(self, utterance: Utterance, codebook: int) -> tuple[Ids, Mask]:
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
        if self.random.random() > 0.9:  # where windows overlap, inference sees an earlier prediction
            known = int(self.random.integers(known, codes.shape[1] + 1))
        at = np.arange(window)
        return canvas, (at >= known) & (at < codes.shape[1])


def hide(codes: Tensor | Ids, codebook: int, asked: Tensor | Mask, placeholder: int) -> None:
    """Put the placeholder where a codebook is asked for (..., F), into codes (..., F, codebooks)."""
    codes[..., codebook][asked] = placeholder  # type: ignore[index]


def loss_of(logits: Tensor, shares: Tensor, asked: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
    """How far logits are from the shares (B, F, K + 1): where asked (B, F), and where codes were known."""
    known = ~(asked | padding)
    loss = divergence(logits[asked], shares[asked])
    copied = divergence(logits[known], shares[known]) if known.any() else loss.new_zeros(())
    return loss, copied


def main() -> None:
    """Train, resuming; writes runs/fine/last.pt and loss.png."""
    run = Run("fine")
    config, codec = fine_config(run.options["shape"]), load_codec()
    model = TrainableFine(config)
    model.know(codec.meanings())
    run.take_up(model)
    utterances = load_utterances(run.options["data"])
    windows = Windows(utterances, config, run.seed)
    neighbours = Neighbours(codec.books, codec.kinds, sample_of(utterances), run.device)

    def losses_of(step: int) -> Losses:
        codebook = windows.codebook()
        codes, asked = run.move(*windows.batch(run.options["batch"], codebook))
        strays = torch.rand(len(codes), device=codes.device) < run.options["strays"]
        codes, shares = neighbours.asked(codes, codebook, strays)
        padding = codes[..., 0] == config.codebook_size
        hide(codes, codebook, asked, config.codebook_size)
        with run.autocast():
            logits = model(codebook, codes)
        loss, copied = loss_of(logits.float(), shares, asked, padding)
        return loss + 0.05 * copied, {"loss": loss.item(), f"codebook {codebook}": loss.item()}

    with plain_attention(run.device):
        run.train(losses_of)


if __name__ == "__main__":
    main()
