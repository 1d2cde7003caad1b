"""A model hub on loopback: repositories of bytes -> huggingface_hub's routes, misbehaving on command.

It answers model info, tree and resolve requests as the real hub does: a commit per revision, git's blob ids,
LFS metadata, large files by way of a redirect to another origin (a second port), ranges. It keeps count.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

LFS_SUFFIXES = {".bin", ".gguf", ".npz", ".pt", ".safetensors", ".th"}
CHUNK_BYTES = 16 * 1024
BUFFER_BYTES = 64 * 1024  # of the socket: what is sent and not received is soon noticed
HTML = b"<!doctype html><title>Welcome</title><p>Please sign in to use this network.</p>"


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What goes wrong with the answers for a file; offsets count from the file's beginning."""

    times: int | None = None  # answers that it goes wrong with; None: all of them
    status: int | None = None
    error_code: str | None = None  # X-Error-Code
    retry_after: str | None = None
    redirect: str | None = None  # to another address
    html: bool = False  # a web page instead
    no_range: bool = False  # Range is not understood
    no_length: bool = False  # no Content-Length: the end of the connection is the end of the file
    compressed: bool = False  # gzip, asked for or not
    truncate: int = 0  # bytes missing at the end, as though the file were shorter
    empty: bool = False  # 0 bytes, as though the file were empty
    flip_at: int | None = None  # the lowest bit of this byte is the other one
    stall_at: int | None = None  # where it says nothing any more for stall_s
    stall_s: float = 0.0
    hang_up_every: int | None = None  # bytes, after which the connection is cut
    bytes_per_s: int | None = None
    kill: tuple[int, int] | None = None  # (process, offset): SIGKILL once the byte before the offset is sent


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked."""

    method: str
    path: str
    range: str | None
    token: str | None
    encoding: str | None


@dataclass
class Repository:
    """A model repository: files of each commit, and names of commits."""

    name: str
    token: str | None = None  # who does not send it is told that there is no such repository
    gated: bool = False  # files only for those with a token that was given access: nobody
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    listed: dict[str, dict[str, Any]] = field(default_factory=dict)  # what a listing says wrongly of a file

    def commit_of(self, revision: str) -> str | None:
        return self.names.get(revision, revision if revision in self.commits else None)

    def siblings(self, commit: str) -> list[dict[str, Any]]:
        """The files as model info lists them."""
        return [
            {**describe(path, data), **self.listed.get(path, {})}
            for path, data in sorted(self.commits[commit].items())
        ]


def git_sha1(data: bytes) -> str:
    """Git's id of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_lfs(path: str) -> bool:
    return Path(path).suffix in LFS_SUFFIXES


def describe(path: str, data: bytes) -> dict[str, Any]:
    """One file of a listing."""
    if not is_lfs(path):
        return {"rfilename": path, "size": len(data), "blobId": git_sha1(data)}
    sha256 = hashlib.sha256(data).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(data)}\n".encode()
    lfs = {"sha256": sha256, "size": len(data), "pointerSize": len(pointer)}
    return {"rfilename": path, "size": len(data), "blobId": git_sha1(pointer), "lfs": lfs}


