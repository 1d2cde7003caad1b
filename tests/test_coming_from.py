"""What the pages for those who come from elsewhere show in Python runs, and says what the reference says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from conftest import write_voice
from golden.recipe import FOLDER, SNIPPETS, narrow_config, snippet_voice
from test_suno import use, write_speaking_snippets

from bark_cli.checkpoint import read_checkpoint, write_native
from bark_cli.suno import api, loaded

PAGES = Path(__file__).parent.parent / "docs" / "coming-from"


def examples(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (PAGES / page).read_text("utf-8"), re.M | re.S)


@pytest.fixture(autouse=True)
def nobody_speaks() -> Iterator[None]:
    loaded.let_go()
    yield
    loaded.let_go()


def test_the_snippets_of_suno_make_the_tokens_of_suno(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one session, as a reader types them; only the seed is set between them."""
    folder = tmp_path / "model"
    folder.mkdir()
    use(write_speaking_snippets(folder), monkeypatch)
    monkeypatch.chdir(tmp_path)
    decode, decoded = api.codec_decode, []

    def remember(tokens: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        decoded.append(tokens)
        return decode(tokens)

    monkeypatch.setattr(api, "codec_decode", remember)
    session: dict[str, Any] = {}
    shown = examples("suno.md")
    for example, snippet in zip(shown, SNIPPETS, strict=True):
        torch.manual_seed(snippet.seed)
        exec(example, session)
        assert session["text_prompt"] == snippet.text
        np.testing.assert_array_equal(decoded[-1], np.load(FOLDER / f"snippet_{snippet.name}.npz")["fine"])
        assert len(session["audio_array"]) == 320 * decoded[-1].shape[1]
    assert soundfile.info(tmp_path / "bark_generation.wav").samplerate == 24_000


def test_the_counterpart_of_transformers_runs(
    tmp_path: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    monkeypatch.setenv("BARK_HOME", str(isolated_home / "bark"))
    small = isolated_home / "bark" / "models" / "small"
    write_native(read_checkpoint(write_speaking_snippets(theirs)), small)
    write_voice(small / "voices" / "v2" / "en_speaker_6.npz", snippet_voice(narrow_config()))
    monkeypatch.chdir(tmp_path)
    [example] = examples("transformers.md")
    session: dict[str, Any] = {}
    exec(example, session)
    speech = session["speech"]
    assert (speech.model, speech.voice) == ("small", "v2/en_speaker_6")
    assert soundfile.info(tmp_path / "bark_out.wav").frames == len(speech.audio.samples)
