"""What may be a name, and where it leads: never out of its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bark_cli.errors import OptionError
from bark_cli.store import check_name, model_home, models_home
from bark_cli.store.names import stays_inside

# those that huggingface_hub's own tests try (tests/test_local_folder.py), and more of their kind
UNSAFE = [
    "../file.txt",
    "..\\file.txt",
    "folder/../../file.txt",
    "folder\\..\\..\\file.txt",
    "/absolute/file.txt",
    "/file.txt",
    "\\file.txt",
    "C:/file.txt",
    "C:\\file.txt",
    "C:file.txt",
    "//server/share",
    "\\\\server\\share\\file.txt",
    "./file.txt",
    "..",
    ".",
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    "a/b/c",
    "a/..",
    "a/.hidden",
    "-rf",
    "~root",
    "a\0b",
    "a\nb",
    "a\n",
    "a b",
    "a.",
    "CON",
    "nul.txt",
    "owner/aux",
    "com1",
    "x" * 97,
    "\u00e4",
    "\uff0e\uff0e/x",
    "a:b",
    "a*",
    "$HOME",
    "%2e%2e",
]


@pytest.mark.parametrize("name", UNSAFE, ids=repr)
def test_a_name_that_could_lead_out_is_refused(name: str) -> None:
    for check in (check_name, model_home):
        with pytest.raises(OptionError, match="cannot be a name; use A to Z, a to z, digits") as caught:
            check(name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["small", "suno/bark-small", "v2", "My_Model.v1", "console", "x" * 96])
def test_a_plain_name_is_taken_as_it_is(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("path", ["a", "v2/a.npz", "original/x..y", ".a"])
def test_a_path_below_its_folder(path: str) -> None:
    assert stays_inside(path)


@pytest.mark.parametrize(
    "path", ["", "/a", "../a", "a/../b", "a//b", "a/", "./a", "c:a", "a\\b", "a\0", ".."]
)
def test_a_path_that_could_lead_out(path: str) -> None:
    assert not stays_inside(path)


def test_parts() -> None:
    assert check_name("v2/en_speaker_6") == "v2/en_speaker_6"
    assert check_name("a/b/c", parts=3) == "a/b/c"
    with pytest.raises(OptionError):
        check_name("a/b", parts=1)


def test_homes_are_folders_of_their_own() -> None:
    assert model_home("small") == models_home() / "small"
    assert model_home("suno/bark") == models_home() / "suno--bark"


@given(st.text(max_size=20) | st.text("./\\:~- ab", max_size=12))
def test_whatever_is_taken_stays_inside(name: str) -> None:
    try:
        home = model_home(name)
    except OptionError:
        return
    assert home.parent == models_home()
    assert Path(home.name).name == home.name
    assert home.resolve().parent == models_home().resolve()
