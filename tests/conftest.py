"""What every test shares: an isolated home, and a tiny seeded Bark that goes through the real code path."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

# Two tests run at a time, and threads of one that wait for each other by spinning take the other's core; what
# tests start inherits this. It counts only if it is there before torch is.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Ray reads once in a process who may talk to a cluster, and several tests start one.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)

import hypothesis
import numpy as np
import pytest
import torch
from bucket import bucket  # noqa: F401  (a fixture)
from fork_server import out, server  # noqa: F401  (fixtures)
from local_hub import local_hub  # noqa: F401  (a fixture)
from torch import nn

from bark_cli.model.config import BarkConfig, CoarseConfig, CodecConfig, FineConfig, GPTConfig, SemanticConfig
from bark_cli.model.networks import GPT, FineGPT
from bark_cli.model.tokens import BarkTokens
from bark_cli.settings import SETTINGS


def hide_broken_torchaudio() -> None:
    """Let transformers believe that a broken torchaudio is not there: it would import it and fail.

    encodec brings torchaudio along, and beside a CPU torch it is often broken. Bark itself needs none of it.
    """
    try:
        importlib.import_module("torchaudio")
    except (ImportError, OSError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]
        sys.modules["torchaudio"] = None  # type: ignore[assignment]


hide_broken_torchaudio()
# The same examples in every run; to look for new ones: HYPOTHESIS_PROFILE=default pytest. No deadline: a
# machine that is busy is no error.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
# A shell that starts the suite in the background has Ctrl-C ignored, and all that tests start inherits it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Tiny networks gain nothing from a second thread, and lose much where another process has that core.
torch.set_num_threads(1)

TINY_WORDS = ["hello", "bark", "my", "name", "is", "i", "can", "speak", "the", "a"]


_OF_THE_USER = (
    *("BARK_HOME", "BARK_CONFIG", "BARK_DEBUG", "SUNO_USE_SMALL_MODELS"),
    *(setting.variable for setting in SETTINGS.values()),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
    *("HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"),
    *("TORCH_HOME", "TRANSFORMERS_OFFLINE"),
)


def _isolate(patch: pytest.MonkeyPatch, home: Path) -> Path:
    for name in ("HOME", "USERPROFILE"):
        patch.setenv(name, str(home))
    for name in _OF_THE_USER:
        patch.delenv(name, raising=False)
    patch.setenv("HF_HUB_OFFLINE", "1")
    patch.setenv("XDG_RUNTIME_DIR", str(home))  # no server of the user's is asked
    return home


@pytest.fixture(scope="session", autouse=True)
def isolated_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What lives longer than a test is made before that test's home, and must not touch the user's either."""
    with pytest.MonkeyPatch.context() as patch:
        _isolate(patch, tmp_path_factory.mktemp("home"))
        yield


@pytest.fixture(autouse=True)
def isolated_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """No test reads or writes the home of whoever runs it; its own, which may hold models, goes with it."""
    home = tmp_path_factory.mktemp("home")
    yield _isolate(monkeypatch, home)
    shutil.rmtree(home, ignore_errors=True)


def make_tiny_config() -> BarkConfig:
    """A Bark a second long, with ids, rates and windows that are none of Suno's."""

    def gpt(inputs: int, outputs: int, block_size: int = 80, **fine: int | bool) -> GPTConfig:
        return GPTConfig(
            n_layer=2,
            n_head=2,
            n_embd=32,
            input_vocab_size=inputs,
            output_vocab_size=outputs,
            block_size=block_size,
            **fine,  # type: ignore[arg-type]
        )

    return BarkConfig(
        semantic=SemanticConfig(
            gpt=gpt(200, 72),
            vocab_size=64,
            rate_hz=50.0,
            pad_token=64,
            text_offset=72,
            text_pad_token=196,
            infer_token=198,
            max_text_tokens=32,
            max_history_tokens=32,
            max_new_tokens=40,
        ),
        coarse=CoarseConfig(
            gpt=gpt(136, 136),
            semantic_vocab_size=64,
            codebook_size=32,
            semantic_pad_token=128,
            infer_token=130,
            max_semantic_tokens=16,
            max_history_tokens=24,
            sliding_window_tokens=12,
        ),
        fine=FineConfig(
            gpt=gpt(36, 36, block_size=64, norm_bias=True, n_codes_total=8),
            codebook_size=32,
            window_frames=64,
            hop_frames=32,
            max_history_frames=32,
        ),
        codec=CodecConfig(codebook_size=32, dimension=16, n_filters=4, lstm=1),
    )


def seeded(module: nn.Module, seed: int = 0, std: float = 0.3) -> nn.Module:
    """Random weights wide enough that the logits differ clearly; layer norms near their identity."""
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.normal_(0.0, std if parameter.ndim > 1 else 0.1, generator=stream)
            if parameter.ndim == 1 and name.endswith("weight"):
                parameter.add_(1.0)
    return module.eval()


def tiny_networks(config: BarkConfig, seed: int = 0) -> tuple[GPT, GPT, FineGPT]:
    """The three transformers of `config` with seeded weights."""
    semantic, coarse, fine = GPT(config.semantic.gpt), GPT(config.coarse.gpt), FineGPT(config.fine.gpt)
    for offset, network in enumerate((semantic, coarse, fine)):
        seeded(network, seed * 3 + offset)
    return semantic, coarse, fine


