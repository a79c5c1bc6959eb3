"""Asking a slot: bounded, no redirect, and nothing it says is believed before it is parsed."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gitslot.look.probe import Prober, Reply, read_health
from gitslot.state.seen import Answer
from gitslot.state.wanted import Release
from tests.servers import Answer as Sent
from tests.servers import Handler, serving

DIGEST = "a" * 64
GOOD = {
    "status": "ok",
    "reason": "",
    "model": "iris",
    "version": "1.4.0",
    "digest": DIGEST,
    "deploy": "r-1",
    "code": "c",
    "uptime_s": 3,
}


def reply(status: int, body: Any) -> Reply:
    return Reply(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def test_a_served_release_is_named_with_its_deploy() -> None:
    """200 with the whole shape."""
    health = read_health(reply(200, GOOD))
    assert health.release == Release("iris", "1.4.0", DIGEST)
    assert (health.deploy, health.code) == ("r-1", "c")


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (503, GOOD | {"reason": "Loading"}, Answer.UNHEALTHY),
        (503, b"<html>unavailable</html>", Answer.SILENT),
        (500, GOOD, Answer.SILENT),
        (502, b"", Answer.SILENT),
        (0, b"", Answer.SILENT),
        (408, b"", Answer.SILENT),
        (429, b"", Answer.SILENT),
        (401, b"", Answer.BLOCKED),
        (403, GOOD, Answer.BLOCKED),
        (302, b"", Answer.BLOCKED),
        (307, GOOD, Answer.BLOCKED),
        (404, b"", Answer.FOREIGN),
        (404, GOOD, Answer.FOREIGN),
        (200, b"<html>hello</html>", Answer.FOREIGN),
        (200, {"status": "Healthy"}, Answer.FOREIGN),
        (200, [GOOD], Answer.FOREIGN),
        (200, b"null", Answer.FOREIGN),
        (200, GOOD | {"digest": "A" * 64}, Answer.FOREIGN),
        (200, GOOD | {"digest": ""}, Answer.FOREIGN),
        (200, GOOD | {"version": 1.4}, Answer.FOREIGN),
        (200, GOOD | {"deploy": None}, Answer.FOREIGN),
        (200, b"[" * 100_000, Answer.FOREIGN),
        (200, b'{"model": NaN}', Answer.FOREIGN),
        (200, b"\xff\xfe", Answer.FOREIGN),
    ],
)
def test_every_answer_means_one_thing(status: int, body: Any, answer: Answer) -> None:
    """Serving is said by 200 and the whole shape alone."""
    assert read_health(reply(status, body)).answer is answer


def test_what_a_slot_says_is_cut_and_escaped() -> None:
    """Its texts end up in logs."""
    evil = "x\n\x1b[31m\u202e" + "y" * 5000
    health = read_health(reply(503, GOOD | {"version": evil, "reason": evil, "code": evil}))
    assert health.version.isprintable()
    assert len(health.version) < 300
    assert health.reason.isalnum()


type Respond = Callable[[Handler, bytes], Sent]


@pytest.fixture
def slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Respond], str]]:
    """Give a function that starts a slot and returns its host."""
    answers: list[Respond] = []

    def respond(handler: Handler, body: bytes) -> Sent:
        return answers[0](handler, body)

    with serving(tmp_path, respond) as address:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))

        def start(respond: Respond) -> str:
            answers[:] = [respond]
            return address.removeprefix("https://")

        yield start


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ((200, {}, json.dumps(GOOD).encode()), Answer.SERVING),
        ((302, {"Location": "/elsewhere"}, b""), Answer.BLOCKED),
    ],
    ids=["parsed", "redirect"],
)
def test_health_is_asked_over_https_and_a_redirect_is_not_followed(
    slot: Callable[[Respond], str], sent: Sent, answer: Answer
) -> None:
    """It could lead anywhere, with a function key in the headers."""
    paths: list[str] = []

    def respond(handler: Handler, _: bytes) -> Sent:
        paths.append(handler.path)
        return sent

    assert Prober().health(slot(respond)).answer is answer
    assert paths == ["/api/health"]


def test_a_cookie_is_not_sent_back(slot: Callable[[Respond], str]) -> None:
    """It would pin the probes to one instance; a fresh one opens a connection of its own."""
    cookies: list[str | None] = []
    ports: list[int] = []

    def respond(handler: Handler, _: bytes) -> Sent:
        cookies.append(handler.headers.get("Cookie"))
        ports.append(handler.client_address[1])
        return 200, {"Set-Cookie": "x-ms-routing-name=staging; path=/"}, json.dumps(GOOD).encode()

    host, prober = slot(respond), Prober()
    for fresh in (False, False, True, True):
        prober.health(host, fresh=fresh)
    assert (cookies, ports[0] == ports[1], len(set(ports))) == ([None] * 4, True, 3)


GZIP = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize(
    ("headers", "body", "answers"),
    [
        ({}, b"x" * 300_000, [Answer.SILENT]),  # 256 KB are read
        (GZIP, gzip.compress(b"0" * 20_000_000), [Answer.SILENT]),  # what is unpacked counts
        (GZIP, b"not gzip at all", [Answer.SILENT, Answer.FOREIGN]),
        (GZIP, b"", [Answer.SILENT, Answer.FOREIGN]),
    ],
    ids=["huge", "a bomb", "no gzip", "empty"],
)
def test_an_answer_that_cannot_be_read_is_none(
    slot: Callable[[Respond], str], headers: dict[str, str], body: bytes, answers: list[Answer]
) -> None:
    """Nor an exception."""
    assert Prober().health(slot(lambda *_: (200, headers, body))).answer in answers


def test_a_slot_that_hangs_up_is_silent(slot: Callable[[Respond], str]) -> None:
    """As is one that is not there."""
    assert Prober().health(slot(lambda *_: None)).answer is Answer.SILENT
    assert Prober().health("localhost:1").answer is Answer.SILENT


@pytest.mark.parametrize("host", ["", "a b", "[", "x" * 70_000, "localhost:99999", "\ud800"])
def test_a_host_that_is_none_is_silent(host: str) -> None:
    """Never an exception."""
    assert Prober().health(host).answer is Answer.SILENT
