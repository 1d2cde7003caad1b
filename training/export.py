"""Write what was trained as a model folder with its voices: runs/*/last.pt -> bark_cli/assets/nano.

python -m training.export [--out FOLDER] [--storage fp32|fp16|int8] [--rest MODEL]

With `--rest`, what has no run comes from a finished model: nano with a semantic network trained further.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from bark_cli.checkpoint import Checkpoint, Storage, read_checkpoint, write_native
from bark_cli.checkpoint.foreign import codec_tensors
from bark_cli.model.config import BarkConfig, CodecConfig
from bark_cli.model.options import SamplingOptions, StageSampling
from bark_cli.model.tokens import BarkTokens
from bark_cli.voices.catalogue import save_voice
from training.coarse import FactoredCoarse
from training.codec import load_codec, takes_up_codes
from training.codes import Utterance, load_utterances
from training.expected import load_encoder, save_encoder
from training.fine import TrainableFine, fine_config
from training.run import left_by
from training.semantic import FactoredSemantic
from training.settings import HERE, settings
from training.vocabulary import NO_PLACE, build_tokenizer, layout
from training.voices import VOICES

SECONDS = 4.0  # and up to two more: how long a voice's utterance is


def last_save(step: str) -> Path:
    """Where a training step leaves its network."""
    file: Path = settings(step)["runs"] / step / "last.pt"
    return file


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
            ratios=tuple(codec["ratios"]), lstm=codec["lstm"], last_kernel_size=codec["last_kernel_size"],
        ),
        sampling=SamplingOptions(
            semantic=StageSampling(temperature=speaking["semantic_temperature"]),
            coarse=StageSampling(temperature=speaking["coarse_temperature"]),
            fine=StageSampling(temperature=speaking["fine_temperature"]),
            min_eos_p=speaking["min_eos_p"],
        ),
        default_voice=speaking["default_voice"],
    )  # fmt: skip


def trained_semantic() -> dict[str, Tensor]:
    """What training.semantic left, its factored tables multiplied out."""
    network = FactoredSemantic(settings("semantic")["shape"], 1.0)
    network.load_state_dict(left_by("semantic"))
    return network.exported()


def trained_coarse() -> dict[str, Tensor]:
    """What training.coarse left, its factored tables multiplied out."""
    network = FactoredCoarse(settings("coarse")["shape"])
    network.load_state_dict(left_by("coarse"))
    return network.exported()


def trained_fine() -> dict[str, Tensor]:
    """What training.fine left, but for the heads, which are the tables."""
    network = TrainableFine(fine_config(settings("fine")["shape"]))
    network.load_state_dict(left_by("fine"))
    return {name: t for name, t in network.state_dict().items() if not name.startswith("lm_heads.")}


def trained_codec() -> dict[str, Tensor]:
    """What training.decoder left; raises FileNotFoundError where it has not run."""
    if not last_save("decoder").exists():
        raise FileNotFoundError(f"{last_save('decoder')} is not there: run python -m training.decoder")
    return codec_tensors(load_codec().exported(), settings("codec")["shape"]["n_codebooks"])


PARTS = {
    "semantic": ("semantic", trained_semantic),
    "coarse": ("coarse", trained_coarse),
    "fine": ("fine", trained_fine),
    "codec": ("decoder", trained_codec),
}  # of a model: the step that trains it, and what it left


def nano_tensors(rest: Path | None) -> dict[str, Tensor]:
    """Every tensor under bark_cli's names; those of a part without a run are the model `rest`'s.

    Raises:
        FileNotFoundError: a part has no run, and there is no `rest`.
        ValueError: some parts have runs with other codes than those that are the model's.
    """
    runs = {step: last_save(step).exists() for step in ("coarse", "fine", "decoder")}
    if rest is not None and len(set(runs.values())) > 1 and not takes_up_codes():
        lacking = " and ".join(step for step, there in runs.items() if not there)
        raise ValueError(f"the codes of {lacking} in {rest} are not those of this run: train {lacking}, too")
    finished = read_checkpoint(rest) if rest is not None else None
    tensors: dict[str, Tensor] = {}
    for part, (step, left) in PARTS.items():
        named = finished.part(part) if finished and not last_save(step).exists() else left()
        tensors |= {f"{part}.{name}": t.detach().float().contiguous() for name, t in named.items()}
    return tensors


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


def write_model(folder: Path, storage: Storage, rest: Path | None = None) -> None:
    """Write the trained networks, and what they lack of the model `rest`, as a native model folder."""
    config = nano_config()
    if rest is not None and not last_save("decoder").exists():  # the decoder is `rest`'s, however long
        config = replace(config, codec=read_checkpoint(rest).config.codec)
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = Path(scratch) / "tokenizer.json"
        build_tokenizer().save(str(tokenizer))
        checkpoint = Checkpoint(
            config=config,
            tensors=nano_tensors(rest),
            tokenizer_file=tokenizer,
            layout="native",
            folder=folder,
        )
        write_native(checkpoint, folder, storage=storage)


def voices_folder() -> Path:
    """Where the model's voices go: where the settings say, or into its own folder."""
    options = settings("export")
    folder: Path = HERE.parent / options["voices"] if "voices" in options else options["assets"] / "voices"
    return folder


def histories_file() -> Path:
    """Where training.auditions leaves which utterance each voice is."""
    file: Path = settings("export")["runs"] / "histories.json"
    return file


def histories() -> dict[str, int]:
    """Which of the fitting utterances each voice is: as the settings say, as was heard best, or the first."""
    file = histories_file()
    heard = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    chosen: dict[str, int] = settings("export").get("histories", heard)
    return chosen


def write_voices(folder: Path) -> None:
    """Write one utterance of each of the teacher's voices into a folder: the one that `histories` numbers.

    Raises:
        ValueError: a voice has not so many of a fitting length.
    """
    folder.mkdir(parents=True, exist_ok=True)
    utterances, numbers = load_utterances(settings("export")["data"]), histories()
    for number, voice in enumerate(VOICES):
        name = voice.name.rpartition("/")[2]
        chosen, found = numbers.get(name, 0), fitting(utterances, number, SECONDS)
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
    parser.add_argument(
        "--rest",
        type=Path,
        help="a finished model, for what has no run; voices are written only for new codes",
    )
    parser.add_argument("--voices", action="store_true", help="write the voices anew whatever the codes")
    given = parser.parse_args()
    out = given.out or options["assets"]
    write_model(out, given.storage, given.rest)
    new_codes = last_save("coarse").exists() and not takes_up_codes()
    if given.voices or given.rest is None or new_codes:
        write_voices(voices_folder() if given.out is None else out / "voices")
    if given.out is None and "encoder" in options and last_save("expected").exists():
        save_encoder(load_encoder(), HERE.parent / options["encoder"])
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    print(f"{out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