def tiny_voice(config: BarkConfig, frames: int = 45, seed: int = 7) -> BarkTokens:
    """A voice of random tokens at the tiny model's rates."""
    rng = np.random.default_rng(seed)
    fine = rng.integers(0, config.fine.codebook_size, (config.fine.n_codebooks, frames))
    seconds = frames / config.coarse.rate_hz
    semantic = rng.integers(0, config.semantic.vocab_size, round(seconds * config.semantic.rate_hz))
    return BarkTokens(semantic=semantic, coarse=fine[: config.coarse.n_codebooks].copy(), fine=fine)


def write_tiny_tokenizer(path: Path) -> Path:
    """A cased BERT tokenizer.json of a few words, single letters, punctuation and one added tag."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = ["[PAD]", "[UNK]", *TINY_WORDS, *letters.replace("a", "").replace("i", "")]
    pieces += [f"##{letter}" for letter in letters] + list(".,!?'-[]")
    tokenizer = Tokenizer(WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]"])
    tokenizer.add_tokens(["[laughs]"])
    tokenizer.save(str(path))
    assert json.loads(path.read_text())["model"]["type"] == "WordPiece"
    return path


@pytest.fixture(scope="session")
def tiny_config() -> BarkConfig:
    return make_tiny_config()


def tiny_codec_tensors(config: CodecConfig, seed: int = 0) -> dict[str, torch.Tensor]:
    """EnCodec's decoder and codebooks in our naming: encodec's own names with weight norm folded."""
    stream = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}

    def put(name: str, *shape: int) -> None:
        fan_in = int(np.prod(shape[1:])) or 1
        tensors[name] = torch.randn(*shape, generator=stream) / max(fan_in, 1) ** 0.5

    def convolution(name: str, out_channels: int, in_channels: int, width: int) -> None:
        put(f"{name}.conv.conv.weight", out_channels, in_channels, width)
        put(f"{name}.conv.conv.bias", out_channels)

    channels = config.n_filters * 2 ** len(config.ratios)
    convolution("codec.decoder.model.0", channels, config.dimension, 7)
    layer = 1
    if config.lstm:
        for i in range(config.lstm):
            for kind in ("ih", "hh"):
                put(f"codec.decoder.model.{layer}.lstm.weight_{kind}_l{i}", 4 * channels, channels)
                put(f"codec.decoder.model.{layer}.lstm.bias_{kind}_l{i}", 4 * channels)
        layer += 1
    for ratio in config.ratios:
        layer += 1  # the activation has no weights
        put(f"codec.decoder.model.{layer}.convtr.convtr.weight", channels, channels // 2, 2 * ratio)
        put(f"codec.decoder.model.{layer}.convtr.convtr.bias", channels // 2)
        channels //= 2
        for _ in range(config.n_residual_layers):
            layer += 1
            convolution(f"codec.decoder.model.{layer}.block.1", channels // 2, channels, 3)
            convolution(f"codec.decoder.model.{layer}.block.3", channels, channels // 2, 1)
            convolution(f"codec.decoder.model.{layer}.shortcut", channels, channels, 1)
        layer += 1
    convolution(f"codec.decoder.model.{layer + 1}", 1, channels, config.last_kernel_size)
    for i in range(config.n_codebooks):
        put(f"codec.quantizer.vq.layers.{i}._codebook.embed", config.codebook_size, config.dimension)
    return tensors


def tiny_tensors(config: BarkConfig, seed: int = 0) -> dict[str, torch.Tensor]:
    """All tensors of a tiny Bark under the one naming; fine's tied heads are left out."""
    tensors = tiny_codec_tensors(config.codec, seed)
    networks = zip(("semantic", "coarse", "fine"), tiny_networks(config, seed), strict=True)
    for stage, network in networks:
        for name, tensor in network.state_dict().items():
            if not name.startswith("lm_heads."):
                tensors[f"{stage}.{name}"] = tensor.clone()
    return tensors


def write_voice(path: Path, voice: BarkTokens) -> Path:
    """A voice file as Suno writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, semantic_prompt=voice.semantic, coarse_prompt=voice.coarse, fine_prompt=voice.fine)
    return path


@pytest.fixture(scope="session")
def tiny_model(tiny_config: BarkConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A native model folder of the tiny Bark, with a tokenizer and one voice, `tiny/ann`."""
    from bark_cli.checkpoint import Checkpoint, write_native

    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = write_tiny_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")
    checkpoint = Checkpoint(
        config=tiny_config,
        tensors=tiny_tensors(tiny_config),
        tokenizer_file=tokenizer,
        layout="native",
        folder=folder,
    )
    write_native(checkpoint, folder)
    write_voice(folder / "voices" / "ann.npz", tiny_voice(tiny_config))
    return folder


@pytest.fixture(scope="session")
def talkative(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, always with something to say: the end is never among its likeliest tokens."""
    from small_models import write_talkative

    return write_talkative(tiny_model, tmp_path_factory.mktemp("talkative") / "tiny")


def in_int8(model: Path, folder: Path) -> Path:
    """A native model with its voices again, in int8: nothing is left to be converted, and so to be told."""
    from bark_cli.checkpoint import read_checkpoint, write_native

    write_native(read_checkpoint(model), folder, storage="int8")
    shutil.copytree(model / "voices", folder / "voices")
    return folder
