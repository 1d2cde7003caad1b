"""What a hub holds: a repository and a revision -> its files, their sizes and hashes (huggingface_hub)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bark_cli.download.bounded import MOST_BYTES, TooMuchError, read_answer
from bark_cli.download.client import hub_endpoint, network_errors, request_headers, session
from bark_cli.download.failures import Failure, Patience, failure_of_answer, failure_of_error, no_hub, offline
from bark_cli.errors import DownloadError
from bark_cli.store import is_offline
from bark_cli.store.names import stays_inside
from bark_cli.system.records import Bounds, parse_object, record

__all__ = ["RemoteFile", "RepositoryFiles", "ask_hub", "check_hashes", "hub_endpoint", "list_files"]

_KNOWN = "suno/bark-small"  # what to ask for where it only matters that there is an answer
_BOUNDS = Bounds(MOST_BYTES, items=1_000_000, depth=16)
_SHA1, _SHA256 = re.compile("[0-9a-f]{40}"), re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file, as the hub lists it."""

    path: str  # in its repository, with /; it does not lead out of the folder
    size: int  # bytes
    sha256: str | None  # of a large file
    git_sha1: str | None  # of a file kept in git itself: sha1(b"blob %d\\0" % size + data)
    url: str

    @property
    def is_verified(self) -> bool:
        """Whether what comes can be told from another file."""
        return (self.sha256 or self.git_sha1) is not None


@dataclass(frozen=True, kw_only=True)
class RepositoryFiles:
    """The files of a repository at one commit."""

    repository: str
    commit: str  # all 40 digits
    files: tuple[RemoteFile, ...]


def list_files(
    repository: str, revision: str | None = None, *, patience: Patience | None = None
) -> RepositoryFiles:
    """The files of a repository (owner/name) at a branch, tag or commit; None: at main.

    Raises:
        DownloadError: there is no such repository or revision, it wants a token, the network is off or does
            not get there, what answers is not a hub, or a file's name would lead out of its folder.
    """
    what = f"list {repository}" + (f" at revision {revision}" if revision else "")
    endpoint = hub_endpoint()
    if is_offline():
        raise offline().error(what)
    info = _ask_for(repository, revision, what, patience or Patience())
    try:
        return _listing(repository, record(_Info, info), endpoint)
    except ValueError as error:
        raise no_hub(endpoint).error(what) from error


@dataclass(frozen=True)
class _Large:
    """Where the hub keeps a large file."""

    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class _Sibling:
    """A file, in the hub's words."""

    rfilename: str
    size: int | None = None
    blobId: str | None = None  # noqa: N815
    lfs: _Large | None = None


@dataclass(frozen=True)
class _Info:
    """What the hub says of a model."""

    sha: str
    siblings: tuple[_Sibling, ...]


def _ask_for(repository: str, revision: str | None, what: str, patience: Patience) -> Any:
    """What the hub says of a model, asked for again where that may help."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # loaded late

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise DownloadError(f"{repository!r} is not the name of a repository; give owner/name") from error
    url, vain, page = f"{hub_endpoint()}/api/models/{repository}", 0, f"{hub_endpoint()}/{repository}"
    if revision is not None:
        url += f"/revision/{quote(revision, safe='')}"
    while True:
        try:
            found = _info(url, page, patience.timeout_s)
        except network_errors() as error:
            found = failure_of_error(error, page)
        if not isinstance(found, Failure):
            return found
        vain += 1
        # where nothing can be reached, the error is raised at once
        if found.kind == "unreachable" or patience.is_over(found, vain):
            raise found.error(what)
        time.sleep(patience.wait_s(found, vain))


def _info(url: str, page: str, timeout_s: float) -> Any:
    """One answer, unpacked and parsed within bounds, or the Failure."""
    headers = {**request_headers(url), "Accept-Encoding": "identity"}
    with session().stream("GET", url, headers=headers, params={"blobs": "true"}, timeout=timeout_s) as answer:
        if answer.status_code >= 400:
            return failure_of_answer(answer, page)
        try:
            return parse_object(read_answer(answer), _BOUNDS)
        except TooMuchError as error:
            return Failure(reason=str(error), remedy="check HF_ENDPOINT; this is not a hub")
        except ValueError:
            return no_hub(page)


def check_hashes(files: Iterable[RemoteFile], repository: str) -> None:
    """Find out whether every file can be told from another that somebody put in its place.

    Raises:
        DownloadError: the hub lists no hash of one.
    """
    if (lacking := next((file for file in files if not file.is_verified), None)) is not None:
        raise DownloadError(
            f"{repository} lists no hash of {lacking.path}, so what arrives cannot be checked; "
            "--unverified takes it anyway"
        )


def _listing(repository: str, info: _Info, endpoint: str) -> RepositoryFiles:
    """What the hub says, checked.

    Raises:
        ValueError: it is not what a hub says.
        DownloadError: a name would lead out of the folder.
    """
    commit = _match(_SHA1, info.sha)
    if commit is None:
        raise ValueError("no commit")
    files = tuple(_remote_file(repository, commit, sibling, endpoint) for sibling in info.siblings)
    return RepositoryFiles(repository=repository, commit=commit, files=files)


def _remote_file(repository: str, commit: str, sibling: _Sibling, endpoint: str) -> RemoteFile:
    from huggingface_hub import hf_hub_url

    path, size = sibling.rfilename, sibling.lfs.size if sibling.lfs else sibling.size
    if size is None or size < 0:
        raise ValueError("a file without a size")
    if not stays_inside(path):
        raise DownloadError(
            f"{repository} lists a file named {path!r}, which would lead out of its folder; do not use it"
        )
    return RemoteFile(
        path=path,
        size=size,
        sha256=_match(_SHA256, sibling.lfs.sha256) if sibling.lfs else None,
        git_sha1=None if sibling.lfs else _match(_SHA1, sibling.blobId),
        url=hf_hub_url(repository, path, revision=commit, endpoint=endpoint),
    )


def _match(pattern: re.Pattern[str], digits: str | None) -> str | None:
    """A hash, or None where none is given; anything else is an error, so that no file goes unchecked."""
    if digits is not None and not pattern.fullmatch(digits):
        raise ValueError("a hash that is none")
    return digits


def ask_hub(timeout_s: float) -> str | None:
    """Find out whether the hub answers: None, or one phrase that says why not."""
    if is_offline():
        return offline().reason
    try:
        page = f"{hub_endpoint()}/{_KNOWN}"
        answer = _ask_once(f"{hub_endpoint()}/api/models/{_KNOWN}", timeout_s, page)
    except DownloadError as error:
        return str(error)
    if isinstance(answer, Failure):
        return answer.reason
    if answer.status_code >= 400 and answer.headers.get("X-Error-Code") != "RepoNotFound":
        return failure_of_answer(answer, page).reason
    is_json = answer.headers.get("Content-Type", "").startswith("application/json")
    return None if is_json else no_hub(page).reason


def _ask_once(url: str, timeout_s: float, page: str) -> Any:
    """The answer, or the Failure."""
    try:
        headers, params = request_headers(url), {"expand[]": "sha"}
        with session().stream("GET", url, headers=headers, params=params, timeout=timeout_s) as answer:
            return answer  # of which nothing but the head is of interest
    except network_errors() as error:
        return failure_of_error(error, page)
