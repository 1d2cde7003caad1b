"""`bark config`: a table for people, JSON for programs, and one line where something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bark_cli.audio import devices
from bark_cli.audio.devices import AudioDevice
from bark_cli.cli import main
from bark_cli.cli.config.command import setting_names
from bark_cli.settings import SETTINGS, project_target, user_file

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_show_says_where_each_is_from(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (project / "bark.toml").write_text("preset = 'audiobook'\npause = 1\n")
    assert main(["config", "set", "voice", "nano/ben"]) == 0
    monkeypatch.setenv("BARK_METADATA", "off")
    capsys.readouterr()
    assert main(["config", "show"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    rows = {line.split()[0]: line.split()[1:] for line in captured.out.splitlines()}
    assert list(rows) == ["SETTING", *SETTINGS]
    assert rows["voice"] == ["nano/ben", "~/.config/bark_cli/config.toml:1"]
    assert rows["pause"] == ["1.0", "bark.toml:2"]
    assert rows["min_eos_p"] == ["0.05", "preset", "audiobook"]
    assert rows["metadata"] == ["false", "BARK_METADATA"]
    assert rows["seed"] == ["-", "default"]


def test_show_as_json(project: Path, capsys: Capture) -> None:
    (project / "bark.toml").write_text("seed = 7\n")
    assert main(["config", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == list(SETTINGS)
    assert shown["seed"] == {"value": 7, "source": "bark.toml:1"}
    assert shown["voice"] == {"value": None, "source": "default"}


def test_presets(project: Path, capsys: Capture) -> None:
    (project / "bark.toml").write_text("preset = 'wrong'\n[presets.mine]\nmetadata = false\n")
    assert main(["config", "presets"]) == 0  # even where a file names none that there is
    lines = capsys.readouterr().out.splitlines()
    assert "audiobook: narration that keeps its voice over a long text" in lines
    assert lines[lines.index("mine: no description (bark.toml:2)") + 1] == "  metadata = false"
    assert main(["config", "presets", "--json"]) == 0
    listed = {preset["name"]: preset for preset in json.loads(capsys.readouterr().out)}
    assert listed["mine"]["values"] == {"metadata": False}
    assert listed["audiobook"]["values"]["min_eos_p"] == 0.05


def test_set_unset_and_path(project: Path, capsys: Capture) -> None:
    assert main(["config", "path"]) == 0
    assert capsys.readouterr().out.strip() == str(user_file())
    assert main(["config", "set", "min-eos-p", "0.1", "--project"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"bark: min-eos-p is set in {project / 'bark.toml'}\n"
    assert (project / "bark.toml").read_text() == "min_eos_p = 0.1\n"
    assert main(["config", "path", "--project"]) == 0
    assert capsys.readouterr().out.strip() == str(project_target()) == str(project / "bark.toml")
    assert main(["config", "unset", "min_eos_p", "--project"]) == 0
    assert (project / "bark.toml").read_text() == ""


def test_a_bad_file_is_one_line_and_exit_2(project: Path, capsys: Capture) -> None:
    (project / "bark.toml").write_text("temprature = 1\n")
    assert main(["config", "show"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(
        "bark: bark.toml:1: there is no setting 'temprature'; did you mean temperature"
    )
    assert captured.err.count("\n") == 1
    assert main(["config", "path", "--project"]) == 0  # to find out what to correct


def test_a_bad_change_is_exit_2(capsys: Capture) -> None:
    for words in (["set", "paus", "1"], ["set", "pause", "x"], ["unset", "paus"], ["set", "pause"]):
        assert main(["config", *words]) == 2
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "code", "said"),
    [
        ("voice", "nano/bob", 2, "did you mean nano/ben"),
        ("model", "naon", 2, "did you mean nano?"),
        ("model", "./nowhere", 2, "./nowhere is not a folder or a file"),
        ("model", "nano", 0, "model is set"),
        ("model", "small", 0, "fetch it with `bark download small`"),  # it may come to be here
        ("model", "owner/name", 0, "fetch it with `bark download owner/name`"),
        ("audio-device", "no such one", 2, "no output device is called no such one"),
        ("audio_device", "Speakers", 0, "audio_device is set"),
    ],
)
def test_what_a_setting_names_has_to_be_there(
    name: str, value: str, code: int, said: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    speakers = AudioDevice(index=0, name="Speakers", host_api="", sample_rate=48e3, is_default=True)
    monkeypatch.setattr(devices, "list_devices", lambda: [speakers])
    monkeypatch.setattr(devices, "portaudio", lambda **_: None)
    assert main(["config", "set", name, value]) == code
    assert said in capsys.readouterr().err
    assert user_file().exists() == (code == 0)


def test_a_device_that_cannot_be_looked_for_is_set_with_a_word(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["config", "set", "audio_device", "Speakers"]) == 0
    assert "could not be found out: cannot play sound: PortAudio is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["[build]\ntarget = 'x'\n", "temperature = 'hot'\n", "= nothing", "offline = true"]
)
def test_another_programs_file_says_how_to_go_on_without_it(
    text: str, project: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "bark.toml").write_text(text)
    assert main(["say", "Hi.", "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("bark: bark.toml")
    assert said.endswith("; BARK_NO_PROJECT=1 goes on without bark.toml\n")
    monkeypatch.setenv("BARK_NO_PROJECT", "1")
    assert main(["say", "Hi.", "--dry-run"]) == 0
    monkeypatch.setenv("BARK_NO_PROJECT", "0")
    assert main(["say", "Hi.", "--dry-run"]) == 2


def test_what_a_file_names_and_is_not_there_is_told_with_the_file(
    project: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "bark.toml").write_text("seed = 1\nvoice = 'nobody'\n")
    (project / "a.txt").write_text("Hello.")
    for words in (
        ["say", "Hi.", "--dry-run"],
        ["say", "Hi.", "-o", "a.wav"],
        ["batch", "a.txt", "-o", "out"],
    ):
        assert main(words) == 2
        assert "(voice is set in bark.toml:2)" in capsys.readouterr().err
    assert main(["say", "Hi.", "--dry-run", "-v", "somebody"]) == 2
    assert "is set in" not in capsys.readouterr().err
    (project / "bark.toml").unlink()
    monkeypatch.setenv("BARK_MODEL", "nothing")
    assert main(["say", "Hi.", "--dry-run"]) == 1
    assert "(model is set in BARK_MODEL)" in capsys.readouterr().err


def test_names_are_completed() -> None:
    assert setting_names("pa") == ["pause", "paragraph_pause"]


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys\nfrom bark_cli.cli.config.command import show, presets\nshow(as_json=False)\n"
        "presets(as_json=True)\n"
        "heavy = ('torch', 'numpy', 'rich', 'huggingface_hub', 'soundfile')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
