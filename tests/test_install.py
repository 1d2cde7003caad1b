"""A model is installed whole or not at all: interrupted, killed, at once, on disks full or read-only."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_tiny_config, tiny_voice, write_voice
from local_hub import Faults, LocalHub

from bark_cli import store
from bark_cli.checkpoint import read_checkpoint
from bark_cli.download import Step, make_plan
from bark_cli.download.install import install
from bark_cli.download.installed import installed
from bark_cli.download.partial import part_path
from bark_cli.errors import DownloadError, ModelError, OutputError
from bark_cli.model.published import config_in
from bark_cli.store.conversions import conversions
from bark_cli.store.manifest import build_folder
from bark_cli.system.units import human_bytes
from bark_cli.voices.catalogue import model_voices
from bark_cli.voices.file import KEYS, read_voice_file

REPOSITORY = "me/tiny"
WEIGHTS = f"{REPOSITORY}/model.safetensors"
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json")
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and mounts are POSIX's")


@pytest.fixture(scope="session")
def tiny_files(tiny_model: Path) -> dict[str, bytes]:
    return {name: (tiny_model / name).read_bytes() for name in MODEL_FILES}


@pytest.fixture
def tiny_hub(local_hub: LocalHub, tiny_files: dict[str, bytes]) -> LocalHub:
    local_hub.add(REPOSITORY, tiny_files)
    return local_hub


def move_on(local_hub: LocalHub, files: dict[str, bytes]) -> dict[str, bytes]:
    """Another revision: the same model but for one weight."""
    weights = bytearray(files["model.safetensors"])
    weights[-1] ^= 1
    local_hub.add(REPOSITORY, newer := {**files, "model.safetensors": bytes(weights)})
    return newer


def pull(**options: Any) -> tuple[store.Manifest, bool]:
    return install(make_plan(REPOSITORY), **options)


def home() -> Path:
    return store.model_home(REPOSITORY)


def everything() -> set[str]:
    """Names of what lies in the cache, but for locks and conversions."""
    paths = (path.relative_to(store.bark_home()) for path in store.bark_home().rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if path.parts[0] not in ("locks", "converted")}


def is_whole_and_alone() -> bool:
    """Whether the cache holds the model, every byte as it must be, and nothing else."""
    manifest = store.read_manifest(home())
    assert manifest is not None
    place = f"models/{home().name}"
    wanted = {f"{place}/manifest.json"} | {f"{place}/{manifest.build}/{file.path}" for file in manifest.files}
    assert everything() == wanted
    return installed(make_plan(REPOSITORY), False) is not None


def voices_in(folder: Path) -> dict[str, list[Any]]:
    """A model's own voices, as they are spoken, by name."""
    config = config_in(folder)
    found = {info.name: read_voice_file(info.path, info.name, config) for info in model_voices(folder)}
    return {name: [v.semantic.tolist(), v.coarse.tolist(), v.fine.tolist()] for name, v in found.items()}


def voices_of(name: str) -> dict[str, list[Any]]:
    return voices_in(store.resolve_model(name).folder)


def resumed_at(local_hub: LocalHub) -> int:
    """Where the last download that went on did so; what is sent and not yet received is not ours to count."""
    ranges = [request.range for request in local_hub.requests if request.range]
    return int(ranges[-1].removeprefix("bytes=").partition("-")[0]) if ranges else 0


def test_a_model_is_installed_without_loss(tiny_hub: LocalHub, tiny_model: Path) -> None:
    manifest, changed = pull()
    assert changed
    assert is_whole_and_alone()
    assert (manifest.name, manifest.origin, manifest.layout) == (REPOSITORY, REPOSITORY, "native")
    assert manifest.revision == tiny_hub.repositories[REPOSITORY].names["main"]
    assert [file.path for file in manifest.files] == sorted(MODEL_FILES)
    for file in manifest.fetched:
        data = (tiny_model / file.path).read_bytes()
        assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    found, original = read_checkpoint(build_folder(home(), manifest)), read_checkpoint(tiny_model)
    assert found.config == original.config
    for name in original.tensors:
        assert found.tensors[name].dtype == torch.float32
        assert torch.equal(found.tensors[name], original.float32(name))
    ref = store.resolve_model(REPOSITORY)
    assert ref.folder == build_folder(home(), manifest)


