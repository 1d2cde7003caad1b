"""Long texts from Python: the sound of `bark say`, in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import in_int8

from bark_cli import Bark, open_sink, read_document, recite
from bark_cli.cli import main
from bark_cli.errors import OptionError, TextError

TEXT = "The bark. A name. I can.\n\n[pause 1.5s] My name is bark. " * 3


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_int8(tiny_model, tmp_path_factory.mktemp("int8") / "tiny")


def test_it_is_what_the_command_says(model: Path, tmp_path: Path) -> None:
    bark = Bark.load(model, device="cpu")
    with open_sink(tmp_path / "ours.wav") as sink:
        for sound in recite(bark, TEXT, seed=5):
            sink.put(sound)
    theirs = tmp_path / "theirs.wav"
    how = ["--seed", "5", "-q", "-o", str(theirs)]
    assert main(["say", "-m", str(model), TEXT, *how]) == 0
    ours, rate = soundfile.read(tmp_path / "ours.wav")
    assert np.array_equal(ours, soundfile.read(theirs)[0])
    assert len(ours) / rate > 3 * 1.5


def test_a_script_has_its_cast(model: Path) -> None:
    bark = Bark.load(model, device="cpu")
    script = read_document("ANN: hello\nBEN: a bark\n", "script", cast={"ANN": "none", "BEN": "none"})
    assert len(list(recite(bark, script, seed=1, paragraph_pause_s=0.0))) == 2


def test_what_cannot_be_said_is_raised(model: Path) -> None:
    with pytest.raises(TextError, match="UTF-8"):
        list(recite(Bark.load(model, device="cpu"), "The bark. \ud83d A name."))


def test_an_unknown_continuity_is_refused(model: Path) -> None:
    with pytest.raises(OptionError, match="'chain' is unknown; use one of voice, previous, none"):
        list(recite(Bark.load(model), "Hello bark.", continuity="chain"))  # type: ignore[arg-type]
