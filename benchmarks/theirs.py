"""Transformers' Bark in a process of its own: makes random weights, or speaks with them and prints JSON.

    python theirs.py make FOLDER LAYERS HEADS WIDTH
    python theirs.py speak FOLDER BATCH_SIZE TOKENS [TOKENS ...]
    python theirs.py steps FOLDER wall|cpu CONTEXT PROMPT WINDOW STEPS COUNT [COUNT ...]

Runs in an environment that has torch and transformers and need not have bark_cli. The stages are called one
by one, as BarkModel.generate calls them, with Suno's temperatures; each utterance is forced to its length.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch

warnings.simplefilter("ignore")  # torch's and transformers' own deprecations
try:
    importlib.import_module("torchaudio")
except (ImportError, OSError):  # made for another torch; transformers would import it and fail
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]
    sys.modules["torchaudio"] = None  # type: ignore[assignment]

from transformers import BarkConfig, BarkModel, EncodecConfig, logging  # noqa: E402
from transformers.models.bark.generation_configuration_bark import (  # noqa: E402
    BarkCoarseGenerationConfig,
    BarkFineGenerationConfig,
    BarkSemanticGenerationConfig,
)

STAGES = ("semantic", "coarse", "fine", "codec")
WARM_UP_TOKENS = 50  # a second of speech
TEXT_TOKENS = 12
GENERATION: dict[str, Any] = {
    "semantic_config": {"do_sample": True, "temperature": 0.7},
    "coarse_acoustics_config": {"do_sample": True, "temperature": 0.7},
    "fine_acoustics_config": {"temperature": 0.5},
    "codebook_size": 1_024,
    "sample_rate": 24_000,
    "model_type": "bark",
}  # Suno's temperatures; all else is the default


def make(folder: str, layers: int, heads: int, width: int) -> None:
    """Write a folder of random weights in Suno's shapes, as `suno/bark` is published."""
    shape = {"num_layers": layers, "num_heads": heads, "hidden_size": width, "bias": False}
    config = BarkConfig(
        semantic_config=shape | {"input_vocab_size": 129_600, "output_vocab_size": 10_048},
        coarse_acoustics_config=shape | {"input_vocab_size": 12_096, "output_vocab_size": 12_096},
        fine_acoustics_config=shape | {"input_vocab_size": 1_056, "output_vocab_size": 1_056},
        codec_config=EncodecConfig().to_dict(),
    )
    torch.manual_seed(0)
    model = BarkModel(config)
    for layer in model.codec_model.quantizer.layers:
        layer.codebook.embed.normal_(0.0, 0.2)
    model.save_pretrained(folder)
    (Path(folder) / "generation_config.json").write_text(json.dumps(GENERATION, indent=2) + "\n")


class Watch:
    """Seconds and tokens of each stage, added up."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.tokens = dict.fromkeys(STAGES, 0)
        self._began = time.perf_counter()

    def lap(self, stage: str, tokens: int) -> None:
        """What passed since the last call was that stage's."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._began
        self.tokens[stage] += tokens
        self._began = now


@torch.no_grad()
def utter(model: BarkModel, batch_size: int, tokens: int, watch: Watch) -> int:
    """Speak `batch_size` utterances of `tokens` semantic tokens; returns samples of all together."""
    semantic_config = BarkSemanticGenerationConfig(**GENERATION["semantic_config"])
    coarse_config = BarkCoarseGenerationConfig(**GENERATION["coarse_acoustics_config"])
    fine_config = BarkFineGenerationConfig(**GENERATION["fine_acoustics_config"])
    text = torch.randint(1_000, 100_000, (batch_size, 256))
    mask = (torch.arange(256) < TEXT_TOKENS).long().expand(batch_size, 256)
    semantic = model.semantic.generate(
        text,
        semantic_generation_config=semantic_config,
        attention_mask=mask,
        min_new_tokens=tokens,  # end of speech is not drawn before
        max_new_tokens=tokens,
    )
    assert semantic.shape == (batch_size, tokens), f"{tuple(semantic.shape)} semantic tokens, not {tokens}"
    watch.lap("semantic", semantic.numel())
    shared = {
        "semantic_generation_config": semantic_config,
        "coarse_generation_config": coarse_config,
        "codebook_size": GENERATION["codebook_size"],
    }
    coarse = model.coarse_acoustics.generate(semantic, **shared)
    watch.lap("coarse", coarse.numel())
    fine = model.fine_acoustics.generate(coarse, fine_generation_config=fine_config, **shared)
    watch.lap("fine", fine.numel() - coarse.numel())
    audio = model.codec_decode(fine)
    watch.lap("codec", batch_size * fine.shape[-1])
    return int(audio.numel())


