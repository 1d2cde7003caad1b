"""Write what was trained as a model folder with its voices: runs/*/last.pt -> bark_cli/assets/nano.

python -m training.export [--out FOLDER] [--storage fp32|fp16|int8]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from bark_cli.checkpoint import Checkpoint, write_native
from bark_cli.checkpoint.foreign import codec_tensors
from bark_cli.tokens import BarkConfig, BarkTokens, CodecConfig, SamplingOptions, StageSampling
from bark_cli.voices import save_voice
from training.coarse import FactoredCoarse
from training.codec import load_codec
from training.codes import Utterance, load_utterances
from training.fine import fine_config, started
from training.run import learnt
from training.semantic import FactoredSemantic
from training.settings import HERE, settings
from training.vocabulary import NO_PLACE, build_tokenizer, layout
from training.voices import VOICES

SECONDS = 4.0  # and up to two more: how long a voice's utterance is


def trained(step: str) -> dict[str, Tensor]:
    """The network that a training step left in its run folder."""
    return learnt(settings(step)["runs"] / step / "last.pt")


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
            n_codebooks=codec["n_codebooks"], codebook_size=codec["codebook_size"],
            dimension=codec["dimension"], n_filters=codec["n_filters"],
            ratios=tuple(codec["ratios"]), lstm=codec["lstm"],
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
        "codec": codec_tensors(load_codec().exported(), settings("codec")["shape"]["n_codebooks"]),
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


def fitting(utterances: list[Utterance], voice: int, seconds: float) -> list[Utterance]:
    """The utterances of a voice that are about so long and have no sounds in them."""
    return [
        u
        for u in utterances
        if u.voice == voice
        and seconds <= len(u.factors) / 50 <= seconds + 2
        and not (u.factors[:, 3] == NO_PLACE).any()
    ]


def write_model(folder: Path, storage: Literal["fp32", "fp16", "int8"]) -> None:
    """Write the trained networks as a native model folder."""
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = Path(scratch) / "tokenizer.json"
        build_tokenizer().save(str(tokenizer))
        checkpoint = Checkpoint(
            config=nano_config(),
            tensors=nano_tensors(),
            tokenizer_file=tokenizer,
            layout="native",
            folder=folder,
        )
        write_native(checkpoint, folder, storage=storage)


def write_voices(folder: Path) -> None:
    """Write one utterance of each of the teacher's voices into a folder: the one that `histories` numbers.

    Raises:
        ValueError: a voice has not so many of a fitting length.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = settings("export")
    utterances = load_utterances(options["data"])
    for number, voice in enumerate(VOICES):
        name = voice.name.rpartition("/")[2]
        chosen, found = options.get("histories", {}).get(name, 0), fitting(utterances, number, SECONDS)
        if chosen >= len(found):
            long = f"{SECONDS:.0f}-{SECONDS + 2:.0f} s long"
            raise ValueError(
                f"voice {voice.name} has {len(found)} utterances {long}, and none numbered {chosen}"
            )
        save_voice(voice_of(found[chosen]), folder / f"{name}.npz", force=True)


def main() -> None:
    """Write the model folder, and its voices where the settings say or else inside it."""
    options = settings("export")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="another folder, voices and all")
    parser.add_argument("--storage", default="int8", choices=("fp32", "fp16", "int8"))
    given = parser.parse_args()
    out = given.out or options["assets"]
    shipped = given.out is None and "voices" in options
    write_model(out, given.storage)
    write_voices(HERE.parent / options["voices"] if shipped else out / "voices")
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    print(f"{out}: {size / 1e6:.1f} MB, {len(VOICES)} voices")


if __name__ == "__main__":
    main()
