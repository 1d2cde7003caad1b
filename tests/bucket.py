"""A bucket of S3 on this machine: a real server (moto) in a process of its own, looked into by plain HTTP."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest
from fork_server import wait_until

_ADDRESS = re.compile(r"http://[0-9.:]+")
_SERVE = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"
NAME = "bucket"


class Bucket:
    """What lies in it."""

    def __init__(self, server: str) -> None:
        self.server = server
        self._ask("PUT", "")

    def below(self, folder: str) -> dict[str, bytes]:
        """The objects of a folder by their names."""
        query = urllib.parse.urlencode({"list-type": 2, "prefix": f"{folder}/"})
        keys = re.findall("<Key>(.*?)</Key>", self._ask("GET", f"?{query}").decode())
        return {key.removeprefix(f"{folder}/"): self.get(key) for key in keys}

    def get(self, key: str) -> bytes:
        return self._ask("GET", key)

    def put(self, key: str, data: bytes) -> None:
        self._ask("PUT", key, data)

    def remove(self, key: str) -> None:
        self._ask("DELETE", key)

    def begin_upload(self, key: str) -> None:
        """As a large file is begun by who is killed then."""
        self._ask("POST", f"{key}?uploads")

    def uploads(self) -> list[str]:
        """The keys of those that were never ended."""
        return re.findall("<Key>(.*?)</Key>", self._ask("GET", "?uploads").decode())

    def _ask(self, method: str, path: str, data: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.server}/{NAME}/{path}", data=data, method=method)
        request.add_header(
            "Authorization", "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request"
        )
        request.add_header("Content-Type", "application/octet-stream")  # else it is taken for a form
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """An empty one, and this process and what it starts told to use it."""
    log = tmp_path_factory.mktemp("bucket") / "log"  # a line for each request: no pipe, which might fill up
    with log.open("w") as stream:
        process = subprocess.Popen([sys.executable, "-c", _SERVE], stderr=stream)
    try:
        wait_until(lambda: _ADDRESS.search(log.read_text()))
        server = _ADDRESS.search(log.read_text())
        assert server is not None
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", server[0])
            patch.setenv("AWS_ACCESS_KEY_ID", "key")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "never-to-be-seen")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            yield Bucket(server[0])
    finally:
        process.kill()
        process.wait()