def test_what_is_here_is_not_fetched_again(tiny_hub: LocalHub) -> None:
    first, _ = pull()
    tiny_hub.forget()
    again, changed = pull()
    assert (again, changed) == (first, False)
    assert not any("/resolve/" in request.path for request in tiny_hub.requests)


def test_originals_are_kept_if_asked_for(tiny_hub: LocalHub, tiny_files: dict[str, bytes]) -> None:
    manifest, _ = pull(keep_original=True)
    original = build_folder(home(), manifest) / "original"
    assert {path.name: path.read_bytes() for path in original.iterdir()} == tiny_files
    assert is_whole_and_alone()
    assert pull(keep_original=True) == (manifest, False)


def test_a_folder_brings_its_voices(tiny_model: Path) -> None:
    manifest, _ = install(make_plan("mine", source=tiny_model))
    assert "voices/tiny/ann.npz" in [file.path for file in manifest.files]
    assert voices_of("mine") == voices_in(tiny_model) != {}


def test_voices_of_every_layout_keep_their_names(tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "mine")
    voice = tiny_voice(make_tiny_config(), seed=8)
    for place in ("voices/deep/bob", "assets/prompts/announcer", "assets/prompts/v2/en_speaker_6"):
        write_voice(folder / f"{place}.npz", voice)
    for name in ("de_speaker_0", "v2/de_speaker_0"):
        for key, tokens in zip(KEYS, (voice.semantic, voice.coarse, voice.fine), strict=True):
            path = folder / "speaker_embeddings" / f"{name}_{key}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, tokens)
    install(make_plan("mine", source=folder))
    assert {*voices_of("mine")} == {
        *("mine/ann", "deep/bob", "announcer", "v2/en_speaker_6", "de_speaker_0", "v2/de_speaker_0")
    }
    assert voices_of("mine") == voices_in(folder)


def test_only_checked_voices_come_along(tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "mine")
    shutil.copyfile(folder / "voices" / "ann.npz", folder / "voices" / "more.npz")
    with zipfile.ZipFile(folder / "voices" / "more.npz", "a") as archive:
        archive.writestr("code.py", "print()")
    (folder / "speaker_embeddings").mkdir()
    np.save(folder / "speaker_embeddings" / "half_semantic_prompt.npy", np.zeros(5, int))
    steps: list[Step] = []
    assert install(make_plan("mine", source=folder), listener=steps.append)[1]
    assert [*voices_of("mine")] == ["mine/ann"]
    skipped = [step.words for step in steps if step.kind == "skip"]
    assert ["more.npz" in skipped[0], "half" in skipped[1], len(skipped)] == [True, True, 2]
    assert not install(make_plan("mine", source=folder))[1]  # no reason to begin anew


def test_voices_that_come_change_or_go_make_it_another_model(tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "mine")

    def changed() -> bool:
        return install(make_plan("mine", source=folder))[1]

    assert [changed(), changed()] == [True, False]
    added = folder / "assets" / "prompts" / "me.npz"
    for seed in (8, 9):
        write_voice(added, tiny_voice(make_tiny_config(), seed=seed))
        assert [changed(), changed()] == [True, False]
        assert voices_of("mine") == voices_in(folder)
    added.unlink()
    assert [changed(), changed()] == [True, False]
    assert [*voices_of("mine")] == ["mine/ann"]


