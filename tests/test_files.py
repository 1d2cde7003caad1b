"""A file is written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest

from bark_cli.errors import OutputError
from bark_cli.system import files
from bark_cli.system.files import check_target, write_whole
from bark_cli.system.folders import below


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_what_goes_while_a_folder_is_gone_through_is_no_error(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    found = {path.relative_to(tmp_path).as_posix() for path in below(tmp_path)}
    assert found == {"a", "a/inner", "a/file", "b", "b/inner", "b/file", "link"}
    walk = below(tmp_path)
    first = next(walk)
    shutil.rmtree(tmp_path / "a")
    shutil.rmtree(tmp_path / "b")
    assert {first.name, *(path.name for path in walk)} == {"a", "b", "link"}


def test_writes_all_bytes_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.bin", b"\x00\r\n\xff")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\r\n\xff"
    assert names(tmp_path) == ["a.bin"]


def test_a_new_file_has_the_mode_that_the_umask_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_an_old_file_needs_force(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    with pytest.raises(OutputError, match="--force"):
        write_whole(target, b"new")
    assert target.read_bytes() == b"old"
    write_whole(target, b"new", force=True)
    assert target.read_bytes() == b"new"


def test_a_full_disk_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_whole(target, b"new", force=True)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_ctrl_c_while_writing_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a", b"new")
    assert names(tmp_path) == []


def test_somebody_elses_file_made_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a"
    monkeypatch.setattr(files.os, "fsync", lambda descriptor: target.write_bytes(b"theirs"))
    with pytest.raises(OutputError, match="exists"):
        write_whole(target, b"ours")
    assert target.read_bytes() == b"theirs"
    assert names(tmp_path) == ["a"]


def test_a_link_keeps_pointing_at_its_target(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_whole(tmp_path / "link", b"new", force=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@pytest.mark.parametrize("force", [False, True])
def test_what_cannot_be_a_target_is_refused_even_by_force(tmp_path: Path, force: bool) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "device").symlink_to("/dev/null")
    for path, reason in (
        (tmp_path, "is a folder"),
        (tmp_path / "device", "not an ordinary file"),
        (tmp_path / "none" / "a", "does not exist"),
        (tmp_path / "file" / "a", "is not a folder"),
        (tmp_path / ("n" * 300), "name too long"),
        (Path("a\0b"), "null byte"),
    ):
        with pytest.raises(OutputError, match=f"(?i){reason}"):
            check_target(path, force=force)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder closed even to root")
def test_a_folder_that_takes_no_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write /proc/a\.wav"):
        write_whole(Path("/proc/a.wav"), b"x")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_found_beforehand(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(OutputError, match="read-only"):
            check_target(tmp_path / "a")
    finally:
        tmp_path.chmod(0o755)
