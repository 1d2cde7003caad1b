"""Bark's own files in somebody else's folder: no link, pipe or device there is written to, or read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bark_cli.batch.ledger import LEDGER_FILE, LOCK_FILE, Entry, Ledger, hold
from bark_cli.errors import OptionError, OutputError
from bark_cli.settings import resolve, set_setting
from bark_cli.system.files import check_target, write_whole
from bark_cli.system.folders import check_new_folder
from bark_cli.system.ours import check_ours, open_ours, read_ours

ENTRY = Entry(output="a.wav", key="k", source="s", seconds=1.0, seed=1, size=1, mtime_ns=1, sha256="0")


def plant(kind: str, path: Path) -> Path:
    """Put something at `path` that is no file of ours; returns what must stay as it is."""
    victim = path.parent.parent / "victim"
    if kind == "link":
        victim.write_text("mine")
        path.symlink_to("../victim")
    elif kind == "dangling":
        path.symlink_to("../victim")
    elif kind == "hard link":
        victim.write_text("mine")
        path.hardlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/full")
    else:
        path.mkdir()
    return victim


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


KINDS = ["link", "dangling", "hard link", "pipe", "device", "folder"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_of_ours_is_neither_written_nor_waited_for(kind: str, out: Path) -> None:
    victim = plant(kind, out / "file")
    before = victim.read_bytes() if victim.exists() else None
    for flags in (os.O_RDWR | os.O_CREAT | os.O_APPEND, os.O_WRONLY):
        with pytest.raises(OutputError, match="does not follow; put a plain file"):
            open_ours(out / "file", flags)
    with pytest.raises(OutputError, match="does not follow"):
        check_ours(out / "file")
    assert (victim.read_bytes() if victim.exists() else None) == before


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "device", "folder"])
def test_nor_is_it_read(kind: str, out: Path) -> None:
    plant(kind, out / "file")
    with pytest.raises(OutputError, match="does not follow"):
        read_ours(out / "file", 10)


def test_a_file_is_read_up_to_a_byte_too_much_and_one_that_is_missing_is_none(out: Path) -> None:
    assert read_ours(out / "file", 10) is None
    assert read_ours(out / "file" / "below", 10) is None
    (out / "file").write_text("0123456789")
    assert read_ours(out / "file", 10) == b"0123456789"
    assert read_ours(out / "file", 5) == b"012345"


def test_the_folder_itself_may_be_reached_by_a_link(out: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(out)
    os.close(open_ours(tmp_path / "link" / "file", os.O_WRONLY | os.O_CREAT))
    assert (out / "file").is_file()


@pytest.mark.parametrize("name", [LEDGER_FILE, LOCK_FILE])
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_refuses_a_ledger_or_a_lock_that_leads_elsewhere(kind: str, name: str, out: Path) -> None:
    victim = plant(kind, out / name)
    with pytest.raises(OutputError, match="does not follow"), hold(out):
        pass
    assert not victim.exists() or victim.read_text() == "mine"


def test_a_ledger_that_becomes_a_link_meanwhile_is_not_added_to(out: Path) -> None:
    with hold(out) as (ledger, _):
        victim = plant("link", out / LEDGER_FILE)
        with pytest.raises(OutputError, match="does not follow"):
            ledger.add(ENTRY)
    assert victim.read_text() == "mine"
    with pytest.raises(OutputError, match="does not follow"):
        Ledger(out)  # nor read, by --dry-run


def test_a_name_of_our_own_choice_follows_no_link_even_by_force(out: Path) -> None:
    victim = plant("link", out / "a.srt")
    for force in (False, True):
        with pytest.raises(OutputError, match="is a link; remove it"):
            write_whole(out / "a.srt", b"$(ours)", force=force, follow=False)
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("force", [False, True])
def test_a_link_to_nothing_makes_no_file_where_it_leads(force: bool, out: Path) -> None:
    victim = plant("dangling", out / "a.wav")
    with pytest.raises(OutputError, match="is a link to nothing"):
        check_target(out / "a.wav", force=force)
    with pytest.raises(OutputError, match="is a link to nothing"):
        check_new_folder(out / "a.wav", force=force)
    assert not victim.exists()


@pytest.mark.parametrize("kind", ["link", "dangling"])
def test_a_projects_settings_are_neither_read_from_a_link_nor_written_to_one(
    kind: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = plant(kind, out / "bark.toml")
    if victim.exists():
        victim.write_text("seed = 1\n")
    monkeypatch.chdir(out)
    with pytest.raises(OptionError, match=r"bark\.toml is a link"):
        resolve()
    with pytest.raises((OptionError, OutputError), match=r"bark\.toml is a link"):
        set_setting("seed", "7", project=True)
    assert not victim.exists() or victim.read_text() == "seed = 1\n"


def test_ones_own_settings_may_lie_behind_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps them in a repository of dot files put it there."""
    (tmp_path / "real").write_text("seed = 7\n")
    (tmp_path / "config.toml").symlink_to("real")
    monkeypatch.setenv("BARK_CONFIG", str(tmp_path / "config.toml"))
    assert resolve().settings.seed == 7
    set_setting("seed", "8")
    assert (tmp_path / "real").read_text() == "seed = 8\n"
