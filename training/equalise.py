"""A model whose highs are too quiet -> the same, a short filter folded into its decoder's last convolution.

What fine says is the logarithm to be expected, and that lies below the logarithm of the power to be expected:
breath and consonants come out too quiet, the more so the less the codes tell of them. A filter gives it back.
The last convolution takes it in by least squares, so that the model needs neither more weights nor code.

    python -m training.equalise bark_cli/assets/nano --out brighter/nano
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy.signal import lfilter
from torch import Tensor

from bark_cli.checkpoint import read_checkpoint
from bark_cli.model.codec import Codec
from training.settings import HERE, settings
from training.teacher import HERTZ
from training.vocoder import minimum_phase

Array = npt.NDArray[np.float64]
EMPHASIS = 0.95  # the fit hears high frequencies as loud as low ones
RIDGE = 1e-7  # of the features' mean power: what they do not tell stays as it was
WEIGHT, BIAS = "codec.decoder.model.{}.conv.conv.weight", "codec.decoder.model.{}.conv.conv.bias"


def shaped(hz: Sequence[float], db: Sequence[float], taps: int) -> Array:
    """The causal filter (taps,) that rings least and has these gains."""
    gain = np.interp(HERTZ, hz, db) * np.log(10) / 20
    response = np.exp(gain + 1j * minimum_phase(gain[:, None])[:, 0])
    found: Array = np.fft.irfft(response)[:taps]
    return found


def heard_by_last(codec: Codec, codes: Tensor) -> Tensor:
    """What the last convolution hears (inputs, T) of codes (codebooks, F)."""
    kept: list[Tensor] = []
    hook = codec.decoder.model[-1].register_forward_pre_hook(lambda _, heard: kept.append(heard[0][0]))
    with torch.inference_mode():
        codec.decoder(codec.latents(codes)[None])
    hook.remove()
    return kept[0]


def folded(codec: Codec, utterances: Iterable[Tensor], filter_: Array) -> tuple[Array, float]:
    """The last convolution's weights (1, inputs, k) and bias with which its sound is the filtered one.

    The nearest that k taps can do, over the codes (codebooks, F) of some utterances.
    """
    layer = codec.decoder.model[-1].conv.conv
    weight = layer.weight.detach().double().numpy()
    old = np.append(weight.ravel(), float(layer.bias[0]))
    power, wanted = np.zeros((len(old), len(old))), np.zeros(len(old))
    for codes in utterances:
        windows = heard_by_last(codec, codes).unfold(1, weight.shape[2], 1)  # (inputs, T, k)
        rows = windows.transpose(0, 1).flatten(1).double().numpy()
        rows = np.hstack([rows, np.ones((len(rows), 1))])
        missing = lfilter(filter_, [1.0], rows @ old) - rows @ old
        rows, missing = (x[1:] - EMPHASIS * x[:-1] for x in (rows, missing))
        rows, missing = rows[len(filter_) :], missing[len(filter_) :]
        power += rows.T @ rows
        wanted += rows.T @ missing
    power += RIDGE * np.trace(power) / len(old) * np.eye(len(old))
    new = old + np.linalg.solve(power, wanted)
    return new[:-1].reshape(weight.shape), float(new[-1])


def equalise(model: Path, out: Path, filter_: Array, utterances: Iterable[Tensor]) -> None:
    """Copy a native model folder, its decoder's sound filtered; `out` must not be there."""
    checkpoint = read_checkpoint(model)
    tensors = {name: tensor.float() for name, tensor in checkpoint.part("codec").items()}
    codec = Codec.from_tensors(checkpoint.config.codec, tensors)
    weight, bias = folded(codec, utterances, filter_)
    shutil.copytree(model, out)
    last = len(codec.decoder.model) - 1
    with safe_open(model / "model.safetensors", "np") as file:
        arrays, notes = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    for name, value in ((WEIGHT, weight), (BIAS, [bias])):
        kept = arrays[name.format(last)]
        arrays[name.format(last)] = np.asarray(value, kept.dtype)
    save_file(arrays, out / "model.safetensors", metadata=notes)


def main() -> None:
    """Write the model that sounds brighter, with the curve of the settings, fitted on its own voices."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given, options = parser.parse_args(), settings("equalise")
    voices = sorted((HERE.parent / settings("export")["voices"]).glob("*.npz"))
    utterances = [torch.from_numpy(np.load(file)["fine_prompt"].astype(np.int64)) for file in voices]
    equalise(given.model, given.out, shaped(options["hz"], options["db"], options["taps"]), utterances)


if __name__ == "__main__":
    main()
