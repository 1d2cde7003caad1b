"""What a checkpoint says about itself: sizes, vocabularies and rates of its stages <-> values for JSON.

Nothing here is a module-level constant of Bark: every id, size and rate is a field of the checkpoint's own
`BarkConfig`, and the defaults are the published Bark's (suno-ai/bark, bark/generation.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from bark_cli.errors import ModelError, OptionError
from bark_cli.model.options import SamplingOptions, StageSampling


@dataclass(frozen=True, kw_only=True)
class GPTConfig:
    """Shape of one transformer (nanoGPT's names)."""

    n_layer: int
    n_head: int
    n_embd: int
    input_vocab_size: int
    output_vocab_size: int
    block_size: int = 1024  # positions
    bias: bool = False  # of the linear layers
    norm_bias: bool = False  # of the layer norms; True in Bark's fine model
    n_codes_total: int = 1  # codebooks whose embeddings are summed at the input (fine model: 8)
    n_codes_given: int = 1  # codebooks that are never predicted (fine model)


@dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """How semantic tokens tell where in the text they are read, in a model whose tokens do.

    Token t < `n_placed` is read at one of the text's ids number t, t + cycle, t + 2 cycle and so on; all
    others anywhere. With this a text is read from its start to its end and no further.
    """

    cycle: int
    n_placed: int
    reach: int  # ids of the text that one step goes on at most, less than `cycle`


@dataclass(frozen=True, kw_only=True)
class SemanticConfig:
    """Text ids -> semantic tokens."""

    gpt: GPTConfig
    vocab_size: int = 10_000  # legal semantic tokens are 0 .. vocab_size - 1
    rate_hz: float = 49.9
    pad_token: int = 10_000  # fills the history; as an output it means end of speech
    text_offset: int = 10_048  # added to every tokenizer id
    text_pad_token: int = 129_595
    infer_token: int = 129_599
    max_text_tokens: int = 256
    max_history_tokens: int = 256  # laid over the text: their embeddings are summed; 0 for none
    max_new_tokens: int = 768
    reading: ReadingConfig | None = None  # None: the tokens do not tell where they are read
    pace: float | None = None  # seconds of speech for each that `text.split` estimates; None: unknown
    stops: str = ""  # of these marks one has to end a text, else the first is added; "": it needs none


@dataclass(frozen=True, kw_only=True)
class CoarseConfig:
    """Semantic tokens -> the first codebooks, interleaved, in sliding windows.

    Ids: semantic tokens keep theirs, codebook k starts at `semantic_vocab_size + k * codebook_size`.
    """

    gpt: GPTConfig
    semantic_vocab_size: int = 10_000
    codebook_size: int = 1_024
    n_codebooks: int = 2
    rate_hz: float = 75.0  # frames per second
    semantic_pad_token: int = 12_048
    infer_token: int = 12_050
    max_semantic_tokens: int = 256  # semantic positions in front of every window
    max_history_tokens: int = 630  # flattened coarse tokens kept as left context
    sliding_window_tokens: int = 60  # flattened coarse tokens generated per window


@dataclass(frozen=True, kw_only=True)
class FineConfig:
    """The first codebooks -> all codebooks, in non-causal windows."""

    gpt: GPTConfig
    n_codebooks: int = 8
    codebook_size: int = 1_024  # this id is also the placeholder for "not known yet"
    window_frames: int = 1_024
    hop_frames: int = 512
    max_history_frames: int = 512


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """EnCodec's decoder (SEANet) and residual vector quantizer; defaults are encodec_model_24khz."""

    sample_rate: int = 24_000
    n_codebooks: int = 8
    codebook_size: int = 1_024
    dimension: int = 128
    n_filters: int = 32
    ratios: tuple[int, ...] = (8, 5, 4, 2)
    n_residual_layers: int = 1
    lstm: int = 2
    causal: bool = True
    last_kernel_size: int = 7  # taps of the last convolution

    @property
    def hop(self) -> int:
        """Samples per frame."""
        return int(np.prod(self.ratios))


@dataclass(frozen=True, kw_only=True)
class BarkConfig:
    """Everything a checkpoint says about itself."""

    semantic: SemanticConfig
    coarse: CoarseConfig
    fine: FineConfig
    codec: CodecConfig = field(default_factory=CodecConfig)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)  # this model's own defaults
    default_voice: str | None = None  # spoken with when no voice is asked for

    @property
    def widest(self) -> int:
        """Width of the widest of the three transformers."""
        return max(gpt.n_embd for gpt in (self.semantic.gpt, self.coarse.gpt, self.fine.gpt))

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, ready for JSON."""
        values = asdict(self)
        if self.sampling.fine_codebooks is None:
            del values["sampling"]["fine_codebooks"]  # which earlier versions do not know
        if self.codec.last_kernel_size == CodecConfig.last_kernel_size:
            del values["codec"]["last_kernel_size"]  # nor this
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> BarkConfig:
        """Read `to_dict`'s form.

        Raises:
            ModelError: a field is missing, unknown or of the wrong type.
        """
        try:
            config: BarkConfig = _build(cls, values)
        except (TypeError, ValueError, KeyError, AttributeError, OptionError) as error:
            raise ModelError(f"config.json is not a bark_cli model configuration: {error}") from error
        return config


_NESTED = {
    "GPTConfig": GPTConfig,
    "ReadingConfig | None": ReadingConfig,
    "SemanticConfig": SemanticConfig,
    "CoarseConfig": CoarseConfig,
    "FineConfig": FineConfig,
    "CodecConfig": CodecConfig,
    "StageSampling": StageSampling,
    "SamplingOptions": SamplingOptions,
}


def _build(cls: Any, values: dict[str, Any]) -> Any:
    """A dataclass from nested dicts; unknown keys raise TypeError, lists become tuples."""
    kinds = {f.name: str(f.type) for f in fields(cls)}
    unknown = sorted(set(values) - set(kinds))
    if unknown:
        raise TypeError(f"unknown field {unknown[0]!r}")
    built = {}
    for name, value in values.items():
        nested = _NESTED.get(kinds[name])
        if nested is not None and (value is not None or not kinds[name].endswith("| None")):
            built[name] = _build(nested, value)
        else:
            built[name] = tuple(value) if isinstance(value, list) else value
    return cls(**built)
