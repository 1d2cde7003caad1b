"""What goes wrong on a network: an exception or an answer -> the reason, the remedy, whether to try again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from bark_cli.errors import DownloadError
from bark_cli.system.excerpt import excerpt

# final: asking again changes nothing; unreachable: no connection came about; passing: the server has trouble,
# or the connection broke; wrong: what came is not what was listed
FailureKind = Literal["final", "unreachable", "passing", "wrong"]

OFFLINE_REASON = "the network is off (HF_HUB_OFFLINE or --offline)"
AGAIN = "run the same command again: it goes on from there"
_TOKEN = "set HF_TOKEN to a valid token, or log in with `hf auth login`"
_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
_MAX_DETAIL = 120  # characters of what a system or a library says


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why something did not come."""

    reason: str
    remedy: str
    kind: FailureKind = "final"
    retry_after_s: float | None = None  # what the server asks to wait

    def error(self, what: str) -> DownloadError:
        """The one line for the user, `what` being such as "list suno/bark"."""
        return DownloadError(f"cannot {what}: {self.reason}; {self.remedy}")


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to keep trying."""

    stall_s: float | None = None  # without a byte, until a connection is dead; None: $HF_HUB_DOWNLOAD_TIMEOUT
    tries: int = 7  # in a row that bring nothing
    first_wait_s: float = 1.0  # after the first of them, then twice as long each time
    longest_wait_s: float = 30.0
    longest_asked_s: float = 300.0  # what a server may ask for with Retry-After

    @property
    def timeout_s(self) -> float:
        """Without a byte for so long, a connection is dead; 10 s where nobody says otherwise."""
        from huggingface_hub import constants

        return constants.HF_HUB_DOWNLOAD_TIMEOUT if self.stall_s is None else self.stall_s

    def wait_s(self, failure: Failure, vain: int) -> float:
        """The pause after the `vain`-th try in a row that brought nothing; 0: it brought something."""
        if failure.retry_after_s is not None:
            return failure.retry_after_s
        return min(self.longest_wait_s, self.first_wait_s * 2 ** (vain - 1)) if vain else 0.0

    def is_over(self, failure: Failure, vain: int) -> bool:
        """Whether to give up."""
        asked_s = failure.retry_after_s or 0.0
        return failure.kind == "final" or vain >= self.tries or asked_s > self.longest_asked_s


def failure_of_error(error: Exception, page: str) -> Failure:
    """Why a request came to nothing; `page` is the repository's address, or what is known of it."""
    if (answer := getattr(error, "response", None)) is not None:
        return failure_of_answer(answer, page)
    host, detail = _host(page), _detail(error)
    names = {base.__name__ for base in type(error).__mro__}
    if "OfflineModeIsEnabled" in names:
        return offline()
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Failure(
            reason=f"the certificate of {host} is not trusted",
            remedy="where a proxy signs connections, set SSL_CERT_FILE to its certificate",
        )
    if "ProxyError" in names:
        remedy = "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
        return Failure(reason=f"the proxy refuses ({detail})", remedy=remedy, kind="unreachable")
    if names & {"ConnectError", "ConnectTimeout"}:
        reason = f"{host} cannot be reached ({detail or 'no answer'})"
        remedy = "check the network, and HF_ENDPOINT and HTTPS_PROXY if you set them"
        return Failure(reason=reason, remedy=remedy, kind="unreachable")
    if "TimeoutException" in names:
        return Failure(reason=f"{host} fell silent", remedy=AGAIN, kind="passing")
    if names & {"NetworkError", "RemoteProtocolError"}:
        return Failure(reason=f"the connection to {host} broke off", remedy=AGAIN, kind="passing")
    return Failure(reason=f"{host} gave no usable answer ({detail})", remedy="check HF_ENDPOINT and HF_TOKEN")


def failure_of_answer(answer: Any, page: str) -> Failure:
    """Why an answer (httpx's Response, status 400 or more) is a refusal."""
    status, code = answer.status_code, answer.headers.get("X-Error-Code", "")
    host, has_token = _host(str(answer.url)), "authorization" in answer.request.headers
    if code == "GatedRepo":
        remedy = f"accept them at {page} with your account, then {_TOKEN}"
        return Failure(reason=f"its authors ask you to accept their terms first ({status})", remedy=remedy)
    if code == "RevisionNotFound":
        return Failure(reason="it has no such revision", remedy=f"see {page}/commits for those it has")
    if code == "RepoNotFound" or (status == 404 and not code and "/resolve/" not in str(answer.url)):
        reason = f"{host} has no such repository, or it is private ({status})"
        return Failure(reason=reason, remedy=f"check the name at {page}; for a private one {_TOKEN}")
    if status == 401:
        reason = f"{host} {'does not accept the token' if has_token else 'asks for a token'} (401)"
        return Failure(reason=reason, remedy=_TOKEN)
    if status == 403:
        reason = f"{host} forbids it (403)"
        return Failure(reason=reason, remedy=f"look at {page} with your account, then {_TOKEN}")
    if status == 404:
        return Failure(reason=f"{host} has no such file (404)", remedy=f"see {page} for what it has")
    reason = f"{host} answered {status} {answer.reason_phrase}".rstrip()
    if status in _PASSING_STATUS:
        return _ask_later(reason, _retry_after_s(answer.headers))
    return Failure(reason=reason, remedy="check HF_ENDPOINT and HTTPS_PROXY if you set them")


def offline() -> Failure:
    """What there is to say where the network is forbidden."""
    return Failure(reason=OFFLINE_REASON, remedy="unset HF_HUB_OFFLINE and leave --offline out")


def no_hub(page: str) -> Failure:
    """What there is to say of a server that speaks of something else."""
    reason = f"{_host(page)} does not answer as a hub does"
    return Failure(reason=reason, remedy="check HF_ENDPOINT, and whether the network wants you to sign in")


def _ask_later(reason: str, retry_after_s: float | None) -> Failure:
    if retry_after_s is None:
        return Failure(reason=reason, remedy=AGAIN, kind="passing")
    remedy = f"it asks to wait {retry_after_s:,.0f} s; then {AGAIN}"
    return Failure(reason=reason, remedy=remedy, kind="passing", retry_after_s=retry_after_s)


def _retry_after_s(headers: Any) -> float | None:
    """Seconds to wait, by Retry-After (RFC 9110: seconds or a date), else by the hub's ratelimit."""
    from datetime import datetime, timezone

    asked = headers.get("Retry-After", "").strip()
    if asked.isdecimal() and len(asked) < 8:  # more than that nobody waits
        return float(asked)
    try:
        until = parsedate_to_datetime(asked)
        return max(0.0, (until - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        pass
    found = re.search(r";\s*r=0\s*;\s*t=(\d{1,7})(?!\d)", headers.get("ratelimit", ""))
    return float(found[1]) if found else None


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).netloc.rpartition("@")[2] or url


def _detail(error: Exception) -> str:
    """What a library says, as one short line."""
    text = re.sub(r"^\[Errno -?\d+\] ", "", " ".join(str(error).split()))
    return excerpt(text, _MAX_DETAIL)
