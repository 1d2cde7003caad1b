"""Run suno-ai/bark on the recipe's weights and write the tokens it makes: python make_golden.py CHECKOUT.

CHECKOUT is a clone of https://github.com/suno-ai/bark. Nothing of it is copied here: its generation.py is
imported (it needs scipy), with stand-ins for the packages that only its downloads, tokenizer and codec need,
and its networks are given the recipe's weights.
"""

from __future__ import annotations

import sys
import types
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
from golden.recipe import (  # noqa: E402
    CASES,
    DRAWN,
    FOLDER,
    SNIPPET_WEIGHTS,
    SNIPPETS,
    Case,
    Snippet,
    inputs,
    narrow_config,
    narrow_weights,
    snippet_pieces,
    snippet_voice,
)

from bark_cli.model.config import BarkConfig, GPTConfig  # noqa: E402
from bark_cli.model.tokens import BarkTokens, Tokens  # noqa: E402


def import_reference(checkout: Path) -> Any:
    """suno-ai/bark's generation module, without running its package's `__init__`."""
    package = types.ModuleType("bark")
    package.__path__ = [str(checkout / "bark")]
    sys.modules["bark"] = package
    stand_ins = {
        "encodec": {"EncodecModel": None},
        "funcy": {"partial": partial},
        "transformers": {"BertTokenizer": None},
        "huggingface_hub": {"hf_hub_download": None},
        "tqdm": {"tqdm": _Bar},
    }
    for name, attributes in stand_ins.items():
        module = types.ModuleType(name)
        vars(module).update(attributes)
        sys.modules[name] = module
    reference = import_module("bark.generation")
    for name in stand_ins:
        del sys.modules[name]
    return reference


class _Bar:
    """A silent progress bar."""

    def __init__(self, steps: Any = (), **_: Any) -> None:
        self.steps, self.total = steps, 0

    def __iter__(self) -> Any:
        return iter(self.steps)

    def update(self, n: int) -> None: ...
    def refresh(self) -> None: ...
    def close(self) -> None: ...


class _Text:
    """A tokenizer that was told its answer."""

    def __init__(self, ids: Tokens) -> None:
        self.ids = ids

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return self.ids.tolist()


def load_reference(reference: Any, config: BarkConfig, weights: dict[str, dict[str, torch.Tensor]]) -> None:
    """Put networks of the reference's own classes, holding `weights`, where it keeps loaded models."""
    fine_module = sys.modules["bark.model_fine"]
    kinds = {
        "semantic": ("text", reference.GPT, reference.GPTConfig, config.semantic.gpt),
        "coarse": ("coarse", reference.GPT, reference.GPTConfig, config.coarse.gpt),
        "fine": ("fine", fine_module.FineGPT, fine_module.FineGPTConfig, config.fine.gpt),
    }
    for stage, (key, network_class, config_class, gpt) in kinds.items():
        network = network_class(_reference_config(config_class, gpt, fine=stage == "fine"))
        state = {_their_name(name): value for name, value in weights[stage].items()}
        for i in range(gpt.n_codes_given, gpt.n_codes_total):
            state[f"lm_heads.{i - gpt.n_codes_given}.weight"] = state[f"transformer.wtes.{i}.weight"]
        network.load_state_dict(state)
        network.eval()
        reference.models[key] = {"model": network, "tokenizer": None} if key == "text" else network


def _reference_config(config_class: Any, gpt: GPTConfig, *, fine: bool) -> Any:
    given = {"n_codes_total": gpt.n_codes_total, "n_codes_given": gpt.n_codes_given} if fine else {}
    return config_class(
        block_size=gpt.block_size,
        input_vocab_size=gpt.input_vocab_size,
        output_vocab_size=gpt.output_vocab_size,
        n_layer=gpt.n_layer,
        n_head=gpt.n_head,
        n_embd=gpt.n_embd,
        dropout=0.0,
        bias=gpt.bias,
        **given,
    )


