"""The way to a hub: the environment -> its address, and huggingface_hub's client, proxies and token."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from bark_cli.download.failures import Failure
from bark_cli.errors import DownloadError

_ENDPOINT = "https://huggingface.co"


def hub_endpoint() -> str:
    """The hub's address: $HF_ENDPOINT, else https://huggingface.co; without a / at the end.

    Raises:
        DownloadError: HF_ENDPOINT is not an address.
    """
    endpoint = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or _ENDPOINT
    try:
        parts = urlsplit(endpoint)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return endpoint
    except ValueError:  # the port is not a number
        pass
    raise DownloadError(f"HF_ENDPOINT is not an address: {endpoint!r}; set it to one such as {_ENDPOINT}")


def session() -> Any:
    """huggingface_hub's HTTP client, httpx's Client.

    Raises:
        DownloadError: the proxy that the environment names cannot be used.
    """
    from huggingface_hub import get_session

    try:
        return get_session()
    except (ImportError, ValueError) as error:  # a socks proxy without its library; no address at all
        detail = " ".join(str(error).split())[:120]
        reason = f"the proxy of the environment cannot be used ({detail})"
        failure = Failure(reason=reason, remedy="check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY")
        raise failure.error("use the network") from error


def request_headers(url: str) -> dict[str, str]:
    """What goes with a request; the user's token goes to the hub and to nobody else."""
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # public, but loaded late

    ours = url.startswith(f"{hub_endpoint()}/")
    headers: dict[str, str] = build_hf_headers(token=None if ours else False, library_name="bark_cli")
    return headers


def network_errors() -> tuple[type[Exception], ...]:
    """What that client raises: huggingface_hub's own errors, and those of the HTTP library that it uses."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    http_error = next(base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")
    return (http_error, OfflineModeIsEnabled)
