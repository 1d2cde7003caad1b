"""The fast backend of CPUs: requests of the stages -> logits, all transformers in int8 (kernel.py).

Every answer is the same to the last bit whatever else is in the batch: sums of integer products are exact,
and all else happens row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from bark_cli.backends import AudioStream, CausalStage, Decoder, kernel
from bark_cli.backends.buffers import Array
from bark_cli.backends.codec import KernelCodec
from bark_cli.backends.generate import DrawnIds, Going, Vocabulary, generate
from bark_cli.backends.logits import logits_of_each
from bark_cli.backends.memory import midst
from bark_cli.backends.packed import PackedMatrix
from bark_cli.backends.threads import lent_threads, threads_beside
from bark_cli.backends.trial import Step, size_of, steps_of
from bark_cli.backends.weights import Weights
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.model.config import GPTConfig
from bark_cli.model.tokens import Logits, Samples, Tokens
from bark_cli.stages.steps import Ahead, Answer, Decode, Drawn, DrawnCodes, FineAnswer, FineWindow, Prefill

TURNS = 2  # prompts or windows for each thread in a call: enough to go side by side; who calls waits for all
KEPT = 4  # caches of sequences that are over, kept for the next: windows end one after the other


class Int8GPT:
    """The causal network of one stage: whole prompts, and steps of one more token."""

    def __init__(self, config: GPTConfig, weights: Weights) -> None:
        self._config, self.size = config, size_of(config)
        self._stack = weights.stack(config)
        self._table = weights.table("wte")
        self._positions = weights.table("wpe")(np.arange(config.block_size))
        self._head = weights.matrix("lm_head")
        self._heads: dict[range, PackedMatrix] = {}
        self._vocabularies: dict[tuple[int, tuple[range, ...]], Vocabulary] = {}
        self._free: list[Array] = []

    def new_cache(self) -> Array:
        """Room for the keys and values of one sequence."""
        with suppress(IndexError):  # other threads take from there too
            return self._free.pop()
        return self._stack.new_cache()

    def release(self, cache: Array) -> None:
        """Take a cache back for the next sequence."""
        if len(self._free) < KEPT:
            self._free.append(cache)

    def prompts(self, asked: Sequence[tuple[Tokens, Tokens | None, Array]]) -> Array:
        """Final hidden states (n, D) after ids (T,) of n sequences, which fill the start of their caches.

        The embeddings of `merged` (M,) are added to those of the first M ids.
        """
        windows = [(self._embedded(ids, merged), cache, len(ids) - 1) for ids, merged, cache in asked]
        return np.concatenate(self._stack.windows(windows))

    def step(self, ids: Tokens, caches: Sequence[Array], positions: Sequence[int]) -> Array:
        """Final hidden states (n, D) of one more id of n sequences: ids (n,) at their positions."""
        x = self._table(ids)
        x += self._positions[list(positions)]
        return self._stack.step(x, caches, positions)

    def trial(self, most: int) -> Step:
        """Steps to be tried, of n <= `most` sequences."""
        place = midst(self._config, most, bytes_per_number=1)
        caches = [self.new_cache() for _ in range(most)]
        for cache in caches:  # memory that was never written is not there, and is read in no time
            cache[:, :, : place * cache.shape[2] // self._config.block_size + 1] = 0
        return lambda n: self.step(np.zeros(n, np.int64), caches[:n], [place] * n)

    def logits(self, hidden: Array, legal: range) -> Logits:
        """Logits (n, len(legal)) of final hidden states (n, D); no other row of the head is read."""
        return self._pack(legal).product(hidden)

    def tokens(self, going: Sequence[Going]) -> list[Answer]:
        """Append a token to each sequence, then those that are drawn: what each drew, the last not appended.

        All have as many turns and legal ids. Where the network returned NaN, that is the answer.
        """
        legal = tuple(sorted({ids for one in going for ids in one.ahead.legal}, key=lambda ids: ids.start))
        turns = len(going[0].ahead.legal)
        if (turns, legal) not in self._vocabularies:
            packs = {ids: self._pack(ids) for ids in legal}
            self._vocabularies[turns, legal] = Vocabulary(self._table, self._positions, packs, turns)
        vocabulary = self._vocabularies[turns, legal]
        return [
            np.full(vocabulary.size, np.nan, np.float32)
            if np.isnan(made.end_p).any()
            else _counted(one.ahead, made)
            for one, made in zip(going, generate(self._stack, vocabulary, going), strict=True)
        ]

    def _embedded(self, ids: Tokens, merged: Tokens | None) -> Array:
        """What stands for each id (T,) and its place, (T, D)."""
        x = self._table(ids)
        if merged is not None:
            x[: len(merged)] += self._table(merged)
        x += self._positions[: len(ids)]
        return x

    def _pack(self, legal: range) -> PackedMatrix:
        """These rows of the head."""
        if legal not in self._heads:
            self._heads[legal] = PackedMatrix(self._head.rows(legal))
        return self._heads[legal]


class Int8FineGPT:
    """The fine network."""

    def __init__(self, config: GPTConfig, weights: Weights) -> None:
        self._config = config
        self._stack = weights.stack(config)
        self._tables = [weights.table(f"wtes.{i}") for i in range(config.n_codes_total)]
        self._positions = weights.table("wpe")(np.arange(config.block_size))
        tied = config.input_vocab_size == config.output_vocab_size
        given = config.n_codes_given
        self._heads = {
            codebook: weights.packed(f"wtes.{codebook}" if tied else f"lm_heads.{codebook - given}")
            for codebook in range(given, config.n_codes_total)
        }

    def answers(self, requests: Sequence[FineWindow]) -> list[FineAnswer]:
        """The codes drawn of each window; its logits where it draws none, or they hold NaN."""
        windows = [(self._embedded(one.codebook, one.codes), None, one.first) for one in requests]
        return [
            self._drawn(request, self._heads[request.codebook].product(hidden))
            for request, hidden in zip(requests, self._stack.windows(windows), strict=True)
        ]

    def _embedded(self, codebook: int, codes: Tokens) -> Array:
        """The sum of what stands for the place and for each code up to that codebook's, (T, D)."""
        x: Array = self._positions[: codes.shape[1]].copy()
        for table, ids in zip(self._tables[: codebook + 1], codes, strict=False):
            x += table(ids)
        return x

    def _drawn(self, request: FineWindow, logits: Logits) -> FineAnswer:
        """Codes drawn of logits (T - first, V), or themselves where they hold NaN."""
        drawing = request.drawing
        if drawing is None:
            return logits
        codes = self._stack.draw(logits, drawing.n_codes, drawing.sampling, drawing.stream)
        return DrawnCodes(codes) if codes.min() >= 0 else np.full_like(logits, np.nan)


