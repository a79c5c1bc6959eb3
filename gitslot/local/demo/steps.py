"""
The steps of the demo: the commands typed, what happens, and what the platform recorded.

The fourth, the incident, is in incident.py.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from azure.storage.blob import BlobServiceClient

from gitslot.http.login import credential
from gitslot.local.demo.stage import APP, Stage
from gitslot.local.process import wait_until

OLD, NEW, BAD = "1.4.0", "1.5.0", "1.6.0"
_REVERT = "git revert --no-edit HEAD && git push"


@dataclass(slots=True)
class Measured:
    """The measured values of the demo; the fields of demo.json."""

    bump_s: float = 0.0
    rollback_s: float = 0.0
    rollback_deploys: int = -1
    rollback_swaps: int = -1
    requests: int = 0
    failed: int = -1
    failed_by_hand: int = -1
    versions_seen: list[str] = field(default_factory=list)
    refused_reason: str = ""
    blind_swaps: int = -1
    blind_serves: str = ""
    ours_swaps: int = -1
    ours_serves: str = ""


def install(stage: Stage) -> None:
    """Step 1: the first install of empty slots."""
    screen, since = stage.screen, stage.witness.now()
    screen.title("1", "First install: two empty slots, four lines of YAML")
    stage.load.start()
    commit = stage.repository.want(APP, OLD, f"serve iris {OLD}")
    screen.typed("cat desired_state.yaml")
    screen.output((stage.repository.clone / "desired_state.yaml").read_text().rstrip(), "cyan")
    _committed(stage, f'git add . && git commit -m "serve iris {OLD}" && git push', commit)
    stage.converged(commit, "the first install")
    wait_until(lambda: stage.load.requests, 10.0)
    _curl(stage)
    swaps = stage.witness.swaps(APP, since)
    screen.result(
        f"production answers {stage.witness.serves(APP)}: deployed to staging, proved there, "
        f"{_times(swaps, 'swap')}"
    )
    screen.output(f"from here on {stage.load.describe()}; failures are counted", "dim")


def bump(stage: Stage, measured: Measured) -> None:
    """Step 2: a committed bump reaches production."""
    screen = stage.screen
    screen.title("2", "A new version: change the number, commit")
    screen.typed(f"sed -i s/{OLD}/{NEW}/ desired_state.yaml")
    commit = stage.repository.want(APP, NEW, f"bump iris to {NEW}")
    pushed = time.monotonic()
    _committed(stage, f'git commit -am "bump iris to {NEW}" && git push', commit)
    stage.converged(commit, "the bump")
    measured.bump_s = round(stage.answered(NEW, pushed), 1)
    screen.result(f"users got {NEW} {measured.bump_s} s after the push{_so_far(stage)}")


def rollback(stage: Stage, measured: Measured) -> None:
    """Step 3: a revert brings the old version back by one swap."""
    screen, since = stage.screen, stage.witness.now()
    screen.title("3", "The way back: git revert, nothing else")
    commit = stage.repository.revert()
    pushed = time.monotonic()
    _committed(stage, _REVERT, commit)
    stage.converged(commit, "the rollback")
    measured.rollback_s = round(stage.answered(OLD, pushed), 1)
    measured.rollback_swaps = stage.witness.swaps(APP, since)
    measured.rollback_deploys = stage.witness.deploys(APP, since)
    swaps, deploys = measured.rollback_swaps, measured.rollback_deploys
    screen.result(
        f"users got {OLD} again {measured.rollback_s} s after the push: {_times(swaps, 'swap')}, "
        f"{_times(deploys, 'deploy')}{_so_far(stage)}",
        good=(swaps, deploys) == (1, 0),
    )


def refuse(stage: Stage, measured: Measured, trained: str) -> None:
    """Step 5: a version whose artifact was corrupted never reaches production."""
    screen, since = stage.screen, stage.witness.now()
    screen.title("5", "A bad version: its artifact is overwritten after it was registered")
    screen.output(trained)
    name = _corrupt(stage)
    screen.output(f"# somebody overwrites {name} in the registry", "dim")
    bad = stage.repository.want(APP, BAD, f"bump iris to {BAD}")
    _committed(stage, f'git commit -am "bump iris to {BAD}" && git push', bad)
    stalled = stage.watch(
        lambda event: event.event == "Stalled" and event.revision == bad, "the refusal"
    )
    measured.refused_reason = stalled.reason
    swaps = stage.witness.swaps(APP, since)
    screen.result(
        f"refused: {stalled.reason}; {_times(swaps, 'swap')}, production answers "
        f"{stage.witness.serves(APP)}{_so_far(stage)}",
        good=swaps == 0,
    )
    commit = stage.repository.revert()
    _committed(stage, _REVERT, commit)
    stage.converged(commit, "the revert of the bad version")
    screen.result(f"in sync again; {_times(stage.witness.swaps(APP, since), 'swap')} in all")


def heal(stage: Stage, measured: Measured) -> None:
    """Step 6: a release edited by hand on production is detected and repaired."""
    screen, since = stage.screen, stage.witness.now()
    screen.title("6", "An edit in the portal: MODEL_VERSION of production is changed by hand")
    screen.typed(
        f"az functionapp config appsettings set -n {APP} -g {stage.facts.resource_group} \\\n"
        f"    --settings MODEL_VERSION={OLD}"
    )
    before, edited = stage.load.failed, time.monotonic()
    apps, group = stage.provisioner.web.web_apps, stage.facts.resource_group
    there: dict[str, Any] = dict(apps.list_application_settings(group, APP).properties or {})
    apps.update_application_settings(group, APP, {"properties": {**there, "MODEL_VERSION": OLD}})
    stage.watch(lambda event: event.event == "Converged", "the repair")
    stage.answered(NEW, edited)
    measured.failed_by_hand = stage.load.failed - before
    deploys, swaps = stage.witness.deploys(APP, since), stage.witness.swaps(APP, since)
    screen.result(
        f"production answers {stage.witness.serves(APP)} again: {_times(deploys, 'deploy')}, "
        f"{_times(swaps, 'swap')}; {measured.failed_by_hand} requests failed because of the edit"
    )


def _corrupt(stage: Stage) -> str:
    """Overwrite the artifact of BAD with other bytes; return its blob's name."""
    manifest = stage.provisioner.registry.manifest("iris", BAD)
    name = f"iris/{BAD}/{manifest.artifact.name}"
    service = BlobServiceClient(stage.facts.storage, credential())
    blob = service.get_blob_client("models", name)
    content = bytearray(blob.download_blob().readall())
    content[len(content) // 2] ^= 0x01
    blob.upload_blob(bytes(content), overwrite=True)
    return name


def _committed(stage: Stage, command: str, commit: str) -> None:
    stage.screen.typed(command)
    stage.screen.output(stage.repository.shown(commit), "dim")


def _curl(stage: Stage) -> None:
    stage.screen.typed(f"curl -si {stage.witness.url(APP)}/api/health | grep x-model-version")
    stage.screen.output(f"x-model-version: {stage.witness.serves(APP)}")


def _so_far(stage: Stage) -> str:
    return f"; {stage.load.requests:,} requests so far, {stage.load.failed} failed"


def _times(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