def _their_name(name: str) -> str:
    return name if name.startswith("lm_head") else f"transformer.{name}"


def speak(
    reference: Any, case: Case, config: BarkConfig, *, use_kv_caching: bool = True
) -> dict[str, Tokens]:
    """Greedy tokens of every stage."""
    text_ids, voice = inputs(case, config)
    history = _history(voice)
    reference.models["text"]["tokenizer"] = _Text(text_ids - config.semantic.text_offset)
    semantic = reference.generate_text_semantic(
        "anything",
        history_prompt=history,
        top_k=1,
        max_gen_duration_s=case.max_duration_s,
        use_kv_caching=use_kv_caching,
    )
    coarse = reference.generate_coarse(
        semantic, history_prompt=history, top_k=1, use_kv_caching=use_kv_caching
    )
    fine = reference.generate_fine(coarse, history_prompt=history, temp=None)
    return {"semantic": semantic, "coarse": coarse, "fine": fine}


def draw(reference: Any, case: Case, config: BarkConfig) -> dict[str, Tokens]:
    """Tokens of every stage at the reference's own temperatures."""
    text_ids, voice = inputs(case, config)
    reference.models["text"]["tokenizer"] = _Text(text_ids - config.semantic.text_offset)
    torch.manual_seed(case.seed)
    return _draw(reference, "anything", _history(voice), case.max_duration_s)


def say_snippet(reference: Any, snippet: Snippet, config: BarkConfig) -> dict[str, Tokens]:
    """What `generate_audio(snippet.text)` draws."""
    voice = None if snippet.voice is None else snippet_voice(config)
    torch.manual_seed(snippet.seed)
    return _draw(reference, snippet.text, _history(voice))


def _draw(
    reference: Any, text: str, history: dict[str, Tokens] | None, max_duration_s: float | None = None
) -> dict[str, Tokens]:
    semantic = reference.generate_text_semantic(
        text, history_prompt=history, max_gen_duration_s=max_duration_s, use_kv_caching=True
    )
    coarse = reference.generate_coarse(semantic, history_prompt=history, use_kv_caching=True)
    fine = reference.generate_fine(coarse, history_prompt=history)
    return {"semantic": semantic, "coarse": coarse, "fine": fine}


def _history(voice: BarkTokens | None) -> dict[str, Tokens] | None:
    """A voice as the reference takes it."""
    return voice and {
        "semantic_prompt": voice.semantic,
        "coarse_prompt": voice.coarse,
        "fine_prompt": voice.fine,
    }


def write(name: str, tokens: dict[str, Tokens]) -> None:
    """One small file."""
    np.savez_compressed(
        FOLDER / f"{name}.npz", **{stage: values.astype(np.uint16) for stage, values in tokens.items()}
    )
    shapes = {stage: values.shape for stage, values in tokens.items()}
    print(name, shapes, len(np.unique(tokens["semantic"])))


def main() -> None:
    """Write one small file per case and per snippet."""
    reference = import_reference(Path(sys.argv[1]))
    config = narrow_config()
    for case in CASES:
        load_reference(reference, config, narrow_weights(config, case.seed, case.end_weight))
        write(case.name, speak(reference, case, config))
        if case in DRAWN:
            write(f"drawn_{case.name}", draw(reference, case, config))
    case = SNIPPET_WEIGHTS
    load_reference(reference, config, narrow_weights(config, case.seed, case.end_weight))
    reference.models["text"]["tokenizer"] = bert_tokenizer()
    for snippet in SNIPPETS:
        write(f"snippet_{snippet.name}", say_snippet(reference, snippet, config))


def bert_tokenizer() -> Any:
    """The tokenizer that the reference takes, with the snippets' vocabulary."""
    from transformers import BertTokenizer

    with TemporaryDirectory() as folder:
        file = Path(folder) / "vocab.txt"
        file.write_text("\n".join(snippet_pieces()) + "\n", encoding="utf-8")
        return BertTokenizer(str(file), do_lower_case=False)


if __name__ == "__main__":
    main()
