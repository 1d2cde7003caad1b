"""A model to install -> Plan: its files, what of them is on this machine, and the disk space that it takes.

What is here already is used where it lies: what an interrupted download left, huggingface_hub's cache,
suno-ai/bark's, torch.hub's for the codec.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bark_cli import store
from bark_cli.download.choose import CODEC_FILE
from bark_cli.download.hub import RemoteFile
from bark_cli.download.partial import part_path
from bark_cli.system.units import human_bytes

_OPTIMIZED = 3  # weights, and two moments of each in the optimizer's state: how much larger a .pt is
_INT8 = 3  # how much smaller int8 is, at least: a quarter, and the codec and scales in float32
_MARGIN = 50  # a part of what is written: what a file system takes beside it


@dataclass(frozen=True, kw_only=True)
class PlannedFile:
    """One file that the model is made of."""

    path: str  # its name beside the others
    size: int  # bytes
    remote: RemoteFile | None  # where it can be fetched, and its hash; None: it is the user's own
    here: Path | None = None  # on this machine, as it seems
    part: int = 0  # bytes that are here of an interrupted download

    @property
    def missing(self) -> int:
        """Bytes to fetch."""
        return 0 if self.here else max(0, self.size - self.part)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A model to install."""

    name: str
    origin: str  # the repository or folder
    revision: str | None  # the commit; None: a folder
    layout: str  # of its files, "transformers", "suno" or "gguf"
    size: str | None  # of Suno's, which one
    files: tuple[PlannedFile, ...]
    free: int  # bytes, where the cache is

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def missing(self) -> int:
        """Bytes to fetch."""
        return sum(file.missing for file in self.files)

    @property
    def needed(self) -> int:
        """Bytes of disk, at the moment when it takes the most: the files beside what is made of them."""
        converted = sum(_converted_bytes(file) for file in self.files)
        # once what was fetched is removed; of a GGUF file, which is a quarter already, at most twice its size
        int8 = (2 * converted if self.layout == "gguf" else converted // _INT8) if makes_int8() else 0
        written = converted + max(self.missing, int8)
        return written + written // _MARGIN

    @property
    def home(self) -> Path:
        """Where the model is to lie."""
        return store.model_home(self.name)

    @property
    def stage(self) -> Path:
        """Where its files are brought together. What is there of another revision has another hash."""
        return store.downloads_home() / self.home.name / "-".join(filter(None, (self.layout, self.size)))

    @property
    def summary(self) -> str:
        """Sizes in a line: what is to be fetched from where, what it takes, what there is."""
        missing, total = human_bytes(self.missing), human_bytes(self.total)
        what = f"{missing} to download" if self.missing else "nothing to download"
        if self.missing and missing != total:
            what += f" of {total} ({human_bytes(self.total - self.missing)} of it is here)"
        needed = f"takes {human_bytes(self.needed)} of disk on the way, {human_bytes(self.free)} free"
        return f"{what} from {self.origin}; {needed}"


def makes_int8() -> bool:
    """Whether a model is converted to int8 once it is here, as this machine speaks in it."""
    from bark_cli.backends.device import choose_device, choose_precision

    return choose_precision("auto", choose_device("auto")) == "int8"


def look_again(plan: Plan) -> Plan:
    """The same plan, with what is on this machine by now."""
    return replace(plan, files=located(plan, plan.files), free=store.free_bytes())


def located(plan: Plan, files: Iterable[PlannedFile]) -> tuple[PlannedFile, ...]:
    """The files with what is on this machine of them."""
    return tuple(_locate(plan, file, file.remote) if file.remote else file for file in files)


def _locate(plan: Plan, file: PlannedFile, remote: RemoteFile) -> PlannedFile:
    staged = plan.stage / file.path
    found = next((path for path in (staged, *_elsewhere(plan, remote)) if _size(path) == file.size), None)
    return replace(file, here=found, part=_size(part_path(remote, staged)) or 0)


def _elsewhere(plan: Plan, remote: RemoteFile) -> Iterable[Path]:
    """Where other programs would have put a file. What has its size may be it; the hash is yet to be seen."""
    for snapshot in store.huggingface_snapshots(plan.origin):
        blob = (snapshot / remote.path).resolve()
        # the cache names what it holds by its hash; where there are no links it does not
        if blob.parent == snapshot.resolve() or blob.name in (remote.sha256, remote.git_sha1):
            yield blob
    if remote.path.endswith((".pt", ".th")):
        yield store.suno_home() / remote.path
    if remote.path == CODEC_FILE and (found := store.find_codec(plan.stage)) is not None:
        yield found


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _converted_bytes(file: PlannedFile) -> int:
    """What a file's weights take in our layout, in float32."""
    suffix = Path(file.path).suffix
    if suffix == ".pt":
        return file.size // _OPTIMIZED
    return file.size if suffix in (".bin", ".safetensors", ".th", store.places.GGUF_SUFFIX) else 0
