"""`bark doctor` answers whatever is broken, names what to run next, and tells no secret."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

import pytest
from conftest import tiny_voice, write_voice
from local_hub import Faults, LocalHub

from bark_cli.cli import main
from bark_cli.doctor import Finding, cache, examine, machine, network, programs
from bark_cli.doctor import examine as examine_all
from bark_cli.doctor.finding import Probe
from bark_cli.doctor.network import VARIABLES
from bark_cli.errors import ModelError
from bark_cli.model.config import BarkConfig
from bark_cli.store import FileRecord, Manifest, write_manifest

EXAMINE = sys.modules["bark_cli.doctor.examine"]
GROUPS = EXAMINE.GROUPS  # type: ignore[attr-defined]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BARK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def only(monkeypatch: pytest.MonkeyPatch, name: str, limit_s: float = 60) -> None:
    """Have only this group asked."""
    monkeypatch.setattr(EXAMINE, "GROUPS", {name: replace(GROUPS[name], limit_s=limit_s)})


def ask(probes: Iterable[Probe], topic: str) -> list[Finding]:
    [probe] = [probe for probe in probes if probe.topic == topic]
    return probe.findings()


def broken(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, body: str) -> None:
    """Have the doctor's processes import this in place of a package."""
    (folder / f"{name}.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_the_whole_of_it(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:verysecret@proxy.example:3128")
    assert main(["doctor", "--json"]) == 0
    captured = capsys.readouterr()
    assert "verysecret" not in captured.out + captured.err
    found = json.loads(captured.out)
    assert found["ok"] is True
    by_topic = {finding["topic"]: finding for finding in found["findings"]}
    assert {"bark", "python", "numpy", "torch", "encodec", "soundfile", "cpu", "int8 kernel", "auto"} <= {
        *by_topic
    }
    assert {"portaudio", "cache", "model nano", "models", "voices", "hub", "token", "environment"} <= {
        *by_topic
    }
    assert {finding["state"] for finding in found["findings"]} <= {"ok", "warning"}
    assert by_topic["openvino"]["facts"]["devices"]["CPU"]
    assert by_topic["auto"]["facts"]["device"] in ("cpu", "cuda", "mps")
    assert by_topic["hub"]["facts"] == {"reachable": None}  # the tests are offline
    assert by_topic["token"]["facts"] == {"set": True}
    assert by_topic["environment"]["facts"]["HTTPS_PROXY"] == "http://(hidden)@proxy.example:3128"
    assert found["next"][-1] == "bark download small"  # before it perhaps: this machine's torchaudio
    assert not home.exists()  # to look leaves nothing behind


@pytest.mark.parametrize(("here", "text"), [(True, "faster-whisper "), (False, "not installed; ")])
def test_the_judge_may_be_missing(monkeypatch: pytest.MonkeyPatch, here: bool, text: str) -> None:
    monkeypatch.setattr("bark_cli.hearing.is_installed", lambda: here)
    [finding] = ask(programs.PROGRAMS, "judge")
    assert finding.state == "ok"  # nobody has to have it
    assert finding.text.startswith(text)
    assert ("pip install 'bark-cli[judge]'" in finding.text) is not here


def test_openvino_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    [finding] = ask(machine.OPENVINO, "openvino")
    assert finding.state == "ok"
    assert "pip install 'bark-cli[openvino]'" in finding.text


def test_the_variables_of_the_docs_are_shown() -> None:
    page = (Path(__file__).parent.parent / "docs" / "settings.md").read_text(encoding="utf-8")
    table = page.partition("| variable |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\|([^|]*)\|", table, re.MULTILINE)
    names = {name for cell in cells for name in re.findall("`([A-Z_]+)`", cell)}
    assert "BARK_HOME" in names
    assert names <= set(VARIABLES)


def test_a_table_and_what_to_run_next(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    found = [
        Finding(topic="torch", state="problem", text="cannot be used:\nno", next="pip install torch"),
        Finding(topic="hub", state="warning", text="no answer"),
        Finding(topic="encodec", state="problem", text="no", next="pip install torch"),
    ]
    monkeypatch.setattr("bark_cli.doctor.examine", lambda: found)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "torch    problem  cannot be used: no",
        "hub      warning  no answer",
        "encodec  problem  no",
        "next: pip install torch",
    ]
    monkeypatch.setattr("bark_cli.doctor.examine", lambda: found[1:2])
    assert main(["doctor"]) == 0


