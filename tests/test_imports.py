"""The house stands: imports point down, and what the shell waits for imports nothing heavy."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bark_cli.backends.kernel import compiled

PACKAGE = Path(__file__).parent.parent / "bark_cli"
# from the ground up; a module may import from its own floor and from those below
FLOORS = [
    {"errors"},
    {"system"},
    {"model", "text", "hearing"},
    {"stages", "audio", "settings"},
    {"takes", "store"},
    {"voices"},
    {"checkpoint", "cache"},
    {"backends", "speech", "known_model", "loaded_model"},
    {"engine", "narration", "download", "inspection"},
    {"session", "remote"},
    {"pipeline"},
    {"bench", "doctor", "batch", "book", "suno"},
    {"server", "cluster"},
    {"cli"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
DOORS = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}  # which lead everywhere
HEAVY = ("torch", "openvino", "ray", "huggingface_hub", "transformers", "rich", "pydantic")
HEAVY += ("soundfile", "sounddevice")


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path not in DOORS]


def imported(path: Path) -> Iterator[str]:
    """Full names of the package's own modules that a file imports, anywhere in it."""
    package = (PACKAGE.name, *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == PACKAGE.name)


def room(path: Path) -> str:
    """errors for bark_cli/errors.py, cli for bark_cli/cli/say/command.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    own = room(path)
    assert own in FLOOR, f"say in FLOORS where {own} belongs"
    for name in imported(path):
        other = name.split(".")[1]
        if other == "__version__":
            continue
        assert other in FLOOR, f"{own} imports {name}, which is on no floor"
        assert FLOOR[other] <= FLOOR[own], f"{own} imports {other}, which lies above it"


def module_of(name: str) -> str:
    """The module that a full name lies in: bark_cli.audio.wav for bark_cli.audio.wav.header."""
    parts = name.split(".")
    while len(parts) > 1 and not any(path.is_file() for path in _files_of(parts)):
        parts.pop()
    return ".".join(parts)


def _files_of(parts: list[str]) -> tuple[Path, Path]:
    path = PACKAGE.parent.joinpath(*parts)
    return path.with_suffix(".py"), path / "__init__.py"


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_modules_need_each_other_in_a_circle() -> None:
    """Inside of a folder, too; that a package's door imports what it shows is no circle."""
    needs = {
        module_name(path): {module_of(name) for name in imported(path)} - {module_name(path)}
        for path in modules()
    }
    needs = {name: wanted & needs.keys() for name, wanted in needs.items()}
    while done := {name for name, wanted in needs.items() if not wanted}:
        needs = {name: wanted - done for name, wanted in needs.items() if name not in done}
    assert not needs


def loaded(code: str, *arguments: str) -> set[str]:
    """Top-level modules in memory after running `code` in a fresh interpreter."""
    code += "\nimport json, sys\nprint(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def commands() -> list[list[str]]:
    """Every command and group of `bark`, by its words."""
    from typer.main import get_command

    from bark_cli.cli.app import COMMANDS, app

    group = get_command(app)
    found: list[list[str]] = [[]]
    waiting = [([name], group.get_command(None, name)) for name in COMMANDS]  # type: ignore[attr-defined]
    while waiting:
        words, command = waiting.pop()
        found.append(words)
        children = getattr(command, "commands", {})
        waiting += [([*words, name], child) for name, child in children.items()]
    return sorted(found)


def test_the_table_says_of_each_command_what_its_own_help_begins_with() -> None:
    from typer.main import get_command

    from bark_cli.cli.app import COMMANDS, app

    group = get_command(app)
    for name, (_, line) in COMMANDS.items():
        help = group.get_command(None, name).help  # type: ignore[attr-defined]
        assert help.strip().partition("\n\n")[0].replace("\n", " ") == line, name


def test_every_command_is_found() -> None:
    assert [c for c in commands() if c[:1] in ([], ["say"], ["voices"])] == [
        [],
        ["say"],
        ["voices"],
        ["voices", "ls"],
        ["voices", "preview"],
        ["voices", "rm"],
        ["voices", "save"],
        ["voices", "show"],
    ]


RUN = "import sys; from bark_cli.cli import main; assert main(sys.argv[1:]) == 0"


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    assert not loaded(RUN, *words, "--help").intersection({*HEAVY, "numpy"})


def test_listing_voices_imports_no_torch(tiny_model: Path) -> None:
    names = loaded(RUN, "voices", "ls", "-m", str(tiny_model))
    assert "numpy" in names  # it did read the voices
    assert not names & {"torch", "huggingface_hub", "transformers", "soundfile", "sounddevice"}


@pytest.mark.parametrize("output", ["out.wav", "-"])
def test_speaking_in_int8_imports_no_torch(output: str, tmp_path: Path) -> None:
    """Nor with a stage of another model; what says so is a process in which nobody has torch."""
    if compiled() is None:
        pytest.skip("no C compiler was there when bark was installed")
    place = output if output == "-" else str(tmp_path / output)
    code = "import sys; sys.modules['torch'] = None; sys.modules['encodec'] = None\n" + RUN
    words = ["say", "Hello there.", "-m", "nano", "--fine-model", "nano", "--verbose", "-o", place]
    line = [sys.executable, "-c", code, *words]
    environment = {name: value for name, value in os.environ.items() if name != "BARK_KERNEL"}
    done = subprocess.run(line, capture_output=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert b"in int8" in done.stderr
    sound = done.stdout if output == "-" else Path(place).read_bytes()
    assert len(sound) > 10_000


def test_a_quiet_line_into_a_file_imports_nothing_that_it_has_no_use_for(tmp_path: Path) -> None:
    """Options are converted without pydantic, and nobody watches bars."""
    if compiled() is None:
        pytest.skip("no C compiler was there when bark was installed")
    words = ["say", "Hi.", "-m", "nano", "--seed", "1", "--speed", "1", "-q", "-o", str(tmp_path / "out.wav")]
    names = loaded(RUN, *words)
    assert not names & {*HEAVY, "email", "html.parser", "logging", "markdown_it", "statistics", "tomllib"}


def test_the_package_imports_nothing_and_offers_everything() -> None:
    assert not loaded("import bark_cli; bark_cli.BarkError; bark_cli.__version__").intersection(
        {*HEAVY, "numpy"}
    )
    import bark_cli

    for name in bark_cli.__all__:
        assert getattr(bark_cli, name)
        assert name in dir(bark_cli)
    with pytest.raises(AttributeError, match="no attribute 'Bork'"):
        bark_cli.Bork  # noqa: B018
