"""`bark batch -o URL`: the same files as in a folder, whole or not at all, whatever happened meanwhile."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest
from bucket import Bucket
from fork_server import ForkServer, wait_until

from bark_cli.cli import main

FOLDER = "spoken/clips"
URL = f"s3://voices/{FOLDER}"


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    rows = [{"text": f"hello bark {i}"} for i in range(12)]
    rows[0] |= {"output": "deep/er.opus"}
    path = tmp_path / "list.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def command(model: Path, listed: Path, out: object, *more: str) -> list[str]:
    how = ["--precision", "fp32", "--max-duration", "0.05", "--top-k", "12", "--batch-size", "4"]
    return ["batch", str(listed), "-m", str(model), *how, "-o", str(out), *more]


def loose(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".bark-")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_files_lie_at_a_url_as_they_would_in_a_folder(
    talkative: Path, listed: Path, out: Path, server: ForkServer, bucket: Bucket
) -> None:
    assert main(command(talkative, listed, out, "-q", "--subtitles", "srt")) == 0
    line = command(talkative, listed, URL, "--subtitles", "srt", "--json")
    first = server.start(line)
    assert first.wait() == 0, first.err
    told = json.loads(first.out)
    assert (told["folder"], told["made"]) == (URL, 12)
    assert f"{URL}/deep/er.opus" in [file["path"] for file in told["files"]]
    assert bucket.below(FOLDER) == loose(out)
