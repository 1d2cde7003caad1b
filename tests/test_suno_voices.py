"""Suno's voices come from the hub into one checked file each; a bad one costs itself alone."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import tiny_voice
from local_hub import Faults, LocalHub
from numpy.typing import NDArray

from bark_cli.cli import main
from bark_cli.download import suno_voices
from bark_cli.download.failures import Patience
from bark_cli.download.step import Step
from bark_cli.download.suno_voices import SunoVoicesReport, fetch_suno_voices
from bark_cli.errors import DownloadError, OutputError
from bark_cli.model.published import VOICE_NAMES, published_config
from bark_cli.model.tokens import BarkTokens
from bark_cli.store import bark_home, downloads_home, read_manifest, suno_voices_home
from bark_cli.store.suno_voices import verify_suno_voices
from bark_cli.voices.catalogue import find_voice, list_voices

FEW = ("announcer", "en_speaker_0", "de_speaker_3", "v2/en_speaker_6", "v2/zh_speaker_9")
QUICK = Patience(stall_s=0.5, first_wait_s=0.001, longest_wait_s=0.002, tries=2)


class Canary:
    """Leaves a folder behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def npy(array: NDArray[Any], **options: bool) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def voice_of(name: str) -> BarkTokens:
    return tiny_voice(published_config(), frames=60, seed=len(name) + ord(name[-1]))


def files_of(name: str) -> dict[str, bytes]:
    """A voice as the hub has it, with the widths that Suno's have."""
    voice = voice_of(name)
    fine = voice.fine.astype(np.uint16 if name == "announcer" else np.int32)
    arrays = {"semantic": voice.semantic, "coarse": voice.coarse, "fine": fine}
    return {f"speaker_embeddings/{name}_{key}_prompt.npy": npy(array) for key, array in arrays.items()}


def key(name: str, part: str = "semantic") -> str:
    return f"suno/bark/speaker_embeddings/{name}_{part}_prompt.npy"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BARK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("bark_cli.voices.catalogue._shipped_home", lambda: tmp_path / "none")
    return tmp_path / "home"


@pytest.fixture
def hub(local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    """A hub with five voices, and more files than are asked for."""
    monkeypatch.setattr(suno_voices, "VOICE_NAMES", FEW)
    return put(local_hub)


def put(hub: LocalHub, changed: dict[str, bytes] | None = None, without: tuple[str, ...] = ()) -> LocalHub:
    files = {
        path: data for name in (*FEW, "xx_speaker_0", "speaker_3") for path, data in files_of(name).items()
    }
    files |= {"pytorch_model.bin": b"weights", "speaker_embeddings/evil.npz": b"PK", **(changed or {})}
    hub.add("suno/bark", {path: data for path, data in files.items() if path not in without})
    return hub


def get() -> SunoVoicesReport:
    return fetch_suno_voices(patience=QUICK)


def here() -> dict[str, bytes]:
    return {
        path.relative_to(suno_voices_home()).as_posix(): path.read_bytes()
        for path in suno_voices_home().rglob("*.npz")
    }


def test_all_of_them(local_hub: LocalHub) -> None:
    files = {path: data for name in VOICE_NAMES for path, data in files_of(name).items()}
    assert len(files) == 783
    local_hub.add("suno/bark", files)
    steps: list[Step] = []
    report = fetch_suno_voices(steps.append, patience=QUICK)
    assert report == SunoVoicesReport(fetched=VOICE_NAMES, kept=(), failed=())
    assert (steps[-1].done, steps[-1].total) == (sum(map(len, files.values())),) * 2
    assert [info.name for info in list_voices()] == sorted(VOICE_NAMES, key=lambda name: f"{name}.npz")
    for name in ("announcer", "v2/hi_speaker_4"):
        found = find_voice(name, model_folder=None, config=published_config()).tokens
        np.testing.assert_array_equal(found.semantic, voice_of(name).semantic)
        np.testing.assert_array_equal(found.coarse, voice_of(name).coarse)
        np.testing.assert_array_equal(found.fine, voice_of(name).fine)
    assert not (downloads_home() / "_suno-voices").exists()
    assert verify_suno_voices() == []
    local_hub.forget()
    assert fetch_suno_voices().kept == VOICE_NAMES
    assert local_hub.requests == []


def test_only_what_is_expected_is_asked_for(hub: LocalHub) -> None:
    assert get() == SunoVoicesReport(fetched=FEW, kept=(), failed=())
    assert sorted(here()) == sorted(f"{name}.npz" for name in FEW)
    for other in ("speaker_embeddings/evil.npz", "pytorch_model.bin"):
        assert hub.bytes_sent(f"suno/bark/{other}") == 0
    assert hub.bytes_sent(key("xx_speaker_0")) == 0
    manifest = read_manifest(suno_voices_home())
    assert manifest is not None
    assert manifest.revision == hub.repositories["suno/bark"].names["main"]
    assert len(manifest.files) == 5
    assert {record.path for record in manifest.fetched} == {path for n in FEW for path in files_of(n)}


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        (Faults(flip_at=90), "sha1"),
        (Faults(truncate=1), "listed"),
        (Faults(html=True), "web page"),
        (Faults(status=404), "404"),
    ],
)
def test_one_bad_file_costs_one_voice(hub: LocalHub, faults: Faults, why: str) -> None:
    hub.misbehave(key("de_speaker_3", "coarse"), faults)
    report = get()
    assert set(report.fetched) == {*FEW} - {"de_speaker_3"}
    [(name, reason)] = report.failed
    assert name == "de_speaker_3"
    assert why in reason
    assert sorted(here()) == sorted(f"{name}.npz" for name in report.fetched)
    before = here()
    hub.behave()
    hub.forget()
    report = get()
    assert (report.fetched, set(report.kept)) == (("de_speaker_3",), {*FEW} - {"de_speaker_3"})
    assert before.items() < here().items()
    assert not any("en_speaker" in request.path for request in hub.requests)


