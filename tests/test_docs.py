"""What README.md and docs/ tell people to type works as it stands: every `bark …` in them is run.

What stands on one line, or in one block, is one session with a home of its own: a later command finds what an
earlier one left. Files that a command reads are put there before it. The hub is one on loopback whose models
are narrow and whose voices are few; the loudspeaker is a fake that remembers what it was given.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import json
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import soundfile
import typer
from epubs import write_epub
from gguf import GGMLQuantizationType as Kind
from gguf_files import write_crispasr
from golden.recipe import narrow_config
from local_hub import LocalHub
from small_models import small_tensors, write_layout
from test_player import FakePortAudio, speaker  # noqa: F401  (a fixture)

from bark_cli.batch.url import UrlFolder, is_url
from bark_cli.bench import weights
from bark_cli.cli import main
from bark_cli.cli.app import app
from bark_cli.download import needs, suno_voices
from bark_cli.model import published
from bark_cli.model.config import BarkConfig
from bark_cli.pipeline import Bark
from bark_cli.speech import Speech
from bark_cli.store import find_model
from bark_cli.text.documents import read_document

ROOT = Path(__file__).parent.parent


def from_docs(name: str) -> ModuleType:
    """A module that lies in docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


help_pages = from_docs("help_pages")
README = (ROOT / "README.md").read_text(encoding="utf-8")
# the help of all commands, whose examples are no session, is compared as a whole
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if page != help_pages.PAGE),
    ROOT / "bark_cli" / "assets" / "nano" / "README.md",
]
# what they leave to the reader
WORDS = {"OWNER/NAME": "someone/bark", "NAME": "small", "FOLDER": "folder", "NAME.gguf": "small.gguf"}
# what ends otherwise than with 0, as they say beside it
ENDS = {"bark say -m small": (1, "bark download small")}
WRITTEN = ("-o", "--output", "--save-voice", "--plot")  # what follows is not there before
UNENDING = ("serve", "mcp")  # run until they are stopped; their own tests start them
ASKING = ("rm", "prune")  # wait for a yes
VOICES = ("announcer", "v2/de_speaker_3", "v2/en_speaker_6")  # of the 261
TEXTS = {
    "txt": "Hello. All is well here.",
    "md": "# Letter\n\nHello. *All* is well.",
    "srt": "1\n00:00:00,500 --> 00:00:02,000\nHello.\n",
    "vtt": "WEBVTT\n\n00:00.500 --> 00:02.000\nHello.\n",
    "jsonl": '{"text": "Hello.", "output": "a.wav"}\n{"text": "Good day."}\n',
}
SOUNDS = ("wav", "flac", "mp3", "opus", "ogg")


@dataclass(frozen=True)
class Command:
    """What is typed, and the words after `bark`."""

    typed: str
    words: list[str]

    def value(self, *options: str) -> str | None:
        """What follows the first of these options."""
        return next((value for option, value in pairwise(self.words) if option in options), None)


def in_span(span: str) -> Iterator[Command]:
    """The commands of ours in a line of shell, of which others may be parts."""
    for part in span.replace("\\|", "|").split(" && "):
        for stage in part.split(" | "):
            typed = stage.strip()
            if typed.startswith("bark ") and "…" not in typed:
                words = shlex.split(typed, comments=True)[1:]
                if words[0] not in UNENDING and not is_mention(words):
                    yield Command(typed, words)


def is_mention(words: list[str]) -> bool:
    """Whether it is but the name of a command, or of several, that says nothing when it is run alone."""
    group: Any = typer.main.get_command(app)
    command = group.get_command(None, words[0])
    if len(words) > 1 or command is None:
        return False
    return hasattr(command, "commands") or any(parameter.required for parameter in command.params)


def sessions() -> Iterator[tuple[str, list[Command]]]:
    """(page, what it shows) in the order of the pages; what an earlier one has shown is left out."""
    seen: set[str] = set()
    for page in PAGES:
        for session in sessions_of(page.read_text(encoding="utf-8")):
            if not seen.issuperset(command.typed for command in session):
                yield page.relative_to(ROOT).as_posix(), session
            seen.update(command.typed for command in session)


