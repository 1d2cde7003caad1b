"""suno-ai/bark in a process of its own: speaks with random weights in its own layout and prints JSON.

    python suno.py FOLDER small|large TOKENS [TOKENS ...]

Runs in an environment that has suno-ai/bark (https://github.com/suno-ai/bark) and need not have bark_cli. Its
stages are called one by one, as generate_audio calls them, with its temperatures and its cache of keys and
values; each utterance is forced to its length. It knows no batches.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import torch

try:
    importlib.import_module("torchaudio")
except (ImportError, OSError):  # made for another torch; encodec imports it and, to decode, does not use it
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]
    stand_in = sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    stand_in.__spec__ = ModuleSpec("torchaudio", None)  # transformers asks for it

from bark import generation
from encodec import EncodecModel

WARM_UP_TOKENS = 50  # a second of speech
TEXT_IDS = list(range(1_000, 1_012))
RATE_HZ = 49.9
CODEC = "encodec_24khz-d7cc33bc.th"


class Text:
    """A tokenizer that always answers the same; the real one would be fetched from a hub."""

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        """What any text is."""
        return TEXT_IDS

    @classmethod
    def from_pretrained(cls, name: str) -> Text:
        """What stands for the tokenizer of that name."""
        return cls()


def load(folder: Path, size: str) -> None:
    """Put the networks where the package keeps loaded models."""
    generation.BertTokenizer = Text
    small, ending = size == "small", "" if size == "small" else "_2"
    for kind in ("text", "coarse", "fine"):
        model = generation._load_model(str(folder / f"{kind}{ending}.pt"), "cpu", small, kind)
        generation.models[kind] = model
    codec = EncodecModel.encodec_model_24khz(pretrained=False)
    codec.load_state_dict(torch.load(folder / CODEC, weights_only=True))
    codec.set_target_bandwidth(6.0)
    generation.models["codec"] = codec.eval()


def utter(tokens: int) -> tuple[int, dict[str, dict[str, Any]]]:
    """Speak one utterance of so many semantic tokens: samples, and each stage's seconds and tokens."""
    stages: dict[str, dict[str, Any]] = {}

    def timed(stage: str, made: int, work: Any) -> Any:
        began = time.perf_counter()
        found = work()
        stages[stage] = {"seconds": time.perf_counter() - began, "tokens": found.size - made}
        return found

    long = {"max_gen_duration_s": (tokens - 0.5) / RATE_HZ, "allow_early_stop": False}
    quick: dict[str, Any] = {"silent": True, "use_kv_caching": True}
    semantic = timed("semantic", 0, lambda: generation.generate_text_semantic("Hello.", **long, **quick))
    assert len(semantic) == tokens, f"{len(semantic)} semantic tokens, not {tokens}"
    coarse = timed("coarse", 0, lambda: generation.generate_coarse(semantic, **quick))
    fine = timed("fine", coarse.size, lambda: generation.generate_fine(coarse, silent=True))
    audio = timed("codec", 0, lambda: generation.codec_decode(fine))
    stages["codec"]["tokens"] = fine.shape[-1]
    return int(audio.size), stages


def speak(folder: str, size: str, pieces: list[int]) -> dict[str, Any]:
    """Load, warm up, and speak once: what `bark bench --json` says of ours."""
    began = time.perf_counter()
    load(Path(folder), size)
    load_seconds = time.perf_counter() - began
    utter(min(WARM_UP_TOKENS, pieces[0]))
    began = time.perf_counter()
    spoken = [utter(tokens) for tokens in pieces]
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "model": folder,
        "precision": "fp32",
        "batch_size": 1,
        "audio_seconds": sum(samples for samples, _ in spoken) / generation.SAMPLE_RATE,
        "seconds": seconds,
        "load_seconds": load_seconds,
        "peak_memory_bytes": peak if sys.platform == "darwin" else peak * 1024,
        "stages": {
            stage: {key: sum(stages[stage][key] for _, stages in spoken) for key in ("seconds", "tokens")}
            for stage in spoken[0][1]
        },
    }


if __name__ == "__main__":
    print(json.dumps(speak(sys.argv[1], sys.argv[2], list(map(int, sys.argv[3:])))))
