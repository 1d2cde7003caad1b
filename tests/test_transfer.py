"""A file comes whole and verified from a hub in any mood, and what was cut off is gone on with."""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from local_hub import Faults, LocalHub, git_sha1

from bark_cli.download.failures import Patience
from bark_cli.download.hub import RemoteFile, list_files
from bark_cli.download.partial import PartialFile
from bark_cli.download.transfer import _check_answer, fetch, part_path
from bark_cli.errors import DownloadError, OutputError

REPOSITORY, NAME = "suno/bark-small", "pytorch_model.bin"
KEY = f"{REPOSITORY}/{NAME}"
SIZE = 1_000_003
QUICK = Patience(stall_s=60, first_wait_s=0.001, longest_wait_s=0.002)
DATA = random.Random(0).randbytes(SIZE)


@pytest.fixture
def hub(local_hub: LocalHub) -> LocalHub:
    local_hub.add(REPOSITORY, {NAME: DATA, "config.json": b'{"a": 1}\n', "empty.txt": b""})
    return local_hub


@pytest.fixture
def file(hub: LocalHub) -> RemoteFile:
    return listed(NAME)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / NAME


def listed(path: str) -> RemoteFile:
    return next(file for file in list_files(REPOSITORY).files if file.path == path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Count:
    """What a progress bar would show."""

    def __init__(self) -> None:
        self.now, self.lowest, self.calls = 0, 0, 0

    def __call__(self, more: int) -> None:
        self.now, self.calls = self.now + more, self.calls + 1
        assert 0 <= self.now <= SIZE


def bring(file: RemoteFile, target: Path, patience: Patience = QUICK) -> int:
    """Fetch it; how often it paused."""
    count, pauses = Count(), []
    fetch(file, target, on_bytes=count, on_wait=lambda *pause: pauses.append(pause), patience=patience)
    assert count.now == file.size
    return len(pauses)


def refused(file: RemoteFile, target: Path, *words: str) -> None:
    """It is not fetched, and one line says why and what to do."""
    with pytest.raises(DownloadError) as caught:
        bring(file, target)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"cannot fetch {file.path}: ")
    for word in words:
        assert word in line
    assert not target.exists()


def test_a_file_comes_whole(hub: LocalHub, file: RemoteFile, target: Path) -> None:
    assert bring(file, target) == 0
    assert target.read_bytes() == DATA
    assert names(target.parent) == [NAME]
    assert hub.bytes_sent(KEY) == SIZE
    assert {request.encoding for request in hub.requests if NAME in request.path} == {"identity"}


def test_a_small_file_is_checked_by_its_id_in_git(hub: LocalHub, tmp_path: Path) -> None:
    file = listed("config.json")
    assert file.sha256 is None
    bring(file, tmp_path / "config.json")
    other = dataclasses.replace(file, git_sha1=git_sha1(b"{}"))
    refused(other, tmp_path / "other.json", "its sha1 is", f"{other.git_sha1} was expected")
    bring(listed("empty.txt"), tmp_path / "empty.txt")
    assert (tmp_path / "empty.txt").read_bytes() == b""


def test_a_file_that_is_here_is_not_fetched_again(hub: LocalHub, file: RemoteFile, target: Path) -> None:
    bring(file, target)
    hub.forget()
    bring(file, target)
    assert not hub.requests
    target.write_bytes(DATA[:-1] + b"x")
    bring(file, target)
    assert target.read_bytes() == DATA


# what goes wrong -> how much of the file may be sent until it is here
SURVIVED = {
    "no range": (Faults(no_range=True), 1.0),
    "429 five times": (Faults(status=429, times=5), 1.0),
    "429 that says when": (Faults(status=429, times=5, retry_after="0"), 1.0),
    "503 five times": (Faults(status=503, times=5), 1.0),
    "stall": (Faults(stall_at=400_000, stall_s=60, times=1), 1.0),
    "stall before the first byte": (Faults(stall_at=0, stall_s=60, times=2), 1.0),
    "hang-up each 100 kB": (Faults(hang_up_every=100_000), 1.0),
    "hang-up before the answer": (Faults(hang_up_every=0, times=5), 1.0),
    "hang-up without a length": (Faults(hang_up_every=100_000, no_length=True), 1.0),
    "hang-up, then no range": (Faults(hang_up_every=100_000, no_range=True, times=3), 1.3),
    "compressed": (Faults(compressed=True), 1.01),
    "one flipped bit once": (Faults(flip_at=500_000, times=1), 2.0),
    "no length": (Faults(no_length=True), 1.0),
}


