"""
The same promises for every client: Git, ARM's SDK, our own GETs, blobs, registry, probes, logins.

Nothing here waits for a host: each has some hundredths of a second, and what is slow would be whole
after 30 s.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from gitslot.edges.azure.arm import AppRef, Azure, Sent
from gitslot.edges.git.source import GitSource
from gitslot.errors import GitslotError
from gitslot.http.client import USER_AGENT, Http
from gitslot.http.login import credential
from gitslot.http.sockets import within
from gitslot.look.probe import Prober
from gitslot.record.blobs import AzureBlobs
from gitslot.registry.registry import Registry
from tests.http.conftest import Host
from tests.http.hosts import Proxy, Slow, listening

APP = AppRef("00000000-0000-0000-0000-000000000001", "group", "app")
ENOUGH_S = 30.0


class Token:
    """A credential whose tokens cost nothing."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("canary-token", int(time.time()) + 3600)


type Ask = Callable[[Http, str, float], object]


def _probe(http: Http, url: str, total_s: float) -> object:
    reply = Prober(http, total_s).request("GET", url.removeprefix("https://"), "/api/health")
    if reply.status != 200:
        raise GitslotError(reply.error or f"HTTP {reply.status}")
    return reply


def _arm(http: Http, url: str, total_s: float) -> Azure:
    return Azure(url, Token(), http, total_s=total_s)


def _git(http: Http, url: str, total_s: float) -> object:
    with within(total_s):
        return GitSource(f"{url}/repo", "main", "desired_state.yaml", http=http).newest()


CLIENTS: dict[str, Ask] = {
    "git": _git,
    "arm's sdk": lambda http, url, total_s: _arm(http, url, total_s).settings(APP, "staging"),
    "our own gets": lambda http, url, total_s: _arm(http, url, total_s).locate("a", None, "s"),
    "blobs": lambda http, url, total_s: AzureBlobs(f"{url}/account", Token(), http, total_s).read(
        "journal/app/2026-11.jsonl"
    ),
    "registry": lambda http, url, total_s: Registry(
        f"{url}/account", Token(), http, total_s=total_s
    ).manifest("iris", "1.4.0"),
    "probe": _probe,
    "login": lambda http, _, total_s: credential(http, total_s).get_token("https://x/.default"),
}