def sessions_of(page: str) -> list[list[Command]]:
    """What one page shows, in its order."""
    found = []
    shell = re.sub(r"^```python\n.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    for i, part in enumerate(re.split(r"^```.*$", shell, flags=re.MULTILINE)):
        lines = part.splitlines()
        if i % 2:
            found.append([command for line in lines for command in in_span(line.strip())])
        else:
            spans = [re.findall(r"`([^`]+)`", line) for line in lines]
            found += [[command for span in line for command in in_span(span)] for line in spans]
    return found


SESSIONS = [pytest.param(found, id=f"{page}: {found[0].typed[:60]}") for page, found in sessions()]


def test_they_show_commands() -> None:
    shown = [(page, command.words[0]) for page, session in sessions() for command in session]
    assert {word for _, word in shown} >= {"say", "download", "voices", "cache", "bench", "doctor", "config"}
    assert len({page for page, _ in shown}) >= 6
    assert len(shown) >= 70


def test_the_help_of_all_commands_is_that_of_the_code() -> None:
    written = help_pages.PAGE.read_text(encoding="utf-8")
    assert written == help_pages.page(), "run: python docs/help_pages.py"


def test_pages_are_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:")[2]
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT / "docs").as_posix() in menu


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_is_shown_as_code_ends(page: Path) -> None:
    fences = re.findall(r"^ *```", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(fences) % 2 == 0


def test_the_messages_that_trouble_explains_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "trouble.md").read_text("utf-8")
    files = [file.read_text("utf-8") for file in (ROOT / "bark_cli").rglob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file)) if isinstance(node, ast.Constant)]
    said = "\n".join(node.value for node in nodes if isinstance(node.value, str))
    foreign = {
        "libc10_cuda.so: cannot open shared object file",
        "undefined symbol",
        "bark: command not found",
    }
    titles = " ".join(re.findall(r"^\*\*.+?\*\*", page, re.MULTILINE))
    messages = {*re.findall(r"`([^`]+)`", titles), *re.findall(r"note `([^`]+)`", page)} - foreign
    assert len(messages) > 20
    for message in messages:
        for part in re.split(r"…|'?\b(?:NAME|small)\b'?", message):
            assert part.strip(" ;'") in said, message


