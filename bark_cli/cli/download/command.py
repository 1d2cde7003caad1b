"""`bark download`: a model's name, a repository or a folder -> the model on this machine, verified."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bark_cli.cli import options
from bark_cli.cli.download.offer import forbid_network
from bark_cli.cli.output import note, one_line, print_json
from bark_cli.errors import DownloadError, OptionError
from bark_cli.store import MODELS, model_home, nano_folder, suno_voices_home
from bark_cli.system.units import human_bytes

if TYPE_CHECKING:
    from bark_cli.download import Plan
    from bark_cli.download.offers import Quant
    from bark_cli.download.plan import PlannedFile
    from bark_cli.download.suno_voices import SunoVoicesReport
    from bark_cli.store import Manifest


@dataclass(frozen=True, kw_only=True)
class DownloadRequest:
    """What the command line asks for."""

    what: str | None  # a name, a repository or a folder
    revision: str | None
    layout: str | None
    file: str | None  # which GGUF file
    quant: Quant | None  # of a named model's GGUF file
    source: Path | None  # a folder to take it from
    keep_original: bool
    unverified: bool  # files without a hash, too
    dry_run: bool  # look only


@dataclass(frozen=True, kw_only=True)
class Printing:
    """How the answer is given."""

    as_json: bool
    quiet: bool

    @property
    def talks(self) -> bool:
        """Whether there are results for a human."""
        return not (self.as_json or self.quiet)


def download(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="small, large, a repository (OWNER/NAME), a folder, or a .gguf file.",
            show_default=False,
        ),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Branch, tag or commit of the repository.")
    ] = None,
    layout: Annotated[
        Literal["transformers", "suno", "gguf"] | None,
        typer.Option(
            help="Layout to fetch; Suno's is three times as large, GGUF a quarter and made by others."
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--file", metavar="NAME.gguf", help="GGUF file to take from the repository or folder."),
    ] = None,
    quant: Annotated[
        Literal["q8_0", "f16"] | None,
        typer.Option(help="Quantization of the GGUF file of small; q8_0 by default."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="Take the model from a folder, another program's cache or a .gguf file.",
        ),
    ] = None,
    keep_original: Annotated[
        bool, typer.Option("--keep-original", help="Keep the fetched files beside the converted model.")
    ] = False,
    voices: Annotated[
        bool, typer.Option("--voices", help="Fetch the 261 Suno voices, with a model or alone.")
    ] = False,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Also accept files for which the hub lists no hash.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    offline: options.Offline = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Download a model, check it, and make it ready to speak.

    \b
    bark download small
    bark download large --dry-run
    bark download small --from ~/.cache/suno/bark_v0
    bark download --voices
    bark download small --layout gguf
    bark download OWNER/NAME --file NAME.gguf

    An interrupted download continues where it stopped. Nothing that is already here is fetched again.
    """
    if offline:
        forbid_network()
    if what is None and source is None and not voices:
        raise OptionError(f"say what to download: {', '.join(_names())}, OWNER/NAME, a folder, or --voices")
    request = DownloadRequest(
        what=what,
        revision=revision,
        layout=layout,
        file=file,
        quant=quant,
        source=source,
        keep_original=keep_original,
        unverified=unverified,
        dry_run=dry_run,
    )
    _download(request, Printing(as_json=as_json, quiet=quiet), voices=voices)


def _names() -> list[str]:
    return [entry.name for entry in reversed(MODELS.values()) if entry.repository]


def _download(request: DownloadRequest, printing: Printing, *, voices: bool) -> None:
    """Do what is asked for, and print it."""
    answer: dict[str, Any] = {}
    if request.what is not None or request.source is not None:
        answer = _answer(request, printing)
    report = _fetch_voices(printing, dry_run=request.dry_run) if voices else None
    if printing.as_json:
        print_json(answer if report is None else {**answer, "voices": asdict(report)})
    if report is not None and report.failed:
        name, reason = report.failed[0]
        again = "run `bark download --voices` again"
        count = f"{len(report.failed)} voice{'s' if len(report.failed) > 1 else ''}"
        raise DownloadError(f"{count} could not be fetched, {name} because: {reason}; {again}")