def speak(folder: str, batch_size: int, pieces: list[int]) -> dict[str, object]:
    """Load, warm up, and speak once: what `bark bench --json` says of ours."""
    began = time.perf_counter()
    model = BarkModel.from_pretrained(folder, dtype=torch.float32).eval()
    load_seconds = time.perf_counter() - began
    utter(model, batch_size, min(WARM_UP_TOKENS, pieces[0]), Watch())
    watch, began = Watch(), time.perf_counter()
    samples = sum(utter(model, batch_size, tokens, watch) for tokens in pieces)
    seconds = time.perf_counter() - began
    return {
        "model": folder,
        "precision": "fp32",
        "batch_size": batch_size,
        "audio_seconds": samples / GENERATION["sample_rate"],
        "seconds": seconds,
        "load_seconds": load_seconds,
        "peak_memory_bytes": _peak_bytes(),
        "stages": {
            stage: {"seconds": watch.seconds[stage], "tokens": watch.tokens[stage]} for stage in STAGES
        },
    }


@torch.no_grad()
def steps(
    folder: str, clock: str, context: int, prompt: int, window: int, n_steps: int, counts: list[int]
) -> Any:
    """What benchmarks/backends.py measures, of Transformers: milliseconds, seconds of loading, megabytes."""
    now = time.perf_counter if clock == "wall" else time.process_time

    def timed(work: Any) -> float:
        began = now()
        work()
        return 1000 * (now() - began)

    began = time.perf_counter()
    model = BarkModel.from_pretrained(folder, dtype=torch.float32).eval()
    found = {"load": time.perf_counter() - began}
    ids = torch.arange(prompt)[None] * 37 % 10_000
    for count in counts:
        rows = (ids[:, :context] + torch.arange(count)[:, None]) % 10_000
        cache = model.semantic(rows, use_cache=True).past_key_values

        def step(cache: Any = cache, count: int = count) -> None:
            model.semantic(torch.full((count, 1), 5), past_key_values=cache, use_cache=True)

        found[f"step of {count}, ms"] = min([timed(step) for _ in range(1 + n_steps)][1:])
    found["prompt of 887, ms"] = min(timed(lambda: model.semantic(ids, use_cache=True)) for _ in range(3))
    codes = torch.arange(8 * window).reshape(1, window, 8) * 37 % 1024
    found["fine pass, ms"] = min(timed(lambda: model.fine_acoustics(4, codes)) for _ in range(3))
    found["load, s"] = found.pop("load")
    found["peak, MB"] = _peak_bytes() / 2**20
    found["disk, MB"] = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
    return found


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(arguments: list[str]) -> None:
    """One of the three."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    action, folder, *numbers = arguments
    if action == "make":
        make(folder, *map(int, numbers))
    elif action == "steps":
        context, prompt, window, n_steps, *counts = map(int, numbers[1:])
        print(json.dumps(steps(folder, numbers[0], context, prompt, window, n_steps, counts)))
    else:
        batch_size, *pieces = map(int, numbers)
        print(json.dumps(speak(folder, batch_size, pieces)))


if __name__ == "__main__":
    main(sys.argv[1:])
