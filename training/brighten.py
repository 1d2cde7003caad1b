"""A model that sounds duller than its teacher -> the same, a filter in its decoder's last convolution.

What fine says is the logarithm to be expected, and its exponential lies below the power to be expected: the
less the codes tell of a sound, breath and consonants first, the quieter it comes out. This measures what is
lacking in each band, over sentences of which none is in training/sentences, and gives a share of it back by a
short causal filter that leaves the loudest sample where it was. A causal filter after a causal convolution is
a longer convolution: 7 taps and 13 make 19, exactly.

    python -m training.brighten [--model FOLDER] [--share 0.5] [--out FOLDER] [--again]

The folder is replaced as a whole, or not at all.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.signal import lfilter

from bark_cli import Bark
from bark_cli.checkpoint import Checkpoint, Storage, read_checkpoint, write_native
from bark_cli.checkpoint.native import Floats
from bark_cli.model.config import CodecConfig
from bark_cli.model.decoder import decoder_layers
from bark_cli.speech import SpeechRequest
from bark_cli.system.folders import check_new_folder, new_folder
from bark_cli.takes.take import ONCE
from training.auditions import texts
from training.compose import compose
from training.settings import settings
from training.teacher import HERTZ, Teacher
from training.vocoder import minimum_phase, render
from training.voices import VOICES

Array = npt.NDArray[np.floating]
# Hz; below the first is hum. The lowest band is what the others are measured against.
EDGES = np.array([80, 250, 500, 1_000, 2_000, 3_000, 4_000, 6_000, 8_000, 10_000, 12_000])
BANDS = list(pairwise(EDGES))
CENTRES = (EDGES[:-1] + EDGES[1:]) / 2
SEED = 12  # of the sentences; training.auditions has 11


def spectrum(waves: Iterable[Array]) -> Array:
    """Power at each of HERTZ (601,), summed over sounds at 24 kHz."""
    size, window, power = 2 * (len(HERTZ) - 1), np.hanning(2 * (len(HERTZ) - 1)), np.zeros(len(HERTZ))
    for wave in waves:
        frames = wave[: len(wave) // size * size].reshape(-1, size) * window
        power += (np.abs(np.fft.rfft(frames)) ** 2).sum(0)
    return power


def levels(power: Array) -> Array:
    """Decibels in each band between EDGES (10,) of power at HERTZ (601,), the lowest band's taken away."""
    inside = [power[(low <= HERTZ) & (high > HERTZ)].sum() for low, high in BANDS]
    decibels = 10 * np.log10(np.array(inside) + 1e-12)
    return decibels - decibels[0]


def filter_of(gains: Array, waves: Sequence[Array], taps: int) -> Array:
    """The causal filter (taps,) that rings least and has these gains at CENTRES, in decibels of each other.

    The loudest sample of these sounds is as loud behind it as it was.
    """
    log_gain = np.interp(HERTZ, CENTRES, gains) * np.log(10) / 20
    phase = minimum_phase(log_gain[:, None])[:, 0]
    response: Array = np.fft.irfft(np.exp(log_gain + 1j * phase))[:taps]
    return response * peak(waves) / peak(lfilter(response, [1.0], wave) for wave in waves)


def peak(waves: Iterable[Array]) -> float:
    """The loudest sample."""
    return max(float(np.abs(wave).max()) for wave in waves)


def brightened(checkpoint: Checkpoint, response: Array) -> Checkpoint:
    """The model whose sound is that of `checkpoint`, filtered: exactly but for a sound's first samples."""
    codec = checkpoint.config.codec
    longer = replace(codec, last_kernel_size=codec.last_kernel_size + len(response) - 1)
    *_, last = decoder_layers(codec)
    name, bias = f"codec.{last.name}.weight", f"codec.{last.name}.bias"
    weight = checkpoint.float32(name).double().numpy()  # (1, inputs, taps), the oldest first
    composed = [np.convolve(row, response[::-1]) for row in weight[0]]
    changed = {
        name: torch.from_numpy(np.array(composed)[None]).float(),
        bias: checkpoint.float32(bias) * float(response.sum()),
    }
    return replace(
        checkpoint,
        config=replace(checkpoint.config, codec=longer),
        tensors={**checkpoint.tensors, **changed},
    )


def storage_of(checkpoint: Checkpoint) -> tuple[Storage, Floats]:
    """How the model's matrices are stored, and how all its other numbers."""
    *_, last = decoder_layers(checkpoint.config.codec)
    floats: Floats = "fp16" if checkpoint.form(f"codec.{last.name}.weight").dtype == "float16" else "fp32"
    return "int8" if checkpoint.scales else floats, floats


def write_whole(made: Checkpoint, folder: Path, storage: Storage, floats: Floats) -> None:
    """Write the model beside `folder`, which it then replaces with whatever else lies in there.

    Raises:
        OutputError: the folder, or the one that it lies in, cannot be written.
    """
    with new_folder(folder, force=True) as scratch:
        if folder.is_dir():
            shutil.copytree(folder, scratch, symlinks=True, dirs_exist_ok=True)
        write_native(made, scratch, storage=storage, floats=floats)


def said_by_both(model: Path, data: Path, count: int) -> tuple[list[Array], list[Array]]:
    """What the model and its teacher say of the same sentences, in all voices in turn."""
    teacher, lines = Teacher(data / "teacher.onnx"), texts(count, SEED)
    requests = [
        SpeechRequest(text=text, voice=VOICES[n % len(VOICES)].name, seed=n, attempts=ONCE)
        for n, text in enumerate(lines)
    ]
    said = [speech.audio.samples for speech in Bark.load(model).say_all(requests, batch_size=8)]
    taught = []
    for n, text in enumerate(lines):
        random = np.random.default_rng(n)
        taught.append(render(compose(text, teacher, random), VOICES[n % len(VOICES)], random).wave)
    return said, taught


def main() -> None:
    """Measure, show what is lacking and what is given back, and write the model."""
    options = settings("brighten")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, default=options["assets"])
    parser.add_argument(
        "--share", type=float, default=options["share"], help="of what is lacking; %(default)s"
    )
    parser.add_argument("--sentences", type=int, default=options["sentences"])
    parser.add_argument("--out", type=Path, help="another folder; else the model's own")
    parser.add_argument("--again", action="store_true", help="a second filter, where the model has one")
    given = parser.parse_args()
    checkpoint = read_checkpoint(given.model)
    taps = checkpoint.config.codec.last_kernel_size
    if taps > CodecConfig.last_kernel_size and not given.again:
        parser.error(f"{given.model} has a filter already ({taps} taps); --again gives it a second one")
    target = given.out or given.model
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    check_new_folder(target, force=True)
    said, taught = said_by_both(given.model, options["data"], given.sentences)
    wanted, found = levels(spectrum(taught)), levels(spectrum(said))
    response = filter_of(given.share * np.maximum(wanted - found, 0), said, options["taps"])
    after = levels(spectrum(lfilter(response, [1.0], wave) for wave in said))
    print("Hz              lacking, dB  with the filter")
    for (low, high), before, left in zip(BANDS, wanted - found, wanted - after, strict=True):
        print(f"{low:6,} to {high:6,} {before:11.1f} {left:16.1f}")
    made = brightened(checkpoint, response)
    write_whole(made, target, *storage_of(checkpoint))
    longer = made.config.codec.last_kernel_size
    print(f"{target}: the last convolution has {longer} taps, {taps} before")


if __name__ == "__main__":
    main()
