"""The demo's load counts what users would have noticed, and nothing else."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.users import asking
from gitslot.local.demo.load import CONNECTIONS, Load
from tests.platform import until

MODEL = (200, "1.4.0", b'["setosa"]')
NO_MODEL = (503, "none", b"{}")


class Server(ThreadingHTTPServer):
    """Answers with *answer*; one request for each of *gates* gets its answer when that opens."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = NO_MODEL
        self.gates: list[threading.Event] = []
        self.asked = 0
        self.late = 0


class Handler(BaseHTTPRequestHandler):
    """Answers as its server says at the moment of the request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, version, body = self.server.answer
        self.server.asked += 1
        if self.server.gates:
            self.server.gates.pop().wait(10)
            self.server.late += 1
        self.send_response(status)
        self.send_header("x-model-version", version)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a server that listens."""
    listening = Server()
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    yield listening
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture
def load(server: Server) -> Iterator[Load]:
    """Return a load on that server, running."""
    asking = Load(f"http://127.0.0.1:{server.server_port}")
    asking.start()
    yield asking
    asking.stop()


def test_counts_from_the_first_prediction_on(server: Server, load: Load) -> None:
    """Before the first install nobody can be failed; afterwards every failure counts."""
    until(lambda: server.asked > 2 * CONNECTIONS, "requests without a model")
    assert (load.requests, load.failed) == (0, 0)
    server.answer = MODEL
    until(lambda: load.requests > CONNECTIONS, "predictions")
    assert load.failed == 0
    server.answer = NO_MODEL
    until(lambda: load.failed > 0, "failures")
    assert "HTTP 503" in load.faults[0]
    assert load.versions == ["1.4.0"]


def test_forgives_what_was_asked_before_there_was_a_model(server: Server, load: Load) -> None:
    """A request that was under way during the first install may be answered without a model."""
    gate = threading.Event()
    server.gates.append(gate)
    until(lambda: not server.gates, "a request that waits")
    server.answer = MODEL
    until(lambda: load.requests > 0, "predictions on the other connections")
    gate.set()
    until(lambda: server.late == 1, "the late answer")
    before = load.requests
    until(lambda: load.requests > before + CONNECTIONS, "more predictions")
    assert load.failed == 0


def test_what_64_users_get_is_kept(server: Server) -> None:
    """With status, version and body; status 0 where the connection ends or is refused."""
    with asking(f"http://127.0.0.1:{server.server_port}/api/predict", b"[]") as answers:
        until(lambda: server.asked > CONNECTIONS, "answers without a model")
        server.answer = MODEL
        until(lambda: server.asked > 10 * CONNECTIONS, "predictions")
    assert {(a.status, a.version, a.body) for a in answers} == {NO_MODEL, MODEL}
    with asking("http://127.0.0.1:1/", b"[]") as answers:
        pass
    assert answers and {a.status for a in answers} == {0}