class LocalHub:
    """The hub; `with LocalHub() as hub` runs it.

    Keys, for faults and counts: "owner/name/path" of a file, "plain/path" of one in no repository,
    "api/owner/name" of a listing, "owner/name/path@hub" of the answer that says where a large file lies.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.plain: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._sent: Counter[str] = Counter()
        self._faults: list[tuple[str, Faults]] = []
        self._used: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._servers = [_Server(self), _Server(self)]  # the hub, and where it keeps large files

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].server_port}"

    @property
    def cdn_url(self) -> str:
        return f"http://127.0.0.1:{self._servers[1].server_port}"

    def add(
        self,
        name: str,
        files: dict[str, bytes] | Path,
        *,
        revision: str = "main",
        token: str | None = None,
        gated: bool = False,
    ) -> Repository:
        """Put files under a revision of a repository; another call with the same revision moves it on."""
        if isinstance(files, Path):
            paths = [path for path in sorted(files.rglob("*")) if path.is_file()]
            files = {path.relative_to(files).as_posix(): path.read_bytes() for path in paths}
        repository = self.repositories.setdefault(name, Repository(name, token=token, gated=gated))
        tree = json.dumps([name, *((path, git_sha1(data)) for path, data in sorted(files.items()))])
        commit = hashlib.sha1(tree.encode()).hexdigest()
        repository.commits[commit] = dict(files)
        repository.names[revision] = commit
        return repository

    def add_plain(self, path: str, data: bytes) -> str:
        """Put a file that is in no repository under an address of its own; returns the address."""
        self.plain[path] = data
        return f"{self.url}/plain/{quote(path)}"

    def misbehave(self, pattern: str, faults: Faults) -> None:
        """From now on, answers for what the pattern fits go wrong; the last call that fits counts."""
        with self._lock:
            self._faults.insert(0, (pattern, faults))

    def behave(self) -> None:
        """All is well again."""
        with self._lock:
            self._faults.clear()
            self._used.clear()

    def bytes_sent(self, key: str) -> int:
        """Bytes of a file that were sent, in all answers together."""
        with self._lock:
            return self._sent[key]

    def forget(self) -> None:
        """Count from nothing again."""
        with self._lock:
            self._sent.clear()
            self.requests.clear()

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a process that is to use this hub."""
        ours = {"HF_ENDPOINT": self.url, "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"}
        without = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", *more}
        return {key: value for key, value in os.environ.items() if key not in without} | ours | more

    def take_faults(self, key: str) -> Faults:
        """What goes wrong with this answer."""
        with self._lock:
            for pattern, faults in self._faults:
                used = self._used[id(faults)]
                if fnmatchcase(key, pattern) and (faults.times is None or used < faults.times):
                    self._used[id(faults)] += 1
                    return faults
        return Faults()

    def count(self, key: str, sent: int) -> None:
        with self._lock:
            self._sent[key] += sent

    def note(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def __enter__(self) -> LocalHub:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, hub: LocalHub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the end of an answer waits 40 ms for an acknowledgement
    server: _Server

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self.request.settimeout(30)
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        token = (self.headers["Authorization"] or "").removeprefix("Bearer ") or None
        self.token = token
        self.hub = self.server.hub
        self.hub.note(
            Request(
                method=self.command,
                path=unquote(address.path),
                range=self.headers["Range"],
                token=token,
                encoding=self.headers["Accept-Encoding"],
            )
        )
        for pattern, answer in self.ROUTES:
            if found := re.fullmatch(pattern, address.path):
                return answer(self, **{key: unquote(value or "") for key, value in found.groupdict().items()})
        return self.refuse(404, "Not Found")

    do_HEAD = do_GET  # noqa: N815

    def info(self, name: str, revision: str) -> None:
        """api/models/NAME and api/models/NAME/revision/REVISION."""
        if self.fails(faults := self.hub.take_faults(f"api/{name}")):
            return
        if (found := self.find(name, revision)) is None:
            return
        repository, commit = found
        body = {"_id": "0", "id": name, "modelId": name, "sha": commit, "private": False, "gated": False}
        body |= {"disabled": False, "downloads": 0, "likes": 0, "tags": []}
        body |= {"siblings": repository.siblings(commit)}
        data = json.dumps(body).encode()
        self.answer(200, data[: len(data) // 2] if faults.truncate else data, "application/json")

    def tree(self, name: str, revision: str) -> None:
        """api/models/NAME/tree/REVISION, all of it at once."""
        if self.fails(self.hub.take_faults(f"api/{name}")) or (found := self.find(name, revision)) is None:
            return
        entries = []
        for file in found[0].siblings(found[1]):
            entry = {"type": "file", "path": file["rfilename"], "size": file["size"], "oid": file["blobId"]}
            if lfs := file.get("lfs"):
                entry["lfs"] = {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
            entries.append(entry)
        self.answer(200, json.dumps(entries).encode(), "application/json")

    def resolve(self, name: str, revision: str, path: str) -> None:
        """NAME/resolve/REVISION/PATH: the file itself, or where it is."""
        if (found := self.find(name, revision)) is None:
            return None
        repository, commit = found
        if repository.gated:
            status = 403 if self.token else 401
            return self.refuse(status, f"Access to model {name} is restricted.", "GatedRepo")
        if (data := repository.commits[commit].get(path)) is None:
            return self.refuse(404, "Entry not found", "EntryNotFound")
        key, headers = f"{name}/{path}", {"X-Repo-Commit": commit}
        if not is_lfs(path):
            return self.send_file(key, data, {**headers, "ETag": f'"{git_sha1(data)}"'})
        if self.fails(self.hub.take_faults(f"{key}@hub")):
            return None
        sha256 = hashlib.sha256(data).hexdigest()
        headers |= {"X-Linked-Size": str(len(data)), "X-Linked-ETag": f'"{sha256}"', "ETag": f'"{sha256}"'}
        headers["Location"] = f"{self.hub.cdn_url}/cdn/{name}/{commit}/{quote(path)}"
        return self.answer(302, b"", "text/plain", headers)

    def cdn(self, name: str, commit: str, path: str) -> None:
        data = self.hub.repositories[name].commits[commit][path]
        self.send_file(f"{name}/{path}", data, {"ETag": f'"{hashlib.md5(data).hexdigest()}"'})

    def plain(self, path: str) -> None:
        if (data := self.hub.plain.get(path)) is None:
            return self.refuse(404, "Not Found")
        return self.send_file(f"plain/{path}", data, {"ETag": f'"{hashlib.md5(data).hexdigest()}"'})

    ROUTES = (
        (r"/api/models/(?P<name>[^/]+/[^/]+)(/revision/(?P<revision>[^/]+))?", info),
        (r"/api/models/(?P<name>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)", tree),
        (r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)", resolve),
        (r"/cdn/(?P<name>[^/]+/[^/]+)/(?P<commit>[^/]+)/(?P<path>.+)", cdn),
        (r"/plain/(?P<path>.+)", plain),
    )

    def find(self, name: str, revision: str) -> tuple[Repository, str] | None:
        """The repository and the commit, or an answer that says that there is none."""
        repository = self.hub.repositories.get(name)
        if repository is not None and repository.token and self.token not in (None, repository.token):
            return self.refuse(401, "Invalid credentials in Authorization header")
        if repository is None or (repository.token and self.token is None):
            # as the hub does: nobody learns which private repositories there are
            return self.refuse(404 if self.token else 401, "Repository not found", "RepoNotFound")
        if (commit := repository.commit_of(revision or "main")) is None:
            return self.refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return repository, commit

    def fails(self, faults: Faults) -> bool:
        """Answer as something that is not a hub, or a hub in trouble, would."""
        if faults.status is not None:
            self.refuse(faults.status, "Out of order", faults.error_code, faults.retry_after)
        elif faults.redirect is not None:
            self.answer(302, b"", "text/plain", {"Location": faults.redirect})
        elif faults.html:
            self.answer(200, HTML, "text/html")
        elif faults.stall_at == 0:
            self.hub.closing.wait(faults.stall_s)
            self.close_connection = True
        elif faults.hang_up_every == 0:
            self.close_connection = True
        else:
            return False
        return True

    def refuse(
        self, status: int, message: str, code: str | None = None, retry_after: str | None = None
    ) -> None:
        headers = {"X-Error-Message": message}
        if code:
            headers["X-Error-Code"] = code
        if retry_after:
            headers["Retry-After"] = retry_after
        self.answer(status, json.dumps({"error": message}).encode(), "application/json", headers)

    def answer(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        """A small answer."""
        self.send_response(status)
        for name, value in {
            **(headers or {}),
            "Content-Type": kind,
            "Content-Length": str(len(body)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_file(self, key: str, data: bytes, headers: dict[str, str]) -> None:
        """A file or the range asked for, with what goes wrong with it."""
        faults = self.hub.take_faults(key)
        if not self.fails(faults):
            self.send_range(key, _spoil(data, faults), headers, faults)

    def send_range(self, key: str, data: bytes, headers: dict[str, str], faults: Faults) -> None:
        status, start, end = 200, 0, len(data)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
        if asked and not faults.no_range and self.headers["If-Range"] in (None, headers["ETag"]):
            status, start = 206, int(asked[1])
            end = min(end, int(asked[2]) + 1) if asked[2] else end
            if start >= len(data):
                self.answer(416, b"", "text/plain", {"Content-Range": f"bytes */{len(data)}"})
                return
            headers = {**headers, "Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
        if not faults.no_range:
            headers = {**headers, "Accept-Ranges": "bytes"}
        if faults.compressed:
            headers = {**headers, "Content-Encoding": "gzip"}
        if faults.no_length:
            self.close_connection = True
            headers = {**headers, "Connection": "close"}
        else:
            headers = {**headers, "Content-Length": str(end - start)}
        self.send_response(status)
        for name, value in {"Content-Type": "application/octet-stream", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.send_bytes(key, memoryview(data)[:end], start, faults)

    def send_bytes(self, key: str, data: memoryview, start: int, faults: Faults) -> None:
        hang_up = start + (faults.hang_up_every or len(data) + 1)
        kill = faults.kill[1] if faults.kill else None
        here = start
        while True:
            if kill is not None and here >= kill:
                os.kill(faults.kill[0], signal.SIGKILL)  # type: ignore[index]
                self.close_connection = True
                return
            if here == hang_up:
                self.close_connection = True
                return
            if here == faults.stall_at:
                self.hub.closing.wait(faults.stall_s)
                self.close_connection = True
                return
            if here >= len(data):
                return
            stops = (hang_up, kill, faults.stall_at)
            end = min([here + CHUNK_BYTES, len(data), *(s for s in stops if s is not None and s > here)])
            self.hub.count(key, end - here)  # first: who has the bytes may ask at once how many were sent
            try:
                self.wfile.write(data[here:end])
            except OSError:
                self.hub.count(key, here - end)
                raise
            if faults.bytes_per_s:
                self.hub.closing.wait((end - here) / faults.bytes_per_s)
            here = end


def _spoil(data: bytes, faults: Faults) -> bytes:
    """The file that the server takes for the right one."""
    data = b"" if faults.empty else data[: len(data) - faults.truncate]
    if faults.flip_at is not None:
        data = data[: faults.flip_at] + bytes([data[faults.flip_at] ^ 1]) + data[faults.flip_at + 1 :]
    return gzip.compress(data) if faults.compressed else data


@contextmanager
def in_process(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """Let huggingface_hub, which reads its environment once, use this hub in this process."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", os.devnull)
    close_session()  # the next one sees these settings
    try:
        yield hub
    finally:
        close_session()


@pytest.fixture
def local_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """An empty hub, and this process told to use it."""
    with LocalHub() as hub, in_process(hub, monkeypatch):
        yield hub
