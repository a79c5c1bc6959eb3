"""
Step 4, the incident: Azure accepts a swap, completes it, and answers 503.

On the left a pipeline: Microsoft's SDK with its defaults. On the right gitslot, killed in the
middle and started again. Both at the same time, on the same platform.
"""

import os
import signal
import threading
from datetime import UTC, datetime
from typing import Any

from azure.mgmt.web import WebSiteManagementClient

from gitslot.http.login import credential
from gitslot.local.demo.screen import clock
from gitslot.local.demo.stage import APP, BLIND, PATIENCE_S, Stage
from gitslot.local.demo.steps import NEW, OLD, Measured
from gitslot.local.demo.witness import Entry
from gitslot.local.process import PlatformError, wait_until
from gitslot.local.provision import CONTROLLER
from gitslot.record.event import Event

_ACCOUNTS = {
    "swap-started": "POST slotsswap, number {number}",
    "swap-flipped": "production answers {served}",
    "swap-finished": "swap {number} has ended",
    "swap-failed": "swap {number} failed",
}
_LOST = {"when": "after", "status": 503, "hold": True}  # done, and then the gateway answers 503


def incident(stage: Stage, measured: Measured) -> None:
    """Play both, and show what production serves after each."""
    screen = stage.screen
    screen.title(
        "4",
        "The incident: Azure accepts the swap, completes it, and answers 503",
        f"Left, a second app, {BLIND}: a pipeline's swap, Microsoft's SDK with its defaults.\n"
        "Right, gitslot, killed with -9 in the middle of the swap and started again.",
    )
    with screen.waiting("the same in both apps: production 1.4.0, staging 1.5.0; swapping"):
        _second_app(stage)
        since = stage.witness.now()
        stage.witness.plant(
            {"operation": "slotsswap", "site": BLIND, **_LOST},
            {"operation": "slotsswap", "site": APP, **_LOST},
        )
        pipeline = Pipeline(stage)
        pipeline.start()
        right = _gitslot(stage, since)
        left = pipeline.finish()
    measured.blind_swaps = stage.witness.swaps(BLIND, since)
    measured.blind_serves = stage.witness.serves(BLIND)
    measured.ours_swaps = stage.witness.swaps(APP, since)
    measured.ours_serves = stage.witness.serves(APP)
    screen.side_by_side(
        ("begin_swap_slot(...).result()", f'git commit -am "bump iris to {NEW}" && git push'),
        (left, right),
        (_curl(stage, BLIND, measured.blind_serves), _curl(stage, APP, measured.ours_serves)),
    )
    screen.result(
        f"left: the job is green, {measured.blind_swaps} swaps, users have {measured.blind_serves}",
        good=measured.blind_serves == NEW,
    )
    screen.result(
        f"right: {measured.ours_swaps} swap, users have {measured.ours_serves}; "
        f"{stage.load.requests:,} requests so far, {stage.load.failed} failed",
        good=(measured.ours_swaps, measured.ours_serves) == (1, NEW),
    )


def _second_app(stage: Stage) -> None:
    """Create the pipeline's app: the old version in production, the new one in staging."""
    model = {"MODEL_NAME": "iris", "MODEL_VERSION": OLD, "MODEL_STORE": stage.facts.storage}
    stage.provisioner.app(BLIND, stage.serving, model)
    apps, group = stage.provisioner.web.web_apps, stage.facts.resource_group
    there = dict(apps.list_application_settings_slot(group, BLIND, "staging").properties or {})
    changed: Any = {"properties": {**there, "MODEL_VERSION": NEW}}
    apps.update_application_settings_slot(group, BLIND, "staging", changed)
    stage.provisioner.running(BLIND)

    def ready() -> bool:
        slots = ("production", "staging")
        return [stage.witness.serves(BLIND, slot) for slot in slots] == [OLD, NEW]

    if not wait_until(ready, PATIENCE_S):
        raise PlatformError(f"{BLIND} does not serve {OLD} and {NEW}")


class Pipeline(threading.Thread):
    """One plain call of Microsoft's SDK; only the platform's address differs."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(name="pipeline", daemon=True)
        self._stage = stage
        self._since = stage.witness.now()
        self._error: BaseException | None = None

    def run(self) -> None:
        """Swap as every example of the SDK does."""
        facts = self._stage.facts
        body: Any = {"targetSlot": "production", "preserveVnet": True}
        where: Any = {"base_url": facts.arm, "credential_scopes": [f"{facts.arm}/.default"]}
        client = WebSiteManagementClient(credential(), facts.subscription, **where)
        try:
            client.web_apps.begin_swap_slot(facts.resource_group, BLIND, "staging", body).result()
        except Exception as error:  # noqa: BLE001 - any error is what the pipeline would report
            self._error = error

    def finish(self) -> list[str]:
        """Wait for its end and return what happened, from the platform's history."""
        self.join(PATIENCE_S)
        if self.is_alive():
            raise PlatformError(f"not within {PATIENCE_S:.0f} s: the pipeline's swap")
        lines = []
        swaps = 0
        for entry in self._stage.witness.entries(self._since, BLIND, *_ACCOUNTS):
            swaps += entry["operation"] == "swap-started"
            served = str(entry["production"].get("MODEL_VERSION", "")).partition("@")[0]
            account = _ACCOUNTS[entry["operation"]].format(number=swaps, served=served)
            lines.append(f"{_time(entry)} {account}")
            if entry["operation"] == "swap-finished" and swaps == 1:
                lines.append(f"{_time(entry)} answered 503; the SDK sends it again")
        end = f"red: {type(self._error).__name__}" if self._error else "green: .result() returned"
        return [*lines, end]


def _gitslot(stage: Stage, since: int) -> list[Event | str]:
    """Bump, kill the controller in the middle of the swap, and return the log lines of both."""
    lines: list[Event | str] = []
    commit = stage.repository.want(APP, NEW, f"bump iris to {NEW}")
    if not wait_until(lambda: stage.witness.swaps(APP, since), PATIENCE_S):
        raise PlatformError(f"not within {PATIENCE_S:.0f} s: the swap of {APP}")
    pid = stage.witness.pid(CONTROLLER)
    if pid is None:
        raise PlatformError("the controller does not run, so it cannot be killed")
    os.kill(pid, signal.SIGKILL)
    lines += stage.events()
    lines.append(f"{clock(datetime.now(UTC))} kill -9 {pid}   # the controller")
    after: list[Event] = []
    stage.converged(commit, "the swap that lost its controller", after.append)
    started = stage.witness.entries(since, CONTROLLER, "process-started")
    lines += [f"{_time(entry)} the controller starts again" for entry in started[:1]]
    return [*lines, *after]


def _curl(stage: Stage, app: str, version: str) -> str:
    url = stage.witness.url(app).removeprefix("http://")
    return f"$ curl -si {url}/api/health\nx-model-version: {version}"


def _time(entry: Entry) -> str:
    return clock(datetime.fromisoformat(entry["time"]))