@pytest.fixture(autouse=True)
def there(host: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Trust the host; make logins go to it, or to the address that the function is given."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(host.certificate))
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")

    def there(url: str) -> None:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{url}/msi/token")

    there(host.url)
    return there


@pytest.fixture
def slow() -> Iterator[Slow]:
    """Give what is slow, until the test is over."""
    made = Slow()
    yield made
    made.over.set()


def gives_up(client: str, url: str, slow: Slow) -> None:
    """Ask *url* with a short time that was long enough to meet what is *slow*, and get nothing."""
    for total_s in (0.03, 0.3, 3.0):
        fails(lambda total_s=total_s: CLIENTS[client](Http(), url, total_s))  # type: ignore[misc]
        if slow.was_met(total_s):
            break
    assert slow.was_met(0)
    assert not slow.waited


def fails(ask: Callable[[], object]) -> str:
    """Return what *ask* raises, as text."""
    with pytest.raises(Exception) as caught:
        ask()
    return str(caught.value)


each_client = pytest.mark.parametrize("client", CLIENTS)


@each_client
@pytest.mark.parametrize("step", ["says_nothing", "drips_tls"])
def test_a_host_that_is_slow_to_begin_ends_the_call(
    client: str, step: str, slow: Slow, there: Callable[[str], None]
) -> None:
    """TLS belongs to the total time."""
    with listening(getattr(slow, step)) as port:
        there(f"https://localhost:{port}")
        gives_up(client, f"https://localhost:{port}", slow)


@each_client
@pytest.mark.parametrize("step", ["drips_headers", "drips_body"])
def test_a_host_that_drips_ends_the_call(client: str, step: str, slow: Slow, host: Host) -> None:
    """A byte that comes does not start the time anew."""
    host.answer = getattr(slow, step)
    gives_up(client, host.url, slow)


@each_client
@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_asks_to_wait_is_left_alone_as_long(
    client: str, status: int, host: Host
) -> None:
    """No library tries again, and the next call is not sent before the time is over."""
    host.answer = lambda *_: (status, {"Retry-After": "60"}, b"{}")
    now = [0.0]
    http = Http(clock=lambda: now[0])
    for now[0], requests in ((0.0, 1), (59.9, 1), (60.1, 2)):
        fails(lambda: CLIENTS[client](http, host.url, ENOUGH_S))
        assert len(host.asked) == requests


@each_client
def test_an_error_without_a_time_is_not_tried_again(client: str, host: Host) -> None:
    """The caller looks again."""
    host.answer = lambda *_: (500, {}, b"")
    fails(lambda: CLIENTS[client](Http(), host.url, ENOUGH_S))
    assert len(host.asked) == 1


@each_client
@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_is_not_followed(client: str, status: int, host: Host) -> None:
    """It could lead anywhere, with a token or a key in the headers."""
    host.answer = lambda *_: (status, {"Location": f"{host.url}/elsewhere"}, b"")
    fails(lambda: CLIENTS[client](Http(), host.url, ENOUGH_S))
    assert len(host.asked) == 1


@each_client
def test_every_client_says_who_it_is_through_the_proxy_of_the_environment(
    client: str, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY holds for all, with its user and password; NO_PROXY takes hosts out."""
    host.answer = lambda *_: (404, {}, b"")
    proxy = Proxy()
    with listening(proxy.serve) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{port}")
        http = Http()
        for _ in range(2):
            fails(lambda: CLIENTS[client](http, host.url, ENOUGH_S))
        (asked,) = proxy.asked  # the connection is kept
        assert asked.startswith(f"CONNECT {host.url.removeprefix('https://')} HTTP/1.")
        assert "proxy-authorization: basic dxnlcjpzzwnyzxq=" in asked.lower()
        assert host.asked[0].headers["User-Agent"].removeprefix("git/").startswith(USER_AGENT)
        monkeypatch.setenv("NO_PROXY", "localhost")
        fails(lambda: CLIENTS[client](Http(), host.url, ENOUGH_S))
        assert (len(proxy.asked), len(host.asked)) == (1, 3)


@each_client
def test_a_slow_proxy_ends_the_call(
    client: str, slow: Slow, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says before TLS belongs to the total time, too."""
    with listening(slow.drips_connect) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{port}")
        gives_up(client, host.url, slow)
    assert host.asked == []


@pytest.mark.parametrize("status", [403, 407])
def test_a_swap_that_the_proxy_refused_was_not_sent(
    status: int, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No byte of it left this machine for ARM."""
    with listening(Proxy(status).serve) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        assert _arm(Http(), host.url, ENOUGH_S).swap(APP, "staging").sent is Sent.NOT_SENT


def test_a_swap_is_not_sent_to_an_arm_that_asked_to_wait(host: Host) -> None:
    """The intent closes at once; nobody waits for a swap that never began."""
    host.answer = lambda *_: (429, {"Retry-After": "9"}, b'{"error": {"code": "Throttled"}}')
    azure = _arm(Http(), host.url, ENOUGH_S)
    answered, put_off = azure.swap(APP, "staging"), azure.swap(APP, "staging")
    assert (answered.sent, put_off.sent) == (Sent.THROTTLED, Sent.THROTTLED)
    assert 0 < put_off.retry_after_s <= 9
    assert len(host.asked) == 1


def test_threads_share_the_pool(host: Host) -> None:
    """Four threads at once get their own answers, each on a connection of its own."""
    host.answer = lambda handler, _: (200, {}, handler.path.encode())
    http, found = Http(), dict[str, bytes]()

    def ask(path: str) -> None:
        answer = http.request("GET", host.url + path, total_s=ENOUGH_S, most=100)
        found[path] = answer.body

    threads = [threading.Thread(target=ask, args=(f"/{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {f"/{n}": f"/{n}".encode() for n in range(4)}
