"""
Measure how long a commit goes unnoticed: from the moment it is on the Git server until the
controller's first event of it is in the host's log, which comes after the journal.

The controller is the whole function app on the local Functions host, with Azure's waits and none of
the laptop's. Git is git's own server over HTTPS, storage is Azurite. Each commit asks for another
version that nobody has registered, so that an event follows at once and no slot is touched.

*Polling*: the timer fires every 10 s, and commits come at random moments of that. *Webhook*: no
timer; GitHub's signed request is sent when the commit is there. How long a Git host takes to send
it is not in the figure, nor is a controller that has to be started first.

No peer runs here. Argo CD asks Git every three minutes, unless a webhook is set up, as documented
(https://argo-cd.readthedocs.io/en/release-3.5/operator-manual/webhook/).
"""

import hashlib
import hmac
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import quantiles

import requests

from bench.apps import Start, on_host, unpacked
from bench.report import Report
from gitslot.registry.function_apps import ours
from gitslot.state.code import ANY
from tests.platform import start_platform, until
from tests.servers import git_backend, serving
from tests.story.stage import Stage, set_stage

ROUNDS = 30
EVERY_10_S, NEVER = "*/10 * * * * *", "0 0 0 1 1 *"
SECRET = "bench"


def run(rounds: int) -> Report:
    """Measure *rounds* commits by polling, and twice as many by webhook."""
    report = Report("detect", rounds)
    with tempfile.TemporaryDirectory() as folder, _stage(Path(folder)) as (stage, start):
        with _controller(start, EVERY_10_S) as (_, log):
            polled = [_noticed(stage, log, f"2.0.{n}", 10.0) for n in range(rounds)]
        with _controller(start, NEVER) as (url, log):
            push = partial(_push, f"{url}/api/reconcile")
            _noticed(stage, log, "2.1", 0.0, push)  # by a controller that has not looked yet
            names = [f"2.1.{n}" for n in range(2 * rounds)]
            pushed = [_noticed(stage, log, name, 2.0, push) for name in names]
    median = report.add("commit to first event", "polling every 10 s", polled, "s")
    report.at_most("polling, median", median, 6.0, "s")
    report.add("commit to first event", "webhook", pushed, "s")
    late = quantiles(pushed, n=20, method="inclusive")[-1]
    report.add("95 of 100 are noticed in", "webhook", [late], "s")
    report.at_most("webhook, p95", late, 1.0, "s")
    return report


@contextmanager
def _stage(folder: Path) -> Iterator[tuple[Stage, Start]]:
    """Give an app that has converged, and the controller that is to follow it over HTTPS."""
    package = unpacked(ours("controller"), folder, thin=True)[ANY]
    host = package / "host.json"  # whose log says nothing of a start
    quiet, told = '"default": "Warning"', '"Host.Startup": "Information"'
    host.write_text(host.read_text().replace(quiet, f"{quiet}, {told}"))
    with (
        start_platform(folder / "platform") as platform,
        set_stage(platform, folder, serves=("1.4.0", "1.5.0")) as stage,
        serving(folder, partial(git_backend, stage.repository.path, stage.repository.env)) as git,
    ):
        stage.repository.git("switch", "-q", "-c", "next")
        trusted, known = folder / "trusted.pem", Path(stage.environment["SSL_CERT_FILE"])
        trusted.write_text(known.read_text() + (folder / "cert.pem").read_text())
        settings = {
            **stage.environment,
            **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(trusted)),
            "GITSLOT_PROFILE": "azure",
            "GITSLOT_REPO": f"{git}/{stage.repository.path.name}",
            "GITSLOT_GIT_HOST": "github",
            "GITSLOT_WEBHOOK_SECRET": SECRET,
        }
        yield stage, Start("controller", package, settings)


@contextmanager
def _controller(start: Start, schedule: str) -> Iterator[tuple[str, Path]]:
    """Run the controller with *schedule*; yield its URL and its log."""
    settings = {**start.settings, "GITSLOT_SCHEDULE": schedule}
    with on_host(replace(start, settings=settings)) as (url, _):
        yield url, start.folder.with_suffix(".log")


def _noticed(
    stage: Stage, log: Path, version: str, pause_s: float, push: Callable[[], object] | None = None
) -> float:
    """Wait up to *pause_s*, commit, *push*; return the seconds until the log has the commit."""
    time.sleep(random.uniform(0, pause_s))
    commit = stage.repository.want(version)
    began = time.perf_counter()
    stage.repository.git("update-ref", "refs/heads/main", commit)
    if push:
        push()
    until(lambda: commit in log.read_text(), f"the controller notices {commit}")
    return time.perf_counter() - began


def _push(url: str) -> None:
    """Send a push as GitHub does, signed."""
    body = json.dumps({"ref": "refs/heads/main"}).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={signature}"}
    answer = requests.post(url, body, headers=headers, timeout=30)
    assert answer.status_code == 202, answer.text