@pytest.mark.parametrize("what", SURVIVED)
def test_what_is_survived(hub: LocalHub, file: RemoteFile, target: Path, what: str) -> None:
    faults, share = SURVIVED[what]
    hub.misbehave(KEY, faults)
    # a machine that is busy is silent, too: only where the hub really is are a few seconds enough
    patience = QUICK if faults.stall_at is None else dataclasses.replace(QUICK, stall_s=1.5)
    pauses = bring(file, target, patience)
    assert target.read_bytes() == DATA
    assert names(target.parent) == [NAME]
    assert hub.bytes_sent(KEY) <= share * SIZE + 1000
    if faults.status or faults.hang_up_every == 0:
        assert pauses == (0 if faults.retry_after else 5)


# what goes wrong -> what the line says, and whether half of the file was there and is kept
REFUSED = {
    "one flipped bit": (Faults(flip_at=500_000), ["its sha256 is", "was expected"], False),
    "one byte cut": (Faults(truncate=1), ["1,000,002 bytes there, and 1,000,003"], True),
    "one byte cut from the start": (Faults(truncate=1), ["1,000,002 bytes there, and 1,000,003"], False),
    "one byte cut, no length": (Faults(truncate=1, no_length=True), ["1,000,002 bytes there"], True),
    "one byte cut, no length, from the start": (
        Faults(truncate=1, no_length=True),
        ["1,000,002 bytes there"],
        True,
    ),
    "nothing": (Faults(empty=True), ["0 bytes there, and 1,000,003 were listed"], True),
    "nothing from the start": (Faults(empty=True), ["0 bytes there, and 1,000,003 were listed"], False),
    "a web page": (Faults(html=True), ["a web page came", "sign in"], True),
    "404": (Faults(status=404), ["(404)", REPOSITORY], True),
    "401": (Faults(status=401), ["(401)", "HF_TOKEN", "hf auth login"], True),
    "403": (Faults(status=403), ["(403)", "HF_TOKEN"], True),
    "451": (Faults(status=451), ["451"], True),
    "503 for ever": (Faults(status=503), ["503", "run the same command again"], True),
    "too long a wait": (Faults(status=429, retry_after="9999"), ["asks to wait 9,999 s"], True),
    "stalls for ever": (Faults(stall_at=0, stall_s=60), ["fell silent"], True),
    "sent on to nothing": (Faults(redirect="/plain/nothing"), ["(404)"], True),
    "sent in circles": (Faults(redirect=""), ["no usable answer", "redirects"], True),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_and_healed(hub: LocalHub, file: RemoteFile, target: Path, what: str) -> None:
    faults, words, kept = REFUSED[what]
    patience = QUICK if faults.stall_at is None else dataclasses.replace(QUICK, stall_s=0.05)
    target.parent.mkdir()
    if kept and "from the start" not in what:
        part_path(file, target).write_bytes(DATA[:500_000])
    hub.misbehave(KEY, faults)
    with pytest.raises(DownloadError) as caught:
        bring(file, target, patience)
    assert all(word in str(caught.value) for word in words), caught.value
    assert not target.exists()
    assert names(target.parent) == ([part_path(file, target).name] if kept else [])
    here = part_path(file, target).stat().st_size if kept else 0
    hub.behave()
    hub.forget()
    bring(file, target)
    assert target.read_bytes() == DATA
    assert hub.requests[0].range == (f"bytes={here}-" if here else None)


def test_more_than_was_listed(hub: LocalHub, file: RemoteFile, target: Path) -> None:
    hub.misbehave(KEY, Faults(no_length=True))
    refused(dataclasses.replace(file, size=SIZE - 1), target, "more came than its 1,000,002 bytes")
    assert names(target.parent) == []


@pytest.mark.parametrize("name", ["a wrong hash", "a part gone bad", "416 for every range", "another range"])
def test_what_only_a_new_start_heals(hub: LocalHub, file: RemoteFile, target: Path, name: str) -> None:
    target.parent.mkdir()
    part = part_path(file, target)
    if name == "a wrong hash":
        refused(dataclasses.replace(file, sha256="0" * 64), target, "its sha256 is", "0" * 64)
        assert hub.bytes_sent(KEY) == 2 * SIZE  # it tries once more
        assert names(target.parent) == []
        return
    part.write_bytes(b"\0" * 1000 if name == "a part gone bad" else DATA[:1000])
    if name == "416 for every range":
        hub.misbehave(KEY, Faults(status=416, times=1))
    if name == "another range":
        hub.misbehave(KEY, Faults(status=206, times=1))
    bring(file, target)
    assert target.read_bytes() == DATA


def test_the_part_of_another_version_is_left(hub: LocalHub, file: RemoteFile, target: Path) -> None:
    hub.misbehave(KEY, Faults(status=403))
    hub.misbehave(KEY, Faults(hang_up_every=300_000, times=1))
    refused(file, target, "(403)")
    assert part_path(file, target).stat().st_size == 300_000
    hub.behave()
    hub.add(REPOSITORY, {NAME: DATA[::-1]})
    newer = listed(NAME)
    bring(newer, target)
    assert target.read_bytes() == DATA[::-1]
    assert names(target.parent) == [NAME]  # the older part is of no use any more


def test_a_part_that_is_too_long_is_thrown_away(hub: LocalHub, file: RemoteFile, target: Path) -> None:
    target.parent.mkdir()
    part_path(file, target).write_bytes(DATA + b"more")
    count: list[int] = []
    fetch(file, target, on_bytes=count.append, patience=QUICK)
    assert sum(count) == SIZE
    assert target.read_bytes() == DATA


def test_a_whole_part_needs_no_network(
    hub: LocalHub, file: RemoteFile, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.parent.mkdir()
    part_path(file, target).write_bytes(DATA)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    bring(file, target)
    target.unlink()
    refused(file, target, "the network is off", "HF_HUB_OFFLINE")


def test_a_server_that_is_gone(file: RemoteFile, target: Path) -> None:
    with LocalHub() as gone:
        url = f"{gone.url}/x"
    refused(dataclasses.replace(file, url=url), target, "cannot be reached", "check the network")


def test_the_token_goes_to_the_hub_alone(
    hub: LocalHub, file: RemoteFile, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    bring(file, target)
    tokens = {request.path.split("/")[1]: request.token for request in hub.requests if NAME in request.path}
    assert tokens == {"suno": "hf_secret", "cdn": None}
    with LocalHub() as elsewhere:
        url = elsewhere.add_plain("encodec.th", DATA)
        bring(dataclasses.replace(file, url=url), target.with_name("encodec.th"))
        assert [request.token for request in elsewhere.requests] == [None]


def test_a_gated_repository(hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("suno/gated", {"a.bin": b"a"}, gated=True)
    (file,) = list_files("suno/gated").files
    refused(file, tmp_path / "a", "terms", f"{hub.url}/suno/gated", "HF_TOKEN", "(401)")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    refused(file, tmp_path / "a", "terms", f"{hub.url}/suno/gated", "(403)")


KILLED = """
import os, sys
from pathlib import Path
from bark_cli.download.transfer import fetch
from bark_cli.download.hub import list_files
(file,) = list_files("suno/bark").files
while True:
    if (child := os.fork()) == 0:
        print(os.getpid(), flush=True)
        sys.stdin.readline()
        fetch(file, Path(sys.argv[1]), on_bytes=lambda more: None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
    if status == 0:
        break
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_twenty_kills(local_hub: LocalHub, target: Path) -> None:
    """The server kills the process that downloads, at offsets anywhere in the file."""
    stream = random.Random(20)
    data = stream.randbytes(24 * 2**20)
    local_hub.add("suno/bark", {NAME: data})
    offsets = sorted(stream.randrange(len(data)) for _ in range(20))
    command = [sys.executable, "-c", KILLED, str(target)]
    environment = local_hub.environment()
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for offset in [*offsets, None]:
            pid = int(process.stdout.readline())
            local_hub.behave()
            if offset is not None:
                local_hub.misbehave("*", Faults(kill=(pid, offset), bytes_per_s=40_000_000))
            process.stdin.write("go\n")
            assert int(process.stdout.readline()) == (0 if offset is None else -9)
            assert target.exists() == (offset is None)
    assert target.read_bytes() == data
    assert names(target.parent) == [NAME]
    # what lies in the buffers of a connection when its reader dies is lost
    assert local_hub.bytes_sent(f"suno/bark/{NAME}") <= 1.2 * len(data)


FULL_DISK = """
import os, sys
from pathlib import Path
from bark_cli.errors import OutputError
from bark_cli.download.transfer import fetch
from bark_cli.download.hub import list_files
(file,) = [file for file in list_files("suno/bark-small").files if file.size > 1000]
disk = Path(sys.argv[1])
if os.system(f"mount -t tmpfs -o size=600k tmpfs {disk}"):
    sys.exit(77)
(disk / "old").write_text("old")
try:
    fetch(file, disk / "new" / "file", on_bytes=lambda more: None)
except OutputError as error:
    print(error)
parts = [path.stat().st_size for path in (disk / "new").iterdir() if path.suffix == ".part"]
print(*parts, (disk / "old").read_text())
os.system(f"mount -o remount,size=4m {disk}")
fetch(file, disk / "new" / "file", on_bytes=lambda more: None)
print((disk / "new" / "file").stat().st_size)
"""


def test_a_full_disk(hub: LocalHub, file: RemoteFile, tmp_path: Path) -> None:
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    command = [*alone, sys.executable, "-c", FULL_DISK, str(tmp_path)]
    try:
        done = subprocess.run(command, env=hub.environment(), capture_output=True, text=True, timeout=240)
    except FileNotFoundError:
        pytest.skip("needs unshare, to mount a small disk")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"may not mount a small disk: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    line, left, size = done.stdout.splitlines()
    part, old = left.split()
    assert line.startswith("the disk is full: it takes ")
    assert "pytorch_model.bin" in line
    assert 400_000 < int(part) < 700_000
    assert old == "old"
    assert int(size) == SIZE
    assert hub.requests[-1].range == f"bytes={part}-"  # it went on from there


def test_a_folder_that_cannot_be_written(hub: LocalHub, file: RemoteFile, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="set BARK_HOME") as caught:
        bring(file, tmp_path / "taken" / NAME)
    assert "\n" not in str(caught.value)


@pytest.fixture(autouse=True)
def _no_long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that pauses for long would pass, and cost everyone its seconds."""
    import time

    real = time.sleep

    def short(seconds: float) -> None:
        assert seconds < 0.1
        real(seconds)

    monkeypatch.setattr("bark_cli.download.transfer.time.sleep", short)


@pytest.mark.parametrize("status", [200, 206, 416])
def test_sizes_of_5000_digits_are_one_line(status: int, tmp_path: Path) -> None:
    """Python makes no number of so many."""
    digits = "9" * 5000
    url = "http://hub/o/n/resolve/main/a.bin"
    file = RemoteFile(path="a.bin", size=9, sha256="0" * 64, git_sha1=None, url=url)
    part = PartialFile(file, tmp_path / "a.bin", lambda _: None)
    part.append(b"abc")
    ranges = {200: "", 206: f"bytes 3-{digits}/{digits}", 416: f"bytes */{digits}"}[status]
    headers = {"Content-Range": ranges, "Content-Length": digits}
    failure = _check_answer(SimpleNamespace(status_code=status, headers=headers), part)
    part.close()
    assert failure is not None
    assert len(str(failure.error("fetch a.bin"))) < 400
