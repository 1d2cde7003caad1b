"""Train nano's semantic GPT: text ids (N,) -> semantic tokens (T,); it needs no audio.

The embedding of a semantic token is the sum of its factors' (unit, pitch, last, place), and each factor has a
head of its own (training.factored). `exported` multiplies this out into Bark's plain tables.

    python -m training.semantic         # resumes from training/runs/semantic
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bark_cli.model import GPT
from bark_cli.tokens import GPTConfig, SemanticConfig
from training.factored import Factored, spread, token_rows
from training.run import Losses, Run
from training.shards import shard_files
from training.starts import CYCLE, WIDTH, aim_heads, cyclic_code, plain_attention, slow_code, soft_start
from training.vocabulary import (
    CLASSES,
    END_CLASS,
    NO_PITCH,
    NO_PLACE,
    PITCHES,
    PLACES,
    build_tokenizer,
    layout,
)

# of the factors; the end of speech is a class of its own
SIZES = (len(CLASSES) + 1, PITCHES + 1, 2, PLACES + 1)
END = torch.tensor([END_CLASS, NO_PITCH, 1, NO_PLACE])


def semantic_config(shape: dict[str, int]) -> SemanticConfig:
    """nano's semantic layout: semantic tokens, the end, then the tokenizer's ids."""
    size, tokenizer = layout().size, build_tokenizer()
    offset = size + 1
    gpt = GPTConfig(
        n_layer=shape["n_layer"], n_head=shape["n_head"], n_embd=shape["n_embd"], norm_bias=False,
        input_vocab_size=offset + tokenizer.get_vocab_size(), output_vocab_size=offset,
        block_size=shape["max_text"] + 1 + shape["max_new"],
    )  # fmt: skip
    return SemanticConfig(
        gpt=gpt, vocab_size=size, rate_hz=50.0, pad_token=size, text_offset=offset,
        text_pad_token=offset + tokenizer.token_to_id("[PAD]"),
        infer_token=offset + tokenizer.token_to_id("[INFER]"),
        max_text_tokens=shape["max_text"], max_history_tokens=0, max_new_tokens=shape["max_new"],
    )  # fmt: skip


class FactoredSemantic(Factored):
    """The semantic GPT with factored tables."""

    def __init__(self, shape: dict[str, int], frames_per_character: float) -> None:
        super().__init__()
        self.config = semantic_config(shape)
        gpt = self.config.gpt
        body = GPT(gpt)
        self.text = nn.Embedding(gpt.input_vocab_size - self.config.text_offset, gpt.n_embd)
        self.wpe, self.h, self.ln_f = body.wpe, body.h, body.ln_f
        self.factors = nn.ModuleList(nn.Embedding(size, gpt.n_embd) for size in SIZES)
        self.heads = nn.ModuleList(nn.Linear(gpt.n_embd, size, bias=False) for size in SIZES)
        self._start(shape["max_text"], frames_per_character)

    @torch.no_grad()
    def _start(self, max_text: int, frames_per_character: float) -> None:
        soft_start(self, len(self.h))
        for table in (self.text, *self.factors):
            nn.init.normal_(table.weight, std=0.1)
            table.weight[:, :WIDTH] = 0
        self.wpe.weight[:, :WIDTH] = 0
        at = torch.arange(self.wpe.num_embeddings)
        heard = (at - max_text - 1).clamp(min=0) / frames_per_character
        expected = torch.where(at < max_text, at, heard)
        self.wpe.weight[:, CYCLE:WIDTH] = slow_code(expected)
        self.wpe.weight[:max_text, :CYCLE] = cyclic_code(at[:max_text])
        self.wpe.weight[max_text, :CYCLE] = cyclic_code(at[:1])[0]
        self.factors[3].weight[:PLACES, :CYCLE] = cyclic_code(torch.arange(PLACES))
        aim_heads(self.h[0].attn, (0, 1, 2, -1), gain=1.8)
        aim_heads(self.h[1].attn, (0, 1, 2, 3), gain=1.8)

    def forward(self, text: Tensor, factors: Tensor) -> list[Tensor]:
        """Text ids (B, N) and factors (B, T, 4) -> each factor's logits (B, T + 1, size) after N .. N + T."""
        x = torch.cat([self.text(text), self.embedded(factors)], dim=1)
        x = self.hidden(x, text.shape[1] - 1)
        return [head(x) for head in self.heads]

    @torch.no_grad()
    def exported(self) -> dict[str, Tensor]:
        """Tensors of bark_cli.model.GPT."""
        rows = torch.cat([token_rows(), END[None]])
        table = torch.cat([spread(self.factors, rows), self.text.weight])
        return {**self.body(), "wte.weight": table, "lm_head.weight": spread(self.heads, rows)}


