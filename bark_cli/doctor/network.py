"""The way out: whether the hub answers, whether a token is set, and what the environment says."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from threading import Thread

from bark_cli.doctor.finding import Finding, Probe
from bark_cli.store import is_offline

HUB_TIMEOUT_S = 3.0
_SECRET = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}
# what bark or a library below it goes by
VARIABLES = (
    "BARK_HOME", "BARK_CONFIG", "BARK_NO_PROJECT", "BARK_DEBUG", "BARK_ENCODEC_URL",
    "SUNO_USE_SMALL_MODELS", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE",
    "HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
    "HF_HUB_DOWNLOAD_TIMEOUT", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy",
    "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS",
    "NO_COLOR",
)  # fmt: skip


def _hub() -> Iterator[Finding]:
    if is_offline():
        yield Finding(topic="hub", text="not asked: offline", facts={"reachable": None})
        return
    from huggingface_hub import get_session

    from bark_cli.download.hub import ask_hub, hub_endpoint

    get_session()  # loaded now, so that the time-out is the network's alone
    answers: list[str | None] = []
    # in a thread: to look up an address can take longer than any time-out
    asking = Thread(target=lambda: answers.append(ask_hub(HUB_TIMEOUT_S)), daemon=True)
    asking.start()
    asking.join(HUB_TIMEOUT_S)
    reason = answers[0] if answers else f"no answer in {HUB_TIMEOUT_S:.0f} s"
    if reason is None:
        address = without_password(hub_endpoint())
        yield Finding(topic="hub", text=f"{address} answers", facts={"reachable": True})
    else:
        text = f"{without_password(reason)}; what is on this machine works without it"
        yield Finding(topic="hub", state="warning", text=text, facts={"reachable": False})


def _token() -> Iterator[Finding]:
    from huggingface_hub import get_token

    has = get_token() is not None
    text = "set" if has else "not set; only private and gated models want one"
    yield Finding(topic="token", text=text, facts={"set": has})


def _environment() -> Iterator[Finding]:
    found = {name: _shown(name) for name in VARIABLES if os.environ.get(name)}
    text = ", ".join(f"{name}={value}" for name, value in found.items())
    yield Finding(topic="environment", text=text or "nothing set that bark goes by", facts=found)


def _shown(name: str) -> str:
    return "(set)" if name in _SECRET else without_password(os.environ[name])


def without_password(address: str) -> str:
    """An address, or a text with addresses in it, without the users and passwords they may carry."""
    return re.sub(r"(\w+://)?\S*@", r"\1(hidden)@", address)


NETWORK = (
    Probe(topic="hub", ask=_hub),
    Probe(topic="token", ask=_token),
    Probe(topic="environment", ask=_environment),
)
