"""Exactly the files that a model takes are planned, what is here counts, and nothing is written meanwhile."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from local_hub import LocalHub, git_sha1

from bark_cli import store
from bark_cli.download import needs
from bark_cli.download import plan as planning
from bark_cli.download.choose import CODEC_FILE, choose_files
from bark_cli.download.needs import make_plan
from bark_cli.download.partial import part_path
from bark_cli.download.plan import Plan, PlannedFile, look_again
from bark_cli.errors import DownloadError, ModelError, OptionError

LARGE = ("text_2.pt", "coarse_2.pt", "fine_2.pt")
SMALL = ("text.pt", "coarse.pt", "fine.pt")
BOTH = ("config.json", "generation_config.json", "tokenizer.json", "vocab.txt")
EVERYTHING = (
    *LARGE,
    *SMALL,
    *BOTH,
    "pytorch_model.bin",
    "README.md",
    ".gitattributes",
    "speaker_embeddings_path.json",
    "speaker_embeddings/v2/en_speaker_0_fine_prompt.npy",
    "original/model.safetensors",
)


def contents(*names: str) -> dict[str, bytes]:
    """Some bytes for each name, of different lengths."""
    return {name: name.encode() * (i + 100) for i, name in enumerate(names)}


def files_on_disk() -> list[Path]:
    return sorted(store.bark_home().rglob("*"))


def names(plan: Plan) -> list[str]:
    return [file.path for file in plan.files]


@pytest.mark.parametrize(
    ("listed", "layout", "wanted"),
    [
        (EVERYTHING, None, [*BOTH[:3], "pytorch_model.bin"]),
        ((*EVERYTHING, "model.safetensors"), None, [*BOTH[:3], "model.safetensors"]),
        (EVERYTHING, "suno", ["tokenizer.json", *LARGE]),
        ((*SMALL, CODEC_FILE, "vocab.txt"), None, [CODEC_FILE, "vocab.txt", *SMALL]),
        (
            ("config.json", "model.safetensors", "vocab.txt"),
            None,
            ["config.json", "vocab.txt", "model.safetensors"],
        ),
        (
            (
                "config.json",
                "pytorch_model.bin",
                "model.safetensors.index.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "model.fp16-00001-of-00001.safetensors",
                "tokenizer.json",
            ),
            None,
            [
                "config.json",
                "tokenizer.json",
                "model.safetensors.index.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
            ],
        ),
        (
            (
                "config.json",
                "pytorch_model.bin.index.json",
                "pytorch_model-00001-of-00001.bin",
                "tokenizer.json",
            ),
            None,
            [
                "config.json",
                "tokenizer.json",
                "pytorch_model.bin.index.json",
                "pytorch_model-00001-of-00001.bin",
            ],
        ),
    ],
)
def test_the_files_of_a_layout(listed: tuple[str, ...], layout: str | None, wanted: list[str]) -> None:
    assert list(choose_files(set(listed), "here", layout=layout).names) == wanted


@pytest.mark.parametrize(
    ("listed", "layout", "says"),
    [
        ((), None, "no config.json with model.safetensors or pytorch_model.bin; no text_2.pt"),
        (("pytorch_model.bin",), None, "no config.json"),
        (SMALL[:2], "suno", "no text_2.pt, coarse_2.pt, fine_2.pt or text.pt, coarse.pt, fine.pt"),
        (
            ("config.json", *LARGE),
            "transformers",
            "no config.json with model.safetensors or pytorch_model.bin\\)",
        ),
        (
            ("config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors"),
            None,
            "no whole Bark",
        ),
    ],
)
def test_a_place_without_a_whole_bark(listed: tuple[str, ...], layout: str | None, says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        choose_files(set(listed), "here", layout=layout)
    assert "\n" not in str(caught.value)


def test_a_plan_of_a_repository_writes_nothing(local_hub: LocalHub) -> None:
    listed = contents(*EVERYTHING)
    repository = local_hub.add("me/bark", listed)
    plan = make_plan("me/bark")
    wanted = [*BOTH[:3], "pytorch_model.bin"]
    assert names(plan) == wanted
    assert (plan.name, plan.origin, plan.layout, plan.size) == ("me/bark", "me/bark", "transformers", None)
    assert plan.revision == repository.names["main"]
    assert plan.total == plan.missing == sum(len(listed[name]) for name in wanted)
    converted = len(listed["pytorch_model.bin"])
    assert plan.total + converted < plan.needed < (plan.total + converted) * 1.1
    assert plan.free > 0
    assert not files_on_disk()
    assert not any("/resolve/" in request.path for request in local_hub.requests)


def test_room_for_int8_where_this_machine_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, needed = tmp_path / "mine", []
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_bytes(bytes(90_000))
    for answer in (False, True):
        monkeypatch.setattr(planning, "makes_int8", lambda answer=answer: answer)
        needed.append(make_plan("mine", source=folder).needed)
    assert needed[0] * 1.25 < needed[1] < needed[0] * 1.5


@pytest.mark.parametrize(
    ("here", "says"),
    [
        (0, "45.2 MB to download from me/bark; takes "),
        (2_730, "45.2 MB to download from me/bark; takes "),
        (5_200_000, "40.0 MB to download of 45.2 MB (5.20 MB of it is here) from me/bark; takes "),
        (45_200_000, "nothing to download from me/bark; takes "),
    ],
)
def test_a_plan_in_a_line(here: int, says: str) -> None:
    file = PlannedFile(path="model.safetensors", size=45_200_000, remote=None, part=here)
    plan = Plan(
        name="me/bark",
        origin="me/bark",
        revision="abc",
        layout="transformers",
        size=None,
        files=(file,),
        free=10**9,
    )
    assert plan.summary.startswith(says)


def test_both_sizes_of_sunos_layout_lie_in_one_repository(
    local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_hub.add("suno/bark", contents(*EVERYTHING))
    monkeypatch.setenv("BARK_ENCODEC_URL", "http://127.0.0.1:1/codec.th")
    for name, wanted in (("small", SMALL), ("large", LARGE)):
        plan = make_plan(name, layout="suno")
        assert names(plan) == [CODEC_FILE, "tokenizer.json", *wanted]
        assert (plan.origin, plan.size, plan.home.name) == ("suno/bark", name, name)
        codec = plan.files[0].remote
        assert codec is not None
        assert (codec.url, codec.sha256) == ("http://127.0.0.1:1/codec.th", needs.CODEC.sha256)
        weights = sum(file.size for file in plan.files if file.path.endswith(".pt"))
        assert plan.needed > plan.missing + weights // 3  # two thirds of it are the optimizer's
    monkeypatch.delenv("BARK_ENCODEC_URL")
    assert make_plan("small", layout="suno").files[0].remote == needs.CODEC


def test_a_codec_on_this_machine_is_used(local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    local_hub.add("suno/bark", contents(*EVERYTHING))
    monkeypatch.setattr(needs, "CODEC", replace(needs.CODEC, size=9))
    checkpoints = Path.home() / ".cache" / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / CODEC_FILE).write_bytes(b"too short")
    codec = make_plan("large", layout="suno").files[0]
    assert (codec.here, codec.missing) == (checkpoints / CODEC_FILE, 0)


def test_what_is_here_already_counts(local_hub: LocalHub) -> None:
    listed = contents("config.json", "tokenizer.json", "model.safetensors", "generation_config.json")
    local_hub.add("suno/bark-small", listed)
    plan = make_plan("small")
    plan.stage.mkdir(parents=True)
    weights = next(file for file in plan.files if file.path == "model.safetensors")
    assert weights.remote is not None
    part_path(weights.remote, plan.stage / weights.path).write_bytes(b"x" * 50)
    (plan.stage / "config.json").write_bytes(listed["config.json"])
    (plan.stage / "generation_config.json").write_bytes(b"of another size")
    cache = Path.home() / ".cache" / "huggingface" / "hub" / "models--suno--bark-small"
    blob = cache / "blobs" / git_sha1(listed["tokenizer.json"])
    blob.parent.mkdir(parents=True)
    blob.write_bytes(listed["tokenizer.json"])
    snapshot = cache / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "tokenizer.json").symlink_to(blob)
    found = {file.path: file for file in look_again(plan).files}
    assert found["config.json"].here == plan.stage / "config.json"
    assert found["tokenizer.json"].here == blob
    assert found["generation_config.json"].missing == len(listed["generation_config.json"])
    assert found["model.safetensors"].missing == len(listed["model.safetensors"]) - 50
    assert look_again(plan).missing == plan.missing - 50 - len(
        listed["config.json"] + listed["tokenizer.json"]
    )


def test_another_file_in_the_cache_of_huggingface_does_not_count(local_hub: LocalHub) -> None:
    listed = contents("config.json", "tokenizer.json", "model.safetensors")
    local_hub.add("me/bark", listed)
    cache = Path.home() / ".cache" / "huggingface" / "hub" / "models--me--bark"
    blob = cache / "blobs" / hashlib.sha256(b"of another revision").hexdigest()
    snapshot = cache / "snapshots" / "abc"
    for folder in (blob.parent, snapshot):
        folder.mkdir(parents=True)
    blob.write_bytes(b"x" * len(listed["model.safetensors"]))
    (snapshot / "model.safetensors").symlink_to(blob)
    assert make_plan("me/bark").missing == sum(map(len, listed.values()))


def test_other_weights_than_those_that_are_known_are_refused(local_hub: LocalHub) -> None:
    listed = contents("config.json", "tokenizer.json", "pytorch_model.bin")
    local_hub.add("suno/bark-small", listed)
    with pytest.raises(DownloadError) as caught:
        make_plan("small")
    line = str(caught.value)
    assert hashlib.sha256(listed["pytorch_model.bin"]).hexdigest() in line
    assert "f0f7f16b24f65789ce42b3c491aa6a1cdf219f7ef425066fcd194485245e65d9" in line
    assert "--revision main takes it anyway" in line
    assert "\n" not in line
    assert make_plan("small", revision="main").missing


def test_a_pin_stands_in_where_the_hub_lists_no_hash(
    local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = contents("config.json", "tokenizer.json", "pytorch_model.bin")
    sha256 = hashlib.sha256(listed["pytorch_model.bin"]).hexdigest()
    key = ("suno/bark", "pytorch_model.bin")
    monkeypatch.setitem(needs.PINS, key, (len(listed["pytorch_model.bin"]), sha256))
    local_hub.add("suno/bark", listed).listed["pytorch_model.bin"] = {"lfs": None}
    found = make_plan("large").files[-1].remote
    assert found is not None
    assert found.sha256 == sha256


@pytest.mark.parametrize(
    ("what", "options", "says"),
    [
        ("smal", {}, "no model 'smal'; did you mean small"),
        ("zzz", {}, "give small, large, OWNER/NAME of a repository, or a folder"),
        ("", {}, "no model ''"),
        ("../etc/passwd", {}, "no model"),
        ("nano", {}, "nano comes with the package"),
        ("small", {"layout": "pickle"}, "layout 'pickle' is unknown; use transformers or suno"),
        ("x", {"source": Path("nowhere")}, "nowhere is not a folder"),
        ("../x", {"source": Path()}, "cannot be a name"),
        (".", {"revision": "main"}, "--revision is of a repository"),
    ],
)
def test_what_is_asked_for_wrongly(
    local_hub: LocalHub, what: str, options: dict[str, str], says: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    local_hub.add("suno/bark-small", contents(*EVERYTHING))
    with pytest.raises(OptionError, match=says) as caught:
        make_plan(what, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_repository_without_a_tokenizer(local_hub: LocalHub) -> None:
    local_hub.add("me/bark", contents("config.json", "model.safetensors"))
    with pytest.raises(ModelError, match=r"me/bark has no tokenizer\.json or vocab\.txt"):
        make_plan("me/bark")


def fill(folder: Path, *wanted: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        (folder / name).write_bytes(b"x" * 10)
    return folder


def test_folders(tmp_path: Path) -> None:
    folder = fill(tmp_path / "mine", "config.json", "tokenizer.json", "pytorch_model.bin", *LARGE, CODEC_FILE)
    plan = make_plan(str(folder))
    assert (plan.name, plan.layout, plan.revision, plan.missing) == ("mine", "transformers", None, 0)
    assert all(file.here == folder / file.path for file in plan.files)
    plan = make_plan("large", source=folder)  # a size means the files that come in two
    assert (plan.name, plan.layout, plan.size) == ("large", "suno", "large")
    assert make_plan("large", source=folder, layout="transformers").layout == "transformers"
    assert make_plan("other", source=folder, layout="suno").name == "other"


def test_what_is_called_large_is_not_made_of_the_small_files(tmp_path: Path) -> None:
    folder = fill(tmp_path / "mine", "tokenizer.json", *SMALL, CODEC_FILE)
    assert make_plan("small", source=folder).size == "small"
    assert make_plan("other", source=folder).size == "small"
    with pytest.raises(ModelError, match=r"no whole Bark .*text_2\.pt"):
        make_plan("large", source=folder)


def test_a_folder_whose_name_cannot_be_a_models(tmp_path: Path) -> None:
    folder = fill(tmp_path / "My Models", "config.json", "tokenizer.json", "model.safetensors")
    with pytest.raises(OptionError, match=f"`bark download NAME --from '{folder}'`"):
        make_plan(str(folder))
    assert make_plan("mine", source=folder).name == "mine"


def test_sunos_own_cache_needs_a_codec_and_a_tokenizer(local_hub: LocalHub) -> None:
    local_hub.add("suno/bark", contents(*EVERYTHING))
    plan = make_plan("small", source=fill(store.suno_home(), *SMALL))
    assert names(plan) == ["tokenizer.json", CODEC_FILE, *SMALL]
    assert [file.here is None for file in plan.files] == [True, True, False, False, False]
    bert = "huggingface/hub/models--bert-base-multilingual-cased/snapshots/a"
    fill(Path.home() / ".cache" / bert, "vocab.txt")
    assert names(make_plan("small", source=store.suno_home())) == ["vocab.txt", CODEC_FILE, *SMALL]


@pytest.mark.parametrize("start", ["", "hub", "hub/models--suno--bark-small"])
def test_the_cache_of_huggingface(tmp_path: Path, start: str) -> None:
    snapshot = tmp_path / "hub" / "models--suno--bark-small" / "snapshots" / "abc"
    fill(snapshot, "config.json", "tokenizer.json", "model.safetensors")
    plan = make_plan("small", source=tmp_path / start)
    assert (plan.name, plan.origin) == ("small", str(snapshot))
    assert make_plan(None, source=snapshot).name == "small"
