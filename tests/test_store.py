"""Names and paths of models, and what is said when there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bark_cli import store
from bark_cli.errors import ModelError
from bark_cli.store import ModelRef, bark_home, installed_models, resolve_model


@pytest.fixture(autouse=True)
def nano(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundled model that is certainly there."""
    folder = fill(tmp_path / "assets" / "nano", *NATIVE)
    monkeypatch.setattr("bark_cli.store.places.nano_folder", lambda: folder)
    return folder


NATIVE = ("config.json", "model.safetensors", "tokenizer.json")
HUGGING = ("config.json", "pytorch_model.bin", "vocab.txt")
LARGE, SMALL = store.SUNO_FILES["large"], store.SUNO_FILES["small"]


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_none_is_nano_until_something_better_is_installed(nano: Path) -> None:
    assert resolve_model(None) == ModelRef(name="nano", folder=nano)
    small = fill(bark_home() / "models" / "small", *NATIVE)
    assert resolve_model(None) == ModelRef(name="small", folder=small)
    large = fill(bark_home() / "models" / "large", *HUGGING)
    assert resolve_model(None) == ModelRef(name="large", folder=large)
    assert [ref.name for ref in installed_models()] == ["large", "small", "nano"]


def test_a_half_downloaded_model_is_not_installed(nano: Path) -> None:
    fill(bark_home() / "models" / "large", "config.json", "vocab.txt", "pytorch_model.bin.incomplete")
    assert resolve_model(None).name == "nano"


def test_a_snapshot_without_a_tokenizer_is_no_reason_to_leave_nano() -> None:
    """What BarkModel.from_pretrained leaves in the cache."""
    caches = Path.home() / ".cache" / "huggingface" / "hub"
    snapshot = caches / "models--suno--bark" / "snapshots" / "abc"
    fill(snapshot, "config.json", "generation_config.json", "pytorch_model.bin")
    assert resolve_model(None).name == "nano"
    bert = caches / "models--bert-base-multilingual-cased" / "snapshots" / "abc"
    fill(bert, "vocab.txt")
    assert resolve_model(None) == ModelRef(name="large", folder=snapshot)


@pytest.mark.parametrize("weights", store.WEIGHT_FILES)
def test_a_model_in_shards_is_installed_once_all_are_there(weights: str) -> None:
    folder = fill(bark_home() / "models" / "large", "config.json", "tokenizer.json", "first")
    index = folder / f"{weights}.index.json"
    for content in ("", "[]", "{}", '{"weight_map": {}}', '{"weight_map": 7}'):
        index.write_text(content)
        assert resolve_model(None).name == "nano", content
    index.write_text('{"weight_map": {"a": "first", "b": "second", "c": "first"}}')
    assert resolve_model(None).name == "nano"
    fill(folder, "second")
    assert resolve_model(None) == ModelRef(name="large", folder=folder)


def test_a_name_that_is_a_size_means_that_size() -> None:
    both = fill(bark_home() / "models" / "small", *SMALL, *LARGE, "vocab.txt")
    assert [ref.name for ref in installed_models()] == ["nano"]  # no codec
    fill(both, "encodec_24khz-d7cc33bc.th")
    assert resolve_model("small") == ModelRef(name="small", folder=both, size="small")
    mine = fill(bark_home() / "models" / "mine", *LARGE, "vocab.txt", "encodec_24khz-d7cc33bc.th")
    assert resolve_model("mine") == ModelRef(name="mine", folder=mine)
    (both / "fine.pt").unlink()
    with pytest.raises(ModelError, match="small is not on this machine"):
        resolve_model("small")


def test_an_installation_without_nano_says_how_to_mend_it(nano: Path) -> None:
    (nano / "tokenizer.json").unlink()
    for name in (None, "nano"):
        with pytest.raises(ModelError, match=r"nano.*; install bark_cli again .*pip install \. in"):
            resolve_model(name)


def test_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert bark_home() == tmp_path / "cache" / "bark_cli"
    monkeypatch.setenv("XDG_CACHE_HOME", "~/x")  # as a file of settings gives it, which no shell expands
    assert bark_home() == Path.home() / "x" / "bark_cli"
    monkeypatch.setenv("XDG_CACHE_HOME", "x")  # not to be heeded: each working folder had a cache of its own
    assert bark_home().is_absolute()
    monkeypatch.setenv("BARK_HOME", str(tmp_path / "mine"))
    assert bark_home() == tmp_path / "mine"


def test_a_folder_is_taken_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "mine", *NATIVE)
    assert resolve_model(str(folder)).folder == folder
    assert resolve_model(folder).name == "mine"
    monkeypatch.chdir(tmp_path)
    assert resolve_model("mine").folder == Path("mine")
    assert resolve_model("./mine").folder == Path("mine")


def test_a_stray_folder_does_not_hide_a_named_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nano: Path
) -> None:
    (tmp_path / "here" / "nano").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert resolve_model("nano").folder == nano


def test_a_model_of_ones_own_under_the_home(tmp_path: Path) -> None:
    folder = fill(bark_home() / "models" / "mine", *NATIVE)
    assert resolve_model("mine") == ModelRef(name="mine", folder=folder)
    assert "mine" in [ref.name for ref in installed_models()]


def test_models_in_hugging_faces_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    snapshots = tmp_path / "hf" / "hub" / "models--suno--bark-small" / "snapshots"
    fill(snapshots / "unfinished", "config.json")
    found = fill(snapshots / "abc", *HUGGING)
    assert resolve_model("small") == ModelRef(name="small", folder=found)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    with pytest.raises(ModelError):
        resolve_model("small")


def test_sunos_cache_counts_once_tokenizer_and_codec_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    suno = fill(tmp_path / "suno" / "bark_v0", "text_2.pt", "coarse_2.pt", "fine_2.pt", "text.pt")
    assert resolve_model(None).name == "nano"
    fill(tmp_path / "torch" / "hub" / "checkpoints", "encodec_24khz-d7cc33bc.th")
    bert = tmp_path / "huggingface" / "hub" / "models--bert-base-multilingual-cased" / "snapshots" / "abc"
    fill(bert, "vocab.txt")
    assert resolve_model(None) == ModelRef(name="large", folder=suno, size="large")
    with pytest.raises(ModelError, match="small is not on this machine"):
        resolve_model("small")  # one file of three


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("nanno", r"no model 'nanno' \(installed: nano\); did you mean nano\?"),
        ("zzzz", r"no model 'zzzz' \(installed: nano\); give one of these names, or a model's folder"),
        ("large", r"large is not on this machine \(installed: nano\); fetch it with `bark download large`"),
        ("./nowhere", r"\./nowhere is not a folder"),
        ("", r"no model ''"),
    ],
)
def test_what_is_said_when_there_is_no_such_model(model: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        resolve_model(model)
    assert "\n" not in str(caught.value)


def test_hub_is_light() -> None:
    script = "import sys, bark_cli.store; print({'torch', 'huggingface_hub', 'numpy'} & sys.modules.keys())"
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
