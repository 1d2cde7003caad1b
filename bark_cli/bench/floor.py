"""The least time that reading the weights takes: a configuration and a BenchResult -> seconds per stage.

One step of the semantic or the coarse network reads every weight once, whether it answers one utterance or
a batch, and cannot be quicker than the memory; only a network so small that it stays in the CPU's caches can.
The plain backend (fp32 and bf16 on a CPU) takes a batch one by one and so stays farther above the floor.
The opening of a window counts as a step, though it computes more than it reads, and the cache of keys and
values is left out: few steps come close. The fine network and the codec compute far more than they read: they
have no such floor.
"""

from __future__ import annotations

from bark_cli.bench.timing import BenchResult
from bark_cli.model.config import BarkConfig, GPTConfig

BYTES_PER_WEIGHT = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "int8": 1.0, "int4": 0.5}


def step_bytes(gpt: GPTConfig, head_rows: int, precision: str) -> float:
    """Bytes of weights behind one token: the blocks, and the rows of the head that are legal."""
    blocks, head = 12 * gpt.n_layer * gpt.n_embd**2, head_rows * gpt.n_embd
    each = BYTES_PER_WEIGHT[precision]
    return blocks * each + head * max(each, 1.0)  # a head has no int4


def floors(config: BarkConfig, result: BenchResult) -> dict[str, float]:
    """Seconds of the stages that have a floor."""
    semantic, coarse = config.semantic, config.coarse
    per_step = {
        "semantic": step_bytes(semantic.gpt, semantic.vocab_size + 1, result.precision),
        "coarse": step_bytes(coarse.gpt, coarse.codebook_size, result.precision),
    }
    return {
        stage: result.stages[stage].tokens / result.batch_size * size / result.read_bytes_per_second
        for stage, size in per_step.items()
    }
