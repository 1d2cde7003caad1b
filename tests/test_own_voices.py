"""The user's own voices: kept after a check, removed by name, and never a step outside of their folder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import tiny_voice, write_voice

from bark_cli.cli import main
from bark_cli.errors import BarkError, OptionError, OutputError, VoiceError
from bark_cli.model.config import BarkConfig
from bark_cli.model.published import published_config
from bark_cli.voices.catalogue import find_voice
from bark_cli.voices.own import describe_voice, find_own_voice, keep_voice, remove_voice

# The thirteen kinds that huggingface_hub's tests of local folders go through, and what else may be typed.
TRAVERSAL = [
    "../outside",
    "..\\outside",
    "a/../../outside",
    "a\\..\\..\\outside",
    "/outside",
    "\\outside",
    "C:\\outside",
    "C:/outside",
    "C:outside",
    "\\\\host\\share\\outside",
    "//host/share/outside",
    "..",
    "a/..",
]
ODD = [
    "",
    ".",
    "a/b/c",
    "outside\0",
    "outside.",
    "CON",
    "nul.x",
    "com1",
    ".hidden",
    "-y",
    "a b",
    "a\nb",
    "a/",
]


class Canary:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> Path:
    """An empty home where the tiny model is the one that is installed."""
    monkeypatch.setenv("BARK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("bark_cli.store.places.nano_folder", lambda: tiny_model)
    monkeypatch.setattr("bark_cli.voices.catalogue._shipped_home", lambda: tmp_path / "none")
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path, tiny_config: BarkConfig) -> Path:
    return write_voice(tmp_path / "given.npz", tiny_voice(tiny_config))


def every_file(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_keep_use_and_remove(home: Path, file: Path, tiny_model: Path, tiny_config: BarkConfig) -> None:
    assert keep_voice(file, "team/ann") == ["nano"]
    found = find_voice("team/ann", model_folder=tiny_model, config=tiny_config)
    np.testing.assert_array_equal(found.tokens.fine, tiny_voice(tiny_config).fine)
    remove_voice(find_own_voice("team/ann"))
    assert file.exists()
    assert list((home / "voices").iterdir()) == []  # its folder was empty and went with it
    with pytest.raises(VoiceError, match="you have no voice 'team/ann'"):
        find_own_voice("team/ann")


def test_one_that_exists_is_kept_unless_forced(home: Path, file: Path, tiny_config: BarkConfig) -> None:
    keep_voice(file, "me")
    before = every_file(home)
    other = write_voice(file.with_name("other.npz"), tiny_voice(tiny_config, seed=8))
    with pytest.raises(OutputError, match="exists; use --force"):
        keep_voice(other, "me")
    assert every_file(home) == before
    keep_voice(other, "me", force=True)
    assert every_file(home) != before


def test_a_voice_of_sunos_is_kept_for_later(file: Path) -> None:
    write_voice(file, tiny_voice(published_config()))
    assert keep_voice(file, "later") == []
    card = describe_voice("later")
    assert (card.models, card.info.source) == ((), "yours")


def test_what_no_model_can_speak_is_refused(home: Path, file: Path, tiny_config: BarkConfig) -> None:
    voice = tiny_voice(tiny_config)
    voice.fine[3, 3] = 5_000
    write_voice(file, voice)
    with pytest.raises(VoiceError, match="made for another model: it holds fine token 5000"):
        keep_voice(file, "me")
    with pytest.raises(VoiceError, match=r"cannot read voice .*gone\.npz"):
        keep_voice(file.with_name("gone.npz"), "me")
    file.with_suffix(".wav").touch()
    with pytest.raises(VoiceError, match=r"\.wav is no voice: a voice is a \.npz file"):
        keep_voice(file.with_suffix(".wav"), "me")
    assert not (home / "voices").exists()


def test_a_pickle_does_not_run(home: Path, file: Path, tmp_path: Path) -> None:
    hostile = np.array([Canary(tmp_path / "canary")], dtype=object)
    np.savez(file, semantic_prompt=hostile, coarse_prompt=hostile, fine_prompt=hostile)
    for act in (lambda: keep_voice(file, "me"), lambda: describe_voice(str(file))):
        with pytest.raises(VoiceError, match="pickle"):
            act()
    assert not (tmp_path / "canary").exists()
    assert not (home / "voices").exists()


@pytest.mark.parametrize("name", ["none", "me.npz", "nano/anna"])
def test_names_that_would_never_be_found(
    file: Path, tmp_path: Path, tiny_config: BarkConfig, name: str
) -> None:
    write_voice(tmp_path / "none" / "nano" / "anna.npz", tiny_voice(tiny_config))
    with pytest.raises(OptionError, match="choose another"):
        keep_voice(file, name)


@pytest.mark.parametrize("name", [*TRAVERSAL, *ODD], ids=repr)
def test_no_name_leads_out_of_the_folder(
    home: Path, file: Path, tiny_config: BarkConfig, tmp_path: Path, name: str
) -> None:
    """Nothing outside is read, written or removed."""
    for place in (
        home / "outside.npz",
        home / "voices" / "a" / "x.npz",
        home / "host" / "share" / "outside.npz",
    ):
        write_voice(place, tiny_voice(tiny_config))
    before = every_file(tmp_path)
    with pytest.raises(OptionError, match="cannot be a name"):
        keep_voice(file, name, force=True)
    with pytest.raises(VoiceError, match="you have no voice"):
        find_own_voice(name)
    with pytest.raises(VoiceError, match="no voice"):
        describe_voice(name)
    assert every_file(tmp_path) == before


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_no_link_leads_out_of_the_folder(
    home: Path, file: Path, tiny_config: BarkConfig, tmp_path: Path
) -> None:
    outside = write_voice(tmp_path / "outside" / "x.npz", tiny_voice(tiny_config, seed=9))
    (home / "voices").mkdir(parents=True)
    (home / "voices" / "folder").symlink_to(outside.parent)
    (home / "voices" / "file.npz").symlink_to(outside)
    before = outside.read_bytes()
    for name in ("folder/x", "folder/y", "file"):
        with pytest.raises(OptionError, match="leads out of"):
            keep_voice(file, name, force=True)
    remove_voice(find_own_voice("file"))  # the link goes, what it points at stays
    assert not (home / "voices" / "file.npz").is_symlink()
    assert list(outside.parent.iterdir()) == [outside]
    assert outside.read_bytes() == before


def test_only_ones_own_are_removed(home: Path, tmp_path: Path, tiny_config: BarkConfig, file: Path) -> None:
    shipped = write_voice(tmp_path / "none" / "nano" / "anna.npz", tiny_voice(tiny_config))
    suno = write_voice(home / "presets" / "v2" / "en_speaker_6.npz", tiny_voice(tiny_config))
    for name, whose in (
        ("nano/anna", "a voice that comes with the package"),
        ("v2/en_speaker_6", "one of Suno's voices"),
        ("v2/de_speaker_0", "one of Suno's voices"),
    ):
        with pytest.raises(VoiceError, match=f"{whose}; only your own"):
            find_own_voice(name)
    assert shipped.exists()
    assert suno.exists()


def test_a_full_disk_keeps_the_old_one(home: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_voice(file, "me")
    before = every_file(home)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        keep_voice(file, "me", force=True)
    assert every_file(home) == before


def test_a_folder_that_cannot_be_made(home: Path, file: Path) -> None:
    home.mkdir()
    (home / "voices").write_bytes(b"in the way")
    with pytest.raises(BarkError, match="cannot make folder"):
        keep_voice(file, "me")


def test_save_show_and_rm(file: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["voices", "save", str(file), "me"]) == 0
    assert "it can be spoken by nano" in capsys.readouterr().err
    assert main(["voices", "save", str(file), "me"]) == 1
    assert capsys.readouterr().err.endswith("me.npz exists; use --force to write over it\n")
    assert main(["voices", "show", "me"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "name         me",
        "source       yours",
        "language     -",
        "description  -",
        "length       0.6 s",
        "arrays       semantic (30,), coarse (2, 45), fine (8, 45)",
        "models       nano",
        f"file         {home / 'voices' / 'me.npz'}",
    ]
    assert main(["voices", "rm", "me"]) == 2  # nobody can be asked
    captured = capsys.readouterr()
    assert captured.err.endswith("There is no terminal to ask at; add -y to agree\n")
    assert captured.err.count("\n") == 1
    assert (home / "voices" / "me.npz").exists()
    assert main(["voices", "rm", "me", "-y"]) == 0
    assert not (home / "voices" / "me.npz").exists()
    assert main(["voices", "rm", "me", "-y"]) == 2
    assert main(["voices", "save", str(file), "../me"]) == 2
    assert main(["voices", "show", "../me"]) == 2


def test_show_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["voices", "show", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "name": "given",
        "source": "yours",
        "language": None,
        "description": None,
        "seconds": 0.6,
        "path": str(file),
        "shapes": {"semantic_prompt": [30], "coarse_prompt": [2, 45], "fine_prompt": [8, 45]},
        "models": ["nano"],
    }


@pytest.mark.parametrize(("answer", "stays"), [("y\n", False), ("n\n", True), ("\n", True), ("", True)])
def test_rm_asks_at_a_terminal(
    file: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, answer: str, stays: bool
) -> None:
    keep_voice(file, "me")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin.readline", lambda: answer, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert main(["voices", "rm", "me"]) == 0
    said = capsys.readouterr().err
    assert "[y/N]" in said
    assert ("bark: nothing was removed" in said) is stays
    assert (home / "voices" / "me.npz").exists() is stays


def test_preview_is_the_history_itself(
    tiny_model: Path, tiny_config: BarkConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import soundfile

    from bark_cli.checkpoint import build_codec, read_checkpoint

    out = tmp_path / "ann.wav"
    assert main(["voices", "preview", "ann", "-o", str(out)]) == 0
    assert capsys.readouterr().err == f"bark: {out}: 0.6 s of ann\n"
    import torch

    codes = torch.from_numpy(tiny_voice(tiny_config).fine)
    expected = build_codec(read_checkpoint(tiny_model)).decode(codes).numpy()
    samples, rate = soundfile.read(out, dtype="float32")
    assert rate == tiny_config.codec.sample_rate
    np.testing.assert_allclose(samples, expected.clip(-1, 1), atol=1e-4)
    assert main(["voices", "preview", "ann", "-o", str(out)]) == 1
    assert "exists; use --force" in capsys.readouterr().err
    assert main(["show", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ai_generated"]  # as every file says
    assert main(["voices", "preview", "v2/en_speaker_6", "-o", str(tmp_path / "no.wav")]) == 2
    assert "is a voice of Suno's models" in capsys.readouterr().err
    assert not (tmp_path / "no.wav").exists()


def test_preview_takes_a_model_that_fits(
    home: Path, tiny_model: Path, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a better model installed that cannot speak it, the one that can is taken, unless -m says which."""
    from bark_cli.inspection.preview import preview_voice

    stranger = home / "models" / "large"
    stranger.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (stranger / name).write_bytes((tiny_model / name).read_bytes())
    text = (stranger / "config.json").read_text()
    (stranger / "config.json").write_text(text.replace('"vocab_size": 64,', '"vocab_size": 3,', 1))
    assert [ref.name for ref in describe_voice(str(file)).models] == ["nano"]
    assert preview_voice(file).duration_s == pytest.approx(0.6)
    assert main(["voices", "preview", str(file), "-m", "large", "-o", str(tmp_path / "no.wav")]) != 0
    assert not (tmp_path / "no.wav").exists()
