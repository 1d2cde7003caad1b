"""Write what was trained as a model folder and voices: runs/* -> bark_cli/assets/nano and presets/nano.

python -m training.export [--out FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bark_cli.checkpoint import Checkpoint, write_native
from bark_cli.checkpoint.foreign import codec_tensors
from bark_cli.tokens import BarkConfig, BarkTokens, CodecConfig, SamplingOptions, StageSampling
from bark_cli.voices import save_voice
from training.coarse import FactoredCoarse
from training.codes import Utterance, load_codec, load_utterances
from training.fine import fine_config, started
from training.run import settings
from training.semantic import FactoredSemantic
from training.teacher import VOICES
from training.vocabulary import build_tokenizer, layout


def trained(step: str) -> dict[str, Tensor]:
    """The network that a training step left in its run folder."""
    weights: dict[str, Tensor] = torch.load(settings(step)["runs"] / step / "last.pt", weights_only=True)[
        "model"
    ]
    return weights


def nano_config() -> BarkConfig:
    """nano's numbers, all from settings.toml."""
    shapes = {step: settings(step)["shape"] for step in ("semantic", "coarse", "fine", "codec")}
    semantic, coarse = FactoredSemantic(shapes["semantic"], 1.0), FactoredCoarse(shapes["coarse"])
    codec, speaking = shapes["codec"], settings("export")
    return BarkConfig(
        semantic=semantic.config,
        coarse=coarse.config,
        fine=fine_config(shapes["fine"]),
        codec=CodecConfig(
            n_codebooks=codec["n_codebooks"], codebook_size=codec["codebook_size"], dimension=codec["dimension"],
            n_filters=codec["n_filters"], ratios=tuple(codec["ratios"]), lstm=codec["lstm"],
        ),
        sampling=SamplingOptions(
            semantic=StageSampling(temperature=speaking["semantic_temperature"]),
            coarse=StageSampling(temperature=speaking["coarse_temperature"]),
            fine=StageSampling(temperature=speaking["fine_temperature"]),
            min_eos_p=speaking["min_eos_p"],
        ),
        default_voice=speaking["default_voice"],
    )  # fmt: skip


def nano_tensors() -> dict[str, Tensor]:
    """Every tensor under bark_cli's names, the factored tables multiplied out."""
    semantic = FactoredSemantic(settings("semantic")["shape"], 1.0)
    coarse = FactoredCoarse(settings("coarse")["shape"])
    fine = started(fine_config(settings("fine")["shape"]))
    for step, network in (("semantic", semantic), ("coarse", coarse), ("fine", fine)):
        network.load_state_dict(trained(step))
    parts = {
        "semantic": semantic.exported(),
        "coarse": coarse.exported(),
        "fine": {name: t for name, t in fine.state_dict().items() if not name.startswith("lm_heads.")},
        "codec": codec_tensors(load_codec().state_dict(), settings("codec")["shape"]["n_codebooks"]),
    }
    return {
        f"{part}.{name}": t.detach().float().contiguous()
        for part, named in parts.items()
        for name, t in named.items()
    }


def voice_of(utterance: Utterance) -> BarkTokens:
    """An utterance of the teacher as a voice."""
    codes = utterance.codes.astype(np.int64)
    return BarkTokens(semantic=layout().ids(utterance.factors), coarse=codes[:2], fine=codes)


def typical(utterances: list[Utterance], voice: int, seconds: float) -> Utterance:
    """The first utterance of a voice that is about so long and has no sounds in it."""
    sounding = layout().rows[:, 3].max()
    fitting = [
        u for u in utterances
        if u.voice == voice and seconds <= len(u.factors) / 50 <= seconds + 2 and not (u.factors[:, 3] == sounding).any()
    ]  # fmt: skip
    return fitting[0]


def main() -> None:
    """Write the model folder, and the voices unless only the folder is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=settings("export")["assets"])
    parser.add_argument("--storage", default="int8", choices=("fp32", "fp16", "int8"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = Path(scratch) / "tokenizer.json"
        build_tokenizer().save(str(tokenizer))
        checkpoint = Checkpoint(
            config=nano_config(),
            tensors=nano_tensors(),
            tokenizer_file=tokenizer,
            layout="native",
            folder=given.out,
        )
        write_native(checkpoint, given.out, storage=given.storage)
    utterances = load_utterances(settings("export")["data"])
    for number, voice in enumerate(VOICES):
        file = given.out / "voices" / f"{voice.name.split('/')[1]}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        save_voice(voice_of(typical(utterances, number, 4.0)), file, force=True)
    size = sum(f.stat().st_size for f in given.out.rglob("*") if f.is_file())
    print(f"{given.out}: {size / 1e6:.1f} MB, {len(VOICES)} voices")


if __name__ == "__main__":
    main()
