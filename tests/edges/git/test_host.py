"""What a Git host answers, and what it costs to ask: over HTTPS, against imitations of hosts."""

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path

import pytest
from urllib3 import exceptions as http

from gitslot.edges.git.causes import CAUSES, no_answer, retry_after
from gitslot.edges.git.host import Access
from gitslot.edges.git.source import GitSource
from gitslot.errors import GitPutOff, SourceError
from tests.edges.git.test_source import FILE, PLAIN, TOKEN, Origin, access, trust
from tests.servers import Answer, Handler, serving

HTML = {"Content-Type": "text/html"}
SAML = b"The organization has enabled or enforced SAML SSO."
GIT = {"Content-Type": "application/x-git-upload-pack-advertisement"}
LATER = {"Retry-After": "60"}


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Origin]:
    """Give a repository at a host."""
    made = Origin(tmp_path / "repo")
    made.begin()
    made.commit()
    with serving(tmp_path, lambda *asked: made.respond(*asked)) as address:  # noqa: PLW0108 - changed
        trust(monkeypatch, tmp_path / "cert.pem")
        made.address = address
        yield made


# ---------------------------------------------------------------- why it does not answer


@pytest.mark.parametrize(
    ("answer", "token", "row", "remedy"),
    [
        ((401, {}, b""), "", "token missing", "set GITSLOT_GIT_TOKEN"),
        ((401, {}, b""), TOKEN, "token refused", "GITSLOT_GIT_USER"),
        ((403, {}, SAML), TOKEN, "saml", "authorize the token"),
        ((403, {}, b"no"), TOKEN, "forbidden", "renew GITSLOT_GIT_TOKEN"),
        ((403, {}, b"You have exceeded a secondary rate limit"), TOKEN, "busy", "asks to wait"),
        ((404, {}, b""), "", "not found without token", "private repository set GITSLOT_GIT_TOKEN"),
        ((404, {}, b""), TOKEN, "not found", "renew GITSLOT_GIT_TOKEN"),
        ((203, HTML, b"<title>Sign In</title>"), TOKEN, "sign-in", "not taken any more"),
        ((302, {"Location": "https://localhost/signin"}, b""), TOKEN, "sign-in", "302"),
        ((200, HTML, b"<title>portal</title>"), TOKEN, "page", "a portal to sign in"),
        ((429, LATER, b""), TOKEN, "busy", "answered 429"),
        ((500, {}, b""), TOKEN, "down", "answered 500"),
        ((503, {}, b""), TOKEN, "down", "answered 503"),
        ((418, {}, b""), TOKEN, "status", "answered 418"),
        (
            (200, GIT, b"001e# service=git-upload-pack\n0000000eversi"),
            TOKEN,
            "not git",
            "GITSLOT_REPO",
        ),
        (None, TOKEN, "cut", "cut off"),
    ],
)
def test_the_cause_of_an_answer_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    token: str,
    row: str,
    remedy: str,
) -> None:
    """With what to do; what passes by itself puts Git off, and nothing secret is in the text."""
    with serving(tmp_path, lambda *_: answer) as address:
        trust(monkeypatch, tmp_path / "cert.pem")
        with pytest.raises(SourceError) as caught:
            GitSource(f"{address}/repo", "main", FILE, access(token)).newest()
    start = CAUSES[row].what.partition("{")[0]
    assert start in caught.value.message
    assert remedy in caught.value.message
    assert isinstance(caught.value, GitPutOff) == CAUSES[row].passes
    assert TOKEN not in caught.value.message
    if answer and answer[1] == LATER:
        assert 50 < getattr(caught.value, "retry_after_s", 0) <= 60


