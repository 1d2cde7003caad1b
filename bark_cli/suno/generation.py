"""suno-ai/bark's stages, a call each: text -> semantic (T,) -> coarse (2, F) -> fine (8, F) -> samples (N,).

Tokens are drawn with torch's global random numbers, one stage after the other, as in the reference: in fp32
on a CPU `torch.manual_seed` makes both draw the same. After suno-ai/bark, bark/generation.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from bark_cli.errors import GenerationError, OptionError
from bark_cli.model.config import CoarseConfig
from bark_cli.model.options import SamplingOptions, StageSampling
from bark_cli.model.published import LANGUAGES, VOICE_NAMES, speaks_suno_voices
from bark_cli.model.tokens import Samples, Tokens
from bark_cli.stages import coarse, fine, semantic
from bark_cli.stages.steps import Growing
from bark_cli.suno.history import HistoryPrompt, history_tokens
from bark_cli.suno.loaded import SAMPLE_RATE as SAMPLE_RATE
from bark_cli.suno.loaded import loaded_model, run_stage
from bark_cli.suno.preload import clean_models as clean_models
from bark_cli.suno.preload import load_codec_model as load_codec_model
from bark_cli.suno.preload import load_model as load_model
from bark_cli.suno.preload import preload_models as preload_models
from bark_cli.suno.randomness import global_stream
from bark_cli.text.normalise import normalise

_NAMES = {
    "en": "English", "de": "German", "es": "Spanish", "fr": "French", "hi": "Hindi", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "pl": "Polish", "pt": "Portuguese", "ru": "Russian", "tr": "Turkish",
    "zh": "Chinese",
}  # fmt: skip
SUPPORTED_LANGS = [(name, code) for code, name in _NAMES.items() if code in LANGUAGES]
ALLOWED_PROMPTS = set(VOICE_NAMES)

# "own" is the model's own way: 0.7 (fine 0.5) in Suno's models
Temperature = float | Literal["own"]


def generate_text_semantic(
    text: str,
    history_prompt: HistoryPrompt | None = None,
    temp: Temperature = "own",
    top_k: int | None = None,
    top_p: float | None = None,
    silent: bool = False,
    min_eos_p: float | None = 0.2,
    max_gen_duration_s: float | None = None,
    allow_early_stop: bool = True,
    use_kv_caching: bool = False,
) -> Tokens:
    """Text -> semantic tokens (T,), of which there may be none.

    Args:
        text: one that fits the model at once.
        history_prompt: a voice's name, a .npz file, or a full generation.
        temp: 0 takes the likeliest token; "own" is the model's way, 0.7 in Suno's.
        top_k: draw among this many; None is all.
        top_p: draw among the likeliest that add up to this probability; None is all.
        silent: show no progress.
        min_eos_p: speech ends where its end is as likely as this; None leaves that to the draw.
        max_gen_duration_s: it ends after this many seconds of speech.
        allow_early_stop: False goes on until the limit.
        use_kv_caching: keys and values are always kept, which changes no token.

    Raises:
        TextError: the text is empty, too long or unreadable.
        VoiceError: the voice is unknown, malformed or made for another model.
        OptionError: a value is outside its range.
    """
    model = loaded_model()
    config = model.config.semantic
    options = SamplingOptions(
        semantic=_sampling(temp, model.config.sampling.semantic, top_k, top_p),
        min_eos_p=min_eos_p,
        max_duration_s=max_gen_duration_s,
        may_end=allow_early_stop,
    )
    voice = history_tokens(history_prompt, model)
    # Suno's models have learnt what Suno's tokenizer makes of signs that it does not know
    ids = model.tokenizer.encode(normalise(text), spell=not speaks_suno_voices(model.config))
    longest = semantic.longest(config, max_gen_duration_s)
    steps = semantic.steps(ids, None if voice is None else voice.semantic, config, options, global_stream())
    return run_stage("semantic", steps, longest, longest / config.rate_hz, silent)


def generate_coarse(
    x_semantic: Tokens,
    history_prompt: HistoryPrompt | None = None,
    temp: Temperature = "own",
    top_k: int | None = None,
    top_p: float | None = None,
    silent: bool = False,
    max_coarse_history: int | None = None,
    sliding_window_len: int | None = None,
    use_kv_caching: bool = False,
) -> Tokens:
    """Semantic tokens (T,) -> coarse codes (2, F).

    Args:
        x_semantic: what `generate_text_semantic` made.
        history_prompt: as there, like `temp`, `top_k`, `top_p`, `silent` and `use_kv_caching`.
        temp: as there.
        top_k: as there.
        top_p: as there.
        silent: as there.
        max_coarse_history: codes that a window looks back on; None is all that the model can, 630 in Suno's.
        sliding_window_len: codes made in a window; None is the model's way, 60 in Suno's.
        use_kv_caching: as there.

    Raises:
        GenerationError: there are no semantic tokens, or too few for one frame.
        VoiceError: the voice is unknown, malformed or made for another model.
        OptionError: a value is outside its range, or the tokens are none of this model's.
    """
    model = loaded_model()
    config = _windows(model.config.coarse, max_coarse_history, sliding_window_len)
    rate_hz = model.config.semantic.rate_hz
    tokens = _checked(x_semantic, "semantic tokens (T,)", 1, model.config.semantic.vocab_size)
    total = coarse.n_steps(len(tokens), config, rate_hz)
    if not total:
        raise GenerationError("the model said nothing; try again, or other words")
    voice = history_tokens(history_prompt, model)
    sampling = _sampling(temp, model.config.sampling.coarse, top_k, top_p)
    said = Growing(tokens.tolist(), ended=True)
    steps = coarse.steps(said, voice, config, rate_hz, sampling, global_stream())
    return run_stage("coarse", steps, total, len(tokens) / rate_hz, silent)


def generate_fine(
    x_coarse_gen: Tokens,
    history_prompt: HistoryPrompt | None = None,
    temp: Temperature | None = "own",
    silent: bool = True,
) -> Tokens:
    """Codes of the first codebooks (n, F), 1 <= n <= 7 -> all codes (8, F).

    Args:
        x_coarse_gen: what `generate_coarse` made.
        history_prompt: a voice's name, a .npz file, or a full generation.
        temp: None, as 0, takes the likeliest codes; "own" is the model's way, 0.5 in Suno's.
        silent: show no progress.

    Raises:
        VoiceError: the voice is unknown, malformed or made for another model.
        OptionError: a value is outside its range, or the codes are none of this model's.
    """
    model = loaded_model()
    config = model.config.fine
    codes = _checked(x_coarse_gen, "codes (n, F)", 2, config.codebook_size)
    if not config.gpt.n_codes_given <= len(codes) < config.n_codebooks or not codes.size:
        raise OptionError(f"coarse codes have shape {codes.shape}; (2, F) is what `generate_coarse` makes")
    voice = history_tokens(history_prompt, model)
    sampling = _sampling(0.0 if temp is None else temp, model.config.sampling.fine)
    n_frames = codes.shape[1]
    steps = fine.steps(codes, voice, config, sampling, global_stream())
    total = fine.n_steps(n_frames, len(codes), voice, config)
    return run_stage("fine", steps, total, n_frames / model.config.coarse.rate_hz, silent)


def codec_decode(fine_tokens: Tokens) -> Samples:
    """Codes (8, F) -> samples (N,) float32 at SAMPLE_RATE.

    Raises:
        OptionError: they are none of this model's codes.
    """
    model = loaded_model()
    config = model.config.codec
    codes = _checked(fine_tokens, "codes (8, F)", 2, config.codebook_size)
    if len(codes) != config.n_codebooks or not codes.size:
        raise OptionError(f"fine codes have shape {codes.shape}; ({config.n_codebooks}, F) is needed")
    with model.turn:
        return model.backend.decode_audio(codes)


def _sampling(
    temp: Temperature, own: StageSampling, top_k: int | None = None, top_p: float | None = None
) -> StageSampling:
    temperature = own.temperature if temp == "own" else float(temp)
    return StageSampling(temperature=temperature, top_k=top_k, top_p=top_p)


def _windows(config: CoarseConfig, history: int | None, window: int | None) -> CoarseConfig:
    """The coarse stage with other windows.

    Raises:
        OptionError: they do not fit the network.
    """
    most = config.max_history_tokens + config.sliding_window_tokens
    history = config.max_history_tokens if history is None else history
    window = config.sliding_window_tokens if window is None else window
    if not 1 <= history <= config.max_history_tokens:
        raise OptionError(f"max_coarse_history {history} is outside 1..{config.max_history_tokens}")
    if not 1 <= window <= most - history:
        raise OptionError(f"sliding_window_len {window} is outside 1..{most - history}")
    return replace(config, max_history_tokens=history, sliding_window_tokens=window)


def _checked(tokens: Any, what: str, n_dims: int, size: int) -> Tokens:
    """Tokens as int64, checked to be whole numbers in 0 .. size - 1, with `n_dims` dimensions.

    Raises:
        OptionError: they are not.
    """
    found = np.asarray(tokens)
    if found.ndim != n_dims or found.dtype.kind not in "iu":
        raise OptionError(f"{what} are needed, not {found.dtype} values of shape {found.shape}")
    if found.size and (int(found.min()) < 0 or int(found.max()) >= size):
        raise OptionError(f"{what} are outside this model's 0..{size - 1}; were they made by another?")
    return found.astype(np.int64)
