"""Train nano's semantic GPT: text ids (N,) -> semantic tokens (T,); it needs no audio.

The embedding of a semantic token is the sum of its factors' (unit, pitch, last, place), and each factor has a
head of its own (training.factored). `exported` multiplies this out into Bark's plain tables.

    python -m training.semantic         # resumes from training/runs/semantic
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bark_cli.model.config import GPTConfig, ReadingConfig, SemanticConfig
from bark_cli.model.networks import GPT
from training.alignment import JUMPS
from training.factored import Factored, gathered, spread, token_rows
from training.rows import END, Pairs, Rows
from training.run import Losses, Run
from training.starts import CYCLE, WIDTH, aim_heads, cyclic_code, plain_attention, slow_code, soft_start
from training.vocabulary import (
    CLASSES,
    END_CLASS,
    PACE,
    PITCHES,
    PLACES,
    STOPS,
    build_tokenizer,
    layout,
)

# of the factors; the end of speech is a class of its own
SIZES = (len(CLASSES) + 1, PITCHES + 1, 2, PLACES + 1)


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
        reading=ReadingConfig(cycle=PLACES, n_placed=layout().n_placed, reach=len(JUMPS) - 1),
        pace=PACE, stops=STOPS,
    )  # fmt: skip


class FactoredSemantic(Factored):
    """The semantic GPT with factored tables."""

    part = "semantic"

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

    def forward(self, rows: Rows) -> list[Tensor]:
        """Rows in any form -> each factor's logits (K, size) where there is something to learn."""
        is_text = (rows.text >= 0)[..., None]
        x = torch.where(is_text, self.text(rows.text.clamp(min=0)), self.embedded(rows.factors))
        x = self.ln_f(self.through(x + self.wpe(rows.positions))[rows.asked])
        return [head(x) for head in self.heads]

    @torch.no_grad()
    def exported(self) -> dict[str, Tensor]:
        """Tensors of bark_cli.model.networks.GPT."""
        rows = torch.cat([token_rows(), END[None]])
        table = torch.cat([spread(self.factors, rows), self.text.weight])
        return {**self.body(), "wte.weight": table, "lm_head.weight": spread(self.heads, rows)}

    @torch.no_grad()
    def begin_with(self, plain: Mapping[str, Tensor]) -> None:
        """Take over a finished network, which `exported` once wrote: tensors of `networks.GPT`."""
        rows = torch.cat([token_rows(), END[None]])
        for mine, name in ((self.factors, "wte.weight"), (self.heads, "lm_head.weight")):
            for table, found in zip(mine, gathered(plain[name][: len(rows)], rows, SIZES), strict=True):
                table.weight.copy_(found)
        self.text.weight.copy_(plain["wte.weight"][len(rows) :])
        self.load_state_dict({name: plain[name] for name in self.body()}, strict=False)


def losses(logits: list[Tensor], targets: Tensor) -> list[Tensor]:
    """Cross entropy of each factor: logits (K, size) and targets (K, 4)."""
    return [F.cross_entropy(guess.float(), targets[:, i]) for i, guess in enumerate(logits)]


def next_phone_accuracy(logits: list[Tensor], rows: Rows) -> Tensor:
    """Share of new phones named rightly. The measure of alignment: inside a phone the next token is plain."""
    targets, after = rows.targets[rows.asked], rows.factors[rows.asked]
    is_first = rows.text[rows.asked] >= 0  # after [INFER]
    asked = (is_first | (after[:, 2] == 1)) & (targets[:, 0] != END_CLASS)
    return (logits[0].argmax(-1) == targets[:, 0])[asked].float().mean()


def main() -> None:
    """Train, resuming; writes runs/semantic/last.pt and loss.png."""
    run = Run("semantic")
    model = FactoredSemantic(run.options["shape"], run.options["frames_per_character"])
    run.take_up(model)
    pairs = Pairs(run.options["data"], model.config)
    batches = pairs.mixed(run.options["batch_tokens"], run.options["forms"], run.seed)
    weights = sum(p.numel() for p in model.parameters())
    print(f"{len(pairs.texts)} sentences, {weights / 1e6:.1f} M weights", flush=True)

    def losses_of(step: int) -> Losses:
        rows = next(batches).to(run.device)
        with run.autocast():
            logits = model(rows)
        parts = losses(logits, rows.targets[rows.asked])
        values = dict(zip(("unit", "pitch", "last", "place"), (p.item() for p in parts), strict=True))
        values["phone"] = next_phone_accuracy(logits, rows).item()
        return torch.stack(parts).sum(), values

    with plain_attention(run.device):
        run.train(losses_of)


if __name__ == "__main__":
    main()
