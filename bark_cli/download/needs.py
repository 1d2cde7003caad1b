"""What it takes to have a model: a name, repository or folder -> Plan: its files, where they are, disk space.

It only looks.
"""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bark_cli import store
from bark_cli.download.choose import CODEC_FILE, Choice, choose_files
from bark_cli.download.hub import RemoteFile, check_hashes, list_files
from bark_cli.download.plan import Plan, PlannedFile, located
from bark_cli.errors import DownloadError, ModelError, OptionError
from bark_cli.store import MODELS, SUNO_FILES
from bark_cli.store.names import is_repository
from bark_cli.system.home import expanded

# Meta's own file, which suno-ai/bark fetches too; BARK_ENCODEC_URL names a mirror.
CODEC = RemoteFile(
    path=CODEC_FILE,
    size=93_171_529,
    sha256="d7cc33bcf1aad7f2dad9836f36431530744abeace3ca033005e3290ed4fa47bf",
    git_sha1=None,
    url=f"https://dl.fbaipublicfiles.com/encodec/v0/{CODEC_FILE}",
)
# What Suno's weights are known to be: (bytes, sha256) by repository and file.
PINS = {
    ("suno/bark", "pytorch_model.bin"): (
        4_486_643_861,
        "4e3d407b9b3b619da184c85786c88e5e35f90f9089303e16db696ed0be477989",
    ),
    ("suno/bark-small", "pytorch_model.bin"): (
        1_676_663_913,
        "f0f7f16b24f65789ce42b3c491aa6a1cdf219f7ef425066fcd194485245e65d9",
    ),
}
SUNO_REPOSITORY = "suno/bark"  # its .pt files of both sizes lie there


def make_plan(
    what: str | None,
    *,
    revision: str | None = None,
    layout: str | None = None,
    source: Path | None = None,
    file: str | None = None,
    unverified: bool = False,
) -> Plan:
    """Find out what it takes to have a model.

    Args:
        what: a name, OWNER/NAME of a repository, or a folder; with `source`, the name that it is to have.
        revision: a branch, tag or commit of the repository; by default its main branch.
        layout: "transformers", "suno" or "gguf"; by default the first that is there.
        source: a folder of any layout, huggingface_hub's cache or suno-ai/bark's, or a GGUF file. It is only
            read.
        file: which GGUF file, of a repository or folder; the model is called after it.
        unverified: take files of which the hub lists no hash, too.

    Raises:
        OptionError: no such model, or options that do not go together.
        DownloadError: the hub does not answer, or has other weights than those that are known.
        ModelError: there is no Bark, or not all of it.
    """
    folder = source or _as_folder(what)
    if folder is not None:
        if revision is not None:
            raise OptionError(f"--revision is of a repository, and {folder} is a folder; leave it out")
        return _plan_folder(folder, what if source else None, layout, file)
    entry = MODELS.get(what or "")
    if entry is not None and entry.repository is None:
        raise OptionError(f"{entry.name} comes with the package; there is nothing to download")
    if entry and (layout == "gguf" or file is not None):
        raise OptionError(f"{entry.repository} holds no GGUF file; give OWNER/NAME of a repository that does")
    repository = entry.repository if entry else what
    if not repository or not is_repository(repository):
        raise OptionError(_unknown(what))
    if entry and layout == "suno":
        repository = SUNO_REPOSITORY
    name = store.check_name(entry.name if entry else repository)
    size = entry.name if entry and layout == "suno" else None
    return _plan_repository(name, _Wanted(repository, revision, layout, size, file), unverified)


@dataclass(frozen=True)
class _Wanted:
    """What is to be taken of a repository."""

    repository: str
    revision: str | None
    layout: str | None
    size: str | None
    file: str | None


def downloadable() -> list[str]:
    """Names of the models that can be downloaded, small first."""
    return [entry.name for entry in reversed(MODELS.values()) if entry.repository]


def _as_folder(what: str | None) -> Path | None:
    """The folder, or GGUF file, that is meant, where it is one."""
    if what is None or what in MODELS:
        return None
    path = expanded(what)
    is_file = path.suffix.lower() == store.places.GGUF_SUFFIX and path.is_file()
    return path if what and (path.is_dir() or is_file) else None


def _unknown(what: str | None) -> str:
    names = downloadable()
    known = f"give {', '.join(names)}, OWNER/NAME of a repository, or a folder"
    near = difflib.get_close_matches((what or "").lower(), names, n=1)
    return f"there is no model {what!r}; {f'did you mean {near[0]}? Else ' if near else ''}{known}"


def _plan_repository(name: str, want: _Wanted, unverified: bool) -> Plan:
    repository, revision = want.repository, want.revision
    listing = list_files(repository, revision)
    listed = {file.path: file for file in listing.files}
    choice = choose_files(listed.keys(), repository, layout=want.layout, size=want.size, file=want.file)
    wanted = [listed[path] if revision else _pinned(repository, listed[path]) for path in choice.names]
    if not unverified:
        check_hashes(wanted, repository)
    if choice.is_complete:
        name = _name_of_file(Path(choice.weights[0]))
    elif choice.tokenizer is None and not (choice.layout == "suno" and store.tokenizer_elsewhere()):
        raise ModelError(
            f"{repository} has no tokenizer.json or vocab.txt, so it cannot be used; take another"
        )
    files = [PlannedFile(path=file.path, size=file.size, remote=file) for file in wanted]
    if choice.layout == "suno" and CODEC_FILE not in choice.names:
        files.insert(0, _codec())
    return _finished(name, repository, listing.commit, choice, files)