def test_offline_asks_no_network(local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    only(monkeypatch, "network")
    assert main(["doctor", "--offline", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"][0]["text"] == "not asked: offline"
    assert local_hub.requests == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("import os; os.abort()", "could not be asked: the process crashed (SIGABRT)"),
        ("raise SystemExit('enough')", "could not be asked: the process ended with code 1 enough"),
        ("import time; time.sleep(600)", "could not be asked: no answer in 1 s"),
        ("raise OSError('PortAudio library not found')", "missing; sound can be saved with -o FILE"),
        ("raise RuntimeError('half\\ninstalled')", "RuntimeError: half installed"),
        ("print('[1, 2]')\nraise OSError", "missing; sound can be saved with -o FILE"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="a process ends otherwise there")
def test_a_library_that_breaks_costs_its_own_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, text: str
) -> None:
    broken(monkeypatch, tmp_path, "sounddevice", body)
    only(monkeypatch, "sound output", limit_s=1 if "sleep" in body else 60)
    [finding] = examine()
    assert finding.state == "warning"
    assert finding.text.startswith(text)


def test_a_broken_torch_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    broken(monkeypatch, tmp_path, "torch", "raise ImportError('libtorch_cpu.so: no such file')")
    only(monkeypatch, "torch")
    assert main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert found["findings"][0]["text"] == "cannot be used: libtorch_cpu.so: no such file"
    assert found["next"][0] == "pip install --force-reinstall torch"
    assert len(found["findings"]) == 7  # each question was asked


def test_what_lies_in_the_folder_that_is_worked_in_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sounddevice.py").write_text("import os; os.mkdir('canary')")
    monkeypatch.chdir(tmp_path)
    only(monkeypatch, "sound output")
    examine()
    assert not (tmp_path / "canary").exists()


def test_without_python_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    found = examine_all()
    assert len(found) == len(GROUPS)
    assert all("python cannot be started again" in finding.text for finding in found)


def test_a_question_that_fails_is_an_answer() -> None:
    def fail() -> Iterator[Finding]:
        yield Finding(topic="first", text="fine")
        raise ModelError("config.json\nis odd")

    [finding] = Probe(topic="models", ask=fail, failure="problem").findings()
    assert finding == Finding(topic="models", state="problem", text="ModelError: config.json is odd")


def test_soundfile_says_what_it_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    import soundfile

    monkeypatch.setattr(soundfile, "available_formats", lambda: {"WAV": "", "FLAC": "", "OGG": ""})
    [finding] = ask(programs.PROGRAMS, "soundfile")
    assert finding.state == "warning"
    assert finding.text.endswith("writes .wav .flac .ogg .opus, not .mp3")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    [finding] = ask(programs.PROGRAMS, "soundfile")
    assert (finding.state, finding.next) == ("problem", "pip install --force-reinstall soundfile")


def test_encodec_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> NoReturn:
        raise ModelError("encodec cannot be imported")

    monkeypatch.setattr("bark_cli.model.codec.import_seanet", missing)
    [finding] = ask(programs.NETWORKS, "encodec")
    assert finding.state == "problem"


def test_without_compiled_code_there_is_no_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BARK_KERNEL", raising=False)
    monkeypatch.setattr("bark_cli.backends.kernel.load", lambda name: None)
    [finding] = ask(machine.MACHINE, "int8 kernel")
    assert finding.state == "warning"
    assert finding.facts == {"variant": None, "compiled": []}


def test_a_kernel_that_is_forced_and_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARK_KERNEL", "mmx")
    [finding] = ask(machine.MACHINE, "int8 kernel")
    assert finding.state == "problem"
    assert finding.text.startswith("BARK_KERNEL=mmx cannot run here; use one of ")


def test_the_output_device(monkeypatch: pytest.MonkeyPatch) -> None:
    class PortAudioError(Exception):
        pass

    def none(kind: str) -> NoReturn:
        raise PortAudioError("no device")

    fake = ModuleType("sounddevice")
    fake.PortAudioError = PortAudioError  # type: ignore[attr-defined]
    fake.get_portaudio_version = lambda: (1246976, "PortAudio V19.7.0, revision x")  # type: ignore[attr-defined]
    fake.query_devices = lambda kind: {"name": "Speakers"}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    [finding] = ask(machine.SOUND, "portaudio")
    assert (finding.state, finding.text) == ("ok", "PortAudio V19.7.0; plays through Speakers")
    fake.query_devices = none  # type: ignore[attr-defined]
    [finding] = ask(machine.SOUND, "portaudio")
    assert finding.state == "warning"
    assert "no output device" in finding.text


def test_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"Card {index}")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (10**9, 8 * 10**9))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    found = [(finding.topic, finding.text) for finding in ask(machine.MACHINE, "gpu")]
    assert found == [(f"cuda:{i}", f"Card {i}, 1.00 GB of 8.00 GB free") for i in range(2)]


