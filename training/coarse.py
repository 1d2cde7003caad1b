"""Train nano's coarse GPT: semantic tokens (T,) and the codes of a voice -> the first two codebooks (2, T).

Windows are cut as inference cuts them (bark_cli.stages.coarse), half of them with another utterance of the
same voice in front. In a window coarse token j always belongs to semantic position j / 2; the position code
says so from the start.

    python -m training.coarse           # resumes from training/runs/coarse
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from bark_cli.model.config import CoarseConfig, GPTConfig
from bark_cli.model.networks import GPT
from training.codec import begun_anywhere, first_codec, same_codes
from training.codes import Utterance, by_voice, load_utterances
from training.factored import Factored, gathered, spread, token_rows
from training.neighbours import Neighbours, divergence, sample_of
from training.run import Losses, Run
from training.starts import (
    AMPLITUDE,
    CYCLE,
    WIDTH,
    aim_heads,
    cyclic_code,
    plain_attention,
    slow_code,
    soft_start,
)
from training.vocabulary import CLASSES, PITCHES, layout

SIZES = (len(CLASSES) + 2, PITCHES + 1, 2)  # unit, pitch, last; two more classes: padding and "begin"
PADDING, BEGIN = len(CLASSES), len(CLASSES) + 1
MARKS = torch.tensor([[PADDING, PITCHES, 0], [BEGIN, PITCHES, 0]])

Ids = npt.NDArray[np.int64]


def coarse_config(shape: dict[str, int]) -> CoarseConfig:
    """nano's coarse layout: semantic tokens, two codebooks, padding, begin."""
    first = layout().size
    pad = first + 2 * shape["codebook_size"]
    positions = shape["semantic"] + 1 + shape["history"] + shape["window"]
    gpt = GPTConfig(
        n_layer=shape["n_layer"], n_head=shape["n_head"], n_embd=shape["n_embd"], norm_bias=False,
        input_vocab_size=pad + 2, output_vocab_size=pad, block_size=positions,
    )  # fmt: skip
    return CoarseConfig(
        gpt=gpt, semantic_vocab_size=first, codebook_size=shape["codebook_size"], rate_hz=50.0,
        semantic_pad_token=pad, infer_token=pad + 1, max_semantic_tokens=shape["semantic"],
        max_history_tokens=shape["history"], sliding_window_tokens=shape["window"],
    )  # fmt: skip


