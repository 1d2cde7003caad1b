"""What a hub holds: a repository and a revision -> its files, their sizes and hashes (huggingface_hub)."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from bark_cli.download.client import hub_endpoint, network_errors, request_headers, session
from bark_cli.download.failures import Failure, Patience, failure_of_answer, failure_of_error, no_hub, offline
from bark_cli.errors import DownloadError
from bark_cli.store import is_offline
from bark_cli.store.names import stays_inside

__all__ = ["Listing", "RemoteFile", "ask_hub", "hub_endpoint", "list_files"]

_KNOWN = "suno/bark-small"  # what to ask for where it only matters that there is an answer
_SHA1, _SHA256 = re.compile("[0-9a-f]{40}"), re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file, as the hub lists it."""

    path: str  # in its repository, with /; it does not lead out of the folder
    size: int  # bytes
    sha256: str | None  # of a large file
    git_sha1: str | None  # of a file kept in git itself: sha1(b"blob %d\\0" % size + data)
    url: str


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a repository at one commit."""

    repository: str
    commit: str  # all 40 digits
    files: tuple[RemoteFile, ...]


def list_files(repository: str, revision: str | None = None, *, patience: Patience | None = None) -> Listing:
    """The files of a repository (owner/name) at a branch, tag or commit; None: at main.

    Raises:
        DownloadError: there is no such repository or revision, it wants a token, the network is off or does
            not get there, what answers is no hub, or a file's name would lead out of its folder.
    """
    what = f"list {repository}" + (f" at revision {revision}" if revision else "")
    endpoint = hub_endpoint()
    if is_offline():
        raise offline().error(what)
    info = _ask_for(repository, revision, what, patience or Patience())
    try:
        return _listing(repository, info, endpoint)
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise no_hub(endpoint).error(what) from error


def _ask_for(repository: str, revision: str | None, what: str, patience: Patience) -> Any:
    """The hub's ModelInfo, asked for again where that may help."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    session()
    api, vain, page = HfApi(endpoint=hub_endpoint()), 0, f"{hub_endpoint()}/{repository}"
    while True:
        try:
            return api.model_info(
                repository, revision=revision, files_metadata=True, timeout=patience.timeout_s
            )
        except HFValidationError as error:
            raise DownloadError(f"{repository!r} is no repository's name; give owner/name") from error
        except network_errors() as error:
            failure, vain = failure_of_error(error, page), vain + 1
            # where nothing can be reached, whoever waits for the list is told at once
            if failure.kind == "unreachable" or patience.is_over(failure, vain):
                raise failure.error(what) from error
        except (ValueError, TypeError, AttributeError, LookupError) as error:  # no JSON, or of another kind
            raise no_hub(page).error(what) from error
        time.sleep(patience.wait_s(failure, vain))


def _listing(repository: str, info: Any, endpoint: str) -> Listing:
    """The hub's ModelInfo, checked.

    Raises:
        ValueError, TypeError, AttributeError, LookupError: it is not what a hub says.
        DownloadError: a name would lead out of the folder.
    """
    commit = _match(_SHA1, info.sha)
    if commit is None or info.siblings is None:
        raise ValueError("neither a commit nor files")
    files = tuple(_remote_file(repository, commit, sibling, endpoint) for sibling in info.siblings)
    return Listing(repository=repository, commit=commit, files=files)


def _remote_file(repository: str, commit: str, sibling: Any, endpoint: str) -> RemoteFile:
    from huggingface_hub import hf_hub_url

    path, size = sibling.rfilename, sibling.lfs.size if sibling.lfs else sibling.size
    if not isinstance(path, str) or type(size) is not int or size < 0:
        raise ValueError("a file without a name or a size")
    if not stays_inside(path):
        raise DownloadError(
            f"{repository} lists a file named {path!r}, which would lead out of its folder; do not use it"
        )
    return RemoteFile(
        path=path,
        size=size,
        sha256=_match(_SHA256, sibling.lfs.sha256) if sibling.lfs else None,
        git_sha1=None if sibling.lfs else _match(_SHA1, sibling.blob_id),
        url=hf_hub_url(repository, path, revision=commit, endpoint=endpoint),
    )


def _match(pattern: re.Pattern[str], digits: str | None) -> str | None:
    """A hash, or None where none is given; something else is an error, lest a file go unchecked."""
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
        return session().get(url, headers=request_headers(url), params={"expand[]": "sha"}, timeout=timeout_s)
    except network_errors() as error:
        return failure_of_error(error, page)
