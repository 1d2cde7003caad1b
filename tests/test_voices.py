"""Voices by name: what is listed, what is found, and what is offered instead."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_voice, write_voice

from bark_cli.errors import VoiceError
from bark_cli.model.config import BarkConfig
from bark_cli.model.published import VOICE_NAMES, config_in, speaks_suno_voices
from bark_cli.store import nano_folder
from bark_cli.voices import catalogue
from bark_cli.voices.catalogue import find_voice, lacks_suno_voices, list_voices, locate_voice


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BARK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(catalogue, "_shipped_home", lambda: tmp_path / "presets")
    return tmp_path / "presets"


def test_the_models_own_voice_by_its_full_and_its_short_name(
    tiny_model: Path, tiny_config: BarkConfig
) -> None:
    expected = tiny_voice(tiny_config)
    for name in ("tiny/ann", "ann"):
        voice = find_voice(name, model_folder=tiny_model, config=tiny_config)
        assert voice.name == "tiny/ann"
        np.testing.assert_array_equal(voice.tokens.semantic, expected.semantic)
        np.testing.assert_array_equal(voice.tokens.coarse, expected.coarse)
        np.testing.assert_array_equal(voice.tokens.fine, expected.fine)


def test_lists_model_presets_and_own_in_that_order(
    tiny_model: Path, tiny_config: BarkConfig, home: Path, presets: Path
) -> None:
    for path in (presets / "v2" / "en_speaker_6.npz", presets / "announcer.npz", home / "voices" / "me.npz"):
        write_voice(path, tiny_voice(tiny_config))
    found = [(info.name, info.source, info.language) for info in list_voices(tiny_model)]
    assert found == [
        ("tiny/ann", "model", None),
        ("announcer", "shipped", None),
        ("v2/en_speaker_6", "shipped", "en"),
        ("me", "yours", None),
    ]


def test_the_first_of_a_name_counts(tiny_config: BarkConfig, home: Path, presets: Path) -> None:
    write_voice(presets / "me.npz", tiny_voice(tiny_config, seed=1))
    write_voice(home / "voices" / "me.npz", tiny_voice(tiny_config, seed=2))
    assert [info.source for info in list_voices()] == ["shipped"]
    voice = find_voice("me", model_folder=None, config=tiny_config)
    np.testing.assert_array_equal(voice.tokens.fine, tiny_voice(tiny_config, seed=1).fine)


def test_lengths_are_in_seconds_at_the_models_rate(tiny_model: Path, tmp_path: Path) -> None:
    (info,) = [info for info in list_voices(tiny_model) if info.source == "model"]
    assert info.duration_s == pytest.approx(45 / 75)
    slow = tmp_path / "slow"
    shutil.copytree(tiny_model, slow)
    config = (slow / "config.json").read_text()
    assert '"rate_hz": 75.0' in config
    (slow / "config.json").write_text(config.replace('"rate_hz": 75.0', '"rate_hz": 25.0'))
    (info,) = [info for info in list_voices(slow) if info.source == "model"]
    assert (info.name, info.duration_s) == ("slow/ann", pytest.approx(45 / 25))


def test_the_users_own_are_counted_at_the_rate_of_the_model_that_lists(
    tiny_model: Path, tiny_config: BarkConfig, tmp_path: Path, home: Path, presets: Path
) -> None:
    write_voice(home / "voices" / "me.npz", tiny_voice(tiny_config))

    def length(model: Path | None) -> float | None:
        (info,) = [info for info in list_voices(model) if info.source == "yours"]
        return info.duration_s

    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder, file, config in (
        (ours, "config.json", '{"coarse": {"rate_hz": 50.0}}'),
        (theirs, "generation_config.json", '{"coarse_acoustics_config": {"coarse_rate_hz": 25}}'),
    ):
        folder.mkdir()
        (folder / file).write_text(config)
    assert length(ours) == pytest.approx(45 / 50)
    assert length(theirs) == pytest.approx(45 / 25)
    assert length(tmp_path) == pytest.approx(45 / 75)  # a folder of Suno's files says nothing of rates
    assert length(None) is None
    (ours / "config.json").write_text('{"coarse": {"rate_hz": 0}}')
    assert length(ours) == pytest.approx(45 / 75)


def test_sunos_and_transformers_folders(
    tiny_config: BarkConfig, tmp_path: Path, presets: Path, home: Path
) -> None:
    voice = tiny_voice(tiny_config)
    write_voice(tmp_path / "suno" / "assets" / "prompts" / "v2" / "fr_speaker_1.npz", voice)
    folder = tmp_path / "hf" / "speaker_embeddings" / "v2"
    folder.mkdir(parents=True)
    for key, array in (("semantic", voice.semantic), ("coarse", voice.coarse), ("fine", voice.fine)):
        np.save(folder / f"fr_speaker_1_{key}_prompt.npy", array.astype(np.int32))
    for model in ("suno", "hf"):
        (info,) = list_voices(tmp_path / model)
        assert (info.name, info.language, info.duration_s) == ("v2/fr_speaker_1", "fr", pytest.approx(0.6))
        found = find_voice("v2/fr_speaker_1", model_folder=tmp_path / model, config=tiny_config)
        np.testing.assert_array_equal(found.tokens.fine, voice.fine)
        assert found.tokens.fine.dtype == np.int64
    (folder / "fr_speaker_1_fine_prompt.npy").unlink()
    with pytest.raises(VoiceError, match="cannot read voice"):
        find_voice("v2/fr_speaker_1", model_folder=tmp_path / "hf", config=tiny_config)


def test_a_file_by_its_path(tiny_config: BarkConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_voice(tmp_path / "me.npz", tiny_voice(tiny_config))
    monkeypatch.chdir(tmp_path)
    for path in ("me.npz", tmp_path / "me.npz", str(tmp_path / "me.npz")):
        assert find_voice(path, model_folder=None, config=tiny_config).name == "me"


def test_a_damaged_file_does_not_hide_the_others(
    tiny_model: Path, tiny_config: BarkConfig, home: Path, presets: Path
) -> None:
    write_voice(home / "voices" / "good.npz", tiny_voice(tiny_config))
    (home / "voices" / "bad.npz").write_bytes(b"not a zip")
    assert [(info.name, info.duration_s) for info in list_voices(tiny_model)] == [
        ("tiny/ann", pytest.approx(0.6)),
        ("bad", None),
        ("good", pytest.approx(0.6)),
    ]


def test_names_that_cannot_be_typed_are_not_listed(
    tiny_config: BarkConfig, home: Path, presets: Path
) -> None:
    for name in (".hidden", "._mac", "a\nb", "ok"):
        write_voice(home / "voices" / f"{name}.npz", tiny_voice(tiny_config))
    assert [info.name for info in list_voices()] == ["ok"]


def test_an_unknown_voice_offers_the_nearest(tiny_config: BarkConfig, presets: Path, home: Path) -> None:
    for number in range(3):
        write_voice(presets / "v2" / f"en_speaker_{number}.npz", tiny_voice(tiny_config))
    with pytest.raises(VoiceError, match=r"did you mean v2/en_speaker_\d or") as error:
        locate_voice("v2/en_speakr_1")
    assert "v2/en_speaker_1" in str(error.value)
    with pytest.raises(VoiceError, match=r"`bark voices ls` shows all"):
        locate_voice("zzz")


def test_sunos_names_are_all_known() -> None:
    assert len(set(VOICE_NAMES)) == 261
    assert {"announcer", "en_speaker_0", "v2/zh_speaker_9"} <= set(VOICE_NAMES)


@pytest.mark.parametrize("name", ["v2/en_speaker_6", "de_speaker_0", "announcer"])
def test_one_of_sunos_voices_that_is_not_here_says_how_to_fetch_it(
    tiny_config: BarkConfig, presets: Path, home: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(VoiceError, match="is not on this machine; fetch them all") as error:
        locate_voice(name, tmp_path)  # an empty folder says nothing, and so is Suno's
    assert "`bark download --voices`" in str(error.value)
    write_voice(home / "suno-voices" / f"{name}.npz", tiny_voice(tiny_config))
    assert locate_voice(name, tmp_path).source == locate_voice(name).source == "suno"


def test_sunos_voices_are_for_models_of_their_vocabulary(
    tiny_model: Path, tiny_config: BarkConfig, presets: Path, home: Path, tmp_path: Path
) -> None:
    assert lacks_suno_voices(tmp_path)
    write_voice(home / "suno-voices" / "v2" / "en_speaker_6.npz", tiny_voice(tiny_config))
    assert [info.name for info in list_voices(tmp_path)] == ["v2/en_speaker_6"]
    assert [info.source for info in list_voices(tiny_model)] == ["model"]
    assert not lacks_suno_voices(tmp_path)
    assert not lacks_suno_voices(tiny_model)
    with pytest.raises(VoiceError, match="a voice of Suno's models and tiny has another vocabulary; use -m"):
        find_voice("v2/en_speaker_6", model_folder=tiny_model, config=tiny_config)
    write_voice(home / "voices" / "v2" / "en_speaker_6.npz", tiny_voice(tiny_config))
    assert locate_voice("v2/en_speaker_6", tiny_model).source == "yours"


@pytest.mark.parametrize(
    ("file", "text", "fits"),
    [
        ("config.json", '{"model_type": "bark"}', True),
        ("config.json", "[" * 100_000, True),
        ("config.json", '{"semantic": 1}', True),
        ("generation_config.json", '{"coarse_acoustics_config": {"coarse_rate_hz": 75}}', True),
        ("generation_config.json", '{"semantic_config": {"semantic_vocab_size": 64}}', False),
        ("generation_config.json", '{"coarse_acoustics_config": {"coarse_rate_hz": 50}}', False),
        ("generation_config.json", '{"codebook_size": 32}', False),
        ("generation_config.json", '{"semantic_config": {"semantic_rate_hz": 0}}', False),
    ],
)
def test_a_vocabulary_is_told_by_the_small_files(tmp_path: Path, file: str, text: str, fits: bool) -> None:
    (tmp_path / file).write_text(text)
    assert speaks_suno_voices(config_in(tmp_path)) is fits


def test_voices_of_nano_are_offered_to_its_like_alone(tiny_model: Path, tmp_path: Path, home: Path) -> None:
    def offered(folder: Path | None) -> set[str]:
        return {info.name for info in list_voices(folder) if info.source == "shipped"}

    finetuned = tmp_path / "finetuned"
    shutil.copytree(nano_folder(), finetuned)
    assert "nano/ben" in offered(None) & offered(nano_folder()) & offered(finetuned)
    (tmp_path / "sunos").mkdir()
    for other in (tiny_model, tmp_path / "sunos"):
        assert not [name for name in offered(other) if name.startswith("nano/")]
        with pytest.raises(VoiceError, match=r"nano/ben is a voice of nano's and .* has another vocabulary"):
            locate_voice("nano/ben", other)


def test_a_native_folder_says_its_own(tiny_model: Path, tiny_config: BarkConfig) -> None:
    assert config_in(tiny_model) == tiny_config


def test_without_any_voice_it_says_where_they_go(presets: Path, home: Path) -> None:
    with pytest.raises(VoiceError, match=r"none is installed; save a voice file with `bark voices save`"):
        locate_voice("anna")


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "v2/../../outside",
        "..",
        ".",
        "",
        "/etc/passwd",
        "\\\\host\\share\\outside",
        "C:\\outside",
        "C:outside",
        "..\\outside",
        "outside\0",
        "./ok",
        "ok/",
    ],
)
def test_no_name_leads_out_of_the_voice_folders(
    tiny_config: BarkConfig, home: Path, presets: Path, name: str
) -> None:
    write_voice(home / "outside.npz", tiny_voice(tiny_config))
    write_voice(home / "voices" / "ok.npz", tiny_voice(tiny_config))
    with pytest.raises(VoiceError, match="no voice"):
        locate_voice(name)


@pytest.mark.parametrize("name", ["gone.npz", "a\0b.npz", "n" * 5000 + ".npz", "folder.npz"])
def test_a_path_that_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "folder.npz").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VoiceError, match="no voice file"):
        locate_voice(name)


def test_presets_of_a_checkout_lie_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "bark_cli"
    package.mkdir(parents=True)
    monkeypatch.setattr(catalogue, "__file__", str(package / "voices" / "catalogue.py"))
    assert catalogue._shipped_home() == package / "presets"  # installed: never a stranger's folder beside it
    (package.parent / "pyproject.toml").touch()
    assert catalogue._shipped_home() == package.parent / "presets"
    (package / "presets").mkdir()
    assert catalogue._shipped_home() == package / "presets"