def test_a_new_revision_replaces_the_old_one(tiny_hub: LocalHub, tiny_files: dict[str, bytes]) -> None:
    from bark_cli.checkpoint import open_checkpoint

    old, _ = pull()
    open_checkpoint(build_folder(home(), old), storage="int8")
    move_on(tiny_hub, tiny_files)
    new, changed = pull()
    assert changed
    assert new.revision != old.revision
    assert is_whole_and_alone()
    assert all(conversion.is_current for conversion in conversions())


def test_listeners_hear_of_every_byte(tiny_hub: LocalHub, tiny_files: dict[str, bytes]) -> None:
    steps: list[Step] = []
    pull(listener=steps.append)
    assert [step.words for step in steps if step.kind == "begin"] != []
    fetched = {step.file: (step.done, step.total) for step in steps if step.kind == "fetch"}
    assert fetched == {name: (len(data), len(data)) for name, data in tiny_files.items()}
    assert [step.kind for step in steps].index("convert") > max(
        i for i, step in enumerate(steps) if step.kind == "fetch"
    )


def test_an_interrupted_download_goes_on(tiny_hub: LocalHub, tiny_files: dict[str, bytes]) -> None:
    half = len(tiny_files["model.safetensors"]) // 2

    def interrupt(step: Step) -> None:
        if step.file == "model.safetensors" and step.done > half:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(listener=interrupt)
    assert not home().exists()
    plan = make_plan(REPOSITORY)
    assert plan.missing < plan.total // 2
    assert pull()[1]
    assert is_whole_and_alone()
    assert resumed_at(tiny_hub) > half


def test_a_part_of_another_revision_is_not_gone_on_with(
    tiny_hub: LocalHub, tiny_files: dict[str, bytes]
) -> None:
    plan = make_plan(REPOSITORY)
    remote = plan.files[-1].remote
    assert remote is not None
    plan.stage.mkdir(parents=True)
    old = part_path(remote, plan.stage / remote.path)
    old.write_bytes(b"x" * 1000)
    (plan.stage / "pytorch_model.bin").write_bytes(b"of another layout")
    move_on(tiny_hub, tiny_files)
    assert make_plan(REPOSITORY).missing == plan.total
    pull()
    assert is_whole_and_alone()


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a bit": flip_a_bit,
    "a byte less": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "a web page": lambda path: path.write_bytes(b"<!doctype html><title>Sign in</title>"),
    "gone": Path.unlink,
}


@pytest.mark.parametrize(
    ("name", "damage"),
    [*(("model.safetensors", damage) for damage in DAMAGES), ("tokenizer.json", "a bit")]
    + [("../manifest.json", damage) for damage in ("a bit", "empty")],
)
def test_damage_heals(tiny_hub: LocalHub, damage: str, name: str) -> None:
    manifest, _ = pull()
    DAMAGES[damage](build_folder(home(), manifest) / name)
    found, changed = pull()
    assert changed
    assert found.fetched == manifest.fetched
    assert store.resolve_model(REPOSITORY).folder == build_folder(home(), found)
    assert is_whole_and_alone()


def test_a_damaged_conversion_is_made_again(tiny_hub: LocalHub) -> None:
    from bark_cli.checkpoint import open_checkpoint

    build = build_folder(home(), pull()[0])
    open_checkpoint(build, storage="int8")
    (conversion,) = conversions()
    pull()
    assert conversions() == [conversion]
    flip_a_bit(conversion.folder / "model.safetensors")
    assert not pull()[1]
    assert conversions() == []


def test_what_was_fetched_and_is_damaged_since_is_fetched_again(
    tiny_hub: LocalHub, tiny_files: dict[str, bytes]
) -> None:
    plan = make_plan(REPOSITORY)
    plan.stage.mkdir(parents=True)
    for name, data in tiny_files.items():
        (plan.stage / name).write_bytes(data)
        flip_a_bit(plan.stage / name)
    assert make_plan(REPOSITORY).missing == 0  # so it seems
    pull()
    assert is_whole_and_alone()


