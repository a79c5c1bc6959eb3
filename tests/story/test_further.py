"""A further slot beside a release: told on real processes."""

import json
from typing import Any

from gitslot.state.decision import Converged, Stalled
from tests.platform import until
from tests.story.stage import Stage


def want(stage: Stage, production: str, canary: str) -> None:
    """Commit what both slots shall serve."""
    text = f"app: {stage.app}\nmodel: iris\nslots:\n"
    text += f"  production: {production}\n  canary: {canary}\n"
    stage.repository.commit(text, f"production {production}, canary {canary}")


def create(stage: Stage, slot: str) -> None:
    """Create *slot* as `az functionapp deployment slot create` does."""
    web, group = stage.platform.web.web_apps, stage.platform.group
    plan = web.get(group, stage.app).as_dict()["properties"]["serverFarmId"]
    body: Any = {"location": stage.platform.facts["location"], "properties": {"serverFarmId": plan}}
    web.begin_create_or_update_slot(group, stage.app, slot, body).result()
    until(lambda: stage.serves(slot) != "", f"{slot} answers")


def test_a_further_slot_is_missed_then_filled_and_never_in_the_way(empty_stage: Stage) -> None:
    """Stalled by name until it is there, proved like staging, and silent beside a bump."""
    stage = empty_stage
    want(stage, "1.4.0", "1.5.0")
    stop = stage.reconcile()
    assert isinstance(stop, Stalled)
    assert (stop.reason, stop.slot, stage.serves()) == ("SlotMissing", "canary", "1.4.0")
    assert "az functionapp deployment slot create" in stop.message

    create(stage, "canary")
    before = len(stage.writes())
    stage.events.clear()
    assert isinstance(stage.reconcile(), Converged)
    assert (stage.serves(), stage.serves("canary")) == ("1.4.0", "1.5.0")
    assert stage.writes()[before:] == [("settings-put", "canary")]
    assert stage.told() == ["Drift", "DeployStarted", "VerifyPassed", "Converged"]
    assert "canary: 64 of 64 golden rows" in stage.events[-2].message

    listed, _ = stage.run("models", "-o", "json").communicate(timeout=60)
    found = {each["version"]: each["runs"] for each in json.loads(listed[listed.index("[") :])}
    assert found["1.5.0"] == [f"{stage.app}/canary"]

    stage.platform.web.web_apps.stop_slot(stage.platform.group, stage.app, "canary")
    before = len(stage.writes())
    want(stage, "1.6.0", "1.5.0")
    stop = stage.reconcile()
    assert isinstance(stop, Stalled)
    assert (stop.reason, stop.slot, stage.serves()) == ("SlotStopped", "canary", "1.6.0")
    assert stage.writes()[before:] == [("settings-put", "staging"), ("swap-started", "staging")]
