"""The codec is encodec's own decoder, and importing it leaves no stand-in behind."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest
import torch

from bark_cli.checkpoint import read_checkpoint
from bark_cli.checkpoint.foreign import codec_tensors
from bark_cli.model.codec import Codec, CodecStream, import_seanet
from bark_cli.model.config import CodecConfig
from bark_cli.model.decoder import CODEBOOK_NAME

PACKAGE = Path(__file__).parent.parent / "bark_cli"
CONFIG = CodecConfig(codebook_size=32, dimension=16, n_filters=4, n_residual_layers=2, ratios=(4, 3, 2))


def make_encodec(config: CodecConfig) -> torch.nn.Module:
    """encodec's own model with random weights, weight norm and all."""
    import_seanet()
    from encodec.model import EncodecModel
    from encodec.modules import SEANetDecoder, SEANetEncoder
    from encodec.quantization import ResidualVectorQuantizer

    shape = {
        "dimension": config.dimension,
        "n_filters": config.n_filters,
        "ratios": list(config.ratios),
        "n_residual_layers": config.n_residual_layers,
        "lstm": config.lstm,
        "causal": True,
        "norm": "weight_norm",
    }
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates the weight_norm that encodec uses
        encoder, decoder = SEANetEncoder(**shape), SEANetDecoder(**shape)
    quantizer = ResidualVectorQuantizer(dimension=config.dimension, n_q=12, bins=config.codebook_size)
    model = EncodecModel(encoder, decoder, quantizer, [12.0], config.sample_rate, 1).eval()
    for layer in model.quantizer.vq.layers:
        layer._codebook.embed.normal_()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("weight_g"):
                parameter.uniform_(0.3, 1.5)  # fresh gains are |v|, with which folding would change nothing
    return model


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 2, 31])
def test_decode_equals_encodecs_own_model(frames: int) -> None:
    model = make_encodec(CONFIG)
    codec = Codec.from_tensors(CONFIG, codec_tensors(model.state_dict(), CONFIG.n_codebooks))
    codes = torch.randint(0, 32, (8, frames), generator=torch.Generator().manual_seed(1))
    expected = model.decode([(codes[None], None)])[0, 0]
    found = codec.decode(codes)
    assert found.dtype == torch.float32
    assert found.shape == (frames * CONFIG.hop,)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert expected.std() > 1e-3


def test_latents_are_what_the_quantizer_decodes() -> None:
    model = make_encodec(CONFIG)
    codec = Codec.from_tensors(CONFIG, codec_tensors(model.state_dict(), CONFIG.n_codebooks))
    codes = torch.randint(0, 32, (8, 9), generator=torch.Generator().manual_seed(2))
    expected = model.quantizer.decode(codes[:, None])[0]
    torch.testing.assert_close(codec.latents(codes), expected, atol=1e-5, rtol=0)


def random_codec(config: CodecConfig) -> Codec:
    """A codec of encodec's own initial weights, as loud as speech, so that 1e-5 means something."""
    torch.manual_seed(3)
    codec = Codec(config)
    codec.codebooks.normal_()
    tensors = {name: value.detach() for name, value in codec.state_dict().items()}
    books = tensors.pop("codebooks")
    tensors |= {CODEBOOK_NAME.format(i): book for i, book in enumerate(books)}
    last = [name for name in tensors if name.startswith("decoder.")][-2:]
    tensors |= {name: tensors[name] * 140 / config.last_kernel_size for name in last}
    return Codec.from_tensors(config, tensors)


def nano_codec() -> Codec:
    checkpoint = read_checkpoint(PACKAGE / "assets" / "nano")
    return Codec.from_tensors(checkpoint.config.codec, checkpoint.part("codec"))


CODECS = {
    "encodec-24khz": lambda: random_codec(CodecConfig()),
    "nano": nano_codec,
    "dilated": lambda: random_codec(CONFIG),
    "a-long-last-convolution": lambda: random_codec(replace(CONFIG, last_kernel_size=19)),
}


@pytest.fixture(scope="module", params=CODECS)
def codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]()


def random_codes(config: CodecConfig, frames: int) -> torch.Tensor:
    stream = torch.Generator().manual_seed(4)
    return torch.randint(0, config.codebook_size, (config.n_codebooks, frames), generator=stream)


@torch.inference_mode()
def by_encodec(codec: Codec, codes: torch.Tensor) -> torch.Tensor:
    """The waveform by the forward of encodec's own decoder."""
    return codec.decoder(codec.latents(codes)[None])[0, 0]


@pytest.mark.parametrize(
    "chunks",
    [[1], [2], [7], [50], [3, 1, 20, 0, 2, 11, 1], [61]],
    ids=lambda chunks: "-".join(map(str, chunks)),
)
def test_chunks_join_to_the_whole(codec: Codec, chunks: list[int]) -> None:
    codes = random_codes(codec.config, 61)
    stream, pieces, begin, sizes = CodecStream(codec), [], 0, cycle(chunks)
    while begin < 61:
        end = min(begin + next(sizes), 61)
        pieces.append(stream.push(codes[:, begin:end]))
        sounding = end if end >= 7 else 0  # the first convolution is 7 wide; after it nothing is held back
        assert sum(map(len, pieces)) == sounding * codec.config.hop
        begin = end
    assert not len(stream.finish())
    found, expected = torch.cat(pieces), by_encodec(codec, codes)
    assert found.dtype == torch.float32
    assert expected.std() > 0.01  # a sound, a thousand times as loud as what may differ
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(found, codec.decode(codes), atol=1e-5, rtol=0)


