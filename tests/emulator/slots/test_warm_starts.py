"""A host that was forked is what an execution would have made of it."""

import os
import signal
import sys

import pytest

from tests.emulator.app_under_test import App
from tests.emulator.apps import PROBE
from tests.platform import package, until

SHOWS = (
    PROBE["function_app.py"]
    + """
import signal
import sys


@app.route(route="api/process")
async def process(req: func.HttpRequest) -> func.HttpResponse:
    return answer({
        "parent": os.getppid(),
        "environment": {k: v for k, v in os.environ.items() if "PYTHON" not in k},
        "path": sys.path,
        "folder": os.getcwd(),
        "files": [os.fstat(number).st_mode for number in range(3)],
        "signals": [callable(signal.getsignal(n)) or signal.getsignal(n) for n in range(1, 32)],
        "functions": func.__file__,
        "hash": hash("x"),
    })
"""
)
EXECUTED = {"PYTHONHASHSEED": "7"}  # Python reads it when a process is executed


@pytest.fixture
def forked(app: App) -> App:
    """Let both slots show their processes."""
    url = app.platform.upload(package({**PROBE, "function_app.py": SHOWS}))
    app.set("staging", {"WEBSITE_RUN_FROM_PACKAGE": url})
    until(lambda: app.get("staging", "/api/process").status_code == 200, "it shows its process")
    return app


def test_a_fork_has_what_an_executed_host_has(forked: App) -> None:
    """The same environment, modules, folder, files and signals; a setting for Python is heard."""
    fork = forked.get("staging", "/api/process").json()
    forked.set("staging", EXECUTED)
    until(lambda: forked.get("staging", "/api/process").json() != fork, "it was started anew")
    executed = forked.get("staging", "/api/process").json()
    platform = forked.platform.process.pid
    assert executed.pop("parent") == platform
    assert (fork.pop("parent") == platform) == (sys.platform != "linux")
    assert executed.pop("hash") != fork.pop("hash")
    assert executed == fork


def test_hosts_come_back_when_the_process_that_forks_them_is_killed(forked: App) -> None:
    """They end with it; the platform notices, and starts it and them again."""
    before = forked.get("staging", "/api/process").json()["parent"]
    os.kill(before, signal.SIGKILL)

    def again() -> bool:
        answer = forked.get("staging", "/api/process")
        return answer.status_code == 200 and answer.json()["parent"] != before

    until(again, "staging answers again")
    forked.wait_serves("production", "1")
    assert forked.history("process-crashed")


def test_an_app_gets_the_packages_that_it_brings(forked: App) -> None:
    """Its own azure.functions, not the one that the platform has loaded for all."""
    own = {".python_packages/lib/site-packages/azure/functions/__init__.py": "print('its own')"}
    url = forked.platform.upload(package({**PROBE, **own}))
    log = forked.platform.state / "logs" / f"{forked.name}-staging.log"
    forked.set("staging", {"WEBSITE_RUN_FROM_PACKAGE": url})
    until(lambda: "its own" in log.read_text(), "its own package is loaded")
