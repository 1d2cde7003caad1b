"""The server of `bark serve` on a cluster: who may ask, and how many replicas -> a Ray Serve application."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

from bark_cli.errors import OptionError
from bark_cli.settings import Settings

if TYPE_CHECKING:
    import ray.serve
    from starlette.types import ASGIApp, Receive, Scope, Send

    from bark_cli.server.access import Rules
    from bark_cli.server.app import Serving

_AT_ONCE = 10_000  # requests at a replica: how many wait there, and who is refused, is for our server to say
log = logging.getLogger("ray.serve")


def speech_app(
    *,
    key: str | None = None,
    insecure: bool = False,
    hosts: Collection[str] = (),
    origins: Collection[str] = (),
    model: str | None = None,
    replicas: int | Literal["auto"] = 1,
    replica_cpus: int = 1,
    replica_gpus: float = 0.0,
    batch_size: int | None = None,
    max_waiting: int = 64,
    device: str = "auto",
    precision: str = "auto",
) -> ray.serve.Application:
    """The speech server, for `serve.run` or `serve run MODULE:NAME`; models are loaded by the replicas.

    Args:
        key: that every client has to send, as `Authorization: Bearer KEY`.
        insecure: whether all who reach Ray Serve may ask without a key.
        hosts: names that clients call the server by, beside localhost and addresses.
        origins: other pages that may ask, such as http://localhost:3000.
        model: a name or a folder that every machine has; None is the best installed there.
        replicas: how many models speak; "auto" leaves it to Ray Serve.
        replica_cpus: CPU cores of each.
        replica_gpus: GPUs of each, or a fraction of one.
        batch_size: pieces that a replica speaks at once; None is as many as fit.
        max_waiting: requests that may wait at a replica; others are refused.
        device: as for `bark serve`.
        precision: as for `bark serve`.

    Raises:
        OptionError: there is no key and nobody said that none is needed, or it cannot be one.
    """
    from ray import serve

    if key is None and not insecure:
        raise OptionError("other machines may reach Ray Serve; give key=..., or insecure=True to do without")
    rules = _rules(key, hosts, origins)
    settings = Settings(model=model, device=device, precision=precision, batch_size=batch_size)

    def build() -> ASGIApp:  # where the replica is
        return Replica(_serving(settings, rules, max_waiting, replica_cpus))

    deployment: Any = serve.deployment(  # whose types know only functions
        serve.ingress(build)(),
        name="Speech",
        num_replicas=replicas,
        max_ongoing_requests=_AT_ONCE,
        ray_actor_options={
            "num_cpus": replica_cpus,
            "num_gpus": replica_gpus,
            "runtime_env": {"env_vars": {"OMP_WAIT_POLICY": "passive"}},  # as the command has it
        },
    )
    bound: ray.serve.Application = deployment.bind()
    return bound


def _rules(key: str | None, hosts: Collection[str], origins: Collection[str]) -> Rules:
    """Who may ask.

    Raises:
        OptionError: the key cannot be one.
    """
    from bark_cli.server.access import LOOPBACK_NAMES, Rules, is_key
    from bark_cli.server.app import OPEN, OPEN_LISTS

    if key is not None and not is_key(key):
        raise OptionError("the key has to have 8 characters or more, without spaces")
    return Rules(
        key=key,
        hosts=frozenset({*LOOPBACK_NAMES, *(name.lower() for name in hosts)}),
        any_address=True,
        origins=tuple(origin.rstrip("/") for origin in origins),
        open_paths=(*OPEN, *OPEN_LISTS),
    )


class Replica:
    """The server with its model as Ray Serve runs it, ASGI -> ASGI; an answer says which replica gave it."""

    def __init__(self, serving: Serving) -> None:
        from ray import serve

        from bark_cli.server.app import make_app

        self._speaker, self._app = serving.speaker, make_app(serving)
        self._name = serve.get_replica_context().replica_id.unique_id.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return

        async def send_on(message: Any) -> None:
            if message["type"] == "http.response.start":  # the id of the request is added by Ray Serve itself
                headers = [pair for pair in message["headers"] if pair[0] != b"x-request-id"]
                message = {**message, "headers": [*headers, (b"x-bark-replica", self._name)]}
            await send(message)

        await self._app(scope, receive, send_on)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Before the first request, and after the last."""
        await receive()
        await self._speaker.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._speaker.stop()
        await send({"type": "lifespan.shutdown.complete"})


def _serving(settings: Settings, rules: Rules, max_waiting: int, threads: int) -> Serving:
    """What a replica serves, its model loaded.

    Raises:
        BarkError: the model cannot be loaded.
    """
    import torch

    from bark_cli.pipeline import Bark
    from bark_cli.server.app import Serving
    from bark_cli.server.listing import Listing
    from bark_cli.server.speaker import Speaker
    from bark_cli.store import resolve_model

    torch.set_num_threads(threads)
    ref = resolve_model(settings.model)
    bark = Bark.load(settings.model, device=settings.device, precision=settings.precision)
    return Serving(
        speaker=Speaker(lambda: bark, batch_size=settings.batch_size, max_waiting=max_waiting),
        listing=Listing(model=ref.name, folder=ref.folder),
        rules=rules,
        tell=lambda entry: log.info("%s", entry.as_line()),
    )
