"""Mel spectrograms one above the other: named sounds float32 (N,) -> a PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bark_cli import Bark
from training.evaluation.cases import Case, Wave
from training.spectra import Resolution


def before(folder: Path, case: Case) -> Wave:
    """An earlier nano's, by its folder or one of WAVs that `--keep` left; else the first WAV there is."""
    if (folder / "config.json").exists():
        return Bark.load(folder).say(case.text, voice=case.voice, seed=0).audio.samples
    import soundfile

    kept = folder / "everyday-000.wav"
    file = kept if kept.exists() else min(folder.glob("*.wav"))
    return np.asarray(soundfile.read(file, dtype="float32")[0], np.float32)


def draw(title: str, sounds: dict[str, Wave], file: Path) -> None:
    """Write the picture."""
    import matplotlib

    matplotlib.use("Agg")
    import torch
    from matplotlib import pyplot

    mel = Resolution(1024)
    figure, axes = pyplot.subplots(len(sounds), 1, figsize=(9, 2.5 * len(sounds)), sharex=True, squeeze=False)
    for axis, (name, wave) in zip(axes[:, 0], sounds.items(), strict=True):
        image = mel.log_mel(torch.from_numpy(np.ascontiguousarray(wave))[None])[0].T.numpy()
        extent = (0, len(wave) / 24_000, 0, len(image))
        axis.imshow(image, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-8, vmax=-2)
        axis.set_ylabel(f"{name}\nmel band")
    axes[0, 0].set_title(title, fontsize=10)
    axes[-1, 0].set_xlabel("seconds")
    axes[-1, 0].set_xlim(0, max(len(wave) for wave in sounds.values()) / 24_000)
    figure.savefig(file, dpi=110, bbox_inches="tight")
    pyplot.close(figure)
