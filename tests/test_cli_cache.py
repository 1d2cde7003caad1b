"""`bark cache`, end to end: tables for people, JSON for programs, questions before anything is lost."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from local_hub import LocalHub
from test_cache import FILES, REVISION, converted, everything, fill, flipped, installed, interrupted, nano
from test_cli_start import complete
from test_imports import RUN, loaded
from test_lock import held_elsewhere

from bark_cli import store
from bark_cli.cache import bytes_of
from bark_cli.cli import main
from bark_cli.store import bark_home, model_home, read_manifest, write_manifest
from bark_cli.store.manifest import record_file
from bark_cli.store.places import compiled_home
from bark_cli.system.units import human_bytes

__all__ = ["nano"]  # a fixture


class Terminal(io.StringIO):
    """A stream that a human sits at."""

    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> Terminal:
    """Stand in for a human who types `answer`; returns what they see on stderr."""
    seen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    monkeypatch.setattr(sys, "stderr", seen)
    return seen


# ls and path


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    made = converted(installed("suno/bark-small"))
    size = human_bytes(bytes_of(model_home("suno/bark-small"), made))
    fill(store.models_home() / "mine")
    (installed("small") / "config.json").unlink()
    interrupted()
    assert main(["cache", "ls"]) == 0
    captured = capsys.readouterr()
    assert [re.sub(r" +", " ", line) for line in captured.out.splitlines()] == [
        "NAME SIZE STATE LAYOUT PLACE",
        "small 101 kB damaged - downloaded",
        "nano 100 kB complete native bundled",
        "mine 100 kB complete native yours",
        f"suno/bark-small {size} complete native downloaded",
    ]
    first, second = captured.err.splitlines()
    assert first == "bark: small: config.json is missing"
    home = re.escape(str(bark_home()))
    assert re.fullmatch(rf"bark: 40\d kB in {home}, [\d.]+ .B free; `bark cache prune` frees 500 B", second)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    folder = installed()
    made = converted(folder)
    assert main(["cache", "ls", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    result = json.loads(captured.out)
    total = sum(path.stat().st_size for path in everything())
    made_bytes = sum(path.stat().st_size for path in made.iterdir())
    assert (result["path"], result["bytes"]) == (str(bark_home()), total)
    assert result["free_bytes"] > 0
    assert result["models"][0] == {
        "name": "small",
        "place": "bark",
        "path": str(folder),
        "layout": "native",
        "revision": REVISION,
        "bytes": total,
        "converted_bytes": made_bytes,
        "complete": True,
        "damage": None,
    }
    assert [model["name"] for model in result["models"]] == ["small", "nano"]


def test_paths(capsys: pytest.CaptureFixture[str]) -> None:
    folder = installed()
    for arguments, expected in ([], bark_home()), (["small"], folder):
        assert main(["cache", "path", *arguments]) == 0
        assert capsys.readouterr().out == f"{expected}\n"
    assert main(["cache", "path", "large"]) == 1
    assert "fetch it with `bark download large`" in capsys.readouterr().err


# verify


@pytest.mark.parametrize("name", FILES)
def test_verify_names_what_is_damaged_until_it_is_mended(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = installed() / name
    content = path.read_bytes()
    damaged = [flipped(content), content[:-1], b"", b"<!doctype html><h1>502 Bad Gateway</h1>", None]
    for each in damaged:
        if each is None:
            path.unlink()
        else:
            path.write_bytes(each)
        for arguments in ([], ["small"]):
            assert main(["cache", "verify", *arguments]) == 1
            captured = capsys.readouterr()
            assert re.search(r"^small +damaged +", captured.out, re.MULTILINE)
            where, what = captured.err.splitlines()
            assert where.startswith(f"bark: small: {path} ")
            assert what.startswith(f"bark: small is damaged ({name} ")
            assert what.endswith("; fetch it again with `bark download small`")
    path.write_bytes(content)
    assert main(["cache", "verify", "small"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1].split() == ["small", "whole", "101", "kB", "downloaded"]
    assert captured.err == ""


def test_verify_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    path = installed() / "tokenizer.json"
    path.write_bytes(b"[]")
    assert main(["cache", "verify", "--json"]) == 1
    small, bundled = json.loads(capsys.readouterr().out)
    assert (small["name"], small["state"]) == ("small", "damaged")
    assert small["damages"] == [{"path": str(path), "what": "has changed (its sha256 is another)"}]
    assert small["cure"] == "fetch it again with `bark download small`"
    assert (bundled["name"], bundled["state"], bundled["damages"]) == ("nano", "unknown", [])


def test_verify_says_what_it_cannot_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "verify", "nano"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1].split()[:2] == ["nano", "unknown"]
    assert "only what `bark download` has fetched can be checked" in captured.err
    assert main(["cache", "verify", "large"]) == 1
    assert "there is no model 'large' here (nano); see `bark cache ls`" in capsys.readouterr().err


def test_verify_shows_how_far_it_is_where_a_human_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    installed()
    seen = at_a_terminal(monkeypatch, "")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    assert main(["cache", "verify", "small"]) == 0
    assert "checking" in seen.getvalue()


# rm


def test_rm_asks_and_takes_no_for_an_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed()
    fill(store.models_home() / "mine")
    before = everything()
    for answer in ("", "n", "nope"):
        seen = at_a_terminal(monkeypatch, answer)
        assert main(["cache", "rm", "small", "mine"]) == 0
        assert seen.getvalue().splitlines() == [
            "Remove small (101 kB), mine (100 kB, files of your own that cannot be downloaded again)? [y/N] "
            "bark: nothing was removed"
        ]
    assert everything() == before
    at_a_terminal(monkeypatch, "yes")
    assert main(["cache", "rm", "small", "mine"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "removed small (101 kB)"
    assert everything() == []


def test_rm_without_a_human_needs_y(capsys: pytest.CaptureFixture[str]) -> None:
    installed()
    assert main(["cache", "rm", "small"]) == 2
    assert capsys.readouterr().err.rstrip().endswith("add -y to agree")
    assert model_home("small").exists()
    assert main(["cache", "rm", "-y", "small"]) == 0
    assert everything() == []
    assert main(["cache", "rm", "-y", "small"]) == 1
    assert "there is no model 'small' here" in capsys.readouterr().err


def test_rm_dry_run_says_all_and_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    made = converted(installed())
    download = interrupted()
    before = everything()
    assert main(["cache", "rm", "small", "--dry-run"]) == 0
    first, *paths = capsys.readouterr().out.splitlines()
    assert first == f"would remove small ({human_bytes(bytes_of(*before))})"
    assert sorted(path.strip() for path in paths) == sorted(map(str, [model_home("small"), made, download]))
    assert main(["cache", "rm", "small", "--dry-run", "--json"]) == 0
    [record] = json.loads(capsys.readouterr().out)
    assert (record["name"], record["removed"]) == ("small", False)
    assert record["bytes"] == sum(path.stat().st_size for path in before)
    assert everything() == before


def test_rm_of_several_is_all_or_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    installed()
    before = everything()
    for other, code in ("nano", 1), ("unknown", 1), ("../small", 2), ("/etc", 2):
        assert main(["cache", "rm", "-y", "small", other]) == code
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
    assert everything() == before
    assert main(["cache", "rm", "-y", "small", "small", "--json"]) == 0
    assert [record["removed"] for record in json.loads(capsys.readouterr().out)] == [True]


def test_rm_of_what_is_being_installed(capsys: pytest.CaptureFixture[str]) -> None:
    installed()
    with held_elsewhere("small"):
        assert main(["cache", "rm", "-y", "small"]) == 1
    assert "small is in use by another process" in capsys.readouterr().err
    assert model_home("small").exists()


# prune


def test_prune_shows_asks_and_frees(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = installed(original=True)
    download = interrupted()
    for arguments, code, last in (["--dry-run"], 0, ["would remove 1.30 kB"]), ([], 2, []):
        assert main(["cache", "prune", *arguments]) == code
        captured = capsys.readouterr()
        assert [re.sub(r" +", " ", line) for line in captured.out.splitlines()] == [
            "SIZE WHAT PATH",
            f"500 B an interrupted download {download}",
            f"800 B an original that is not used {folder / 'original'}",
            *last,
        ]
    assert "Remove these 1.30 kB? There is no terminal to ask at; add -y to agree" in captured.err
    at_a_terminal(monkeypatch, "n")
    assert main(["cache", "prune"]) == 0
    assert download.exists()
    seen = at_a_terminal(monkeypatch, "y")
    capsys.readouterr()
    assert main(["cache", "prune"]) == 0
    assert "Remove these 1.30 kB? [y/N] " in seen.getvalue()
    assert capsys.readouterr().out.splitlines()[-1] == "removed 1.30 kB"
    assert not download.exists()
    assert main(["cache", "prune", "-y"]) == 0
    assert seen.getvalue().endswith("bark: nothing to remove\n")
    assert main(["cache", "verify", "small"]) == 0


def test_prune_leaves_what_is_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    download = interrupted()
    other = interrupted("large")
    with held_elsewhere("small"):
        assert main(["cache", "prune", "-y"]) == 0
        captured = capsys.readouterr()
        assert re.search(rf"500 B +in use by another process +{re.escape(str(download))}", captured.out)
        assert captured.out.endswith("removed 500 B\n")
    assert download.exists()
    assert not other.exists()
    assert main(["cache", "prune", "-y", "--json"]) == 0
    [record] = json.loads(capsys.readouterr().out)
    assert record == {
        "path": str(download),
        "what": "an interrupted download",
        "bytes": 500,
        "in_use": False,
        "removed": True,
    }


def test_what_openvino_compiled_is_listed_and_goes_only_if_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compiled = compiled_home() / "123.blob"
    compiled.parent.mkdir(parents=True)
    compiled.write_bytes(bytes(300))
    assert main(["cache", "ls"]) == 0
    assert "300 B compiled by OpenVINO; `bark cache prune --compiled` removes them" in capsys.readouterr().err
    assert main(["cache", "ls", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["compiled_bytes"] == 300
    assert main(["cache", "prune", "-y"]) == 0
    assert compiled.exists()
    assert main(["cache", "prune", "--compiled", "--dry-run"]) == 0
    assert "would remove 300 B" in capsys.readouterr().out
    assert compiled.exists()
    assert main(["cache", "prune", "--compiled", "-y"]) == 0
    assert "removed 300 B" in capsys.readouterr().out
    assert not compiled.parent.exists()


# all of it


def test_what_verify_finds_the_next_download_heals(
    local_hub: LocalHub, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands that a user types, one after the other, for every kind of damage."""
    names = ("config.json", "model.safetensors", "tokenizer.json")
    local_hub.add("me/tiny", {name: (tiny_model / name).read_bytes() for name in names})
    assert main(["download", "me/tiny", "-q"]) == 0
    assert main(["cache", "verify", "me/tiny"]) == 0
    for damage in (flipped, lambda content: content[:-1], lambda _: b"", lambda _: b"<!doctype html>"):
        weights = store.resolve_model("me/tiny").folder / "model.safetensors"
        weights.write_bytes(damage(weights.read_bytes()))
        capsys.readouterr()
        assert main(["cache", "verify", "me/tiny"]) == 1
        captured = capsys.readouterr()
        assert captured.err.splitlines()[0].startswith(f"bark: me/tiny: {weights} ")
        assert captured.err.endswith("; fetch it again with `bark download me/tiny`\n")
        assert main(["download", "me/tiny", "-q"]) == 0
        assert main(["cache", "verify", "me/tiny"]) == 0
        assert main(["cache", "prune", "--dry-run"]) == 0
        assert "nothing to remove" in capsys.readouterr().err
    assert main(["cache", "rm", "me/tiny", "-y"]) == 0
    assert everything() == []


