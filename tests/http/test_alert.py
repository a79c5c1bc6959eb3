"""An alert is posted once for each thing that needs somebody, and no pass waits for it."""

import json
import threading

import pytest

from gitslot.http.client import Http
from gitslot.record.alert import alerting
from gitslot.state.decision import Stalled
from reliability.scenarios import bad_candidate
from tests.http.conftest import Host

NAMES = ("app", "reason", "state", "message", "next", "revision", "time")


@pytest.mark.parametrize(("status", "lines"), [(202, 0), (500, 1), (0, 1)])
def test_a_stall_is_posted_once(
    host: Host,
    status: int,
    lines: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever the other end does, the pass ends first; a failure is a line without the URL."""
    monkeypatch.setenv("SSL_CERT_FILE", str(host.certificate))
    posted, free = list[bytes](), threading.Event()

    def answer(_: object, body: bytes) -> tuple[int, dict[str, str], bytes]:
        free.wait(10)
        posted.append(body)
        return status, {}, b""

    host.answer = answer if status else lambda *_: None
    scene = bad_candidate()
    world = scene.controller.start()
    url = f"{host.url}/hook?sig=canary"
    tell = world.journal.tell = alerting(Http(), url)
    stop = scene.controller.settle()
    assert isinstance(stop, Stalled) and posted == []
    (event,) = [e for e in scene.events() if e.event == "Stalled"]
    tell(event)  # as a second controller that finds it, too
    free.set()
    for thread in [each for each in threading.enumerate() if each.name == "alert"]:
        thread.join(20)
    failed = [line for line in caplog.messages if line.startswith("the alert to localhost:")]
    assert len(failed) == lines and "canary" not in caplog.text
    if status:
        sent = json.loads(b"".join(posted))
        assert sent == {name: sent[name] for name in NAMES} and sent["next"] == "gitslot retry"
        assert (sent["state"], sent["reason"]) == ("Stalled", "GoldenRowsFailed")
        assert (sent["message"], sent["revision"]) == (stop.message, event.revision)
