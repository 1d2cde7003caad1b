"""Models on disk: listed as they are, checked to the bit, removed whole, and nothing left over."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from test_lock import held_elsewhere

from bark_cli import store
from bark_cli.cache import (
    Check,
    bytes_of,
    bytes_to_check,
    check_models,
    find_cached,
    find_leftovers,
    list_models,
    plan_removal,
    remove,
    remove_leftover,
)
from bark_cli.errors import MissingModelError, ModelError, OptionError
from bark_cli.store import Manifest, bark_home, model_home, read_manifest, resolve_model, write_manifest
from bark_cli.store.conversions import Source, conversion_folder, write_source
from bark_cli.store.manifest import build_folder, record_file
from bark_cli.store.suno_voices import SUNO_VOICES_PLACE
from bark_cli.system import parts
from bark_cli.system.folders import folder_beside

BUILD = "0123456789ab-01234567"
FILES = {
    "config.json": b'{"semantic": {}}',
    "model.safetensors": bytes(range(250)) * 400,
    "tokenizer.json": b"{}",
}
REVISION = "ab" * 20


@pytest.fixture(autouse=True)
def nano(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundled model of known size."""
    folder = fill(tmp_path / "assets" / "nano")
    monkeypatch.setattr("bark_cli.store.places.nano_folder", lambda: folder)
    monkeypatch.setattr("bark_cli.store.nano_folder", lambda: folder)
    return folder