@pytest.mark.parametrize(
    "words", [["ls"], ["ls", "--json"], ["path"], ["verify"], ["rm", "-y", "small"], ["prune", "-y"]]
)
def test_no_command_imports_torch_or_meets_the_network(words: list[str]) -> None:
    installed(original=True)
    interrupted()
    without_sockets = "import socket\nsocket.socket.connect = None\nsocket.getaddrinfo = None\n"
    names = loaded(without_sockets + RUN + "\nprint()", "cache", *words)
    assert not names & {"torch", "numpy", "rich", "huggingface_hub", "httpx", "transformers", "safetensors"}


def test_the_shell_completes_names() -> None:
    installed()
    (installed("large") / "config.json").unlink()
    assert complete("bark cache rm s") == ["small"]
    assert complete("bark cache verify l") == ["large"]
    assert complete("bark cache path l") == []  # it is damaged
    assert complete("bark cache pr") == ["prune"]


def test_a_model_speaks_from_a_cache_that_cannot_be_written(tiny_model: Path, tmp_path: Path) -> None:
    """As another user's: no lock, no conversion, and the same sound."""
    folder = installed()
    shutil.rmtree(folder)
    shutil.copytree(tiny_model, folder)
    manifest = read_manifest(model_home("small"))
    assert manifest is not None
    files = tuple(record_file(folder, file.path) for file in manifest.files)
    write_manifest(model_home("small"), type(manifest)(**{**vars(manifest), "files": files}))
    for name in ("locks", "converted"):
        (bark_home() / name).touch()  # not even root can make a folder in a file
    out = tmp_path / "out.wav"
    say = ["say", "-m", "small", "hello", "-o", str(out), "--seed", "1", "--precision", "int8"]
    done = subprocess.run(
        [sys.executable, "-m", "bark_cli", *say],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "the converted model was not kept" in done.stderr
    assert out.stat().st_size > 44
    for words in (["ls"], ["verify", "small"], ["path", "small"]):
        assert main(["cache", *words]) == 0


@pytest.mark.parametrize("group", ["cache", "voices", "config"])
def test_completion_is_offered_by_the_whole_program_alone(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--help"]) == 0
    assert "--install-completion" in capsys.readouterr().out
    assert main([group, "--help"]) == 0
    assert "completion" not in capsys.readouterr().out