def _pinned(repository: str, file: RemoteFile) -> RemoteFile:
    """The file, if it is what it is known to be.

    Raises:
        DownloadError: the hub has another one, and nobody has asked for a revision.
    """
    if (pin := PINS.get((repository, file.path))) is None:
        return file
    size, sha256 = pin
    if file.sha256 not in (None, sha256) or file.size != size:
        raise DownloadError(
            f"{repository}/{file.path} is not the file that bark_cli knows: sha256 {file.sha256}, "
            f"{file.size:,} bytes, not {sha256}, {size:,} bytes; --revision main takes it anyway"
        )
    return replace(file, sha256=sha256)


def _codec() -> PlannedFile:
    """EnCodec's weights where a model has none beside it: here, or from Meta."""
    remote = replace(CODEC, url=os.environ.get("BARK_ENCODEC_URL") or CODEC.url)
    return PlannedFile(path=CODEC_FILE, size=CODEC.size, remote=remote)


def _plan_file(path: Path, name: str | None) -> Plan:
    """A GGUF file of the user's own."""
    name = store.check_name(name) if name else _name_of_file(path)
    choice = choose_files([path.name], str(path.parent), file=path.name)
    return _finished(name, str(path.resolve()), None, choice, [_own_file(path)])


def _name_of_file(path: Path) -> str:
    """What a GGUF file's model is called: as the file is, and never as Suno's own are.

    Raises:
        OptionError: that cannot be a name.
    """
    name = store.check_name(path.stem, parts=1)
    return f"{name}-gguf" if name in MODELS else name


def _plan_folder(source: Path, name: str | None, layout: str | None, file: str | None) -> Plan:
    if expanded(source).is_file():
        return _plan_file(expanded(source), name)
    given = name
    folder, name = _model_folder(expanded(source), name)
    names = {path.name for path in folder.iterdir() if path.is_file()}
    size = name if name in SUNO_FILES else None  # what is called large is never made of Suno's small files
    is_sunos = size is not None and set(SUNO_FILES[size]) <= names
    prefer = layout or ("suno" if is_sunos else None)  # as when a folder of both is used as it is
    choice = choose_files(names, str(folder), layout=prefer, size=size, file=file)
    if choice.is_complete:
        path = folder / choice.weights[0]
        chosen = given or _name_of_file(path)
        return _finished(chosen, str(folder), None, choice, [_own_file(path)])
    files = [_own_file(folder / path) for path in choice.names if path != CODEC_FILE]
    if choice.layout == "suno":
        found = next(iter(sorted(folder.glob("encodec_24khz*.th"))), None)
        files.insert(0, _own_file(found) if found else _codec())
    if choice.tokenizer is None:
        files.insert(0, _tokenizer(folder, choice))
    return _finished(name, str(folder.resolve()), None, choice, files)


def _model_folder(folder: Path, name: str | None) -> tuple[Path, str]:
    """The folder in `folder` that holds the files, and the model's name.

    That is another one in huggingface_hub's cache: hub/models--OWNER--NAME/snapshots/COMMIT.
    """
    if not folder.is_dir():
        raise OptionError(f"{folder} is not a folder; give one that holds a model")
    folder = folder.resolve()
    entry = MODELS.get(name or "")
    repository = (entry.repository if entry else name) or ""
    kept = f"models--{repository.replace('/', '--')}"
    homes = (folder, *(home / kept for home in (folder, folder / "hub") if repository))
    for snapshots in (home / "snapshots" for home in homes):
        if found := [path for path in snapshots.glob("*") if path.is_dir()]:
            folder = max(found, key=lambda path: path.stat().st_mtime)
            break
    return folder, store.check_name(name) if name else _name_of(folder)


def _name_of(folder: Path) -> str:
    """What to call a model that nobody has named: its repository's name in huggingface_hub's cache.

    Raises:
        OptionError: the folder's own name cannot be one.
    """
    home, name = folder.parent.parent.name, folder.name
    if folder.parent.name == "snapshots" and home.startswith("models--"):
        repository = home.removeprefix("models--").replace("--", "/", 1)
        known = (entry.name for entry in MODELS.values() if entry.repository == repository)
        name = next(known, repository)
    try:
        return store.check_name(name)
    except OptionError as error:
        command = f"bark download NAME --from {shlex.quote(str(folder))}"
        raise OptionError(
            f"a model cannot be called {name!r}, as its folder is; name it: `{command}`"
        ) from error


def _tokenizer(folder: Path, choice: Choice) -> PlannedFile:
    """The tokenizer for a folder that has none, which is only known for Suno's: BERT's, as Suno uses it.

    Raises:
        ModelError: it cannot be known.
        DownloadError: it is to be fetched, and cannot be.
    """
    if choice.layout != "suno":
        raise ModelError(f"{folder} has no tokenizer.json or vocab.txt; put the model's own file there")
    if (found := store.tokenizer_elsewhere()) is not None:
        return _own_file(found)
    listed = list_files(SUNO_REPOSITORY).files
    for name in store.places.TOKENIZER_FILES:
        for file in listed:
            if file.path == name:
                return PlannedFile(path=name, size=file.size, remote=file)
    raise DownloadError(f"{SUNO_REPOSITORY} has no tokenizer; put tokenizer.json into {folder}")


def _own_file(path: Path) -> PlannedFile:
    return PlannedFile(path=path.name, size=path.stat().st_size, remote=None, here=path.resolve())


def _finished(
    name: str, origin: str, revision: str | None, choice: Choice, files: Iterable[PlannedFile]
) -> Plan:
    plan = Plan(
        name=name,
        origin=origin,
        revision=revision,
        layout=choice.layout,
        size=choice.size,
        files=tuple(files),
        free=store.free_bytes(),
    )
    return replace(plan, files=located(plan, plan.files))