@pytest.mark.parametrize("frames", [0, 1, 6, 7])
def test_a_stream_shorter_than_its_first_convolution(codec: Codec, frames: int) -> None:
    codes = random_codes(codec.config, frames)
    stream = CodecStream(codec)
    pieces = [stream.push(codes[:, i : i + 1]) for i in range(frames)]
    found = torch.cat([*pieces, stream.finish()])
    expected = by_encodec(codec, codes) if frames else torch.empty(0)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_long_piece_is_taken_apart_unheard(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bark_cli.model.codec.FRAMES_AT_ONCE", 16)
    codes = random_codes(codec.config, 49)  # one frame is left for the last
    torch.testing.assert_close(codec.decode(codes), by_encodec(codec, codes), atol=1e-5, rtol=0)


def test_what_a_stream_remembers_does_not_grow(codec: Codec) -> None:
    def remembered() -> int:
        states = [s if isinstance(s, tuple) else (s,) for s in stream._past.values()]
        return sum(s.untyped_storage().nbytes() for state in states for s in state)

    stream = CodecStream(codec)
    stream.push(random_codes(codec.config, 7))
    before = remembered()
    assert before > 0
    stream.push(random_codes(codec.config, 40))
    assert remembered() == before


def test_the_mirror_of_a_last_convolution_is_waited_for() -> None:
    """One that reaches back further than the first one does, since few samples come of a frame."""
    codec = random_codec(replace(CONFIG, ratios=(2,), last_kernel_size=20))
    codes, stream = random_codes(codec.config, 30), CodecStream(codec)
    pieces = [stream.push(codes[:, i : i + 1]) for i in range(30)]
    assert [len(piece) for piece in pieces] == 9 * [0] + [20] + 20 * [2]
    torch.testing.assert_close(torch.cat(pieces), by_encodec(codec, codes), atol=1e-5, rtol=0)


@pytest.mark.parametrize("chunk", [1, 7, 31])
def test_a_codec_that_is_not_causal_waits_for_the_end(chunk: int) -> None:
    codec = random_codec(replace(CONFIG, causal=False))
    codes = random_codes(CONFIG, 31)
    stream = CodecStream(codec)
    assert not any(len(stream.push(codes[:, i : i + chunk])) for i in range(0, 31, chunk))
    expected = by_encodec(codec, codes)
    torch.testing.assert_close(stream.finish(), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(codec.decode(codes), expected, atol=1e-5, rtol=0)


@torch.enable_grad()
def test_decoding_tracks_no_gradient(codec: Codec) -> None:
    assert not any(parameter.requires_grad for parameter in codec.parameters())
    assert codec.decode(random_codes(codec.config, 8)).grad_fn is None
    assert not any("taps" in name for name in codec.state_dict())  # which holds every weight once


def test_the_default_configuration_is_encodecs_24_khz() -> None:
    assert CodecConfig().hop == 320
    with torch.device("meta"):
        names = Codec(CodecConfig()).state_dict()
    assert names["codebooks"].shape == (8, 1024, 128)
    assert names["decoder.model.0.conv.conv.weight"].shape == (512, 128, 7)


WORKING = "transforms = None\nMARK = 'the real one'\n"
BROKEN_IMPORT = "import torchaudio.part\nraise ImportError('libtorch_cuda.so is missing')\n"
BROKEN_LIBRARY = "import torchaudio.part\nraise OSError('undefined symbol')\n"
SCRIPT = """
import importlib.util, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torchaudio":
            raise ModuleNotFoundError("No module named 'torchaudio'", name="torchaudio")
if {absent}:
    sys.meta_path.insert(0, Absent())
import torch
from bark_cli.model.codec import Codec
from bark_cli.model.config import CodecConfig
with torch.device("meta"):
    Codec(CodecConfig())
print(sorted(name for name in sys.modules if name.startswith("torchaudio")))
import encodec.utils
print(getattr(encodec.utils.torchaudio, "MARK", "the stand-in"))
if {absent}:
    sys.meta_path.pop(0)
import transformers
from transformers.utils import is_torchaudio_available
is_torchaudio_available()  # a stand-in left behind makes this raise
print("transformers", transformers.__name__)
"""


@pytest.mark.parametrize(
    ("package", "left", "used"),
    [
        (None, "[]", "the stand-in"),
        (WORKING, "['torchaudio']", "the real one"),
        (BROKEN_IMPORT, "[]", "the stand-in"),
        (BROKEN_LIBRARY, "[]", "the stand-in"),
    ],
    ids=["absent", "working", "broken-import", "broken-library"],
)
def test_torchaudio_absent_working_or_broken(
    package: str | None, left: str, used: str, tmp_path: Path
) -> None:
    if package is not None:
        (tmp_path / "torchaudio").mkdir()
        (tmp_path / "torchaudio" / "__init__.py").write_text(package)
        (tmp_path / "torchaudio" / "part.py").write_text("")
    root = Path(__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)])}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(absent=package is None)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [left, used, "transformers transformers"]
    assert "Warning" not in done.stderr
