"""`bark say` through a server that runs already: SayRequest -> its Bark, or None: it has to work alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bark_cli.cli.output import note
from bark_cli.system.runtime import socket_path

if TYPE_CHECKING:
    from bark_cli.cli.say.request import SayRequest
    from bark_cli.known_model import KnownModel
    from bark_cli.remote.client import RemoteBark
    from bark_cli.store import ModelRef


def served(request: SayRequest) -> RemoteBark | None:
    """The Bark of this user's server, if it says everything just as this process would.

    Whatever is doubtful about it, it is not used; --verbose tells why.
    """
    path = None if request.is_alone else socket_path()
    if path is None or not path.exists():
        return None
    from bark_cli.remote.reach import RefusedError, reach

    tell: Callable[[str], None] = note if request.delivery.verbose else lambda words: None
    try:
        ref, settings = _only_model(request), request.settings
        who = _identity(ref, settings.device, settings.precision, request.size)
        bark = reach(path, who, lambda: _known(ref), lambda: request.load(None), tell)
    except RefusedError as error:
        tell(f"not through the server: {error}")
        return None
    tell(f"through the server (process {bark.process})")
    return bark


def _only_model(request: SayRequest) -> ModelRef:
    """The one model of a request.

    Raises:
        RefusedError: its stages are of several, or all of it is in one file.
    """
    from bark_cli.remote.reach import RefusedError
    from bark_cli.store import find_tokenizer, resolve_model
    from bark_cli.store.places import gguf_files

    if any(name is not None for name in request.stage_models.values()):
        raise RefusedError("its stages are of several models")
    ref = resolve_model(request.settings.model)
    if gguf_files(ref.folder) and not find_tokenizer(ref.folder):
        raise RefusedError("what this model reads with is inside of its weights")
    return ref


def _identity(ref: ModelRef, device: str, precision: str, size: str | None) -> dict[str, str]:
    """What decides a sound here.

    Raises:
        RefusedError: it cannot be told.
    """
    from bark_cli.remote.identity import identity
    from bark_cli.remote.reach import RefusedError

    try:
        return identity(ref, size=size, device=device, precision=precision)
    except OSError as error:
        raise RefusedError(f"cannot look at {error.filename}: {error.strerror}") from error


def _known(ref: ModelRef) -> KnownModel:
    from bark_cli.checkpoint.vocabulary import read_vocabulary
    from bark_cli.known_model import KnownModel

    config, tokenizer = read_vocabulary(ref.folder)
    return KnownModel(ref.name, ref.folder, config, tokenizer)