def fill(folder: Path, *more: str) -> Path:
    """A folder with the files of a model of ours, and more."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    for name in more:
        (folder / name).write_bytes(b"more")
    return folder


def installed(name: str = "small", *, original: bool = False, revision: str | None = REVISION) -> Path:
    """The build of a downloaded model."""
    folder = fill(model_home(name) / BUILD)
    if original:
        (folder / "original").mkdir()
        (folder / "original" / "pytorch_model.bin").write_bytes(b"original" * 100)
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    manifest = Manifest(
        name=name,
        build=BUILD,
        origin="suno/bark-small" if revision else "/some/folder of mine",
        revision=revision,
        layout="transformers",
        fetched=(),
        files=tuple(record_file(folder, path) for path in paths),
        created="2026-11-22T13:00:00+00:00",
        bark_version="0.1",
    )
    write_manifest(model_home(name), manifest)
    return folder


def converted(folder: Path, storage: str = "int8", layout: str = "native") -> Path:
    """A conversion of the model in `folder`."""
    source = Source(folder=folder, layout=layout, size=None, storage=storage)  # type: ignore[arg-type]
    target = fill(conversion_folder(source))
    write_source(target, source)
    return target


def interrupted(name: str = "small", *, age_s: float = 7200) -> Path:
    """What a download leaves that is cut off."""
    folder = store.downloads_home() / model_home(name).name
    (folder / "abc").mkdir(parents=True)
    (folder / "abc" / "pytorch_model.bin.part").write_bytes(b"x" * 500)
    make_old(folder, age_s)
    return folder


def make_old(folder: Path, age_s: float = 7200) -> None:
    then = time.time() - age_s
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then), follow_symlinks=False)


def names() -> list[str]:
    return [model.name for model in list_models()]


def everything() -> list[Path]:
    """All files of the cache but the locks."""
    files = [path for path in bark_home().rglob("*") if path.is_file()]
    return [path for path in files if path.parent != bark_home() / "locks"]


# listing


def test_a_downloaded_model_says_what_it_takes_and_where_it_is_from(nano: Path) -> None:
    folder = installed(original=True)
    made = converted(folder)
    first, second = list_models()
    assert (first.name, first.place, first.folder) == ("small", "bark", folder)
    assert (first.layout, first.revision, first.damage) == ("native", REVISION, None)
    assert [one.folder for one in first.conversions] == [made]
    assert first.converted_bytes == sum(path.stat().st_size for path in made.iterdir())
    assert first.bytes == bytes_of(model_home("small"), made) == bytes_of(bark_home())
    assert first.bytes > sum(map(len, FILES.values())) * 2 + 800
    assert (second.name, second.place, second.folder) == ("nano", "package", nano)
    assert second.bytes == sum(map(len, FILES.values()))


def test_every_place_is_listed() -> None:
    caches = Path.home() / ".cache"
    snapshot = fill(caches / "huggingface" / "hub" / "models--suno--bark" / "snapshots" / "abc")
    (snapshot / "config.json").write_text('{"model_type": "bark"}')
    suno = caches / "suno" / "bark_v0"
    fill(suno, *store.SUNO_FILES["small"], "encodec_24khz-d7cc33bc.th")
    for name in ("config.json", "model.safetensors"):
        (suno / name).unlink()
    installed("small")
    installed("suno/bark-small")
    fill(store.models_home() / "mine")
    elsewhere = fill(Path.home() / "elsewhere")
    converted(elsewhere)
    found = {(model.name, model.place): model for model in list_models()}
    assert list(found) == [
        ("large", "huggingface"),
        ("small", "bark"),
        ("small", "suno"),
        ("nano", "package"),
        ("mine", "own"),
        ("suno/bark-small", "bark"),
        (str(elsewhere), "elsewhere"),
    ]
    assert found["large", "huggingface"].revision == "abc"
    assert found["large", "huggingface"].layout == "transformers"
    assert (found["small", "suno"].layout, found["small", "suno"].own_bytes) == ("suno", 12)
    assert found[str(elsewhere), "elsewhere"].own_bytes == 0
    assert found[str(elsewhere), "elsewhere"].bytes > 0
    assert all(model.damage is None for model in found.values())


def test_conversions_of_other_programs_models_belong_to_them() -> None:
    both = Path.home() / ".cache" / "suno" / "bark_v0"
    fill(both, *store.SUNO_FILES["small"], *store.SUNO_FILES["large"], "encodec_24khz-d7cc33bc.th")
    for size in ("small", "large"):
        source = Source(folder=both, layout="suno", size=size, storage="int8")
        write_source(fill(conversion_folder(source)), source)
    found = {model.name: model for model in list_models() if model.place == "suno"}
    assert {name: len(model.conversions) for name, model in found.items()} == {"small": 1, "large": 1}
    assert found["small"].conversions != found["large"].conversions
    assert "elsewhere" not in {model.place for model in list_models()}


def test_what_lacks_a_file_is_listed_as_damaged() -> None:
    (installed() / "model.safetensors").unlink()
    installed("large")
    (model_home("large") / "manifest.json").write_text("{")
    fill(store.models_home() / "mine")
    (store.models_home() / "mine" / "tokenizer.json").unlink()
    damages = {model.name: model.damage for model in list_models()}
    assert damages["small"] == "model.safetensors is missing"
    assert "is damaged; remove it with `bark cache rm large`" in str(damages["large"])
    assert damages["mine"] == "it lacks files that a model has"


def test_the_remains_of_a_download_are_no_model() -> None:
    fill(model_home("small") / BUILD)
    fill(model_home("large") / ".writing-0123456789ab")
    fill(store.models_home() / ".removing-abc")
    interrupted()
    assert names() == ["nano"]


def test_a_file_is_counted_once_however_often_it_is_linked(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_bytes(b"12345")
    os.link(folder / "a", folder / "b")
    (folder / "c").symlink_to(folder / "a")
    (folder / "dangling").symlink_to(folder / "nowhere")
    assert bytes_of(folder) == bytes_of(folder, folder / "c") == 5
    assert bytes_of(folder / "nowhere") == bytes_of(folder / "c") == 0
    assert bytes_of(folder / "c", behind_links=True) == bytes_of(folder, behind_links=True) == 5


def test_the_users_own_files_do_not_count_where_a_download_links_to_them() -> None:
    own = fill(Path.home() / "elsewhere") / "model.safetensors"
    stage = interrupted()
    before = bytes_of(bark_home())
    (stage / "model.safetensors").symlink_to(own)
    make_old(stage)
    assert bytes_of(bark_home()) == before
    assert [one.bytes for one in find_leftovers()] == [before]


def test_a_model_of_links_has_its_size_and_frees_none_of_it() -> None:
    fill(store.models_home() / "mine")
    weights = store.models_home() / "mine" / "model.safetensors"
    weights.rename(Path.home() / "weights")
    weights.symlink_to(Path.home() / "weights")
    [model], freed = find_cached("mine"), plan_removal("mine").bytes
    assert (model.bytes, model.bytes - freed) == (
        sum(map(len, FILES.values())),
        len(FILES["model.safetensors"]),
    )


def test_what_is_listed_is_found_checked_and_removed() -> None:
    installed("a--b", revision=None)
    installed("me/other")
    fill(store.models_home() / "x--y")
    fill(store.models_home() / "odd--")
    assert names() == ["nano", "a--b", "me/other", "odd--", "x/y"]
    assert [ref.name for ref in store.installed_models()] == names()
    for name in names()[1:]:
        assert not check(name).damages
        remove(plan_removal(name))
    assert names() == ["nano"]


def test_finding_by_name_and_by_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = fill(Path.home() / "elsewhere")
    converted(elsewhere)
    assert [model.name for model in find_cached("nano")] == ["nano"]
    monkeypatch.chdir(Path.home())
    assert find_cached("./elsewhere") == find_cached(str(elsewhere))
    with pytest.raises(ModelError, match=r"there is no model 'x' here \(nano, .*\); see `bark cache ls`"):
        find_cached("x")


# checking


def check(name: str = "small") -> Check:
    [found] = check_models(find_cached(name))
    return found


def test_a_whole_model_is_read_to_the_last_byte() -> None:
    made = converted(installed())
    (made / "more").touch()  # not of the conversion
    read: list[int] = []
    models = find_cached("small")
    [found] = check_models(models, read.append)
    assert (found.known, found.damages, found.cure) == (True, (), None)
    assert sum(read) == bytes_to_check(models) == 2 * sum(map(len, FILES.values()))


@pytest.mark.parametrize("name", [*FILES, "original/pytorch_model.bin"])
def test_damage_is_found_in_every_file(name: str) -> None:
    path = installed(original=True) / name
    content = path.read_bytes()
    for damaged in (content[:-1], b"", b"<!doctype html><title>Not found</title>", flipped(content)):
        path.write_bytes(damaged)
        found = check()
        assert [damage.path for damage in found.damages] == [path]
        assert found.cure == "fetch it again with `bark download small`"
    path.write_bytes(content)
    assert not check().damages


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_a_model_from_a_folder_is_mended_from_there() -> None:
    (installed("mine", revision=None) / "tokenizer.json").unlink()
    again = "fetch it again with `bark download mine --from '/some/folder of mine'`"
    assert check("mine").cure == again
    with pytest.raises(ModelError) as caught:
        resolve_model("mine")
    assert str(caught.value).endswith(again)
    assert not isinstance(caught.value, MissingModelError)  # which would be looked for on the hub
    (model_home("mine") / "manifest.json").write_text("no JSON")
    assert check("mine").cure == "fetch it again with `bark download mine --from FOLDER`"


def test_a_damaged_manifest_is_damage() -> None:
    installed()
    (model_home("small") / "manifest.json").write_text("{}")
    found = check()
    assert [damage.path for damage in found.damages] == [model_home("small") / "manifest.json"]
    assert bytes_to_check([found.model]) == 0


def test_a_damaged_conversion_is_found_and_told_apart() -> None:
    made = converted(installed())
    (made / "model.safetensors").write_bytes(flipped(FILES["model.safetensors"]))
    found = check()
    assert [damage.path for damage in found.damages] == [made]
    assert found.cure == f"remove {made}, and it is made again"


def test_what_bark_has_not_fetched_is_unknown() -> None:
    fill(store.models_home() / "mine")
    for name in ("nano", "mine"):
        found = check(name)
        assert (found.known, found.damages) == (False, ())


def test_a_model_replaced_while_it_is_checked_is_checked_again() -> None:
    installed()
    manifest = read_manifest(model_home("small"))
    assert manifest is not None
    other = replace(manifest, build="fedcba987654-01234567")
    told: list[int] = []

    def swap(count: int) -> None:
        told.append(count)
        if len(told) == 1:
            build_folder(model_home("small"), manifest).rename(model_home("small") / other.build)
            write_manifest(model_home("small"), other)

    [found] = check_models(find_cached("small"), swap)
    assert found.damages == ()


# removing


def test_removing_takes_all_of_a_model_and_nothing_else() -> None:
    folder = installed(original=True)
    large = installed("large")
    gone = [model_home("small"), converted(folder), converted(folder, "fp32"), interrupted()]
    stays = [model_home("large"), converted(large), interrupted("large")]
    removal = plan_removal("small")
    assert sorted(removal.paths) == sorted(gone)
    assert removal.bytes == bytes_of(*gone)
    assert (removal.home, removal.is_users, removal.stays) == (model_home("small"), False, ())
    remove(removal)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in stays)
    assert names() == ["large", "nano"]
    with pytest.raises(ModelError, match="there is no model 'small' here"):
        plan_removal("small")


def test_a_damaged_model_and_the_remains_of_one_can_be_removed() -> None:
    installed()
    (model_home("small") / "manifest.json").write_text("{")
    fill(model_home("large") / BUILD)
    interrupted("suno/bark")
    for name in ("small", "large", "suno/bark"):
        removal = plan_removal(name)
        assert not removal.is_users
        remove(removal)
    assert everything() == []


def test_the_users_own_folder_is_told_apart() -> None:
    home = fill(store.models_home() / "mine")
    removal = plan_removal("mine")
    assert (removal.home, removal.is_users) == (home, True)
    fill(store.models_home() / "other" / "inner")
    assert plan_removal("other").is_users  # no model, and nothing that Bark has put there
    remove(removal)
    assert not home.exists()


def test_a_link_is_removed_and_not_what_it_leads_to() -> None:
    folder = fill(Path.home() / "elsewhere")
    store.models_home().mkdir(parents=True)
    (store.models_home() / "mine").symlink_to(folder)
    assert names() == ["nano", "mine"]
    removal = plan_removal("mine")
    assert (removal.is_users, removal.bytes) == (True, 0)
    remove(removal)
    assert names() == ["nano"]
    assert len(list(folder.iterdir())) == len(FILES)


def test_other_programs_caches_are_refused_but_what_was_made_of_them_is_not(nano: Path) -> None:
    with pytest.raises(ModelError, match=r"nano cannot be removed: .* is part of bark_cli and goes with it"):
        plan_removal("nano")
    snapshot = fill(
        Path.home() / ".cache" / "huggingface" / "hub" / "models--suno--bark" / "snapshots" / "abc"
    )
    with pytest.raises(
        ModelError, match=r"huggingface_hub, which is not Bark's to change; see `hf cache rm`"
    ):
        plan_removal("large")
    made = converted(snapshot)
    removal = plan_removal("large")
    assert (removal.home, removal.made) == (None, (made,))
    assert "not Bark's to change" in removal.stays[0]
    remove(removal)
    assert not made.exists()
    assert snapshot.exists()
    elsewhere = fill(Path.home() / "elsewhere")
    made = converted(elsewhere)
    remove(plan_removal(str(elsewhere)))
    assert not made.exists()
    assert elsewhere.exists()


@pytest.mark.parametrize("name", ["..", "../models", "../../x", "/etc", ".removing-x", "", "a/../b"])
def test_a_name_that_leads_out_removes_nothing(name: str) -> None:
    installed()
    before = everything()
    with pytest.raises((OptionError, ModelError)):
        plan_removal(name)
    assert everything() == before


def test_a_model_that_is_being_installed_is_not_removed() -> None:
    installed()
    removal = plan_removal("small")
    with held_elsewhere("small"), pytest.raises(ModelError, match="small is in use by another process"):
        remove(removal)
    assert resolve_model("small").name == "small"
    remove(removal)
    assert everything() == []


REMOVE = """
import os, shutil, signal, sys
from bark_cli.cache import plan_removal, remove
count = int(sys.argv[1])
def step(function):
    def call(*arguments, **options):
        global count
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        count -= 1
        return function(*arguments, **options)
    return call