class Pairs:
    """Texts with their factors, from aligned-pairs-*.npz; new shards are taken in as they appear."""

    def __init__(self, folder: Path, config: SemanticConfig) -> None:
        self.folder, self.config = folder, config
        self.texts: list[npt.NDArray[np.int16]] = []
        self.factors: list[npt.NDArray[np.int16]] = []
        self.seen: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        """Read shards not read yet; utterances too long for the model stay out."""
        for file in shard_files(self.folder, "aligned-pairs", "alignment"):
            if file.name in self.seen:
                continue
            self.seen.add(file.name)
            with np.load(file.with_name(file.name.removeprefix("aligned-"))) as pairs:
                lengths = pairs["lengths"]
            with np.load(file) as aligned:
                factors = np.split(aligned["factors"], np.cumsum(lengths)[:-1])
                ids = np.split(aligned["ids"], np.cumsum(aligned["id_lengths"])[:-1])
            for text, rows in zip(ids, factors, strict=True):
                if len(text) <= self.config.max_text_tokens and len(rows) < self.config.max_new_tokens:
                    self.texts.append(text)
                    self.factors.append(rows)

    def batches(self, tokens: int, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Endless batches of utterances of like length, about `tokens` positions each, prompt included.

        Yields text ids (B, N + 1) padded as for speaking, factors (B, T, 4) and targets (B, T + 1, 4), where
        -1 is nothing to learn; T is a multiple of 32.
        """
        random = np.random.default_rng(seed)
        while True:
            lengths = np.array([rounded(len(rows)) for rows in self.factors])
            order = np.argsort(lengths + random.uniform(0, 25, len(lengths)))
            groups: list[list[int]] = []
            group: list[int] = []
            for i in order.tolist():
                group.append(i)
                if len(group) * (self.config.max_text_tokens + 1 + lengths[i]) >= tokens:
                    groups.append(group)
                    group = []
            groups = groups or [group]
            random.shuffle(groups)
            for chosen in groups:
                yield self._batch(chosen)
            self.refresh()

    def _batch(self, chosen: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        config = self.config
        longest = min(rounded(max(len(self.factors[i]) for i in chosen)), config.max_new_tokens)
        text = torch.full(
            (len(chosen), config.max_text_tokens + 1), config.text_pad_token - config.text_offset
        )
        text[:, -1] = config.infer_token - config.text_offset
        factors = END.repeat(len(chosen), longest, 1)
        targets = torch.full((len(chosen), longest + 1, 4), -1)
        for row, i in enumerate(chosen):
            text[row, : len(self.texts[i])] = torch.from_numpy(self.texts[i].astype(np.int64))
            made = torch.from_numpy(self.factors[i].astype(np.int64))
            factors[row, : len(made)] = targets[row, : len(made)] = made
            targets[row, len(made)] = END
        return text, factors, targets


def rounded(length: int) -> int:
    """The next multiple of 32: batches of few shapes, each of which a CPU or a GPU prepares for once."""
    return -(-length // 32) * 32


def losses(logits: list[Tensor], targets: Tensor) -> list[Tensor]:
    """Cross entropy of each factor, averaged over the tokens that exist."""
    return [
        F.cross_entropy(guess.float().flatten(0, 1), targets[..., i].flatten(), ignore_index=-1)
        for i, guess in enumerate(logits)
    ]


def next_phone_accuracy(logits: list[Tensor], factors: Tensor, targets: Tensor) -> Tensor:
    """Share of new phones named rightly. The measure of alignment: inside a phone the next token is plain."""
    began = torch.cat([torch.ones_like(factors[:, :1, 2]), factors[..., 2]], dim=1) == 1
    asked = began & (targets[..., 0] >= 0) & (targets[..., 0] != END_CLASS)
    return (logits[0].argmax(-1) == targets[..., 0])[asked].float().mean()


def main() -> None:
    """Train, resuming; writes runs/semantic/last.pt and loss.png."""
    run = Run("semantic")
    model = FactoredSemantic(run.options["shape"], run.options["frames_per_character"])
    run.take_up(model)
    pairs = Pairs(run.options["data"], model.config)
    batches = pairs.batches(run.options["batch_tokens"], run.seed)
    weights = sum(p.numel() for p in model.parameters())
    print(f"{len(pairs.texts)} sentences, {weights / 1e6:.1f} M weights", flush=True)

    def losses_of(step: int) -> Losses:
        text, factors, targets = run.move(*next(batches))
        with run.autocast():
            logits = model(text, factors)
        parts = losses(logits, targets)
        values = dict(zip(("unit", "pitch", "last", "place"), (p.item() for p in parts), strict=True))
        values["phone"] = next_phone_accuracy(logits, factors, targets).item()
        return torch.stack(parts).sum(), values

    with plain_attention(run.device):
        run.train(losses_of)


if __name__ == "__main__":
    main()
