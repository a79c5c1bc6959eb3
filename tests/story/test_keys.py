"""Slots whose predict path asks for a key."""

from pathlib import Path

import requests

from gitslot.state.decision import Converged
from tests.platform import Platform
from tests.story.stage import set_stage


def test_golden_rows_are_replayed_with_the_slots_own_key(
    platform: Platform, tmp_path: Path
) -> None:
    """Where predict is not anonymous the controller fetches staging's key, and nobody sees it."""
    with set_stage(platform, tmp_path, auth="function") as stage:
        stage.repository.want("1.4.0")
        assert isinstance(stage.reconcile(), Converged)
        url = stage.platform.slots()[stage.app, "production"]["http"]
        row = [[5.1, 3.5, 1.4, 0.2]]
        assert requests.post(f"{url}/api/predict", json=row, timeout=10).status_code == 401
        web, group = stage.platform.web.web_apps, stage.platform.group
        key = (web.list_host_keys(group, stage.app).function_keys or {})["default"]
        answer = requests.post(
            f"{url}/api/predict", json=row, headers={"x-functions-key": key}, timeout=10
        )
        assert answer.status_code == 200
        journal = b"".join(event.line() for event in stage.world.journal.events(stage.app))
        staging = web.list_host_keys_slot(group, stage.app, "staging").function_keys or {}
        assert key.encode() not in journal
        assert staging["default"].encode() not in journal
