"""`bark download`, from a hub on loopback to a model that speaks: all layouts, hostile files, full disks."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from local_hub import Faults, LocalHub
from small_models import LAYOUTS, write_layout
from test_checkpoint_suno import Canary

from bark_cli import store
from bark_cli.checkpoint import read_checkpoint
from bark_cli.cli import main
from bark_cli.cli.download.progress import DrawnLines
from bark_cli.download import Step
from bark_cli.download import needs as planning
from bark_cli.system.units import human_bytes


class Outcome:
    """What a command gave."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The last line on stderr, of which errors have only one."""
        return self.err.splitlines()[-1]


@pytest.fixture
def bark(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One and the same Bark in every layout."""
    home = tmp_path_factory.mktemp("layouts")
    return {layout: write_layout(layout, home / layout) for layout in LAYOUTS}


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> dict[str, bytes]:
    names = ("config.json", "model.safetensors", "tokenizer.json")
    return {name: (tiny_model / name).read_bytes() for name in names}


def spoken(bark: Any, folder: Path, model: str, precision: str) -> dict[str, Any]:
    """What a model says, as tokens and as a sound."""
    sound, voice = folder / f"{precision}.wav", folder / f"{precision}.npz"
    options = ["--max-duration", 0.4, "--seed", 7, "--precision", precision, "--force"]
    said = bark("say", "-m", model, "hello", *options, "-o", sound, "--save-voice", voice)
    assert said.code == 0, said.err
    with np.load(voice) as tokens:
        return {**tokens, "sound": soundfile.read(sound)[0]}


def test_every_layout_speaks_the_same(
    bark: Any, local_hub: LocalHub, layouts: dict[str, Path], tmp_path: Path
) -> None:
    for layout, folder in layouts.items():
        local_hub.add(f"me/{layout}", folder)
        done = bark("download", f"me/{layout}", "-q", "--json")
        assert (done.code, done.err) == (0, "")
        assert done.json["layout"] == {"native": "native", "suno": "suno"}.get(layout, "transformers")
        assert {path.name for path in Path(done.json["path"]).iterdir()} == {
            "config.json",
            "model.safetensors",
            "tokenizer.json",
        }
    for precision in ("fp32", "int8"):
        first, *others = [spoken(bark, tmp_path, f"me/{layout}", precision) for layout in layouts]
        assert first["sound"].any()
        assert first["semantic_prompt"].size
        for other in others:
            for name, value in first.items():
                assert np.array_equal(value, other[name]), name


def test_a_file_without_a_hash_takes_a_flag(bark: Any, local_hub: LocalHub, layouts: dict[str, Path]) -> None:
    local_hub.add("me/plain", layouts["native"])
    size = (layouts["native"] / "model.safetensors").stat().st_size
    nothing = {"lfs": {"size": size}, "blobId": None, "size": size}
    local_hub.repositories["me/plain"].listed["model.safetensors"] = nothing
    refused = bark("download", "me/plain", "-q")
    assert refused.code == 1
    assert "lists no hash of model.safetensors" in refused.line
    assert "--unverified takes it anyway" in refused.line
    assert store.find_model("me/plain") is None
    assert bark("download", "me/plain", "-q", "--unverified").code == 0
    assert store.find_model("me/plain")


def test_from_folders_of_every_layout(bark: Any, layouts: dict[str, Path], local_hub: LocalHub) -> None:
    before = {path: path.read_bytes() for folder in layouts.values() for path in folder.iterdir()}
    for layout, folder in layouts.items():
        done = bark("download", f"my-{layout}", "--from", folder, "--json", "-q")
        assert (done.code, done.json["origin"]) == (0, str(folder))
        assert bark("download", f"my-{layout}", "--from", folder, "--json", "-q").json["changed"] is False
    assert bark("download", layouts["native"]).code == 0
    assert store.find_model("native")
    assert before == {path: path.read_bytes() for path in before}
    assert not store.downloads_home().exists() or not any(store.downloads_home().iterdir())
    assert not local_hub.requests
    first, *others = [read_checkpoint(store.resolve_model(f"my-{layout}").folder) for layout in layouts]
    for other in others:
        assert other.config == first.config
        assert all(torch.equal(other.tensors[name], value) for name, value in first.tensors.items())


def test_from_the_cache_of_huggingface(bark: Any, layouts: dict[str, Path]) -> None:
    hugging = Path.home() / ".cache" / "huggingface"
    shutil.copytree(layouts["bin"], hugging / "hub" / "models--suno--bark-small" / "snapshots" / "abc")
    assert bark("download", "small", "--from", hugging, "-q").code == 0
    manifest = store.read_manifest(store.model_home("small"))
    assert manifest is not None
    assert manifest.layout == "transformers"


def test_from_sunos_own_cache(
    bark: Any, layouts: dict[str, Path], local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds three files; the codec is in torch.hub's cache or at Meta's, the tokenizer at the hub's."""
    data = {path.name: path.read_bytes() for path in layouts["suno"].iterdir()}
    codec = data["encodec_24khz-d7cc33bc.th"]
    digest = hashlib.sha256(codec).hexdigest()
    monkeypatch.setattr(planning, "CODEC", replace(planning.CODEC, size=len(codec), sha256=digest))
    monkeypatch.setenv("BARK_ENCODEC_URL", local_hub.add_plain("codec.th", codec))
    local_hub.add("suno/bark", {"tokenizer.json": data["tokenizer.json"]})
    store.suno_home().mkdir(parents=True)
    for name in store.SUNO_FILES["large"]:
        (store.suno_home() / name).write_bytes(data[name])
    assert bark("download", "large", "--from", store.suno_home(), "-q").code == 0
    assert local_hub.bytes_sent("plain/codec.th") == len(codec)
    kept = Path.home() / ".cache" / "torch" / "hub" / "checkpoints" / "encodec_24khz-d7cc33bc.th"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(codec)
    local_hub.forget()
    assert bark("download", "mine", "--from", store.suno_home(), "-q").code == 0
    assert local_hub.bytes_sent("plain/codec.th") == 0
    assert bark("cache", "verify", "large").code == 0


def test_a_changed_folder_is_taken_in_anew(bark: Any, layouts: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(layouts["safetensors"], tmp_path / "mine")
    assert bark("download", folder, "--json", "-q").json["changed"]
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert bark("download", folder, "--json", "-q").json["changed"]
    (folder / "model.safetensors").unlink()
    gone = bark("download", folder)
    assert gone.code == 1
    assert "holds no whole Bark" in gone.line
    assert bark("say", "-m", "mine", "hello", "--max-duration", 0.1, "-o", tmp_path / "x.wav").code == 0


HOSTILE = {
    "text_2.pt": lambda canary: {"model": Canary(canary), "model_args": {}},
    "encodec_24khz-d7cc33bc.th": lambda canary: {"best_state": Canary(canary)},
    "pytorch_model.bin": lambda canary: {"semantic.lm_head.weight": Canary(canary)},
    "pytorch_model-00002-of-00002.bin": lambda canary: {"semantic.lm_head.weight": Canary(canary)},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_not_run(
    bark: Any, local_hub: LocalHub, layouts: dict[str, Path], tmp_path: Path, name: str
) -> None:
    layout = next(layout for layout, folder in layouts.items() if (folder / name).is_file())
    files = {path.name: path.read_bytes() for path in layouts[layout].iterdir()}
    canary, file = tmp_path / "canary", tmp_path / name
    torch.save(HOSTILE[name](canary), file)
    local_hub.add("me/bad", {**files, name: file.read_bytes()})
    done = bark("download", "me/bad")
    assert done.code == 1
    assert "tries to run code when read" in done.line
    assert not canary.exists()
    assert not store.model_home("me/bad").exists()
    assert not list(store.downloads_home().rglob(name))
    torch.load(file, weights_only=False)  # it would have
    assert canary.exists()


@pytest.mark.parametrize(
    ("layout", "name"),
    [("safetensors", "model.safetensors"), ("suno", "text_2.pt"), ("suno", "encodec_24khz-d7cc33bc.th")],
)
def test_a_bad_file_of_a_folder_is_named_where_it_lies(
    bark: Any, layouts: dict[str, Path], tmp_path: Path, layout: str, name: str
) -> None:
    folder = shutil.copytree(layouts[layout], tmp_path / "mine")
    for bad in ("none", Canary(tmp_path / "canary")):
        torch.save(bad, folder / name)
        done = bark("download", "mine", "--from", folder)
        assert done.code == 1
        assert str(folder / name) in done.line
        assert str(store.bark_home()) not in done.line


def test_a_dry_run_shows_files_and_space_and_writes_nothing(
    bark: Any, local_hub: LocalHub, tiny: dict[str, bytes]
) -> None:
    local_hub.add("suno/bark-small", tiny)
    shown = bark("download", "small", "--dry-run")
    assert (shown.code, shown.err) == (0, "")
    head, *rows, total = shown.out.splitlines()
    assert head.split() == ["FILE", "SIZE", "HERE"]
    assert [row.split()[0] for row in rows] == ["config.json", "tokenizer.json", "model.safetensors"]
    assert "795 kB" in rows[-1]
    assert "to download from suno/bark-small; takes" in total
    assert total.endswith("free")
    values = bark("download", "small", "--dry-run", "--json").json
    size = sum(map(len, tiny.values()))
    assert (values["bytes"]["total"], values["bytes"]["missing"], values["installed"]) == (size, size, False)
    assert [(file["path"], file["size"], file["here"]) for file in values["files"]] == [
        (name, len(tiny[name]), None) for name in ("config.json", "tokenizer.json", "model.safetensors")
    ]
    assert not store.bark_home().exists()
    assert bark("download", "small", "-q").code == 0
    assert "is here already" in bark("download", "small", "--dry-run").out


def test_what_is_said(bark: Any, local_hub: LocalHub, tiny: dict[str, bytes]) -> None:
    local_hub.add("suno/bark-small", tiny)
    done = bark("download", "small")
    assert done.code == 0
    assert done.out.splitlines()[-1] == 'bark say -m small "Hello, my name is Bark."'
    assert "bark: fetching model.safetensors (795 kB)" in done.err.splitlines()
    assert "bark: converting" in done.err.splitlines()
    again = bark("download", "small")
    assert "small is here already" in again.out
    quiet = bark("download", "small", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    offline = bark("download", "small", "--offline")
    assert (offline.code, offline.err) == (0, "")
    assert bark("download", "nano").out == "nano comes with the package; there is nothing to download\n"


def test_offline_without_the_model(bark: Any, monkeypatch: pytest.MonkeyPatch, local_hub: LocalHub) -> None:
    done = bark("download", "small", "--offline")
    assert done.code == 1
    assert "the network is off" in done.line
    assert not local_hub.requests


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "small, large, OWNER/NAME, a folder, or --voices"),
        (["smal"], "did you mean small"),
        (["small", "--layout", "pickle"], "pickle"),
        (["small", "--from", "nowhere"], "nowhere is not a folder"),
        (["../../etc", "--from", "."], "cannot be a name"),
    ],
)
def test_bad_usage(bark: Any, arguments: list[str], says: str) -> None:
    done = bark("download", *arguments)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err


def test_what_the_hub_refuses_is_one_line(bark: Any, local_hub: LocalHub) -> None:
    done = bark("download", "me/none")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "no such repository" in done.line


def test_hostile_voices_are_not_run(
    bark: Any, local_hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bark_cli.download import suno_voices
    from bark_cli.model import published

    for module in (published, suno_voices):
        monkeypatch.setattr(module, "VOICE_NAMES", ("announcer",))
    canary = tmp_path / "canary"
    hostile = tmp_path / "hostile.npy"
    np.save(hostile, np.array([Canary(canary)], dtype=object), allow_pickle=True)
    keys = ("semantic", "coarse", "fine")
    local_hub.add(
        "suno/bark",
        {f"speaker_embeddings/announcer_{key}_prompt.npy": hostile.read_bytes() for key in keys},
    )
    done = bark("download", "--voices")
    assert done.code == 1
    assert "bark: 1 voice could not be fetched, announcer because" in done.line
    assert not canary.exists()
    assert "1 of Suno's 1 voices are missing" in bark("download", "--voices", "--dry-run").out


def test_ctrl_c_keeps_what_came(bark: Any, local_hub: LocalHub, tiny: dict[str, bytes]) -> None:
    local_hub.add("suno/bark-small", tiny)
    weights, half = "suno/bark-small/model.safetensors", len(tiny["model.safetensors"]) // 2
    local_hub.misbehave(weights, Faults(stall_at=half, stall_s=60))
    environment = local_hub.environment(BARK_HOME=str(store.bark_home()))
    command = [sys.executable, "-m", "bark_cli", "download", "small"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        # no other file's part: those get their final names while we look
        while not (parts := list(store.downloads_home().rglob("model.safetensors*.part"))) or (
            parts[0].stat().st_size < half
        ):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
    assert process.returncode == 130
    assert "Traceback" not in said
    local_hub.behave()
    assert f"{human_bytes(half)} of it" in bark("download", "small", "--dry-run").out
    assert bark("download", "small").code == 0
    assert local_hub.bytes_sent(weights) == len(tiny["model.safetensors"])


def test_a_human_sees_a_line_for_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    with DrawnLines() as lines:
        lines(Step("begin", words="1.20 MB to download"))
        lines(Step("check", "tokenizer.json", 10, 20))
        for done in (100, 700, 1_200_000):
            lines(Step("fetch", "[odd]\x1bname.bin", done, 1_200_000))
        lines(Step("pause", "config.json", words="the hub answered 503; trying again in 2 s"))
        lines(Step("convert"))
    said = capsys.readouterr().err
    for words in (
        "1.20 MB to download",
        "[odd]\\x1bname.bin",
        "1.2/1.2 MB",
        "config.json: the hub answered 503",
    ):
        assert words in said
    assert "converting" in said
    assert "tokenizer.json" not in said  # it is checked before it can be read


SMALL_DISK = """
import contextlib, io, json, os, subprocess, sys
from pathlib import Path
from bark_cli.cli import main
import bark_cli.download.install
module, converting = (sys.modules[f"bark_cli.download.{name}"] for name in ("install", "prepare"))
home, sound = Path(os.environ["BARK_HOME"]), sys.argv[1]
ballast, check_space, check_room = home / "ballast", module.check_space, converting.check_room

def fill(keep):
    status = os.statvfs(home)
    ballast.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - keep)))

def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return code, err.getvalue()

def attempt(name, *options):
    code, err = run("download", "small", *options)
    spoke, why = run("say", "-m", "small", "hello", "--max-duration", "0.1", "--force", "-o", sound)
    manifest = json.loads((home / "models/small/manifest.json").read_text())
    print(json.dumps([name, code, err.splitlines(), spoke, why, manifest["revision"]]))

attempt("first")
fill(1_000_000)
attempt("preflight", "--revision", "next")
ballast.unlink()
module.check_space = lambda plan: fill(300_000)  # somebody else fills it once it was found large enough
attempt("download", "--revision", "next")
ballast.unlink()
module.check_space = lambda plan: None
converting.check_room = lambda name, needed: fill(300_000)
attempt("conversion", "--revision", "next")
converting.check_room = check_room
attempt("preflight of conversion", "--revision", "next")
ballast.unlink()
module.check_space = check_space
attempt("room again", "--revision", "next")
subprocess.run(["mount", "-o", "remount,ro", str(home)], check=True)
attempt("read-only", "--revision", "next")
attempt("read-only, another one")
"""


def test_a_small_disk(local_hub: LocalHub, tiny: dict[str, bytes], tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("only in a namespace of one's own may anybody mount a disk")
    weights = bytearray(tiny["model.safetensors"])
    weights[-1] ^= 1
    local_hub.add("suno/bark-small", tiny)
    local_hub.add("suno/bark-small", {**tiny, "model.safetensors": bytes(weights)}, revision="next")
    names = local_hub.repositories["suno/bark-small"].names
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=6M none "$0" && exec "$@"'
    script = [sys.executable, "-c", SMALL_DISK, str(tmp_path / "x.wav")]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, str(disk), *script],
        env=local_hub.environment(BARK_HOME=str(disk), OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {name: rest for name, *rest in map(json.loads, done.stdout.splitlines())}
    assert [(name, code) for name, (code, *_) in found.items()] == [
        ("first", 0),
        ("preflight", 1),
        ("download", 1),
        ("conversion", 1),
        ("preflight of conversion", 1),
        ("room again", 0),
        ("read-only", 0),
        ("read-only, another one", 1),
    ]
    words = {
        "preflight": "kB are missing; make room (`bark cache prune`)",
        "preflight of conversion": "kB are missing; make room (`bark cache prune`)",
        "download": "the disk is full",
        "conversion": "the disk is full",
        "read-only, another one": "Read-only file system",
    }
    for name, (code, said, spoke, why, revision) in found.items():
        assert spoke == 0, (name, why)  # the old model, or the new one
        newer = list(found).index(name) >= list(found).index("room again")
        assert revision == names["next" if newer else "main"]
        if code:
            assert not any(mark in line for line in said[:-1] for mark in ("full", "written", "Traceback"))
            assert words[name] in said[-1]
    ranges = list({request.range for request in local_hub.requests if request.range})
    assert len(ranges) == 1  # what came before the disk was full was not fetched again
    assert int(ranges[0].removeprefix("bytes=").partition("-")[0]) > 100_000