def test_a_cache_that_cannot_be_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    [finding] = ask(cache.CACHE, "cache")
    assert finding.state == "warning"
    assert "cannot be written (Read-only file system): set BARK_HOME" in finding.text
    assert finding.facts["writable"] is False


def test_a_disk_with_little_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**9))
    [finding] = ask(cache.CACHE, "cache")
    assert (finding.state, finding.facts["free_bytes"]) == ("warning", 10**9)


def test_models_and_voices(
    home: Path, tiny_model: Path, tiny_config: BarkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bark_cli.store.places.nano_folder", lambda: tiny_model)
    monkeypatch.setattr("bark_cli.store.nano_folder", lambda: tiny_model)
    monkeypatch.setattr("bark_cli.voices.catalogue._shipped_home", lambda: tiny_model / "none")
    write_voice(home / "voices" / "me.npz", tiny_voice(tiny_config))
    damaged = home / "models" / "small"
    damaged.mkdir(parents=True)
    record = FileRecord(path="model.safetensors", size=5, sha256="0" * 64)
    write_manifest(
        damaged,
        Manifest(
            name="small",
            build="local-00000000",
            origin="suno/bark-small",
            revision=None,
            layout="native",
            fetched=(),
            files=(record,),
            created="2026-01-01T00:00:00+00:00",
            bark_version="0",
        ),
    )
    found = {finding.topic: finding for finding in ask(cache.CACHE, "models")}
    assert (found["model small"].state, found["model small"].next) == ("warning", "bark download small")
    assert found["model nano"].state == "ok"
    assert found["models"].next == "bark download small"
    [voices] = ask(cache.CACHE, "voices")
    assert voices.facts == {"count": 2, "own": 1}
    assert voices.next is None  # nano cannot speak Suno's


def test_no_model_at_all_is_a_problem(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bark_cli.store.places.nano_folder", lambda: home / "nano")
    monkeypatch.setattr("bark_cli.store.nano_folder", lambda: home / "nano")
    assert ask(cache.CACHE, "models")[-1].state == "problem"


def test_the_hub_answers(local_hub: LocalHub) -> None:
    [finding] = ask(network.NETWORK, "hub")
    assert (finding.state, finding.text) == ("ok", f"{local_hub.url} answers")


@pytest.mark.parametrize(
    "faults",
    [Faults(status=503), Faults(html=True), Faults(stall_at=0, stall_s=60)],
    ids=["503", "page", "silent"],
)
def test_a_hub_in_trouble_is_a_warning_within_its_time(
    local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch, faults: Faults
) -> None:
    monkeypatch.setattr(network, "HUB_TIMEOUT_S", 1.0)
    local_hub.misbehave("*", faults)
    [finding] = ask(network.NETWORK, "hub")
    assert (finding.state, finding.facts) == ("warning", {"reachable": False})
    assert "\n" not in finding.text


def test_an_address_with_a_password(local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", local_hub.url.replace("//", "//ann:verysecret@"))
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    found = [finding for probe in network.NETWORK for finding in probe.findings()]
    assert "verysecret" not in json.dumps([finding.to_dict() for finding in found])
    assert os.environ["HF_TOKEN"] == "hf_verysecret"


@pytest.mark.parametrize(
    ("version", "index"),
    [
        ("2.13.0+cpu", " --index-url https://download.pytorch.org/whl/cpu"),
        ("2.13.0+cu130", " --index-url https://download.pytorch.org/whl/cu130"),
        ("2.13.0+rocm7.1", " --index-url https://download.pytorch.org/whl/rocm7.1"),
        ("2.13.0", ""),
    ],
)
def test_a_broken_torchaudio_is_found_with_the_command_that_mends_it(
    version: str, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_package", lambda name: version if name == "torch" else "2.11.0")
    monkeypatch.setitem(sys.modules, "torchaudio", None)  # whose import fails
    [found] = programs._torchaudio()
    assert found.state == "warning"
    assert "of another build than torch" in found.text
    assert found.next == f"pip install --force-reinstall --no-deps torchaudio{index}"