removal = plan_removal("small")
for name in ("unlink", "rmdir", "rename"):
    setattr(os, name, step(getattr(os, name)))
remove(removal)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_killed_at_any_moment_the_model_is_whole_or_absent() -> None:
    """Before each removal of a file or folder, of which there are about a dozen."""
    ends = []
    for count in range(40):
        shutil.rmtree(bark_home(), ignore_errors=True)
        converted(installed(original=True))
        code = subprocess.run([sys.executable, "-c", REMOVE, str(count)]).returncode
        if "small" in names():
            assert not check().damages
            ends.append("whole")
        else:
            ends.append("absent")
        for leftover in find_leftovers():
            assert remove_leftover(leftover)
        if "small" not in names():
            assert everything() == []
            assert not list(store.models_home().iterdir())
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert ends[0] == "whole"
    assert ends[1] == ends[-1] == "absent"
    assert len(ends) > 10


# leftovers


def test_leftovers_are_found_and_a_whole_model_is_left_alone() -> None:
    folder = installed(original=True)
    kept = [converted(folder), fill(store.models_home() / "mine"), interrupted("large", age_s=60)]
    stale = converted(folder, "fp32", layout="suno")
    stale.rename(stale.with_name("0123-4567"))
    unknown = fill(store.converted_home() / "no-source")
    writing = fill(store.converted_home() / ".writing-0123456789ab")
    fresh = fill(store.converted_home() / ".writing-abcdefabcdef")
    make_old(writing)
    bench = fill(store.converted_home() / ".bark-0123456789ab.part")
    build = fill(model_home("small") / "fedcba987654-01234567")
    alone = fill(model_home("suno/bark") / ".writing-0123456789ab")
    removing = fill(store.models_home() / ".removing-abc")
    voice = store.voices_home() / "me" / ".bark-abc.part"
    voice.parent.mkdir(parents=True)
    voice.touch()
    make_old(voice)
    download = interrupted()
    found = find_leftovers()
    assert {one.path: one.what for one in found} == {
        download: "an interrupted download",
        removing: "left by an interrupted removal",
        build: "left by an interrupted installation",
        folder / "original": "an original that is not used",
        alone: "left by an interrupted installation",
        stale.with_name("0123-4567"): "a conversion whose model is gone or has changed",
        unknown: "a conversion whose model is gone or has changed",
        writing: "left by an interrupted conversion",
        bench: "left by an interrupted measurement",
        voice: "left by an interrupted write",
    }
    assert all(one.bytes == bytes_of(one.path) and not one.in_use for one in found)
    assert all(remove_leftover(one) for one in found)
    assert not any(one.path.exists() for one in found)
    assert all(path.exists() for path in (*kept, fresh))
    assert find_leftovers() == []
    assert not model_home("suno/bark").exists()
    found_again = check()
    assert found_again.known
    assert not found_again.damages
    manifest = read_manifest(model_home("small"))
    assert manifest is not None
    assert {file.path for file in manifest.files} == set(FILES)


