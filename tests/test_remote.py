"""What a hub lists is checked before it is believed, and whatever it answers instead ends in one line."""

from __future__ import annotations

import gzip
import hashlib
import threading
import tracemalloc
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from local_hub import Faults, LocalHub, git_sha1

from bark_cli.download.client import request_headers
from bark_cli.download.failures import Failure, Patience, failure_of_answer, failure_of_error
from bark_cli.download.hub import RepositoryFiles, ask_hub, check_hashes, hub_endpoint, list_files
from bark_cli.errors import DownloadError

REPOSITORY = "suno/bark-small"
WEIGHTS, CONFIG = b"weights" * 5000, b'{"model_type": "bark"}\n'
QUICK = Patience(stall_s=0.1, first_wait_s=0.001, longest_wait_s=0.002)


def told(value: object) -> str | None:
    """A short name of a test: the faults that are set."""
    if not isinstance(value, Faults):
        return ""
    return " ".join(f"{key}={now}" for key, now in vars(value).items() if now not in (None, False, 0, 0.0))


@pytest.fixture
def hub(local_hub: LocalHub) -> LocalHub:
    local_hub.add(REPOSITORY, {"pytorch_model.bin": WEIGHTS, "a folder/config.json": CONFIG})
    return local_hub


def listed(repository: str = REPOSITORY, revision: str | None = None) -> RepositoryFiles:
    return list_files(repository, revision, patience=QUICK)


def refused(*words: str, repository: str = REPOSITORY, revision: str | None = None) -> None:
    """Nothing is listed, and one line says why and what to do."""
    with pytest.raises(DownloadError) as caught:
        listed(repository, revision)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 400
    for word in words:
        assert word in line


def test_files_sizes_and_hashes(hub: LocalHub) -> None:
    listing = listed()
    commit = hub.repositories[REPOSITORY].names["main"]
    assert (listing.repository, listing.commit) == (REPOSITORY, commit)
    config, weights = listing.files
    assert (config.path, config.size) == ("a folder/config.json", len(CONFIG))
    assert (config.sha256, config.git_sha1) == (None, git_sha1(CONFIG))
    assert (weights.path, weights.size) == ("pytorch_model.bin", len(WEIGHTS))
    assert (weights.sha256, weights.git_sha1) == (hashlib.sha256(WEIGHTS).hexdigest(), None)
    # of one commit, whatever becomes of the branch
    assert config.url == f"{hub.url}/{REPOSITORY}/resolve/{commit}/a%20folder/config.json"


def test_a_folder_is_a_repository(hub: LocalHub, tmp_path: Path) -> None:
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / "a.npz").write_bytes(b"a")
    hub.add("own/bark", tmp_path)
    assert [file.path for file in listed("own/bark").files] == ["voices/a.npz"]


def test_revisions(hub: LocalHub) -> None:
    first = listed().commit
    hub.add(REPOSITORY, {"config.json": b"{}"}, revision="refs/pr/5")
    hub.add(REPOSITORY, {}, revision="v1.0")
    assert [file.path for file in listed(revision="refs/pr/5").files] == ["config.json"]
    assert listed(revision="v1.0").files == ()
    assert listed(revision=first) == listed()
    refused("at revision v2", "no such revision", f"{hub.url}/{REPOSITORY}", revision="v2")


