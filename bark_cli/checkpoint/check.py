"""Whether a configuration makes sense and the tensors are those it calls for; one error if not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from bark_cli.checkpoint.record import Checkpoint, form_of
from bark_cli.checkpoint.shapes import expected_shapes
from bark_cli.checkpoint.untrusted import AGAIN
from bark_cli.errors import ModelError
from bark_cli.model.config import BarkConfig, CoarseConfig, FineConfig, GPTConfig, SemanticConfig

# Far above any Bark there is, and low enough that checking a hostile configuration takes no time or memory.
_CEILINGS = {
    "n_layer": 256,
    "n_head": 256,
    "n_embd": 16_384,
    "block_size": 65_536,
    "n_codes_total": 64,
    "n_codebooks": 64,
    "n_filters": 1_024,
    "dimension": 4_096,
    "n_residual_layers": 16,
    "lstm": 16,
    "last_kernel_size": 64,  # what it reaches back to lies in the first frames that any codec decodes at once
    "sample_rate": 768_000,
    "cycle": 1_024,
}
_CEILING = 4_000_000  # of ids and every other count
_MAX_RATE_HZ = 10_000
_MAX_STOPS = 32
_MAY_BE_ZERO = {"text_offset", "pad_token", "lstm", "text_pad_token", "infer_token", "semantic_pad_token"}
_MAY_BE_ZERO |= {"max_history_tokens", "max_history_frames", "n_residual_layers"}


def _check_fields(part: Any, where: str) -> None:
    """Types and ranges of every number, the nested parts included."""
    for f in fields(part):
        value, label = getattr(part, f.name), f"{where}{f.name}"
        kind = str(f.type).removesuffix(" | None")
        if is_dataclass(value):
            _check_fields(value, f"{label}.")
        elif value is None and kind != f.type:
            continue
        elif kind == "int":
            low, high = (0 if f.name in _MAY_BE_ZERO else 1), _CEILINGS.get(f.name, _CEILING)
            if type(value) is not int or not low <= value <= high:
                raise ValueError(f"{label} is {value!r}, expected {low}..{high}")
        elif kind == "float":
            if type(value) not in (int, float) or not 0 <= value < math.inf:
                raise ValueError(f"{label} is {value!r}, expected a number from 0")
        elif kind == "bool" and type(value) is not bool:
            raise ValueError(f"{label} is {value!r}, expected true or false")
        elif kind == "str" and type(value) is not str:
            raise ValueError(f"{label} is {value!r}, expected a name")


def _gpt_rules(gpt: GPTConfig, highest_id: int, outputs: int, positions: int) -> Iterable[tuple[bool, str]]:
    yield gpt.n_embd % gpt.n_head == 0, f"n_embd {gpt.n_embd} does not divide into {gpt.n_head} heads"
    yield highest_id < gpt.input_vocab_size, f"id {highest_id} is outside {gpt.input_vocab_size} inputs"
    yield outputs <= gpt.output_vocab_size, f"{outputs} outputs are needed, not {gpt.output_vocab_size}"
    yield positions <= gpt.block_size, f"{positions} positions are needed, not {gpt.block_size}"


def _semantic_rules(c: SemanticConfig) -> Iterable[tuple[bool, str]]:
    highest = max(c.vocab_size - 1, c.pad_token, c.text_offset, c.text_pad_token, c.infer_token)
    yield c.pad_token == c.vocab_size, "pad_token, which ends speech, must follow the last semantic token"
    yield c.max_history_tokens <= c.max_text_tokens, "the history is laid over the text and cannot be longer"
    yield 1 <= c.rate_hz <= _MAX_RATE_HZ, f"rate_hz is {c.rate_hz}, expected 1..{_MAX_RATE_HZ}"
    yield c.pace is None or 0.05 <= c.pace <= 20, f"pace is {c.pace}, expected 0.05..20"
    yield len(c.stops) <= _MAX_STOPS, f"{len(c.stops)} stops are too many"
    if c.reading is not None:
        yield c.reading.reach < c.reading.cycle, "a step in the text must be shorter than its cycle"
        yield (
            c.reading.n_placed <= c.vocab_size,
            "there are fewer semantic tokens than have a place in the text",
        )
    yield from _gpt_rules(
        c.gpt, highest, max(c.vocab_size, c.pad_token + 1), c.max_text_tokens + c.max_new_tokens
    )


def _coarse_rules(c: CoarseConfig) -> Iterable[tuple[bool, str]]:
    codes_end = c.semantic_vocab_size + c.n_codebooks * c.codebook_size
    positions = c.max_semantic_tokens + c.max_history_tokens + c.sliding_window_tokens
    yield 1 <= c.rate_hz <= _MAX_RATE_HZ, f"rate_hz is {c.rate_hz}, expected 1..{_MAX_RATE_HZ}"
    yield c.sliding_window_tokens % c.n_codebooks == 0, "a window must hold whole frames"
    yield c.max_history_tokens % c.n_codebooks == 0, "the history must hold whole frames"
    yield from _gpt_rules(
        c.gpt, max(codes_end - 1, c.semantic_pad_token, c.infer_token), codes_end, positions
    )


def _fine_rules(c: FineConfig) -> Iterable[tuple[bool, str]]:
    yield c.gpt.n_codes_total == c.n_codebooks, f"{c.gpt.n_codes_total} embeddings, {c.n_codebooks} codebooks"
    yield c.gpt.n_codes_given < c.n_codebooks, "no codebook is left to predict"
    # A full history leaves room for a hop, or the frames that a window predicts would begin inside of it.
    fits = c.max_history_frames + c.hop_frames <= c.window_frames
    yield fits, f"{c.max_history_frames} frames of history and a hop of {c.hop_frames} exceed the window"
    yield from _gpt_rules(c.gpt, c.codebook_size, c.codebook_size, c.window_frames)


def _shared_rules(config: BarkConfig) -> Iterable[tuple[bool, str]]:
    coarse, fine, codec = config.coarse, config.fine, config.codec
    yield coarse.semantic_vocab_size == config.semantic.vocab_size, "semantic and coarse vocabularies differ"
    yield coarse.codebook_size == fine.codebook_size == codec.codebook_size, "codebook sizes differ"
    books = fine.gpt.n_codes_given <= coarse.n_codebooks < fine.n_codebooks == codec.n_codebooks
    yield books, "numbers of codebooks differ"
    ratios = codec.ratios
    good = isinstance(ratios, tuple) and 0 < len(ratios) <= 8
    yield good and all(type(r) is int and 1 <= r <= 64 for r in ratios), f"codec.ratios are {ratios!r}"
    hz = codec.sample_rate / codec.hop
    yield abs(hz - coarse.rate_hz) < 0.01, f"{coarse.rate_hz} frames a second, {hz:.2f} in the codec"


def check_config(config: BarkConfig, where: Path) -> None:
    """Refuse a configuration that no Bark can have.

    Raises:
        ModelError: a number of the wrong type, out of range, or at odds with another one.
    """
    try:
        _check_fields(config, "")
        for name, rules in [
            ("semantic: ", _semantic_rules(config.semantic)),
            ("coarse: ", _coarse_rules(config.coarse)),
            ("fine: ", _fine_rules(config.fine)),
            ("", _shared_rules(config)),
        ]:
            for holds, problem in rules:
                if not holds:
                    raise ValueError(name + problem)
    except ValueError as error:
        raise ModelError(f"{where} is not a Bark model that can be run: {error}") from error


def check_tensors(checkpoint: Checkpoint) -> None:
    """Refuse tensors that are not exactly those that the configuration calls for.

    Raises:
        ModelError: one is missing, unexpected, of the wrong shape, or neither of floating point nor int8
            with a scale for every row.
    """
    expected, tensors, where = expected_shapes(checkpoint.config), checkpoint.tensors, checkpoint.folder
    missing, extra = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing:
        raise ModelError(f"{where} lacks {_some(missing)}; the model is incomplete: {AGAIN}")
    if extra:
        raise ModelError(f"{where} holds {_some(extra)}, which Bark does not have; is it another model?")
    for name, shape in expected.items():
        form = checkpoint.form(name)
        if form.shape != shape:
            raise ModelError(f"{where}: {name} has shape {form.shape}, expected {shape}")
        if form.dtype == "int8":
            if not _has_scales(checkpoint, name):
                raise ModelError(f"{where}: {name} has no fitting scales; {AGAIN}")
        elif not form.is_floating_point:
            raise ModelError(f"{where}: {name} holds {form.dtype}, expected floating point")
    for name in checkpoint.scales:
        if name not in tensors or checkpoint.form(name).dtype != "int8":
            raise ModelError(f"{where}: the scales of {name} belong to no int8 matrix; {AGAIN}")


def _has_scales(checkpoint: Checkpoint, name: str) -> bool:
    """Whether there is one float32 scale for every row of a matrix."""
    shape = checkpoint.form(name).shape
    if name not in checkpoint.scales or len(shape) != 2:
        return False
    scale = form_of(checkpoint.scales, name)
    return scale.dtype == "float32" and scale.shape == shape[:1]


def _some(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more tensors" if len(names) > 1 else "")