def test_a_part_is_left_over_as_soon_as_nobody_holds_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    home = store.converted_home()
    home.mkdir(parents=True)
    with folder_beside(home / "random-large") as part:
        fill(part / "random-large")
        make_old(part)
        assert find_leftovers() == [], "it is being written, however long that takes"
    left = fill(home / ".bark-0123456789ab.part")
    assert [one.path for one in find_leftovers()] == [left]
    monkeypatch.setattr(parts, "fcntl", None)  # a system without such locks goes by the age
    assert find_leftovers() == []
    make_old(left)
    assert [one.path for one in find_leftovers()] == [left]


def test_what_the_user_put_there_is_no_leftover() -> None:
    fill(store.models_home() / "mine" / "inner")
    fill(store.models_home() / "--")
    (store.models_home() / "file").touch()
    fill(Path.home() / "elsewhere" / BUILD)
    (store.models_home() / "linked").symlink_to(Path.home() / "elsewhere")
    installed()
    fill(model_home("small") / "notes")
    assert find_leftovers() == []


def test_a_download_that_runs_is_left_alone() -> None:
    fill(model_home("small") / ".writing-0123456789ab")
    interrupted()
    before = find_leftovers()
    with held_elsewhere("small"):
        assert [one.in_use for one in find_leftovers()] == [True, True]
        assert not any(remove_leftover(one) for one in before)
    assert len(find_leftovers()) == 2


