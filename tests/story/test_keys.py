"""Slots whose predict path asks for a key."""

from pathlib import Path

import requests

from gitslot.state.decision import Converged
from tests.story.stage import APP, open_stage


def test_golden_rows_are_replayed_with_the_slots_own_key(tmp_path: Path) -> None:
    """Where predict is not anonymous the controller fetches staging's key, and nobody sees it."""
    with open_stage(tmp_path, "1.4.0", "1.5.0", auth="function") as stage:
        stage.repository.want("1.4.0")
        assert isinstance(stage.reconcile(), Converged)
        url = stage.platform.slots()[APP, "production"]["http"]
        row = [[5.1, 3.5, 1.4, 0.2]]
        assert requests.post(f"{url}/api/predict", json=row, timeout=10).status_code == 401
        web, group = stage.platform.web.web_apps, stage.platform.group
        key = (web.list_host_keys(group, APP).function_keys or {})["default"]
        answer = requests.post(
            f"{url}/api/predict", json=row, headers={"x-functions-key": key}, timeout=10
        )
        assert answer.status_code == 200
        journal = b"".join(event.line() for event in stage.world.journal.events(APP))
        staging = (web.list_host_keys_slot(group, APP, "staging").function_keys or {})["default"]
        assert key.encode() not in journal
        assert staging.encode() not in journal