def test_a_repository_that_is_not_there(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    refused("cannot list suno/dog", "no such repository", "private", "HF_TOKEN", repository="suno/dog")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    refused("no such repository", "(404)", repository="suno/dog")
    assert hub.requests[-1].token == "hf_secret"


def test_a_private_repository_wants_its_token(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("own/bark", {"a": b"a"}, token="hf_right")
    refused("or it is private", "(401)", "hf auth login", repository="own/bark")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    refused("does not accept the token", "HF_TOKEN", repository="own/bark")
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert len(listed("own/bark").files) == 1


@pytest.mark.parametrize("name", ["", "a/b/c", "../../etc", "a b", "-x/y", "x" * 99])
def test_what_is_no_name_is_not_asked_for(hub: LocalHub, name: str) -> None:
    refused("the name of a repository", "owner/name", repository=name)
    assert not hub.requests


@pytest.mark.parametrize("revision", ["../../..", "a b", "?x", "a/b"])
def test_a_revision_stays_one_part_of_the_address(hub: LocalHub, revision: str) -> None:
    refused("no such revision", revision=revision)


# names that huggingface_hub's own tests hold for unsafe, or that are as bad
OUTSIDE = [
    "../x",
    "a/../../x",
    "..",
    "/etc/passwd",
    "//server/share",
    "\\x",
    "..\\x",
    "a\\..\\..\\x",
    "C:\\x",
    "C:x",
    "\\\\server\\share\\x",
    "./x",
    "a//b",
    "",
]


@pytest.mark.parametrize("name", ["a\0b", "\ud800", None, 7, ["x"]])
def test_a_name_that_is_none_is_no_hubs(hub: LocalHub, name: object) -> None:
    hub.repositories[REPOSITORY].listed["pytorch_model.bin"] = {"rfilename": name}
    refused("does not answer as a hub does")


@pytest.mark.parametrize(
    ("body", "packing", "says"),
    [
        (gzip.compress(bytes(2**28), mtime=0), "gzip", "more than 16 MiB"),  # 260 kB that stand for 256 MiB
        (gzip.compress(b"{}", mtime=0)[:-9] + b"x", "gzip", "does not answer as a hub does"),
        (b"x" * 20, "gzip", "its answer is damaged"),
        (b"{}", "br", "in a way that was not asked for"),
        (bytes(17 * 2**20), None, "more than 16 MiB"),
        (b"[" * 10**6, None, "does not answer as a hub does"),
        (b'{"sha": ' * 1000, None, "does not answer as a hub does"),
        (b'{"siblings": [' + b"1," * 2_000_000 + b"1]}", None, "does not answer as a hub does"),
        (b"9" * 5000, None, "does not answer as a hub does"),
        (b'{"sha": "' + b"a" * 40 + b'", "siblings": {}}', None, "does not answer as a hub does"),
    ],
)
def test_an_answer_is_bounded_as_it_is_unpacked(
    hub: LocalHub, body: bytes, packing: str | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            if packing:
                self.send_header("Content-Encoding", packing)
            self.end_headers()
            with suppress(OSError):  # it is not listened to to the end
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        try:
            tracemalloc.start()
            refused(says)
            assert tracemalloc.get_traced_memory()[1] < 120 * 2**20
        finally:
            tracemalloc.stop()
            server.shutdown()


def test_a_file_without_a_hash_is_taken_only_where_that_is_asked_for(hub: LocalHub) -> None:
    hub.repositories[REPOSITORY].listed["pytorch_model.bin"] = {"lfs": {"size": len(WEIGHTS)}}
    files = listed().files
    assert [file.is_verified for file in files] == [True, False]
    with pytest.raises(DownloadError, match=r"lists no hash of pytorch_model\.bin.* --unverified"):
        check_hashes(files, REPOSITORY)
    check_hashes(files[:1], REPOSITORY)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_is_refused(hub: LocalHub, name: str) -> None:
    hub.repositories[REPOSITORY].listed["pytorch_model.bin"] = {"rfilename": name}
    refused("lists a file named", "do not use it")


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": -1, "lfs": None},
        {"size": None, "lfs": None},
        {"size": "many", "lfs": None},
        {"rfilename": 3},
        {"lfs": {"size": 3, "sha256": "abc", "pointerSize": 1}},
        {"lfs": "none"},
        {"lfs": None, "blobId": "../x"},
    ],
    ids=str,
)
def test_what_no_hub_says_is_refused(hub: LocalHub, wrong: dict[str, object]) -> None:
    hub.repositories[REPOSITORY].listed["pytorch_model.bin"] = wrong
    refused("does not answer as a hub does", "HF_ENDPOINT")


@pytest.mark.parametrize(
    "faults",
    [
        Faults(status=429, times=5),
        Faults(status=503, times=5, retry_after="0"),
        Faults(stall_at=0, stall_s=60, times=2),
        Faults(hang_up_every=0, times=5),
    ],
    ids=told,
)
def test_what_passes_is_waited_for(hub: LocalHub, faults: Faults) -> None:
    hub.misbehave("api/*", faults)
    assert len(listed().files) == 2
    assert len(hub.requests) == (faults.times or 0) + 1


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(html=True), ["does not answer as a hub does", "sign in"]),
        (Faults(truncate=1), ["does not answer as a hub does"]),
        (Faults(status=503), ["503", "run the same command again"]),
        (Faults(status=429, retry_after="Fri, 01 Jan 2100 00:00:00 GMT"), ["429", "asks to wait"]),
        (Faults(status=404), ["no such repository", "(404)"]),
        (Faults(status=403), ["forbids it (403)", "HF_TOKEN"]),
        (Faults(status=407), ["407", "HTTPS_PROXY"]),
        (Faults(stall_at=0, stall_s=60), ["fell silent"]),
        (Faults(hang_up_every=0), ["broke off"]),
        (Faults(redirect="/api/nothing"), ["(404)"]),
    ],
    ids=told,
)
def test_what_does_not_pass(hub: LocalHub, faults: Faults, words: list[str]) -> None:
    hub.misbehave("api/*", faults)
    refused(*words)
    hub.behave()
    assert len(listed().files) == 2