def test_the_cache_of_huggingface_is_used_in_place(tiny_hub: LocalHub, tiny_files: dict[str, bytes]) -> None:
    cache = Path.home() / ".cache" / "huggingface" / "hub" / "models--me--tiny"
    digest = hashlib.sha256(tiny_files["model.safetensors"]).hexdigest()
    blob, snapshot = cache / "blobs" / digest, cache / "snapshots" / "abc"
    for folder in (blob.parent, snapshot):
        folder.mkdir(parents=True)
    blob.write_bytes(tiny_files["model.safetensors"])
    (snapshot / "model.safetensors").symlink_to(blob)
    pull()
    assert tiny_hub.bytes_sent(WEIGHTS) == 0
    assert blob.read_bytes() == tiny_files["model.safetensors"]
    assert is_whole_and_alone()
    flip_a_bit(blob)
    flip_a_bit(next(home().glob("*/model.safetensors")))
    pull()  # what is damaged there is fetched
    assert tiny_hub.bytes_sent(WEIGHTS) == len(tiny_files["model.safetensors"])
    assert is_whole_and_alone()


def test_what_the_hub_refuses_leaves_the_old_model(tiny_hub: LocalHub, tiny_files: dict[str, bytes]) -> None:
    manifest, _ = pull()
    move_on(tiny_hub, tiny_files)
    tiny_hub.misbehave(WEIGHTS, Faults(status=404))
    with pytest.raises(DownloadError):
        pull()
    assert store.resolve_model(REPOSITORY).folder == build_folder(home(), manifest)
    tiny_hub.behave()
    pull()
    assert is_whole_and_alone()


def test_files_that_are_no_bark_are_not_installed(tiny_hub: LocalHub, tiny_files: dict[str, bytes]) -> None:
    tiny_hub.add(REPOSITORY, {**tiny_files, "model.safetensors": b"none of it"})
    with pytest.raises(ModelError, match="damaged or not a safetensors file"):
        pull()
    assert not home().exists()


def test_a_disk_too_small_is_known_before_the_first_byte(
    tiny_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(Path.home())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))
    plan = make_plan(REPOSITORY)
    with pytest.raises(OutputError) as caught:
        pull()
    line = str(caught.value)
    for count in (plan.needed, 100_000, plan.needed - 100_000):
        assert human_bytes(count) in line
    assert "\n" not in line
    assert "missing" in line
    assert not any("/resolve/" in request.path for request in tiny_hub.requests)
    assert not everything()


# Processes: they are forked from one that has imported torch.


def in_child(url: str, place: str, act: Callable[[], object]) -> None:
    """What a child does first: use that hub, and that cache."""
    from huggingface_hub import constants

    os.environ.update(HF_ENDPOINT=url, BARK_HOME=place, NO_PROXY="127.0.0.1", HOME=place)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        os.environ.pop(name, None)
    constants.HF_HUB_OFFLINE, constants.ENDPOINT = False, url
    constants.HUGGINGFACE_CO_URL_TEMPLATE = url + "/{repo_id}/resolve/{revision}/{filename}"
    act()


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServerContext]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # and with it torch, once for all
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.delenv("HF_HUB_OFFLINE", raising=False)
        forkserver.ensure_running()
        yield context
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def start(context: ForkServerContext, target: Callable[..., None], *arguments: object) -> BaseProcess:
    process = context.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def ended(process: BaseProcess) -> int | None:
    process.join(120)
    return process.exitcode


KILLS = {
    "while the weights are written": ("safetensors.torch", "serialize_file"),
    "after the weights are written": ("shutil", "copyfile"),
    "before the build has its name": ("bark_cli.download.install", "_version"),
    "before the manifest": ("bark_cli.store", "write_manifest"),
    "before the old one is removed": ("bark_cli.download.install", "_sweep"),
}


def pull_and_die(url: str, place: str, module: str, name: str) -> None:
    """Install, and be killed on the way."""
    import importlib

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(importlib.import_module(module), name, die)
    in_child(url, place, pull)