@dataclass(eq=False)
class Int8Sequence:
    """The cache of one sequence and how much of it is filled."""

    stage: CausalStage
    cache: Array
    length: int


def _codec(checkpoint: Checkpoint) -> Decoder:
    """In C; torch computes one that is not causal."""
    if checkpoint.config.codec.causal:
        return KernelCodec(checkpoint.config.codec, checkpoint.arrays("codec")[0])
    import torch

    from bark_cli.backends.wide import TorchCodec
    from bark_cli.checkpoint.build import build_codec

    return TorchCodec(build_codec(checkpoint), torch.device("cpu"))


class Int8Backend:
    """The networks of one Bark on the CPU; implements `backends.Backend`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        config = checkpoint.config
        self._causal: dict[CausalStage, Int8GPT] = {
            "semantic": Int8GPT(config.semantic.gpt, Weights(*checkpoint.arrays("semantic"))),
        }
        checkpoint.let_go()  # what is packed is not held twice
        self._causal["coarse"] = Int8GPT(config.coarse.gpt, Weights(*checkpoint.arrays("coarse")))
        checkpoint.let_go()
        self._fine = Int8FineGPT(config.fine.gpt, Weights(*checkpoint.arrays("fine")))
        checkpoint.let_go()
        self._codec = _codec(checkpoint)
        self.side_by_side = threads_beside(config.widest)
        threads = lent_threads() // self.side_by_side  # of each caller
        # fine windows likewise; with one thread several together gain nothing
        self.prompts_at_once = TURNS * threads if threads > 1 else 1

    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[Int8Sequence, Logits]:
        """Begin a sequence: its cache, and logits (len(legal),) of the next token."""
        return self.prefill_all(stage, [request])[0]

    def prefill_all(
        self, stage: CausalStage, requests: Sequence[Prefill]
    ) -> list[tuple[Int8Sequence, Logits]]:
        """`prefill` of several sequences."""
        network = self._causal[stage]
        caches = [network.new_cache() for _ in requests]
        hidden = network.prompts(
            [(one.ids, one.merged, cache) for one, cache in zip(requests, caches, strict=True)]
        )
        return [
            (Int8Sequence(stage, cache, len(one.ids)), network.logits(hidden[i : i + 1], one.legal)[0])
            for i, (one, cache) in enumerate(zip(requests, caches, strict=True))
        ]

    def decode(self, stage: CausalStage, requests: Sequence[tuple[Int8Sequence, Decode]]) -> list[Answer]:
        """Append one token to each sequence: logits (len(legal),), or tokens drawn where it looks ahead."""
        answers, together = dict[int, Answer](), dict[tuple[int, int] | None, list[int]]()
        for i, (_, step) in enumerate(requests):
            together.setdefault(_draws(step), []).append(i)
        for kind, members in together.items():
            own = [requests[i] for i in members]
            made = self._logits(stage, own) if kind is None else self._tokens(stage, own)
            answers |= zip(members, made, strict=True)
        return [answers[i] for i in range(len(requests))]

    def fine_logits(self, requests: Sequence[FineWindow]) -> list[FineAnswer]:
        """The codes drawn of the codebook that each request names, some requests at once."""
        at_once = self.prompts_at_once
        return [
            answer
            for first in range(0, len(requests), at_once)
            for answer in self._fine.answers(requests[first : first + at_once])
        ]

    def decode_audio(self, codes: Tokens) -> Samples:
        """Codes (n_codebooks, F) -> samples (F * hop,)."""
        return self._codec.decode_audio(codes)

    def audio_stream(self) -> AudioStream:
        """Begin an utterance that is decoded as its codes come."""
        return self._codec.audio_stream()

    def trial(self, most: int) -> Step:
        """Steps to be tried, of n <= `most` sequences, as one caller of `side_by_side` makes them."""
        kernel.expect_callers(self.side_by_side)
        return steps_of({network.size: network.trial for network in self._causal.values()}, most)

    def fit_threads(self, n_sequences: int, n_callers: int = 1) -> None:
        """Let each caller have his part of the processors; how many a step is worth the kernel is told."""
        kernel.expect_callers(n_callers)

    def _logits(self, stage: CausalStage, requests: Sequence[tuple[Int8Sequence, Decode]]) -> list[Logits]:
        network = self._causal[stage]
        sequences = [sequence for sequence, _ in requests]
        hidden = network.step(
            np.array([step.token for _, step in requests]),
            [sequence.cache for sequence in sequences],
            [sequence.length for sequence in sequences],
        )
        for sequence in sequences:
            sequence.length += 1
        legal = [step.legal for _, step in requests]
        return logits_of_each(legal, lambda rows, ids: network.logits(hidden[rows], ids))

    def _tokens(self, stage: CausalStage, requests: Sequence[tuple[Int8Sequence, Decode]]) -> list[Answer]:
        going = [
            Going(sequence.cache, sequence.length, step.token, step.ahead)
            for sequence, step in requests
            if step.ahead is not None
        ]
        answers = self._causal[stage].tokens(going)
        for (sequence, _), answer in zip(requests, answers, strict=True):
            if isinstance(answer, Drawn):
                sequence.length += len(answer.tokens)
        return answers

    def release(self, context: Int8Sequence) -> None:
        """Keep the cache for the next sequence of its stage."""
        self._causal[context.stage].release(context.cache)


def _counted(ahead: Ahead, made: DrawnIds) -> Drawn:
    """Those of the tokens that count; the numbers that the others were drawn with are for the next."""
    drawn = ahead.until_end(made.ids, made.end_p.astype(np.float64))
    if len(drawn.tokens) < made.steps:
        ahead.stream.go_back(made.mark, len(drawn.tokens) * made.size)
    return drawn


def _draws(step: Decode) -> tuple[int, int] | None:
    """What steps have in common that are drawn together, turns and legal ids; None: by the stage."""
    ahead = step.ahead
    return None if ahead is None else (len(ahead.legal), len(ahead.legal[0]))
