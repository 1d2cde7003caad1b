"""Train nano's coarse GPT: semantic tokens (T,) and the codes of a voice -> the first two codebooks (2, T).

Windows are cut as inference cuts them (bark_cli.coarse), half of them with another utterance of the same voice in
front. In a window coarse token j belongs to semantic position j / 2, always; the position code starts from that.

    python -m training.coarse           # resumes from training/runs/coarse
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bark_cli.model import GPT
from bark_cli.tokens import CoarseConfig, GPTConfig
from training.codes import Utterance, load_utterances
from training.run import Run, cosine, settings
from training.starts import (
    AMPLITUDE,
    CYCLE,
    WIDTH,
    aim_heads,
    cyclic_code,
    slow_code,
    soft_start,
    use_plain_attention,
)
from training.vocabulary import CLASSES, PITCHES, layout

SIZES = (len(CLASSES) + 2, PITCHES + 1, 2)  # unit, pitch, last; two more classes: padding and "begin"
PADDING, BEGIN = len(CLASSES), len(CLASSES) + 1


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


class FactoredCoarse(nn.Module):
    """The coarse GPT with a factored semantic table and heads for the two codebooks only."""

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

    def forward(self, factors: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Factors (B, S + 1, 3) with BEGIN last and flat codes (B, C) -> logits (B, C / 2, size) of each codebook."""
        heard = sum(table(factors[..., i]) for i, table in enumerate(self.factors))
        x = torch.cat([heard, self.codes(codes[:, :-1])], dim=1)
        x = x + self.wpe.weight[: x.shape[1]]
        for block in self.h:
            x = block(x)
        x = self.ln_f(x[:, factors.shape[1] - 1 :])
        return self.heads[0](x[:, ::2]), self.heads[1](x[:, 1::2])

    @torch.no_grad()
    def exported(self) -> dict[str, Tensor]:
        """Tensors of bark_cli.model.GPT; semantic rows of the head are never legal and stay zero."""
        rows = torch.from_numpy(layout().rows.astype(np.int64))
        spread = sum(table.weight[rows[:, i]] for i, table in enumerate(self.factors))
        marks = torch.stack([self.mark(PADDING), self.mark(BEGIN)])
        heads = torch.cat([torch.zeros(len(rows), marks.shape[1]), *(head.weight for head in self.heads)])
        state = {
            name: t for name, t in self.state_dict().items() if name.split(".")[0] in ("wpe", "h", "ln_f")
        }
        return {**state, "wte.weight": torch.cat([spread, self.codes.weight, marks]), "lm_head.weight": heads}

    def mark(self, kind: int) -> Tensor:
        """Embedding of padding or of "begin" (D,)."""
        total: Tensor = (
            self.factors[0].weight[kind] + self.factors[1].weight[PITCHES] + self.factors[2].weight[0]
        )
        return total


class Windows:
    """Random windows of an utterance list, cut as bark_cli.coarse cuts them."""

    def __init__(self, utterances: list[Utterance], config: CoarseConfig, seed: int) -> None:
        self.utterances, self.config = utterances, config
        self.random = np.random.default_rng(seed)
        self.by_voice = {v: [u for u in utterances if u.voice == v] for v in {u.voice for u in utterances}}
        lengths = np.array([len(u.factors) for u in utterances], float)
        self.weights = lengths / lengths.sum()

    def batch(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Factors (B, S + 1, 3), flat codes (B, C) and targets (B, C) with -1 where there is nothing to learn."""
        chosen = self.random.choice(len(self.utterances), size, p=self.weights)
        rows = [self._window(self.utterances[i]) for i in chosen]
        factors, codes, targets = (torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True))
        return factors, codes, targets

    def _window(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        config, size = self.config, self.config.codebook_size
        reach, width = config.max_history_tokens // 2, config.sliding_window_tokens // 2
        factors, codes = utterance.factors[:, :3], utterance.codes[:2]
        before = 0
        if self.random.random() < 0.55:
            voice = self.by_voice[utterance.voice]
            past = voice[self.random.integers(len(voice))]
            before = min(reach, len(past.factors) // 2 * 2)
            factors = np.concatenate([past.factors[-before:, :3], factors])
            codes = np.concatenate(
                [past.codes[:2, -before:-1], codes], axis=1
            )  # Suno leaves off the last frame
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
        flat = np.zeros(config.max_history_tokens + config.sliding_window_tokens, np.int64)
        flat[: seen.size] = (seen + np.array([[0], [size]])).T.ravel()
        targets = np.full(flat.shape, -1, np.int64)
        targets[: seen.size] = seen.T.ravel()
        if before:
            targets[: 2 * max(0, before - 1 - start)] = -1
        return rows, flat, targets


def losses(logits: tuple[Tensor, Tensor], targets: Tensor) -> list[Tensor]:
    """Cross entropy of each codebook."""
    return [
        F.cross_entropy(l.float().flatten(0, 1), targets[:, i::2].flatten(), ignore_index=-1)
        for i, l in enumerate(logits)
    ]


def main() -> None:
    """Train, resuming; writes runs/coarse/last.pt and loss.png. `gain` is what listening to the tokens is worth."""
    options: dict[str, Any] = settings("coarse")
    run = Run("coarse", options)
    torch.set_num_threads(options["threads"])
    torch.manual_seed(options["seed"])
    use_plain_attention()
    model = FactoredCoarse(options["shape"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=options["lr"], betas=(0.9, 0.97), weight_decay=0.02)
    start = run.resume(model=model, optimizer=optimizer)
    utterances = load_utterances(options["data"])
    windows = Windows(utterances, model.config, options["seed"] + start)
    print(f"{sum(len(u.factors) for u in utterances) / 180_000:.1f} h of codes", flush=True)
    begun = time.monotonic()
    for step in range(start, options["steps"]):
        for group in optimizer.param_groups:
            group["lr"] = options["lr"] * cosine(step, options["steps"], warmup=options["warmup"])
        factors, codes, targets = windows.batch(options["batch"])
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(factors, codes)
        parts = losses(logits, targets)
        optimizer.zero_grad(set_to_none=True)
        sum(parts).backward()  # type: ignore[union-attr]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        values = {"first": parts[0].item(), "second": parts[1].item()}
        if (step + 1) % 50 == 0:  # the same codes after another sentence's tokens
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                deaf = losses(model(factors.roll(1, 0), codes), targets)
            print(f"coarse {step + 1}: listening is worth {deaf[0].item() - parts[0].item():.2f}", flush=True)
        run.log(step, **values)
        if (step + 1) % options["save_every"] == 0 or step + 1 == options["steps"]:
            run.save(step + 1, model=model, optimizer=optimizer)
    run.finish(time.monotonic() - begun)


if __name__ == "__main__":
    main()