@POSIX
@pytest.mark.parametrize("moment", KILLS)
def test_a_process_killed_in_conversion_costs_nothing(
    tiny_hub: LocalHub, tiny_files: dict[str, bytes], forks: ForkServerContext, moment: str
) -> None:
    old, _ = pull()
    newer = move_on(tiny_hub, tiny_files)
    tiny_hub.forget()
    place = str(store.bark_home())
    assert ended(start(forks, pull_and_die, tiny_hub.url, place, *KILLS[moment])) == -signal.SIGKILL
    ref = store.resolve_model(REPOSITORY)  # the old one, or the new one: whole
    assert read_checkpoint(ref.folder).tensors
    assert (ref.folder == build_folder(home(), old)) == (moment != "before the old one is removed")
    found, _ = pull()
    assert found.fetched[-1].sha256 == hashlib.sha256(newer["model.safetensors"]).hexdigest()
    assert tiny_hub.bytes_sent(WEIGHTS) == len(newer["model.safetensors"])
    if moment != "before the old one is removed":  # then it is whole, and the rest is for `bark cache prune`
        assert is_whole_and_alone()


def pull_once(url: str, place: str) -> None:
    in_child(url, place, pull)


@POSIX
def test_a_killed_holder_frees_the_lock(
    tiny_hub: LocalHub, tiny_files: dict[str, bytes], forks: ForkServerContext
) -> None:
    size = len(tiny_files["model.safetensors"])
    tiny_hub.misbehave(WEIGHTS, Faults(stall_at=size // 2, stall_s=60))
    plan = make_plan(REPOSITORY)
    weights = plan.files[-1].remote
    assert weights is not None
    part = part_path(weights, plan.stage / weights.path)
    holder = start(forks, pull_once, tiny_hub.url, str(store.bark_home()))
    while not part.exists() or part.stat().st_size < size // 2:  # what was sent is not yet received
        assert holder.is_alive()
        time.sleep(0.01)
    assert store.is_locked(REPOSITORY)
    heard = threading.Event()
    tiny_hub.behave()
    waiting = threading.Thread(target=pull, kwargs={"listener": lambda s: s.kind == "wait" and heard.set()})
    waiting.start()
    assert heard.wait(60)
    os.kill(holder.pid or 0, signal.SIGKILL)
    waiting.join(60)
    assert ended(holder) == -signal.SIGKILL
    assert is_whole_and_alone()
    assert resumed_at(tiny_hub) == size // 2


PROCESSES, ROUNDS = 8, 20


def pull_at_once(url: str, place: str, barrier: Any, results: Any) -> None:
    """Install the same model as the others, at the same moment, again and again in a fresh cache."""

    def rounds() -> None:
        for i in range(ROUNDS):
            os.environ["BARK_HOME"] = f"{place}/{i}"
            barrier.wait(120)
            manifest, changed = pull()
            results.put((i, manifest.build, changed, store.resolve_model(REPOSITORY).folder.name))

    in_child(url, place, rounds)


@POSIX
def test_eight_at_once_make_one_transfer(
    tiny_hub: LocalHub, tiny_files: dict[str, bytes], forks: ForkServerContext, tmp_path: Path
) -> None:
    barrier, results = forks.Barrier(PROCESSES), forks.SimpleQueue()
    processes = [
        start(forks, pull_at_once, tiny_hub.url, str(tmp_path), barrier, results) for _ in range(PROCESSES)
    ]
    found = [results.get() for _ in range(PROCESSES * ROUNDS)]
    assert [ended(process) for process in processes] == [0] * PROCESSES
    for i in range(ROUNDS):
        of_round = [(build, changed, folder) for n, build, changed, folder in found if n == i]
        assert len(of_round) == PROCESSES
        assert len({(build, folder) for build, _, folder in of_round}) == 1
        assert sum(changed for _, changed, _ in of_round) == 1
    for name, data in tiny_files.items():
        assert tiny_hub.bytes_sent(f"{REPOSITORY}/{name}") == ROUNDS * len(data)
