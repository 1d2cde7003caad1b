"""Settings: which of five places counts, what a file may say, and that a bad one is told of on one line."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bark_cli.errors import BarkError, OptionError
from bark_cli.settings import (
    SETTINGS,
    Settings,
    Value,
    list_presets,
    project_file,
    resolve,
    set_setting,
    unset_setting,
    user_file,
)
from bark_cli.system.variables import is_on

# two values of every setting, neither the default
VALUES: dict[str, tuple[Value, Value]] = {
    "preset": ("audiobook", "calm"),
    "model": ("small", "nano"),
    "voice": ("v2/en_speaker_6", "none"),
    "device": ("cpu", "cuda"),
    "precision": ("fp32", "int8"),
    "batch_size": (4, 8),
    "offline": (True, True),
    "seed": (0, 2**32 - 1),
    "temperature": (0.0, 1.5),
    "semantic_temperature": (0.5, 10.0),
    "coarse_temperature": (0.001, 0.9),
    "fine_temperature": (0.25, 0.75),
    "liveliness": (0.5, 2.0),
    "top_k": (0, 50),
    "top_p": (0.9, 1.0),
    "min_eos_p": (1.0, 0.05),
    "max_duration": (0.5, 14.0),
    "fine_codebooks": (2, 4),
    "continuity": ("previous", "none"),
    "pause": (0.0, 1.5),
    "paragraph_pause": (0.0, 60.0),
    "speed": (0.25, 4.0),
    "takes": (2, 100),
    "retries": (1, 100),
    "format": ("flac", "opus"),
    "normalize": ("loudness", "peak"),
    "subtitles": ("srt", "vtt"),
    "metadata": (False, False),
    "audio_device": ("USB Audio", "hw:1,0"),
}
PRIVATE = ("batch_size", "offline", "audio_device")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository to work in, without a file of settings."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def literal(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def write_user(text: str) -> Path:
    path = user_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_project(text: str, folder: Path | None = None) -> Path:
    path = (folder or Path.cwd()) / "bark.toml"
    path.write_text(text, encoding="utf-8")
    return path


def error_of(flags: dict[str, object] | None = None) -> str:
    with pytest.raises(OptionError) as caught:
        resolve(flags)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- every setting from every place


def test_every_setting_has_values_to_try() -> None:
    assert list(VALUES) == list(SETTINGS)


def test_the_defaults() -> None:
    resolved = resolve()
    assert resolved.settings == Settings()
    assert set(resolved.sources.values()) == {"default"}
    assert set(resolved.sources) == set(asdict(resolved.settings))


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_comes_from_every_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flag, value = SETTINGS[name].flag, VALUES[name][0]

    def found() -> tuple[object, str]:
        resolved = resolve()
        assert resolved.was_set(name)
        assert not resolved.was_flag(name)
        return getattr(resolved.settings, name), resolved.sources[name]

    write_user(f"# mine\n{name} = {literal(value)}\n")
    assert found() == (value, "~/.config/bark_cli/config.toml:2")
    user_file().unlink()
    if name not in PRIVATE:
        write_project(f"{name} = {literal(value)}\n")
        assert found() == (value, "bark.toml:1")
        Path("bark.toml").unlink()
    monkeypatch.setenv(f"BARK_{name.upper()}", str(value))
    assert found() == (value, f"BARK_{name.upper()}")
    resolved = resolve({name: value})
    assert (getattr(resolved.settings, name), resolved.sources[name]) == (value, flag)
    assert resolved.was_flag(name)


@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_written_is_read(name: str) -> None:
    for value in VALUES[name]:
        path = set_setting(name, str(value))
        assert getattr(resolve().settings, name) == value
    unset_setting(name)
    assert getattr(resolve().settings, name) == SETTINGS[name].default
    assert path.read_text() == ""


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in (*PRIVATE, "metadata")])
def test_the_nearer_place_goes_first(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    low, high = VALUES[name]

    def value() -> object:
        return getattr(resolve().settings, name)

    write_user(f"{name} = {literal(low)}\n")
    write_project(f"{name} = {literal(high)}\n")
    assert value() == high
    write_project("")
    monkeypatch.setenv(SETTINGS[name].variable, str(high))
    assert value() == high  # environment over user
    write_project(f"{name} = {literal(low)}\n")
    assert value() == high  # environment over project
    assert getattr(resolve({name: low}).settings, name) == low  # flag over environment
    monkeypatch.setenv(SETTINGS[name].variable, "")
    assert getattr(resolve({name: high}).settings, name) == high  # flag over files
    assert value() == low  # an empty variable says nothing
    assert getattr(resolve({name: None}).settings, name) == low  # nor does a flag that was not given


# -- presets


def test_the_shipped_presets_are_valid() -> None:
    from bark_cli.model.options import SamplingOptions

    presets = list_presets()
    assert list(presets) == ["audiobook", "calm", "draft", "lively", "music"]
    for preset in presets.values():
        assert preset.description
        assert preset.source == "bark"
        assert not {"voice", "model", "preset", "seed"} & set(preset.values)
        settings = resolve({"preset": preset.name}).settings
        options = SamplingOptions()
        eos = options.min_eos_p if settings.min_eos_p is None else settings.min_eos_p
        semantic = replace(options.semantic, temperature=options.semantic.temperature * settings.liveliness)
        replace(options, min_eos_p=eos, semantic=semantic)  # they check themselves
        assert {name: getattr(settings, name) for name in preset.values} == preset.values
    # as in Suno's long-form notebook
    assert presets["audiobook"].values["min_eos_p"] == 0.05
    assert float(presets["audiobook"].values["liveliness"]) * 0.7 == pytest.approx(0.6, abs=0.01)


def test_the_shipped_presets_are_found_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "site-packages" / "bark_cli" / "settings" / "places.py"
    monkeypatch.setattr("bark_cli.settings.paths.__file__", str(module))
    inside = tmp_path / "site-packages" / "bark_cli" / "presets" / "settings"
    inside.mkdir(parents=True)
    (inside / "only.toml").write_text('description = "one"\npause = 2\n')
    assert {name: preset.values for name, preset in list_presets().items()} == {"only": {"pause": 2.0}}


LOUD = '[presets.loud]\ndescription = "mine"\npause = 3\ntakes = 7\n'


def test_a_preset_lies_just_below_the_place_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    write_user("paragraph_pause = 1\npause = 1\npreset = 'loud'\n" + LOUD)
    resolved = resolve()
    assert (resolved.settings.pause, resolved.sources["pause"]) == (1.0, "~/.config/bark_cli/config.toml:2")
    assert (resolved.settings.takes, resolved.sources["takes"]) == (7, "preset loud")

    write_project("preset = 'loud'\n")
    assert resolve().settings.pause == 3.0  # the project's preset beats what the user has set
    assert resolve().settings.paragraph_pause == 1.0
    write_project("preset = 'loud'\npause = 2\n")
    assert resolve().settings.pause == 2.0  # and not what the project has

    monkeypatch.setenv("BARK_PRESET", "loud")
    assert resolve().settings.pause == 3.0
    monkeypatch.setenv("BARK_PAUSE", "4")
    assert resolve().settings.pause == 4.0

    asked = resolve({"preset": "loud"})
    assert (asked.settings.pause, asked.sources["pause"]) == (3.0, "preset loud")  # beats the environment
    assert asked.sources["preset"] == "--preset"
    assert resolve({"preset": "loud", "pause": 5.0}).settings.pause == 5.0


def test_only_the_nearest_preset_counts() -> None:
    write_user("preset = 'loud'\n" + LOUD)
    assert resolve().settings.takes == 7
    assert resolve({"preset": "audiobook"}).settings.takes == 1
    nothing = resolve({"preset": "none"})
    assert nothing.settings.takes == 1
    assert nothing.settings.preset == "none"


def test_ones_own_preset_hides_a_shipped_one() -> None:
    write_user("[presets.audiobook]\npause = 9\n")
    assert resolve({"preset": "audiobook"}).settings.pause == 9.0
    assert resolve({"preset": "audiobook"}).settings.retries == SETTINGS["retries"].default
    assert list_presets()["audiobook"].source == "~/.config/bark_cli/config.toml:1"
    write_project("[presets.audiobook]\npause = 8\n")
    assert resolve({"preset": "audiobook"}).settings.pause == 8.0


@pytest.mark.parametrize(
    ("flags", "below", "semantic", "liveliness"),
    [
        ({"temperature": 1.0}, "semantic_temperature = 0.2\nliveliness = 2.0", None, 1.0),
        ({"semantic_temperature": 1.0}, "liveliness = 2.0", 1.0, 1.0),
        ({"liveliness": 2.0}, "semantic_temperature = 0.2", 0.2, 2.0),
        ({"temperature": 1.0, "semantic_temperature": 0.3}, "", 0.3, 1.0),
        ({"pause": 1.0}, "temperature = 1.0\nsemantic_temperature = 0.2", 0.2, 1.0),
    ],
)
def test_a_temperature_asked_for_is_not_undone_from_below(
    flags: dict[str, object], below: str, semantic: float | None, liveliness: float
) -> None:
    write_user(below)
    settings = resolve(flags).settings
    assert settings.semantic_temperature == semantic
    assert settings.liveliness == liveliness


# -- where files are looked for


def test_the_users_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert user_file() == Path.home() / ".config" / "bark_cli" / "config.toml"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert user_file() == Path.home() / "Library" / "Application Support" / "bark_cli" / "config.toml"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    assert user_file() == tmp_path / "roaming" / "bark_cli" / "config.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert user_file() == tmp_path / "xdg" / "bark_cli" / "config.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", "~/xdg")
    assert user_file() == Path.home() / "xdg" / "bark_cli" / "config.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", "xdg")  # not to be heeded: it would be another in each folder
    assert user_file() == tmp_path / "roaming" / "bark_cli" / "config.toml"
    monkeypatch.setenv("BARK_CONFIG", "~/mine.toml")
    assert user_file() == Path.home() / "mine.toml"
    assert "BARK_CONFIG names" in error_of()
    set_setting("pause", "2")
    assert resolve().sources["pause"] == "~/mine.toml:1"


def test_the_projects_file_is_looked_for_up_to_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert project_file() is None
    outside = write_project("pause = 1\n", tmp_path)
    assert project_file() == outside
    assert resolve().sources["pause"].endswith("bark.toml:1")
    nearest = write_project("pause = 2\n", tmp_path / "a")
    assert project_file() == nearest
    nearest.unlink()
    (tmp_path / "a" / ".hg").mkdir()
    assert project_file() is None  # the root of the repository ends the search
    nearest.mkdir()
    assert project_file() is None  # a folder is no file


def test_the_projects_file_is_looked_for_up_to_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").rmdir()
    home = tmp_path / "home"
    work = home / "work"
    work.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(work)
    write_project("", tmp_path)
    assert project_file() is None
    at_home = write_project("", home)
    assert project_file() == at_home


def test_outside_of_both_only_the_working_directory_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").rmdir()
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    write_project("", tmp_path)  # as /tmp/bark.toml, which may be anybody's
    assert project_file() is None
    own = write_project("", inner)
    assert project_file() == own


# -- bad files and values


def test_an_unknown_key_is_told_with_its_place_and_the_nearest() -> None:
    write_project("# a project\n\ntemprature = 0.5\n")
    said = "bark.toml:3: there is no setting 'temprature'; did you mean temperature? `bark config show` lists"
    assert error_of().startswith(said)
    write_project("'max-duration' = 3\n")
    assert "bark.toml:1" in error_of()
    assert "did you mean max_duration?" in error_of()
    write_project("xyzzy = 3\n")
    assert "did you mean" not in error_of()


@pytest.mark.parametrize(
    ("text", "on"),
    [("", False), ("0", False), (" No ", False), ("off", False), ("FALSE", False), ("1", True), ("T", True)],
)
def test_a_switch_in_the_environment_is_on_unless_it_says_no(
    text: str, on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("A_SWITCH", raising=False)
    assert not is_on("A_SWITCH")
    monkeypatch.setenv("A_SWITCH", text)
    assert is_on("A_SWITCH") == on


def test_an_unknown_variable_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ("BARK_HOME", "BARK_DEBUG", "BARK_ENCODEC_URL", "BARK_TRAINING_SETTINGS", "BARK_CONFIG")
    assert not {setting.variable for setting in SETTINGS.values()} & set(ours)
    for name in (*ours[:-1], "BARK_TEMPRATURE"):
        monkeypatch.setenv(name, "1")
    assert resolve().settings == Settings()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "temperature = 'hot'",
            "temperature takes a number from 0 to 10, but none below 0.001 except 0, not 'hot'",
        ),
        ("temperature = 10.5", "not 10.5"),
        ("temperature = 0.0005", "not 0.0005"),
        ("temperature = true", "not True"),
        ("temperature = nan", "not nan"),
        ("max_duration = 0", "max_duration takes a number above 0, not 0.0"),
        ("max_duration = inf", "not inf"),
        ("top_p = 0.0", "top_p takes a number above 0 to 1"),
        ("seed = 1.5", "seed takes a whole number from 0 to 4294967295, not 1.5"),
        ("seed = -1", "not -1"),
        ("takes = 0", "takes takes a whole number from 1 to 100, not 0"),
        ("takes = true", "not True"),
        ("metadata = 1", "metadata takes true or false, not 1"),
        ("format = 'wma'", "format takes wav, flac, ogg, opus, mp3 or raw, not 'wma'"),
        ("voice = ''", "voice takes a name or a path, not ''"),
        ('voice = "a\\u001b[31m"', "voice takes a name or a path"),
        ("voice = ['a']", "not ['a']"),
        ("pause = 2020-01-01", "pause takes a number from 0 to 60"),
        ("pause = [" + "1, " * 100 + "]", "..."),
    ],
)
def test_a_wrong_value_is_told_with_its_place(line: str, said: str) -> None:
    write_user(f"\n{line}\n")
    message = error_of()
    assert message.startswith("~/.config/bark_cli/config.toml:2: ")
    assert said in message
    write_user(f"[presets.own]\n{line}\n")
    assert said in error_of()


def test_a_wrong_flag_or_variable_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert error_of({"top_p": 2.0}) == "--top-p takes a number above 0 to 1, not 2.0"
    for text in ("many", "0", "1.5", "9" * 5000):
        monkeypatch.setenv("BARK_TAKES", text)
        assert error_of().startswith("BARK_TAKES takes a whole number from 1 to 100, not ")
    monkeypatch.setenv("BARK_TAKES", " 3 ")
    assert resolve().settings.takes == 3
    for text, value in (("1", True), ("Yes", True), ("off", False), ("FALSE", False)):
        monkeypatch.setenv("BARK_METADATA", text)
        assert resolve().settings.metadata is value
    monkeypatch.setenv("BARK_METADATA", "maybe")
    assert error_of() == "BARK_METADATA takes true or false, not 'maybe'"


@pytest.mark.parametrize(
    "data",
    [
        b"pause = \n",
        b"pause 3",
        b"pause = 1\npause = 2\n",
        b"\xff\xfep\0a\0",
        b"a = " + b"[" * 100_000,
        b"seed = " + b"9" * 10_000,
        b"# " + b"x" * 2**20,
        b"presets = 3\n",
        b"presets.a = 3\n",
        b"[presets.none]\n",
        b"[presets.a]\npreset = 'calm'\n",
        b"[presets.a]\ndescription = 3\n",
        b'[presets."a\\u001b"]\npause = 1\n',
        b"[pause]\na = 1\n",
    ],
    ids=range(14),
)
def test_a_damaged_file_is_one_line_that_names_it(data: bytes) -> None:
    write_project("").write_bytes(data)
    message = error_of()
    assert message.startswith(("bark.toml", "cannot read settings from bark.toml"))
    assert len(message) < 300
    assert message.isprintable()


def test_a_file_from_an_editor_of_windows() -> None:
    write_project("").write_bytes("\ufeffpause = 2\r\nvoice = 'nano/ben'\r\n".encode())
    assert resolve().settings.pause == 2.0
    set_setting("pause", "3", project=True)
    set_setting("voice", "none", project=True)
    assert (resolve().settings.pause, resolve().settings.voice) == (3.0, "none")


def test_a_preset_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "there is no preset 'audobook'; did you mean audiobook? `bark config presets` lists them"
    assert error_of({"preset": "audobook"}) == f"--preset: {said}"
    monkeypatch.setenv("BARK_PRESET", "audobook")
    assert error_of() == f"BARK_PRESET: {said}"
    monkeypatch.delenv("BARK_PRESET")
    write_project("\npreset = 'audobook'\n")
    assert error_of() == f"bark.toml:2: {said}"
    assert "audiobook" in list_presets()  # what the message names works
    write_user("preset = '../../etc/passwd'\n")
    write_project("")
    assert "there is no preset" in error_of()


# -- a project may be somebody else's


@pytest.mark.parametrize("name", PRIVATE)
def test_a_project_does_not_decide_over_the_machine(name: str) -> None:
    for text in (f"{name} = {literal(VALUES[name][0])}\n",):
        write_project(text)
        assert error_of().startswith(f"bark.toml:1: {name} is not for a project to decide")
        write_project(f"[presets.own]\n{text}")
        assert error_of().startswith(f"bark.toml:2: {name} is not for a project to decide")


@pytest.mark.parametrize(
    "name", ["output", "token", "endpoint", "hf_token", "home", "config", "command", "force"]
)
def test_no_setting_writes_or_connects(name: str) -> None:
    assert name not in SETTINGS
    write_project(f"{name} = 'https://example.org'\n")
    assert "there is no setting" in error_of()


@pytest.mark.parametrize("name", ["voice", "model"])
@pytest.mark.parametrize(
    "value",
    [
        "/etc/me.npz",
        "../me.npz",
        "a/../../me.npz",
        "~/me.npz",
        "C:\\me.npz",
        "C:me.npz",
        "..\\me.npz",
        "\\\\host\\share\\me.npz",
        "//host/share/me.npz",
        "~root/me.npz",
    ],
)
def test_a_project_leads_nobody_out_of_its_folder(name: str, value: str) -> None:
    write_project(f"{name} = '{value}'\n")
    assert error_of().startswith(f"bark.toml:1: {name} leads out of the project's folder")
    write_project(f"[presets.own]\n{name} = '{value}'\n")
    assert error_of().startswith(f"bark.toml:2: {name} leads out of the project's folder")


def test_paths_of_a_project_are_seen_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "nano").mkdir()
    monkeypatch.chdir(tmp_path / "models")
    text = "voice = 'voices/me.npz'\nmodel = 'models/mine'\n[presets.dotted]\nmodel = './nano'\n"
    write_project(text, tmp_path)
    settings = resolve().settings
    assert settings.voice == str(tmp_path / "voices" / "me.npz")
    assert settings.model == str(tmp_path / "models" / "mine")
    assert resolve({"preset": "dotted"}).settings.model == str(tmp_path / "nano")
    write_project("voice = 'v2/en_speaker_6'\nmodel = 'nano'\n", tmp_path)
    assert (resolve().settings.voice, resolve().settings.model) == ("v2/en_speaker_6", "nano")


def test_paths_of_ones_own() -> None:
    write_user("voice = '~/me.npz'\nmodel = '/models/mine'\n")
    assert resolve().settings.voice == str(Path.home() / "me.npz")
    assert resolve().settings.model == str(Path("/models/mine").absolute())
    assert resolve({"voice": "me.npz"}).settings.voice == "me.npz"  # as it was typed


# -- changing a file


FILE = """# mine
voice = "a#b"  # a comment
pause = 1