def test_what_is_no_voice_is_not_kept(local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suno_voices, "VOICE_NAMES", FEW)
    voice = voice_of("x")
    changed = {
        "speaker_embeddings/announcer_semantic_prompt.npy": npy(voice.semantic + 10_000),
        "speaker_embeddings/en_speaker_0_fine_prompt.npy": npy(voice.fine[:7]),
        "speaker_embeddings/de_speaker_3_coarse_prompt.npy": npy(np.zeros((2, 2**17))),
        "speaker_embeddings/v2/en_speaker_6_coarse_prompt.npy": npy(voice.coarse[:, :30]),
    }
    put(local_hub, changed, without=("speaker_embeddings/v2/zh_speaker_9_fine_prompt.npy",))
    report = get()
    assert report.fetched == ()
    reasons = dict(report.failed)
    assert "holds semantic token" in reasons["announcer"]
    assert "2 and 7 codebooks" in reasons["en_speaker_0"]
    assert "too large" in reasons["de_speaker_3"]
    assert "frames" in reasons["v2/en_speaker_6"]
    assert "does not hold" in reasons["v2/zh_speaker_9"]
    assert not here()


def test_a_pickle_from_the_hub_does_not_run(
    local_hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suno_voices, "VOICE_NAMES", FEW)
    hostile = npy(np.array([Canary(tmp_path / "canary")], dtype=object), allow_pickle=True)
    put(local_hub, {"speaker_embeddings/announcer_semantic_prompt.npy": hostile})
    report = get()
    [(name, reason)] = report.failed
    assert name == "announcer"
    assert "(a pickle)" in reason
    assert not (tmp_path / "canary").exists()
    assert not list((downloads_home() / "_suno-voices").glob("announcer*"))
    np.load(io.BytesIO(hostile), allow_pickle=True)  # the trap is a real one
    assert (tmp_path / "canary").exists()


