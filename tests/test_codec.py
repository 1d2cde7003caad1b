"""The codec is encodec's own decoder, and importing it leaves no stand-in behind."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from bark_cli.checkpoint.foreign import codec_tensors
from bark_cli.codec import Codec, import_seanet
from bark_cli.tokens import CodecConfig

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
from bark_cli.codec import Codec
from bark_cli.tokens import CodecConfig
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