# my own
[presets.own]
voice = "c"
"""


@pytest.mark.parametrize(
    ("name", "value", "after"),
    [
        ("voice", "d\\1", FILE.replace('"a#b"', '"d\\\\1"')),
        ("pause", "2.5", FILE.replace("pause = 1", "pause = 2.5")),
        ("takes", "3", FILE.replace("pause = 1\n", "pause = 1\ntakes = 3\n")),
        ("metadata", "no", FILE.replace("pause = 1\n", "pause = 1\nmetadata = false\n")),
        ("voice", None, FILE.replace('voice = "a#b"  # a comment\n', "")),
        ("takes", None, FILE),
    ],
)
def test_a_change_leaves_the_rest(name: str, value: str | None, after: str) -> None:
    path = write_user(FILE)
    assert (unset_setting(name) if value is None else set_setting(name, value)) == path
    assert path.read_text() == after


def test_a_change_of_a_file_with_tables_alone() -> None:
    path = write_user("[presets.own]\npause = 1\n")
    set_setting("min-eos-p", "0.05")  # as the flag is spelled
    assert path.read_text() == "min_eos_p = 0.05\n\n[presets.own]\npause = 1\n"


@pytest.mark.parametrize("text", ['"pa\\u0075se" = 1\n', 'voice = """\npause = 1\n"""\n'])
def test_a_file_that_cannot_be_changed_is_left(text: str) -> None:
    path = write_user(text)
    with pytest.raises(OptionError, match="edit it there"):
        set_setting("pause", "2")
    assert path.read_text() == text


def test_a_wrong_change_is_refused(project: Path) -> None:
    for name, value, said in (
        ("paus", "1", "did you mean pause"),
        ("pause", "long", "pause takes a number"),
        ("preset", "audobook", "did you mean audiobook"),
    ):
        with pytest.raises(OptionError, match=said):
            set_setting(name, value)
    assert not user_file().exists()
    with pytest.raises(OptionError, match="not for a project"):
        set_setting("offline", "yes", project=True)
    with pytest.raises(OptionError, match="leads out"):
        set_setting("voice", "../me.npz", project=True)
    assert not (project / "bark.toml").exists()
    user_file().parent.parent.mkdir(exist_ok=True)
    user_file().parent.write_text("in the way")
    with pytest.raises(BarkError, match="cannot make"):
        set_setting("pause", "1")


def test_a_path_that_is_typed_is_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner" / "model").mkdir(parents=True)
    write_project("", tmp_path)
    monkeypatch.chdir(tmp_path / "inner")
    set_setting("voice", "me.npz")
    assert resolve().settings.voice == str(tmp_path / "inner" / "me.npz")
    set_setting("voice", "me.npz", project=True)
    set_setting("model", "./model", project=True)
    assert (tmp_path / "bark.toml").read_text() == 'voice = "inner/me.npz"\nmodel = "./inner/model"\n'
    assert resolve().settings.model == str(tmp_path / "inner" / "model")


# -- the cost, and agreement with what the settings are for


def test_it_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom bark_cli.settings import resolve\nresolve({'preset': 'audiobook'})\n"
        "print([n for n in ('torch', 'numpy', 'rich', 'typer', 'huggingface_hub') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_choices_are_those_of_the_rooms_below() -> None:
    from bark_cli.audio import FORMAT_NAMES
    from bark_cli.backends.device import DEVICES, PRECISIONS

    assert SETTINGS["format"].choices == FORMAT_NAMES
    assert SETTINGS["device"].choices == DEVICES
    assert SETTINGS["precision"].choices == PRECISIONS


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        (f"presets{'.a' * 60_000} = 1", "characters in line 1"),
        (f"presets{'.a' * 201} = 1", "200 dots in line 1"),
        (f"a = {'[' * 20}{']' * 20}", "8 tables within each other"),
        ("x = [\n" + "{a.b.c.d.e.f.g.h.i = [\n" * 10 + "]}\n" * 10 + "]", "8 tables within each other"),
        ("".join(f"[presets.p{i}]\n" for i in range(30_000)), "256 KiB"),
        (f"seed = 0x{'f' * 4000}", "not a number so large"),
    ],
)
def test_a_file_of_settings_is_bounded_whatever_is_in_it(
    text: str, bound: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bark.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    began = time.process_time()
    with pytest.raises(OptionError, match=bound):
        resolve()
    assert time.process_time() - began < 5  # 40 kB of dots took minutes