def test_offline(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refused("the network is off", "HF_HUB_OFFLINE", "--offline")
    assert ask_hub(1.0) == "the network is off (HF_HUB_OFFLINE or --offline)"
    assert not hub.requests


def test_huggingface_hub_knows_that_it_is_offline(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused("the network is off")
    assert ask_hub(1.0) == "the network is off (HF_HUB_OFFLINE or --offline)"


def test_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert hub_endpoint() == "https://huggingface.co"
    monkeypatch.setenv("HF_ENDPOINT", " http://localhost:8000/ ")
    assert hub_endpoint() == "http://localhost:8000"
    for wrong in ("localhost", "ftp://x", "https://", "http://x:y", "http://x:99999"):
        monkeypatch.setenv("HF_ENDPOINT", wrong)
        with pytest.raises(DownloadError, match="HF_ENDPOINT is not an address"):
            hub_endpoint()


def test_a_hub_that_cannot_be_reached(local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalHub() as gone:
        monkeypatch.setenv("HF_ENDPOINT", gone.url)
    # whoever waits for a list is told at once: a pause would be a call of None
    monkeypatch.setattr("bark_cli.download.hub.time.sleep", None)
    refused("cannot be reached", "refused", "check the network")
    assert "cannot be reached" in str(ask_hub(1.0))
    monkeypatch.setenv("HF_ENDPOINT", "http://no-such-host.invalid")
    refused("no-such-host.invalid cannot be reached")
    monkeypatch.setenv("HF_ENDPOINT", local_hub.url.replace("http", "https"))  # no TLS there
    refused("cannot be reached", "SSL")


def test_asking_the_hub(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "localhost")
    assert "HF_ENDPOINT is not an address" in str(ask_hub(1.0))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    assert ask_hub(10.0) is None
    del hub.repositories[REPOSITORY]
    assert ask_hub(10.0) is None  # a hub of one's own need not have it
    for faults, words in (
        (Faults(html=True), "does not answer as a hub does"),
        (Faults(status=503), "answered 503 Service Unavailable"),
        (Faults(status=401), "asks for a token (401)"),
        (Faults(stall_at=0, stall_s=60), "fell silent"),
    ):
        hub.misbehave("api/*", faults)
        assert words in str(ask_hub(0.1 if faults.stall_at == 0 else 10.0))


def test_the_token_is_for_the_hub(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert request_headers(f"{hub.url}/x")["authorization"] == "Bearer hf_secret"
    for url in (f"{hub.url}0/x", f"{hub.url}.example.org/x", hub.cdn_url, "https://example.org/x"):
        assert "authorization" not in request_headers(url)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used(
    local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    from huggingface_hub.utils import close_session

    close_session()
    monkeypatch.setenv("ALL_PROXY", proxy)
    refused("proxy", "check HTTPS_PROXY")


def test_a_proxy_that_is_not_there(local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalHub() as gone:
        monkeypatch.setenv("HTTP_PROXY", gone.url)
    monkeypatch.delenv("NO_PROXY")
    refused("cannot be reached", "HTTPS_PROXY")


def test_a_certificate_that_nobody_knows() -> None:
    error = Exception("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed (_ssl.c:1006)")
    line = str(failure_of_error(error, "https://hub.example/suno/bark").error("list suno/bark"))
    assert line.startswith("cannot list suno/bark: the certificate of hub.example is not trusted; ")
    assert "SSL_CERT_FILE" in line


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "9" * 5000}, None),
        ({"ratelimit": f"r=0;t={'9' * 5000}"}, None),
        ({"ratelimit": '"resolvers";r=0;t=55'}, 55.0),
        ({"ratelimit": '"resolvers";r=20;t=55'}, None),
        ({}, None),
    ],
    ids=str,
)
def test_what_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    import httpx2

    answer = httpx2.Response(429, headers=headers, request=httpx2.Request("GET", "https://hub.example/x"))
    failure = failure_of_answer(answer, "https://hub.example/x")
    assert failure.retry_after_s == seconds
    assert failure.kind == "passing"


def test_patience() -> None:
    patience = Patience(tries=3, first_wait_s=1.0, longest_wait_s=3.0, longest_asked_s=60.0)
    passing = Failure(reason="", remedy="", kind="passing")
    assert [patience.wait_s(passing, vain) for vain in range(5)] == [0.0, 1.0, 2.0, 3.0, 3.0]
    assert [patience.is_over(passing, vain) for vain in range(4)] == [False, False, False, True]
    asked = [Failure(reason="", remedy="", kind="passing", retry_after_s=wait) for wait in (60.0, 61.0)]
    assert patience.wait_s(asked[0], 1) == 60.0
    assert [patience.is_over(failure, 1) for failure in asked] == [False, True]
    assert patience.is_over(Failure(reason="", remedy=""), 0)