def test_damage_is_found_and_healed(hub: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    get()
    good = here()
    changed, gone = suno_voices_home() / "announcer.npz", suno_voices_home() / "v2" / "en_speaker_6.npz"
    data = bytearray(changed.read_bytes())
    data[100] ^= 1
    changed.write_bytes(data)
    gone.unlink()
    assert {damage.path for damage in verify_suno_voices()} == {changed, gone}
    capsys.readouterr()
    assert main(["cache", "verify"]) == 1
    captured = capsys.readouterr()
    assert "Suno's voices  damaged" in captured.out
    assert f"{gone} is missing" in captured.err
    assert captured.err.endswith("fetch them again with `bark download --voices`\n")
    report = get()
    assert report.fetched == ("announcer", "v2/en_speaker_6")
    assert here() == good
    assert main(["cache", "verify"]) == 0
    (suno_voices_home() / "manifest.json").write_text("{")
    assert [damage.path.name for damage in verify_suno_voices()] == ["manifest.json"]
    assert get().fetched == FEW
    assert verify_suno_voices() == []


def test_offline_and_out_of_reach(hub: LocalHub, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(DownloadError, match=r"cannot list suno/bark: the network is off") as error:
            get()
        assert "\n" not in str(error.value)
    hub.misbehave("api/suno/bark", Faults(status=404))
    with pytest.raises(DownloadError, match="cannot list suno/bark"):
        get()
    hub.behave()
    get()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert get().kept == FEW  # no network is needed for what is here
    assert not here().keys() - {f"{name}.npz" for name in FEW}


def test_a_network_that_breaks_down_is_given_up_and_what_came_is_kept(
    local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tuple(f"{lang}_speaker_{i}" for lang in ("de", "es", "fr") for i in range(10))
    names = ("announcer", "v2/en_speaker_6", *bad)  # two cannot part thirty so that never eight are in a row
    monkeypatch.setattr(suno_voices, "VOICE_NAMES", names)
    local_hub.add("suno/bark", {path: data for name in names for path, data in files_of(name).items()})
    local_hub.misbehave("suno/bark/speaker_embeddings/[def][esr]_speaker*", Faults(status=503))
    with pytest.raises(DownloadError, match="8 voices in a row could not be fetched: cannot fetch"):
        get()
    assert sorted(here()) == ["announcer.npz", "v2/en_speaker_6.npz"]
    assert verify_suno_voices() == []
    local_hub.behave()
    report = get()
    assert (report.kept, len(report.fetched)) == (names[:2], 30)


def test_a_full_disk_ends_it_and_keeps_what_is_there(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    get()
    (suno_voices_home() / "announcer.npz").unlink()
    before = here()

    def full(*_: object, **__: object) -> None:
        raise OutputError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(suno_voices, "save_voice", full)
        with pytest.raises(OutputError, match="disk is full"):
            get()
    assert here() == before
    assert get().fetched == ("announcer",)


RUN = """
from bark_cli.download import suno_voices
suno_voices.VOICE_NAMES = THESE
suno_voices._SAVE_EVERY = 1
print(len(suno_voices.fetch_suno_voices().fetched), flush=True)
"""


def test_a_kill_leaves_no_half_file_and_little_to_do_again(local_hub: LocalHub, home: Path) -> None:
    names = tuple(f"v2/en_speaker_{i}" for i in range(10))
    local_hub.add("suno/bark", {path: data for name in names for path, data in files_of(name).items()})
    code = RUN.replace("THESE", repr(names))
    environment = local_hub.environment(BARK_HOME=str(home))
    command = [sys.executable, "-c", code]
    local_hub.misbehave("*en_speaker_8_fine*", Faults(stall_at=100, stall_s=60))
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        while (manifest := read_manifest(suno_voices_home())) is None or len(manifest.files) < 9:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    for scrap in (
        ".manifest.json.0123456789ab",
        "v2/.bark-0123456789ab.part",
    ):  # as a kill leaves them
        (home / "suno-voices" / scrap).write_bytes(b"PK")
    local_hub.behave()
    local_hub.forget()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
    assert verify_suno_voices() == []
    assert sorted(here()) == [f"{name}.npz" for name in names]
    assert not list(home.rglob(".*"))


def test_two_at_once_make_one_transfer(local_hub: LocalHub, home: Path) -> None:
    local_hub.add("suno/bark", {path: data for name in FEW for path, data in files_of(name).items()})
    code = RUN.replace("THESE", repr(FEW))
    environment = local_hub.environment(BARK_HOME=str(home))
    both = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sorted(process.communicate()[0].strip() for process in both) == ["0", "5"]
    for name in FEW:
        for path, data in files_of(name).items():
            assert local_hub.bytes_sent(f"suno/bark/{path}") == len(data)
    assert bark_home() == home
