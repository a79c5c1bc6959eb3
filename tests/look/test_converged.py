"""What a look at an app costs that has converged, with everything asked over https."""

import threading
from collections import Counter
from pathlib import Path

import pytest

from gitslot.edges import settings
from gitslot.http.client import Http
from gitslot.http.login import credential
from gitslot.report.snapshot import Snapshots
from gitslot.rounds import Rounds
from gitslot.state.decision import Converged
from gitslot.world import open_world
from reliability.cloud import APP
from tests.converged import LOOK, SNAPSHOT, converged

LOOKS = 100


def test_a_look_at_a_converged_app_is_four_requests_on_kept_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else is asked, nothing but the snapshot written, and no thread or file is left."""
    with converged(tmp_path) as there:
        for name, value in there.environment.items():
            monkeypatch.setenv(name, value)
        http, found = Http(), settings.read(there.environment)
        world = open_world(found, credential(http), http=http)
        rounds = Rounds(
            world, shown=Snapshots(world.journal.blobs, world.clock, found, world.looker)
        )
        for _ in range(3):
            rounds.go("push")

        def open_now() -> tuple[int, int, int]:
            files = len(list(Path("/dev/fd").iterdir()))
            return len(there.callers), threading.active_count(), files

        there.asked.clear()
        before = open_now()
        for _ in range(LOOKS):
            assert isinstance(rounds.go("push")[APP], Converged)
        del there.asked[SNAPSHOT]
        assert there.asked == Counter(dict.fromkeys(LOOK, LOOKS))
        grown = [now - then for now, then in zip(open_now(), before, strict=True)]
        assert max(grown) <= 0  # what earlier tests left behind may end meanwhile