def _answer(request: DownloadRequest, printing: Printing) -> dict[str, Any]:
    """Print what there is to say of a model, and return it for --json."""
    from bark_cli.cli.download.progress import download_lines
    from bark_cli.download import make_plan
    from bark_cli.download.install import install
    from bark_cli.download.installed import kept

    request, about = _offered(request)
    entry = MODELS.get(request.what or "")
    if entry is not None and entry.repository is None and request.source is None:
        if printing.talks:
            print(f"{entry.name} comes with the package; there is nothing to download")
        return {"name": entry.name, "path": str(nano_folder()), "changed": False}
    name = Path(request.file).stem if request.file else request.what
    if request.source is None and (manifest := kept(name or "", request.revision, request.layout)):
        return _result(manifest, False, printing.talks)
    plan = make_plan(
        request.what,
        revision=request.revision,
        layout=request.layout,
        source=request.source,
        file=request.file,
        unverified=request.unverified,
    )
    if lacking := [file.path for file in plan.files if file.remote and not file.remote.is_verified]:
        note(f"these could not be checked: {', '.join(lacking)}")
    if about and printing.talks:
        note(about)
    if request.dry_run:
        return _show(plan, request, printing.talks)
    with download_lines(quiet=printing.quiet) as lines:
        found = install(plan, keep_original=request.keep_original, listener=lines)
    return _result(*found, printing.talks)


def _offered(request: DownloadRequest) -> tuple[DownloadRequest, str | None]:
    """The request with a named model's GGUF file put in, and whose that is.

    Raises:
        OptionError: none is known of that model, or --quant is of nothing.
    """
    from bark_cli.download.offers import find_offer

    is_named = request.what in MODELS and request.source is None and request.file is None
    if not (request.layout == "gguf" and is_named):
        if request.quant is not None:
            raise OptionError("--quant goes with `small --layout gguf`; elsewhere name the file with --file")
        return request, None
    offer = find_offer(request.what or "", request.quant or "q8_0")
    return replace(request, what=offer.repository, file=offer.file), offer.about


def _show(plan: Plan, request: DownloadRequest, talks: bool) -> dict[str, Any]:
    """What would be done."""
    from bark_cli.cli.table import aligned
    from bark_cli.download.installed import installed

    done = installed(plan, request.keep_original) is not None
    if talks:
        rows = [(one_line(file.path), human_bytes(file.size), _state(file)) for file in plan.files]
        print("\n".join(aligned([("FILE", "SIZE", "HERE"), *rows])))
        print(f"{plan.name} is here already; nothing to do" if done else plan.summary)
    return {
        "name": plan.name,
        "path": str(plan.home),
        "origin": plan.origin,
        "revision": plan.revision,
        "layout": plan.layout,
        "files": [_record(file) for file in plan.files],
        "bytes": {
            "total": plan.total,
            "missing": 0 if done else plan.missing,
            "needed_on_disk": 0 if done else plan.needed,
            "free_on_disk": plan.free,
        },
        "installed": done,
    }


def _record(file: PlannedFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "size": file.size,
        "missing": file.missing,
        "here": None if file.here is None else str(file.here),
        "url": None if file.remote is None else file.remote.url,
        "sha256": None if file.remote is None else file.remote.sha256,
    }


def _state(file: PlannedFile) -> str:
    """How much of a file is on this machine."""
    if file.here is not None:
        return "yes"
    return f"{human_bytes(file.part)} of it" if file.part else "-"


def _result(manifest: Manifest, changed: bool, talks: bool) -> dict[str, Any]:
    """Where the model is now."""
    folder = model_home(manifest.name) / manifest.build
    if talks:
        state = "is ready" if changed else "is here already"
        print(f"{manifest.name} {state} ({human_bytes(manifest.size)} in {folder})")
        print(f'bark say -m {shlex.quote(manifest.name)} "Hello, my name is Bark."')
    return {
        "name": manifest.name,
        "path": str(folder),
        "origin": manifest.origin,
        "revision": manifest.revision,
        "layout": manifest.layout,
        "bytes": manifest.size,
        "changed": changed,
    }


def _fetch_voices(printing: Printing, *, dry_run: bool) -> SunoVoicesReport | None:
    """Have Suno's voices, and say how many there are; a dry run only says how many are missing."""
    from bark_cli.cli.download.progress import download_lines
    from bark_cli.download.suno_voices import fetch_suno_voices
    from bark_cli.model.published import VOICE_NAMES

    if dry_run:
        missing = [name for name in VOICE_NAMES if not (suno_voices_home() / f"{name}.npz").is_file()]
        if printing.talks:
            print(f"{len(missing)} of Suno's {len(VOICE_NAMES)} voices are missing; each has some 15 kB")
        return None
    with download_lines(quiet=printing.quiet) as lines:
        report = fetch_suno_voices(lines)
    if printing.talks:
        here = len(report.fetched) + len(report.kept)
        print(f"{here} of Suno's voices are here, {len(report.fetched)} of them new; see `bark voices ls`")
    return report
