"""A foreign model is converted once, kept whole or not at all, and says what the foreign files say."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_checkpoint import lies_in
from test_checkpoint_suno import Canary, save_suno, suno, suno_tensors

from bark_cli.checkpoint import Checkpoint, Storage, open_checkpoint, read_checkpoint, write_native
from bark_cli.errors import ModelError, UnsafeFileError
from bark_cli.model.quantize import quantize_rows
from bark_cli.store import bark_home
from bark_cli.store.conversions import Conversion, Source, conversions, conversions_of
from bark_cli.store.manifest import record_file

__all__ = ["suno", "suno_tensors"]  # fixtures


def kept() -> list[Path]:
    """All that the cache of conversions holds."""
    return sorted((bark_home() / "converted").glob("*"))


def opened(folder: Path, storage: Storage = "fp32", **options: Any) -> tuple[Checkpoint, list[str]]:
    """A checkpoint, and what was noted on the way."""
    notes: list[str] = []
    return open_checkpoint(folder, storage=storage, note=notes.append, **options), notes


def same(first: Checkpoint, second: Checkpoint) -> bool:
    names = first.tensors.keys()
    return names == second.tensors.keys() and all(
        torch.equal(first.tensors[name], second.tensors[name]) for name in names
    )


def empty_out(file: Path) -> None:
    """Replace what a file holds, but neither its size nor its time."""
    status = file.stat()
    file.write_bytes(bytes(status.st_size))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_conversion_is_the_same_model_and_is_read_in_its_place(
    suno: Path, suno_tensors: dict[str, torch.Tensor]
) -> None:
    foreign = replace(read_checkpoint(suno), tensors=suno_tensors)
    first, notes = opened(suno)
    assert notes == [f"converting {suno} for faster starts, once"]
    for file in suno.glob("*.pt"):  # from here on the foreign files are not looked into
        empty_out(file)
    again, notes = opened(suno)
    assert notes == []
    (folder,) = kept()
    for found in (first, again):
        assert found.config == foreign.config
        assert same(found, foreign)
        assert (found.folder, found.layout, found.tokenizer_file) == (suno, "suno", suno / "vocab.txt")
        if Path("/proc/self/maps").is_file():
            assert all(lies_in(tensor, folder / "model.safetensors") for tensor in found.tensors.values())


def test_every_path_to_a_model_leads_to_one_conversion(suno: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(suno)
    monkeypatch.chdir(suno.parent)
    found, notes = opened(Path("suno"))
    assert notes == []
    assert found.folder == Path("suno")
    assert len(kept()) == 1


def test_int8_is_for_the_transformers_and_all_else_keeps_its_precision(suno: Path) -> None:
    foreign, found = read_checkpoint(suno), opened(suno, "int8")[0]
    matrices = {n for n, t in foreign.tensors.items() if t.ndim == 2 and not n.startswith("codec.")}
    assert found.scales.keys() == matrices
    for name, tensor in foreign.tensors.items():
        if name in matrices:
            values, scale = quantize_rows(tensor)
            assert torch.equal(found.tensors[name], values)
            assert torch.equal(found.scales[name], scale)
        else:
            assert found.tensors[name].dtype == torch.float32
            assert torch.equal(found.tensors[name], tensor)


def test_a_changed_model_is_converted_anew_and_the_old_one_removed(
    suno: Path, suno_tensors: dict[str, torch.Tensor]
) -> None:
    opened(suno)
    opened(suno, "int8")
    before = kept()
    assert len(before) == 2
    changed = {name: tensor * 2 for name, tensor in suno_tensors.items()}
    save_suno(suno, changed)
    os.utime(suno / "text_2.pt", ns=(0, 0))  # even where the clock of the file system is coarse
    found, notes = opened(suno)
    assert notes
    assert torch.equal(found.tensors["semantic.wpe.weight"], changed["semantic.wpe.weight"])
    assert len(kept()) == 2
    assert len(set(kept()) & set(before)) == 1  # the int8 one stays until it is asked for


def test_sizes_have_conversions_of_their_own(suno: Path, suno_tensors: dict[str, torch.Tensor]) -> None:
    save_suno(suno, {name: tensor + 1 for name, tensor in suno_tensors.items()}, suffix="")
    name = "coarse.wte.weight"
    for size, more in ((None, 0), ("large", 0), ("small", 1), ("small", 1), (None, 0)):
        found, _ = opened(suno, size=size)
        assert torch.equal(found.tensors[name], suno_tensors[name] + more)
    assert len(kept()) == 2  # without a size it is the large one
    with pytest.raises(ModelError, match="size 'huge' is unknown"):
        opened(suno, size="huge")


@pytest.mark.parametrize("storage", ["fp32", "fp16"])
def test_our_own_layout_is_read_as_it_is(tiny_model: Path, storage: Storage) -> None:
    found, notes = opened(tiny_model, storage)
    assert (found.layout, notes, found.scales) == ("native", [], {})
    assert not kept()


def test_floats_of_our_own_become_int8_once(tiny_model: Path) -> None:
    floats = read_checkpoint(tiny_model)
    found, notes = opened(tiny_model, "int8")
    assert notes == [f"converting {tiny_model} for faster starts, once"]
    assert (found.layout, found.folder) == ("native", tiny_model)
    for name, scale in found.scales.items():
        values, expected = quantize_rows(floats.tensors[name])
        assert torch.equal(found.tensors[name], values)
        assert torch.equal(scale, expected)
    rest = floats.tensors.keys() - found.scales.keys()
    assert all(torch.equal(found.float32(name), floats.float32(name)) for name in rest)
    again, notes = opened(tiny_model, "int8")
    assert notes == []
    assert same(again, found)
    assert len(kept()) == 1


def test_int8_of_our_own_is_read_as_it_is(tiny_model: Path, tmp_path: Path) -> None:
    write_native(read_checkpoint(tiny_model), tmp_path / "model", storage="int8")
    found, notes = opened(tmp_path / "model", "int8")
    assert (notes, kept()) == ([], [])
    assert found.scales


def test_a_conversion_says_what_it_was_made_from(suno: Path) -> None:
    opened(suno)
    opened(suno, "int8", size="large")
    (suno / "coarse_2.pt").touch()
    opened(suno)
    found = {conversion.source.storage: conversion for conversion in conversions() if conversion.source}
    assert found.keys() == {"fp32", "int8"}
    for storage, conversion in found.items():
        assert conversion.source == Source(
            folder=suno.resolve(), layout="suno", size="large", storage=storage
        )
        assert {file.path for file in conversion.files} == {"config.json", "model.safetensors", "vocab.txt"}
        for file in conversion.files:
            assert record_file(conversion.folder, file.path) == file
    assert found["fp32"].is_current
    assert not found["int8"].is_current
    assert conversions_of(suno) == conversions_of(suno.parent) == conversions()
    assert conversions_of(suno / "other") == []
    shutil.rmtree(suno)
    assert not any(conversion.is_current for conversion in conversions())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version": 99}',
        b"\xff",
        b"[" * 100_000,
        b'{"version": 1, "folder": "/", "layout": "suno", "size": null, "storage": "int8", "files": '
        b'[{"path": "../x", "size": 1, "sha256": ""}]}',
        None,
    ],
)
def test_a_conversion_that_does_not_say_its_source_is_still_listed(suno: Path, content: bytes | None) -> None:
    opened(suno)
    (folder,) = kept()
    if content is None:
        (folder / "source.json").unlink()
    else:
        (folder / "source.json").write_bytes(content)
    assert conversions() == [Conversion(folder=folder, source=None)]
    assert not conversions()[0].is_current


@pytest.mark.parametrize("storage", ["fp32", "int8"])
def test_a_cache_that_cannot_be_written(
    suno: Path, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted, _ = opened(suno, storage)
    monkeypatch.setenv("BARK_HOME", str(tmp_path / "another"))
    bark_home().mkdir(parents=True)
    (bark_home() / "converted").touch()  # not even root can make a folder in a file
    found, notes = opened(suno, storage)
    assert same(found, converted)  # embeddings included: a seed gives the same sound either way
    assert found.scales.keys() == converted.scales.keys()
    assert all(torch.equal(found.scales[name], scale) for name, scale in converted.scales.items())
    assert [note.count("\n") for note in notes] == [0, 0]
    assert "was not kept" in notes[1]
    assert f"({bark_home() / 'converted'}: File exists)" in notes[1]


@pytest.mark.skipif(os.name != "posix", reason="limits are POSIX's")
def test_a_full_disk(suno: Path) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        found, notes = opened(suno)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "was not kept" in notes[1]
    assert kept() == []
    assert same(found, read_checkpoint(suno))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_damaged_conversion_is_made_again(suno: Path, name: str, whole: bool) -> None:
    opened(suno)
    (folder,) = kept()
    if whole:
        (folder / name).write_bytes((folder / name).read_bytes()[:-20])
    else:
        (folder / name).unlink()  # as if its removal had been cut off
    found, notes = opened(suno)
    assert notes
    assert same(found, read_checkpoint(suno))
    assert kept() == [folder]
    assert not opened(suno)[1]


def test_another_process_was_faster(suno: Path) -> None:
    inner: list[Checkpoint] = []
    outer = open_checkpoint(
        suno, storage="fp32", note=lambda _: inner.append(open_checkpoint(suno, storage="fp32"))
    )
    (folder,) = kept()
    assert same(outer, inner[0])
    assert (folder / "config.json").is_file()


def test_what_would_run_code_is_refused_and_not_kept(suno: Path, tmp_path: Path) -> None:
    torch.save({"model": Canary(tmp_path / "canary"), "model_args": {}}, suno / "fine_2.pt")
    with pytest.raises(UnsafeFileError):
        opened(suno)
    assert not kept()
    assert not (tmp_path / "canary").exists()


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from bark_cli.checkpoint import open_checkpoint
shutil.copyfile = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # the weights are written, nothing else is
open_checkpoint(Path(sys.argv[1]), storage="fp32")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_killed_process_leaves_nothing_that_counts(suno: Path) -> None:
    process = child(KILLED, suno)
    process.communicate(timeout=120)
    assert process.returncode == -9
    (left,) = kept()
    assert list(left.rglob("model.safetensors"))
    found, notes = opened(suno)
    assert notes
    assert same(found, read_checkpoint(suno))
    assert left in kept()  # its process might still be alive
    long_ago = time.time() - 86_400
    os.utime(left, (long_ago, long_ago))
    opened(suno, "int8")
    assert left not in kept()
    assert len(kept()) == 2


AT_ONCE = """
import hashlib, sys, time
from pathlib import Path
from bark_cli.checkpoint import open_checkpoint
folder, own, other = map(Path, sys.argv[1:])
own.touch()
while not other.exists():
    time.sleep(0.001)
found = open_checkpoint(folder, storage="fp32")
print(hashlib.sha256(b"".join(t.numpy().tobytes() for _, t in sorted(found.tensors.items()))).hexdigest())
"""


def test_two_processes_at_once_both_succeed(suno: Path, tmp_path: Path) -> None:
    flags = [tmp_path / "first", tmp_path / "second"]
    processes = [child(AT_ONCE, suno, *flags), child(AT_ONCE, suno, *reversed(flags))]
    outputs = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    foreign = read_checkpoint(suno)
    content = b"".join(t.numpy().tobytes() for _, t in sorted(foreign.tensors.items()))
    assert outputs == [hashlib.sha256(content).hexdigest()] * 2
    assert len(kept()) == 1
    assert not opened(suno)[1]
