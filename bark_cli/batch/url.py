"""A URL that many machines reach (s3://bucket/folder) -> a destination for files of a batch, by fsspec.

What a store takes (s3, gs) appears whole once all of it is sent; elsewhere a file gets its name when it is
there. Whatever keys are needed come from the environment, as the libraries of the stores read them.
"""

from __future__ import annotations

import base64
import importlib
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import EINVAL, EISDIR, ENAMETOOLONG, ENOSYS, ENOTDIR
from pathlib import Path, PurePosixPath
from typing import Any

from bark_cli.batch.destination import FileFacts, LocalFolder, UnreachableError, facts_of, sha256_of
from bark_cli.batch.listing import Listed, ListedFolder
from bark_cli.errors import BarkError, OptionError, OutputError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_S3 = {"s3", "s3a"}
_STORES = {*_S3, "gs", "gcs"}  # where what is sent appears whole, or not at all
_LOCAL = {"file", "local"}
_PARTS = ".bark-batch.sending"  # elsewhere files grow in it; what a kill leaves is swept by the next run
_OF_A_NAME = {ENAMETOOLONG, ENOTDIR, EISDIR}  # errors of one file, and not of all
_MD5 = re.compile("[0-9a-f]{32}")


class UrlFolder:
    """All below a URL; each of its folders is listed once, when it is first asked for.

    Raises:
        OptionError: it is no such URL, or what reaches it is not installed.
    """

    def __init__(self, url: str) -> None:
        self._scheme = check_url(url)
        self._url = f"{self._scheme}:{url.partition(':')[2].rstrip('/')}"
        self._listing = ListedFolder(self._ask)
        self._reached: tuple[Any, str] | None = None

    def shown(self, output: str = "") -> str:
        """Its URL, in which are no secrets."""
        return f"{self._url}/{output}" if output else self._url

    @property
    def folder(self) -> Path | None:
        """Where a file:// is."""
        return Path(self._root) if self._scheme in _LOCAL else None

    def exists(self, output: str) -> bool:
        """Whether there is a file or a folder."""
        return self._listing.find(output) is not None

    def is_folder(self, output: str) -> bool:
        """Whether there is a folder, or a name that others begin with."""
        found = self._listing.find(output)
        return found is not None and found.size is None

    def holds(self, output: str, facts: FileFacts) -> bool:
        """Whether it has that size, and those bytes as far as the store says."""
        if self.folder is not None:  # what is here can be looked at
            return LocalFolder(self.folder).holds(output, facts)
        found = self._listing.find(output)
        if found is None or found.size != facts.size:
            return False
        if None in (found.md5, facts.md5) or found.md5 == facts.md5:
            return True
        return self._sha256(output) == facts.sha256  # what looks like an MD5 need not be one

    def facts(self, staged: Path) -> FileFacts:
        """What it will be known by, with what stores tell."""
        return facts_of(staged, with_md5=True)

    def names(self, folder: str) -> list[str]:
        """What was there when it was listed, and what was put there since."""
        return self._listing.names(folder)

    def put(self, staged: Path, output: str, *, replaces: bool) -> None:
        """Send it, and remove it here.

        Raises:
            OutputError: something has the name, and `replaces` is off.
            UnreachableError: nothing can be put there.
        """
        path, size = self._path(output), staged.stat().st_size
        with self._told(output):
            if self._scheme in _STORES:
                self._send(staged, path, replaces=replaces)
            else:
                self._send_and_rename(staged, path, replaces=replaces)
        staged.unlink()
        self._listing.learn(output, Listed(size))

    def rename(self, output: str, name: str) -> None:
        """Rename it, or have a store copy it and remove it then."""
        with self._told(output):
            self._move(self._path(output), self._path(name))
        found = self._listing.find(output)
        self._listing.forget(output)
        self._listing.learn(name, found or Listed(0))

    def remove(self, output: str) -> None:
        """Remove it."""
        with self._told(output):
            self._files.rm_file(self._path(output))
        self._listing.forget(output)

    @contextmanager
    def reading(self, output: str, scratch: Path) -> Iterator[Path]:
        """A copy."""
        copy = scratch / f"{secrets.token_hex(8)}{PurePosixPath(output).suffix}"
        try:
            with self._told(output):
                self._files.get_file(self._path(output), str(copy))
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def sweep(self, is_ours: Callable[[str], bool]) -> None:
        """Remove files that grew, and uploads to S3 that were never ended, of names that the ledger knows.

        Raises:
            UnreachableError: the place cannot be reached.
        """
        self._listing.look("")
        with suppress(Exception):  # it is no more than tidying
            if self._scheme in _S3:
                self._abort_uploads(is_ours)
            elif self._scheme not in _STORES:
                self._files.rm(self._path(_PARTS), recursive=True)

    def _reach(self) -> tuple[Any, str]:
        """The file system of the URL, and how that calls the place."""
        if self._reached is None:
            from fsspec.core import url_to_fs

            with self._told(""):
                files, root = url_to_fs(self._url, use_listings_cache=False, skip_instance_cache=True)
            self._reached = files, str(root).rstrip("/")
        return self._reached

    @property
    def _files(self) -> Any:
        return self._reach()[0]

    @property
    def _root(self) -> str:
        return self._reach()[1]

    def _path(self, output: str) -> str:
        return f"{self._root}/{output}"

    def _move(self, old: str, new: str) -> None:
        """Give a file another name: fsspec's own way to copy and remove takes *, ? and [ for patterns."""
        from fsspec import AbstractFileSystem

        if type(self._files).mv is AbstractFileSystem.mv:
            self._files.cp_file(old, new)
            self._files.rm_file(old)
        else:
            self._files.mv(old, new)

    def _send(self, staged: Path, path: str, *, replaces: bool) -> None:
        """Send a file to a store, which looks itself whether the name is free."""
        try:
            self._files.put_file(str(staged), path, mode="overwrite" if replaces else "create")
        except OSError as error:
            if replaces or error.errno not in (ENOSYS, EINVAL):
                raise
            if self._files.exists(path):  # some say no more than that they would not
                raise FileExistsError(path) from error
            if error.errno == EINVAL:
                raise
            self._files.put_file(str(staged), path)  # this one cannot look

    def _send_and_rename(self, staged: Path, path: str, *, replaces: bool) -> None:
        """Send a file under another name, and give it its own when it is there."""
        part = self._path(f"{_PARTS}/{secrets.token_hex(8)}")
        for one in (part, path):
            self._files.makedirs(one.rpartition("/")[0], exist_ok=True)
        try:
            self._files.put_file(str(staged), part)
            if self._scheme in _LOCAL:
                shutil.copystat(staged, part)  # by its time it is known again
            if not replaces and self._files.exists(path):
                raise FileExistsError(path)
            self._move(part, path)
        except BaseException:
            with suppress(Exception):
                self._files.rm_file(part)
            raise

    def _abort_uploads(self, is_ours: Callable[[str], bool]) -> None:
        bucket, _, folder = self._root.partition("/")
        prefix = f"{folder}/" if folder else ""
        found = self._files.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix)
        for upload in found.get("Uploads", []):
            key = upload["Key"]
            if key.startswith(prefix) and is_ours(key.removeprefix(prefix)):
                self._files.abort_mpu(bucket, key, upload["UploadId"])

    def _ask(self, folder: str) -> Iterator[tuple[str, Listed]]:
        """What lies in a folder."""
        with self._told(folder):
            try:
                rows = self._files.ls(self._path(folder).rstrip("/"), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                rows = []
                if not folder and self._scheme in _STORES:
                    self._files.info(self._root.partition("/")[0])  # a bucket has to be there
        root = len(self._root) + 1
        found = ((str(row["name"])[root:], Listed(_size_of(row), _md5_of(row))) for row in rows)
        yield from ((name, listed) for name, listed in found if name and name != folder)

    def _sha256(self, output: str) -> str:
        import tempfile

        with (
            tempfile.TemporaryDirectory(prefix="bark-") as scratch,
            self.reading(output, Path(scratch)) as copy,
        ):
            return sha256_of(copy)

    @contextmanager
    def _told(self, output: str) -> Iterator[None]:
        """Turn whatever the libraries of stores raise into one line."""
        where = self.shown(output)
        try:
            yield
        except BarkError:
            raise
        except FileExistsError as error:
            raise OutputError(
                f"{where} was not made by this batch; move it away, or use --overwrite"
            ) from error
        except UnicodeError as error:
            raise OutputError(f"cannot write {where!r}: a URL holds no such name; rename it") from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _OF_A_NAME:
                raise OutputError(f"cannot write {where}: {error.strerror}; rename it") from error
            reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
            raise UnreachableError(f"cannot use {where}: {reason}; check the URL and its keys") from error


def is_url(text: str) -> bool:
    """Whether it is meant as a URL."""
    return _URL.fullmatch(text) is not None


def check_url(url: str) -> str:
    """Find out whether files can be put at a URL, as far as can be told here; returns its scheme.

    Raises:
        OptionError: it holds what is no part of it, or what reaches it is not installed.
    """
    match = _URL.fullmatch(url)
    scheme, rest = (match[1].lower(), match[2]) if match is not None else ("", url)
    user, at, _ = rest.partition("/")[0].rpartition("@")
    if (at and (scheme in _STORES or ":" in user)) or "?" in rest or "::" in url:
        raise OptionError(f"-o {scheme}://… takes no keys, @, ? or ::; keys come from the environment")
    if not rest.strip("/"):
        raise OptionError(f"-o {scheme}:// names no place; give one such as s3://bucket/folder")
    if scheme in _LOCAL and not rest.startswith("/"):
        raise OptionError(f"-o {scheme}:// takes a whole path, such as {scheme}:///mnt/clips")
    from fsspec.registry import known_implementations

    known: Mapping[str, Any] = known_implementations
    if scheme not in known:
        raise OptionError(f"{scheme}:// is not known; use s3://, gs:// or another that fsspec reaches")
    try:
        importlib.import_module(known[scheme]["class"].rpartition(".")[0])
    except ImportError as error:
        told = known[scheme].get("err", f"{scheme}:// needs a package that is not there")
        hint = "run: pip install 'bark-cli[cloud]'" if scheme in _S3 else "see fsspec's documentation"
        raise OptionError(f"{told}; {hint}") from error
    return scheme


def _size_of(row: Mapping[str, Any]) -> int | None:
    """The bytes of a file; None of a folder."""
    return None if row.get("type") == "directory" else int(row.get("size") or 0)


def _md5_of(row: Mapping[str, Any]) -> str | None:
    """What a store tells of a file's bytes: S3's ETag where it was sent in one part, Google's md5Hash."""
    if (tag := str(row.get("ETag") or "").strip('"')) and _MD5.fullmatch(tag):
        return tag
    if told := row.get("md5Hash"):
        return base64.b64decode(told).hex()
    return None
