"""What is measured: one case is so many utterances of so many seconds by a network of one size."""

from __future__ import annotations

from dataclasses import dataclass

from bark_cli.bench import BenchPlan, random_config


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the tables."""

    name: str
    size: str  # of bark_cli.bench.SIZES
    seconds: float  # of speech in each utterance
    batch_size: int  # utterances at once
    peers: tuple[str, ...] = ("transformers",)  # of benchmarks.peers.PEERS; each takes minutes

    @property
    def pieces(self) -> list[int]:
        """Semantic tokens of the utterances that follow each other, as `bark bench` makes them."""
        plan = BenchPlan(seconds=self.seconds, batch_size=self.batch_size)
        return plan.pieces(random_config(self.size).semantic)


ALL = ("transformers", "openvino-fp32", "openvino-int8", "suno")


def _small(seconds: float, batch_size: int, peers: tuple[str, ...] = ("transformers",)) -> Case:
    name = f"small-{seconds:g}s-x{batch_size}"
    return Case(name=name, size="small", seconds=seconds, batch_size=batch_size, peers=peers)


CASES = (
    _small(5, 1, ALL),
    _small(5, 16, ("transformers", "openvino-int8")),
    Case(name="large-5s-x1", size="large", seconds=5, batch_size=1),
    _small(10, 1),
    _small(20, 1),
    _small(40, 1),
    _small(5, 2, ()),
    _small(5, 4),
    _small(5, 8, ()),
    _small(5, 32, ()),
    _small(5, 64, ()),
)  # the most telling first
QUICK = (_small(1, 1, ALL), _small(1, 4, ("openvino-int8",)))  # to see that everything works