def test_a_model_called_presets_and_sunos_voices_do_not_wait_for_each_other() -> None:
    for name in ("presets", SUNO_VOICES_PLACE):
        stage = store.downloads_home() / name
        stage.mkdir(parents=True)
        (stage / "file").write_bytes(b"half")
        make_old(stage)
    with held_elsewhere("presets"):
        assert {one.path.name: one.in_use for one in find_leftovers()} == {
            "presets": True,
            "_suno-voices": False,
        }
    with held_elsewhere(SUNO_VOICES_PLACE):
        found = find_leftovers()
        assert {one.path.name: one.in_use for one in found} == {"presets": False, "_suno-voices": True}
        assert [remove_leftover(one) for one in found] == [one.path.name == "presets" for one in found]
    with pytest.raises(OptionError):
        store.check_name(SUNO_VOICES_PLACE)


def test_a_leftover_that_has_become_a_model_meanwhile_is_kept() -> None:
    fill(model_home("small") / BUILD)
    [leftover] = find_leftovers()
    folder = installed()
    assert remove_leftover(leftover)
    assert (folder / "model.safetensors").exists()
    assert not check().damages


def test_an_original_is_removed_on_a_disk_that_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    original = installed(original=True) / "original"
    [leftover] = find_leftovers()

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bark_cli.cache.leftovers.write_manifest", full)
    assert remove_leftover(leftover)
    assert not original.exists()
    assert not check().damages  # though its manifest still names the original
    assert find_leftovers() == []


# caches that cannot be written


def test_a_read_only_cache_is_listed_and_checked() -> None:
    installed()
    (bark_home() / "locks").touch()  # not even root can make a lock in a file
    assert names() == ["small", "nano"]
    assert not check().damages
    assert find_leftovers() == []
    with pytest.raises(ModelError, match=r"cannot be written: .*; set BARK_HOME"):
        remove(plan_removal("small"))
    assert not check().damages