def refused(message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = message
    return error


TUNNEL = OSError("Tunnel connection failed: 407 Proxy Authentication Required")


@pytest.mark.parametrize(
    ("error", "row", "why"),
    [
        (refused("unable to get local issuer certificate"), "ca", "local issuer"),
        (refused("self-signed certificate in certificate chain"), "ca", "self-signed"),
        (refused("CA cert does not include key usage extension"), "strict", "key usage"),
        (refused("certificate has expired"), "certificate", "expired"),
        (refused("Hostname mismatch, certificate is not valid for 'x'."), "certificate", "'x'"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "tls", ""),
        (socket.gaierror(-2, "Name or service not known"), "name", ""),
        (ConnectionRefusedError(111, "Connection refused"), "refused", ""),
        (OSError(101, "Network is unreachable"), "network", "unreachable"),
        (http.ProxyError("no", TUNNEL), "proxy", "407"),
        (http.ProxyError("no", ConnectionRefusedError(111, "refused")), "proxy", "refused"),
        (http.ReadTimeoutError(None, "", ""), "timeout", ""),  # type: ignore[arg-type] # no pool
        (TimeoutError("the total time of the call is over"), "timeout", ""),
        (http.ProtocolError("cut", IncompleteRead(b"")), "cut", ""),
        (ConnectionResetError(104, "reset by peer"), "cut", ""),
        (ValueError("anything else"), "not git", "ValueError"),
    ],
)
def test_the_cause_of_no_answer_is_named(error: Exception, row: str, why: str) -> None:
    """However deep the library wraps it."""
    wrapped = RuntimeError("a library's own words, with https://user:secret@host")
    wrapped.__cause__ = error
    for each in (error, wrapped):
        found = no_answer(each)
        assert found[0] == row
        assert why in found[1] or each is wrapped
        assert "secret" not in found[1]


# ---------------------------------------------------------------- tokens


def test_the_other_token_is_tried_once_and_remembered(origin: Origin) -> None:
    """A rotation loses no look, in whichever order the two are changed."""
    origin.token = TOKEN
    source = GitSource(f"{origin.address}/repo", "main", FILE, access("old", TOKEN))
    assert source.newest().data == PLAIN
    tried = [given for _, _, given in origin.asked]
    assert len(set(tried)) == 2
    assert tried[1:] == [tried[1]] * (len(tried) - 1)


def test_the_user_name_is_sent_with_the_token(origin: Origin) -> None:
    """Some hosts look at it."""
    basic = base64.b64encode(f"x-token-auth:{TOKEN}".encode()).decode()
    named = Access("x-token-auth", (TOKEN,))
    GitSource(f"{origin.address}/repo", "main", FILE, named).newest()
    assert {given for _, _, given in origin.asked} == {f"Basic {basic}"}


# ---------------------------------------------------------------- what a look costs


def test_a_look_at_a_ref_that_stands_still_is_one_request(origin: Origin) -> None:
    """On the connection that is kept."""
    connections = set()
    respond = origin.respond

    def seen(handler: Handler, body: bytes) -> Answer:
        connections.add(handler.client_address)
        return respond(handler, body)

    origin.respond = seen  # type: ignore[method-assign] # it is what the server calls
    source = origin.source()
    source.newest()
    before = len(origin.asked)
    for _ in range(3):
        source.newest()
    assert [method for method, _, _ in origin.asked[before:]] == ["POST"] * 3
    assert len(connections) == 1


def test_a_host_without_protocol_v2_is_read_as_well(origin: Origin) -> None:
    """A look is one request there, too; Azure DevOps is such a host."""
    respond = origin.respond

    def old(handler: Handler, body: bytes) -> Answer:
        del handler.headers["Git-Protocol"]
        return respond(handler, body)

    origin.respond = old  # type: ignore[method-assign] # it is what the server calls
    origin.git("config", "uploadpack.allowAnySHA1InWant", "true")
    first = origin.git("rev-parse", "HEAD")
    source = origin.source()
    assert source.newest().data == PLAIN
    second = origin.commit(PLAIN + b"# more\n")
    assert source.newest().data != PLAIN
    assert source.descends(second, first)
    before = len(origin.asked)
    source.newest()
    assert [method for method, _, _ in origin.asked[before:]] == ["GET"]


def test_a_new_commit_costs_what_changed_since_the_accepted_one(origin: Origin) -> None:
    """Not the history below, however many apps ask."""
    who = "S <s@x> 1795348800 +0000"
    many = "".join(
        f"commit refs/heads/main\nmark :{n}\nauthor {who}\ncommitter {who}\ndata 4\nmany\n"
        f"from {f':{n - 1}' if n > 1 else 'refs/heads/main^0'}\n\n"
        for n in range(1, 3001)
    )
    origin.git("fast-import", "--quiet", data=many.encode())
    source = origin.source()
    source.newest()
    base, tip = (origin.git("rev-parse", name) for name in ("main~5", "main"))
    before, asked = origin.sent, len(origin.asked)
    assert source.descends(tip, base)
    for count in range(5):
        assert source.descends(tip, origin.git("rev-parse", f"main~{count}"))
    assert (len(origin.asked) - asked, origin.sent - before < 5000) == (2, True)


def test_what_comes_slowly_is_read_beside_the_looks(origin: Origin) -> None:
    """Until then the newest commit is not read yet: Git is put off; no request is sent twice."""
    respond, go = origin.respond, threading.Event()

    def slow(handler: Handler, body: bytes) -> Answer:
        if b"command=fetch" in body:
            assert go.wait(10)
        return respond(handler, body)

    origin.respond = slow  # type: ignore[method-assign] # it is what the server calls
    source = GitSource(f"{origin.address}/repo", "main", FILE, patience_s=0.05)
    for _ in range(2):
        with pytest.raises(GitPutOff, match="not yet read"):
            source.newest()
    go.set()
    while True:  # it ends: the server's own answer is awaited
        try:
            assert source.newest().data == PLAIN
            break
        except GitPutOff:
            continue
    fetches = [path for method, path, _ in origin.asked if method == "POST"]
    assert len(fetches) < 10


@pytest.mark.parametrize(
    ("said", "wait_s"), [("7", 7.0), ("86400", 3600.0), ("soon", 0.0), ("²", 0.0)]
)
def test_a_host_says_in_whole_seconds_for_how_long_to_wait(said: str, wait_s: float) -> None:
    """What is no number is no time; `²` is a digit, and none of a number."""
    assert retry_after({"retry-after": said}) == wait_s
