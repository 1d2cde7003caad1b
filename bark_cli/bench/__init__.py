"""How fast this machine speaks: a loaded Bark and a plan -> times per stage, memory, and their floor."""

from bark_cli.bench.floor import floors
from bark_cli.bench.memory_use import peak_memory_bytes, read_bytes_per_second
from bark_cli.bench.plot import draw
from bark_cli.bench.timing import BenchPlan, BenchResult, StageCost, load_timed, measure
from bark_cli.bench.weights import SIZES, random_config, random_model

__all__ = [
    "SIZES",
    "BenchPlan",
    "BenchResult",
    "StageCost",
    "draw",
    "floors",
    "load_timed",
    "measure",
    "peak_memory_bytes",
    "random_config",
    "random_model",
    "read_bytes_per_second",
]
