"""
Constant load on production's port; every answer that is no prediction is counted as failed.

Several connections that stay open, a fixed number of requests a second, each a real prediction.
"""

import http.client
import json
import threading
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

CONNECTIONS = 4
PAUSE_S = 0.08  # between two requests of one connection: 50 requests a second in all
TIMEOUT_S = 30.0
_ROW = b"[[5.1, 3.5, 1.4, 0.2]]"
_HEADERS = {"Content-Type": "application/json"}


class Load:
    """
    Load on *url* from `start` to `stop`.

    It counts requests sent after the first prediction arrived. Before that there was no model, and
    a request under way at that moment may still be answered so. *requests* is how many were
    counted, *faults* has when and how each failed.
    """

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._serving_since: float | None = None
        self._seen: list[tuple[float, str]] = []  # when a connection first got another version
        self.requests = 0
        self.faults: list[str] = []

    def start(self) -> None:
        """Start to send requests."""
        for number in range(CONNECTIONS):
            thread = threading.Thread(target=self._ask, name=f"load-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop, and wait until no request is under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def describe(self) -> str:
        """Return the load in words."""
        return f"{CONNECTIONS / PAUSE_S:.0f} predictions a second over {CONNECTIONS} connections"

    @property
    def failed(self) -> int:
        """Return how many of them were not answered with a prediction."""
        return len(self.faults)

    @property
    def versions(self) -> list[str]:
        """Return the versions that answered, in the order in which they were first seen."""
        return list(dict.fromkeys(version for _, version in self._seen))

    def seen(self, version: str, since: float) -> float | None:
        """Return when *version* was first seen after *since*, or None; monotonic seconds."""
        return next((at for at, each in self._seen if each == version and at >= since), None)

    def _ask(self) -> None:
        connection = self._connection()
        version = ""
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                answer, seen = self._predict(connection)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                connection = self._connection()
                answer, seen = f"no answer: {type(error).__name__}", ""
            self._count(answer, began)
            if not answer and seen != version:
                version = seen
                with self._lock:
                    self._seen.append((time.monotonic(), seen))
            self._stop.wait(max(0.0, PAUSE_S - (time.monotonic() - began)))
        connection.close()

    def _predict(self, connection: http.client.HTTPConnection) -> tuple[str, str]:
        """Send one request; return what is wrong with the answer, or "", and its version."""
        connection.request("POST", "/api/predict", body=_ROW, headers=_HEADERS)
        response = connection.getresponse()
        body = response.read()
        version = response.headers.get("x-model-version", "none")
        if response.status != http.client.OK:
            return f"HTTP {response.status} {body[:200]!r}", version
        try:
            labels = json.loads(body)
        except ValueError:
            return "not JSON", version
        if not isinstance(labels, list) or len(labels) != 1 or version == "none":
            return "not a prediction", version
        return "", version

    def _count(self, wrong: str, began: float) -> None:
        with self._lock:
            if self._serving_since is None and not wrong:
                self._serving_since = time.monotonic()
            if self._serving_since is None or began < self._serving_since:
                return
            self.requests += 1
            if wrong:
                self.faults.append(f"{datetime.now(UTC):%H:%M:%S.%f} {wrong}")

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "localhost", self._url.port
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