class FactoredCoarse(Factored):
    """The coarse GPT with a factored semantic table and heads for the two codebooks only."""

    part = "coarse"

    def __init__(self, shape: dict[str, int]) -> None:
        super().__init__()
        self.config = coarse_config(shape)
        gpt = self.config.gpt
        body = GPT(gpt)
        self.wpe, self.h, self.ln_f = body.wpe, body.h, body.ln_f
        self.factors = nn.ModuleList(nn.Embedding(size, gpt.n_embd) for size in SIZES)
        self.codes = nn.Embedding(2 * self.config.codebook_size, gpt.n_embd)
        self.heads = nn.ModuleList(
            nn.Linear(gpt.n_embd, self.config.codebook_size, bias=False) for _ in range(2)
        )
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        soft_start(self, len(self.h))
        semantic = self.config.max_semantic_tokens
        for table in (*self.factors, self.codes):
            nn.init.normal_(table.weight, std=0.1)
            table.weight[:, : WIDTH + 1] = 0
        at = torch.arange(self.wpe.num_embeddings)
        # the position after the prompt is the first to answer: it stands for the time of what it predicts
        moment = torch.where(at < semantic, at, (at - semantic) // 2)
        self.wpe.weight[:, :CYCLE], self.wpe.weight[:, CYCLE:WIDTH] = cyclic_code(moment), slow_code(moment)
        self.wpe.weight[:, WIDTH] = torch.where(at < semantic, AMPLITUDE, -AMPLITUDE)
        aim_heads(self.h[0].attn, (0, 1, -1, 2), gain=1.8, segment=2.0)
        aim_heads(self.h[1].attn, (0, -1, -2, -3), gain=1.8, segment=-2.0)

    @torch.no_grad()
    def know(self, meanings: Tensor) -> None:
        """Let tables and heads begin with what the codes mean (codebooks, K, D)."""
        meanings = meanings[: len(self.heads)]
        beside = slice(WIDTH + 1, WIDTH + 1 + meanings.shape[-1])
        self.codes.weight[:, beside] = 0.1 * meanings.flatten(0, 1)
        for head, meaning in zip(self.heads, meanings, strict=True):
            head.weight[:, beside] = 0.05 * meaning

    def forward(self, factors: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Factors (B, S + 1, 3), BEGIN last, and codes (B, C) -> logits (B, C / 2, size) per codebook."""
        x = torch.cat([self.embedded(factors), self.codes(codes[:, :-1])], dim=1)
        x = self.hidden(x, factors.shape[1] - 1)
        return self.heads[0](x[:, ::2]), self.heads[1](x[:, 1::2])

    @torch.no_grad()
    def exported(self) -> dict[str, Tensor]:
        """Tensors of bark_cli.model.networks.GPT; semantic rows of the head are never legal and stay zero."""
        tokens = spread(self.factors, token_rows())
        table = torch.cat([tokens, self.codes.weight, spread(self.factors, MARKS)])
        heads = torch.cat([torch.zeros_like(tokens), *(head.weight for head in self.heads)])
        return {**self.body(), "wte.weight": table, "lm_head.weight": heads}

    @torch.no_grad()
    def begin_with(self, plain: Mapping[str, Tensor]) -> None:
        """Take over a finished network, tables and heads as far as the codes are the same ones."""
        first, size = layout().size, self.config.codebook_size
        table, head = plain["wte.weight"].float(), plain["lm_head.weight"].float()
        tokens = torch.cat([table[:first], table[first + 2 * size :]])
        rows = torch.cat([token_rows()[:, : len(SIZES)], MARKS])
        for mine, found in zip(self.factors, gathered(tokens, rows, SIZES), strict=True):
            mine.weight.copy_(found)
        for codebook, mine in enumerate(self.heads):
            begin, same = codebook * size, same_codes(codebook)
            self.codes.weight[begin : begin + size][same] = table[first + begin :][:size][same]
            mine.weight[same] = head[first + begin :][:size][same]
        self.load_state_dict({name: plain[name] for name in self.body()}, strict=False)


class Windows:
    """Random windows of an utterance list, cut as bark_cli.stages.coarse cuts them."""

    def __init__(self, utterances: list[Utterance], config: CoarseConfig, seed: int) -> None:
        self.utterances, self.config = utterances, config
        self.random = np.random.default_rng(seed)
        self.by_voice = by_voice(utterances)
        lengths = np.array([len(u.factors) for u in utterances], float)
        self.weights = lengths / lengths.sum()

    def batch(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Factors (B, S + 1, 3), codes (B, F, codebooks), K for padding, and where they are asked (B, F)."""
        chosen = self.random.choice(len(self.utterances), size, p=self.weights)
        rows = [self._window(self.utterances[i]) for i in chosen]
        factors, codes, asked = (torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True))
        return factors, codes, asked

    def _window(self, utterance: Utterance) -> tuple[Ids, Ids, npt.NDArray[np.bool_]]:
        config = self.config
        reach, width = config.max_history_tokens // 2, config.sliding_window_tokens // 2
        factors, codes = utterance.factors[:, :3], begun_anywhere(utterance.codes, self.random)
        before = 0
        if self.random.random() < 0.55:
            voice = self.by_voice[utterance.voice]
            past = voice[self.random.integers(len(voice))]
            before = min(reach, len(past.factors) // 2 * 2)
            factors = np.concatenate([past.factors[-before:, :3], factors])
            # Suno leaves off the last frame
            codes = np.concatenate([past.codes[:, -before:-1], codes], axis=1)
        frames = len(utterance.factors)
        step = int(self.random.integers(0, (frames - 1) // width + 1)) * width
        now = before + step
        made = max(0, before - 1) + step  # frames of code so far
        first = max(0, now - reach)
        heard = factors[first : first + config.max_semantic_tokens]
        rows = np.full((config.max_semantic_tokens + 1, 3), (PADDING, PITCHES, 0), np.int64)
        rows[: len(heard)] = heard
        rows[-1, 0] = BEGIN
        start = max(0, made - reach)
        seen = codes[:, start : made + width]
        canvas = np.full((reach + width, len(codes)), config.codebook_size, np.int64)
        canvas[: seen.shape[1]] = seen.T
        at = np.arange(len(canvas))
        return rows, canvas, (at >= max(0, before - 1 - start)) & (at < seen.shape[1])


def flat(codes: Tensor, size: int) -> Tensor:
    """Codes (B, F, codebooks) -> the first two in turn as coarse tokens (B, 2 F); padding is any."""
    firsts = codes[..., :2]
    firsts = torch.where(firsts < size, firsts, 0)
    return (firsts + torch.tensor([0, size], device=codes.device)).flatten(1)


def losses(logits: tuple[Tensor, Tensor], shares: tuple[Tensor, Tensor], asked: Tensor) -> list[Tensor]:
    """How far the codebooks' logits (B, F, K) are from the shares (B, F, K + 1) where asked (B, F)."""
    return [
        divergence(guess.float()[asked], right[asked][:, :-1])
        for guess, right in zip(logits, shares, strict=True)
    ]


def main() -> None:
    """Train, resuming; writes runs/coarse/last.pt and loss.png. `listening` is what the tokens are worth."""
    run = Run("coarse")
    model = FactoredCoarse(run.options["shape"])
    codec = first_codec()
    model.know(codec.meanings())
    run.take_up(model)
    utterances = load_utterances(run.options["data"], "codes")
    windows = Windows(utterances, model.config, run.seed)
    neighbours = Neighbours(codec.books, codec.kinds, sample_of(utterances), run.device)
    print(f"{sum(len(u.factors) for u in utterances) / 180_000:.1f} h of codes", flush=True)

    def losses_of(step: int) -> Losses:
        factors, codes, asked = run.move(*windows.batch(run.options["batch"]))
        strays = torch.rand(len(codes), device=codes.device) < run.options["strays"]
        first = neighbours.shares(codes, 0, neighbours.sound(codes))
        codes, second = neighbours.asked(codes, 1, strays)
        with run.autocast():
            logits = model(factors, flat(codes, model.config.codebook_size))
        parts = losses(logits, (first, second), asked)
        values = {"first": parts[0].item(), "second": parts[1].item()}
        if run.is_report(step):  # the same codes after another sentence's tokens
            with torch.no_grad(), run.autocast():
                deaf = model(factors.roll(1, 0), flat(codes, model.config.codebook_size))
            values["listening"] = losses(deaf, (first, second), asked)[0].item() - values["first"]
        return torch.stack(parts).sum(), values

    with plain_attention(run.device):
        run.train(losses_of)


if __name__ == "__main__":
    main()
