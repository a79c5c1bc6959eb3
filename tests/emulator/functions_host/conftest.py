"""Start real hosts on small function apps; whatever a test starts is gone when it ends."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import requests

from tests.warm_hosts import Process, begin_host

REPOSITORY = Path(__file__).parents[3]
NO_PREFIX = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}
DEADLINE_S = 30.0
MASTER, FUNCTION = "master-key", "function-key"
HEADER = """
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""


class Host:
    """One running host, its app's folder and its log."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.app = folder / "app"
        self.keys = folder / "keys.json"
        self.timers = folder / "timers"
        self.log_path = folder / "log"
        self.insights = folder / "insights"
        self._settings = settings
        self.process = self._start()
        self.session = requests.Session()
        self.session.trust_env = False
        self.url = ""

    def _start(self) -> Process:
        words = ["--port", "0", "--keys", str(self.keys), "--timers", str(self.timers)]
        words += ["--insights", str(self.insights)]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.app.parent), **self._settings}
        with self.log_path.open("ab") as log:
            return begin_host(self.app, words, environment, log)

    def ready(self) -> None:
        """Wait until it listens."""
        self.url = self.wait_for(r"listening on (http://127\.0\.0\.1:\d+)")[1]

    def log(self) -> str:
        """Return all that was logged so far."""
        return self.log_path.read_text()

    def wait_for(self, pattern: str, count: int = 1) -> re.Match[str]:
        """Wait until the log has *count* places that fit *pattern*, return the last of them."""
        found: list[re.Match[str]] = []

        def enough() -> bool:
            found[:] = re.finditer(pattern, self.log())
            return len(found) >= count

        until(enough, lambda: f"no {pattern!r} in the log:\n{self.log()}")
        return found[count - 1]

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send one request on the kept connection."""
        return self.session.request(method, self.url + path, timeout=DEADLINE_S, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        """Send a GET."""
        return self.call("GET", path, **options)

    @property
    def address(self) -> tuple[str, int]:
        """Return where it listens."""
        return "127.0.0.1", int(self.url.rpartition(":")[2])

    def status(self) -> dict[str, Any]:
        """Return what the host says of itself."""
        content: dict[str, Any] = self.get("/admin/host/status").json()
        return content

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the host and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def close(self) -> None:
        """Leave nothing running."""
        self.session.close()
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()


type StartHost = Callable[..., Host]


def until(
    fact: Callable[[], bool], otherwise: Callable[[], str] = lambda: "it did not happen"
) -> None:
    """Wait until *fact* holds; fail with *otherwise* at the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not fact():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)


def starter(stack: ExitStack, root: Path) -> StartHost:
    """Return a function that lays out an app below *root*, runs it and stops it with *stack*."""

    def start(
        source: str = "",
        *,
        files: dict[str, str] | None = None,
        host_json: object = None,
        settings: dict[str, str] | None = None,
        name: str = "one",
    ) -> Host:
        folder = root / name
        app = folder / "app"
        if not app.exists():
            app.mkdir(parents=True)
            contents = {"function_app.py": HEADER + dedent(source), **(files or {})}
            text = host_json if isinstance(host_json, str) else json.dumps(host_json)
            contents["host.json"] = '{"version": "2.0"}' if host_json is None else text
            for path, content in contents.items():
                (app / path).parent.mkdir(parents=True, exist_ok=True)
                (app / path).write_text(content)
            keys = {"masterKey": MASTER, "functionKeys": {"default": FUNCTION}}
            (folder / "keys.json").write_text(json.dumps(keys))
        (folder / "log").write_text("")
        host = Host(folder, settings or {})
        stack.callback(host.close)
        host.ready()
        return host

    return start


@pytest.fixture
def start_host(tmp_path: Path) -> Iterator[StartHost]:
    """Run apps for one test."""
    with ExitStack() as stack:
        yield starter(stack, tmp_path)


@pytest.fixture(scope="module")
def start_shared_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartHost]:
    """Run apps for the tests of one file."""
    with ExitStack() as stack:
        yield starter(stack, tmp_path_factory.mktemp("host"))