def test_the_script_that_is_shown_is_read_as_one() -> None:
    page = (ROOT / "docs" / "long-texts.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"^```\n(---\n.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    said = [(line.speaker, line.text) for line in read_document(shown, "script").lines if line.text]
    assert [who for who, _ in said] == ["ANNA", "BEN"]
    assert said[0][1].endswith("An indented line goes on with what she says.")


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The files of a narrow Bark as Transformers and as Suno have it."""
    home = tmp_path_factory.mktemp("layouts")
    return {
        name: {
            path.name: path.read_bytes()
            for path in write_layout(layout, home / name, size=size, cased=True).iterdir()
        }
        for name, layout, size in (
            ("hub", "safetensors", "large"),
            ("small", "suno", "small"),
            ("large", "suno", "large"),
        )
    }


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A narrow Bark as CrispASR writes it."""
    file, config = tmp_path_factory.mktemp("gguf") / "a.gguf", narrow_config()
    return write_crispasr(file, config, small_tensors(config), Kind.F16).read_bytes()


@pytest.fixture(scope="module")
def speech() -> Speech:
    """Something that nano said."""
    return Bark.load("nano").say("Hello.", seed=1)


@pytest.fixture
def place(
    layouts: dict[str, dict[str, bytes]],
    gguf_file: bytes,
    local_hub: LocalHub,
    speech: Speech,
    tiny_config: BarkConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder to be in, with the world around it."""
    codec = layouts["large"]["encodec_24khz-d7cc33bc.th"]
    known = replace(needs.CODEC, size=len(codec), sha256=hashlib.sha256(codec).hexdigest())
    monkeypatch.setattr(needs, "CODEC", known)
    monkeypatch.setenv("BARK_ENCODEC_URL", local_hub.add_plain("codec.th", codec))
    for module in (published, suno_voices):
        monkeypatch.setattr(module, "VOICE_NAMES", VOICES)
    monkeypatch.setattr(weights, "random_config", {"small": tiny_config, "large": tiny_config}.__getitem__)
    local_hub.add(
        "suno/bark", {**layouts["hub"], **layouts["small"], **layouts["large"], **voice_files(tmp_path)}
    )
    local_hub.add("suno/bark-small", {**layouts["hub"], **layouts["small"]})
    local_hub.add("someone/bark", {**layouts["hub"], **layouts["small"], "small.gguf": gguf_file})
    files = [f"bark-small-{kind}.gguf" for kind in ("q8_0", "f16", "q4_k")]
    local_hub.add("cstr/bark-small-GGUF", dict.fromkeys(files, gguf_file))
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("BARK_MAX_DURATION", "0.5")  # random weights know no end
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def voice_files(folder: Path) -> dict[str, bytes]:
    """Suno voices as the hub has them, of random tokens."""
    import numpy as np

    files, random = {}, np.random.default_rng(0)
    for name in VOICES:
        fine = random.integers(0, 1_024, (8, 150))
        arrays = {"semantic": random.integers(0, 10_000, 100), "coarse": fine[:2], "fine": fine}
        for key, array in arrays.items():
            np.save(folder / "a.npy", array)
            files[f"speaker_embeddings/{name}_{key}_prompt.npy"] = (folder / "a.npy").read_bytes()
    return files


def put_there(command: Command, speech: Speech, model: Mapping[str, bytes], gguf: bytes) -> None:
    """The files and folders that the command reads, where nothing has left them yet."""
    cast = [pair.partition("=")[0] for pair in command.words if re.fullmatch(r"[A-Z]+=\S+", pair)]
    for before, word in pairwise(["", *command.words]):
        path, suffix = Path(word), Path(word).suffix[1:]
        if before in WRITTEN or word.startswith("-") or path.exists() or not re.fullmatch(r"[\w./-]+", word):
            continue
        if word == WORDS["FOLDER"] or word.endswith("suno/bark_v0"):
            path.mkdir(parents=True)
            for name, data in model.items():
                (path / name).write_bytes(data)
        elif suffix in TEXTS:
            text = "".join(f"{name}: Hello.\n" for name in cast) or TEXTS[suffix]
            path.write_text(text, encoding="utf-8")
        elif suffix in SOUNDS:
            speech.save(path)
        elif suffix == "epub":
            write_epub(path, {"a.xhtml": "<h1>One</h1><p>Hello.</p>", "b.xhtml": "<p>Good day.</p>"})
        elif suffix == "npz":
            speech.save_voice(path)
        elif suffix == "gguf" and command.words[0] not in ("convert", "download"):
            path.write_bytes(gguf)
        elif command.words[0] == "batch" and path != Path("batch") and not before.startswith("-"):
            path.mkdir()
            for name in ("a.txt", "b.txt"):
                (path / name).write_text("Hello.")


def names_model(command: Command) -> list[str]:
    """Models that have to be here for it."""
    if command.words[0] == "download" or command.typed in ENDS or "--random-weights" in command.words:
        return []
    return sorted({"small", "large", "someone/bark"}.intersection(command.words))


@pytest.mark.parametrize("session", SESSIONS)
def test_what_they_show(
    session: list[Command],
    place: Path,
    layouts: dict[str, dict[str, bytes]],
    gguf_file: bytes,
    speech: Speech,
    speaker: FakePortAudio,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if any(word.startswith("s3://") for command in session for word in command.words):
        request.getfixturevalue("bucket")
    for command in session:
        words = [WORDS.get(word, word).replace("~", str(Path.home())) for word in command.words]
        chosen = replace(command, words=words)
        put_there(chosen, speech, layouts["small"], gguf_file)
        for name in names_model(chosen):
            assert find_model(name) or main(["download", name, "-q"]) == 0
        speaker.played.clear()
        code, out, err = run(chosen, monkeypatch)
        expected, words_of_error = ENDS.get(command.typed, (0, ""))
        assert (code, words_of_error in err) == (expected, True), f"{command.typed}: {err}"
        assert "unexpected" not in err
        if code == 0:
            check(chosen, out, speaker)


def run(command: Command, monkeypatch: pytest.MonkeyPatch) -> tuple[int, bytes, str]:
    """Its exit code, what came out, and what was said."""
    asks = any(word in ASKING for word in command.words)
    out, err = io.BytesIO(), io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"y\n" if asks else b"It is raining.")))
        patch.setattr(sys, "stdout", io.TextIOWrapper(out, write_through=True))
        patch.setattr(sys, "stderr", err)
        if asks:
            patch.setattr("bark_cli.cli.ask.is_terminal", lambda: True)
        code = main(command.words)
        sys.stdout.flush()
        return code, out.getvalue(), err.getvalue()


def check(command: Command, out: bytes, heard: FakePortAudio) -> None:
    """What it was to leave is there."""
    verb, output = command.words[0], command.value("-o", "--output")
    if "--dry-run" in command.words:
        assert out
        return
    if "--json" in command.words:
        json.loads(out)
    if output == "-":
        assert len(out) > 10_000
    elif output is not None and is_url(output):
        files = UrlFolder(output)
        assert any(name.endswith((".flac", ".parquet")) for name in (*files.names(""), *files.names("data")))
    elif output is not None and Path(output).is_dir():
        assert any(path.suffix[1:] in (*SOUNDS, "parquet", "tar") for path in Path(output).rglob("*"))
    elif output is not None and output.endswith(".epub"):
        assert any(name.endswith(".smil") for name in zipfile.ZipFile(output).namelist())
    elif output is not None:
        assert soundfile.info(output).duration > 0.2
    elif verb in ("say", "play") or command.words[:2] == ["voices", "preview"]:
        assert len(heard.heard) > 2_000
    for written in (command.value("--save-voice"), command.value("--plot")):
        assert written is None or Path(written).stat().st_size > 500


def test_the_first_command_as_it_is_typed(tmp_path: Path) -> None:
    (line,) = re.findall(r"^pip install \. && (bark .*)$", README, re.MULTILINE)
    done = process(["-m", "bark_cli", *shlex.split(line)[1:]], tmp_path)
    assert done.returncode == 0, done.stderr
    assert 0.5 < soundfile.info(tmp_path / "hello.wav").duration < 14


def test_python_examples_run(tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text("utf-8"), re.S)
    assert len(examples) == 2
    done, threads = (process(["-c", example], tmp_path) for example in examples)
    assert (done.returncode, threads.returncode) == (0, 0), done.stderr + threads.stderr
    assert all(0.3 < seconds < 3 for seconds in json.loads(threads.stdout))
    assert soundfile.info(tmp_path / "hello.wav").samplerate == 24_000
    assert float(done.stdout) > 0.5


def process(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
