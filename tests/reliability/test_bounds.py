"""Bounds that hold without faults and under lasting ones: calls, writes, turns, time."""

import hashlib
import os
import subprocess
import sys
from datetime import datetime
from itertools import pairwise

import pytest

from gitslot.state.decision import Converged, Stalled, Waiting
from reliability import registered
from reliability.checker import check
from reliability.cloud import APP
from reliability.figures import converged_pass, counted
from reliability.runs import KEEP, play
from reliability.scenarios import (
    NEW,
    NEWER,
    OLD,
    SCENARIOS,
    Scene,
    bad_candidate,
    bump,
    bumped,
    settled,
    want,
)
from reliability.seam import Call
from tests.platform import ROOT


def writes(calls: list[Call]) -> int:
    """Return how many of *calls* were to change something in Azure."""
    return sum(call.write and call.name.startswith("arm.") for call in calls)


def begin(scene: Scene) -> Scene:
    """Number the calls from here on."""
    scene.rig.seam.on = True
    return scene


def test_a_bump_costs_two_writes_and_a_revert_one() -> None:
    """L2: a deploy and a swap; a swap alone."""
    assert (play(bump, {}).writes, play(SCENARIOS["revert"], {}).writes) == (2, 1)


def test_a_converged_pass_asks_arm_nothing_and_writes_nothing_a_thousand_times() -> None:
    """L2, I1: but for the look at ARM once an hour, which is five reads."""
    scene = bumped()
    scene.controller.run()
    begin(scene)
    for _ in range(1000):
        assert isinstance(scene.controller.run(), Converged)
        scene.cloud.wait(60)
    calls = scene.rig.seam.calls
    hours = 1000 / 60
    assert not [call for call in calls if call.write]
    assert sum(call.name.startswith("arm.") for call in calls) <= 5 * hours + 5
    assert check(scene.cloud.history.entries) == []
    scene.cloud.end()


@pytest.mark.parametrize("name", SCENARIOS)
def test_twice_is_once(name: str) -> None:
    """I2: once a scenario has come to rest, another process with no memory writes nothing."""
    scene = SCENARIOS[name]()
    scene.controller.settle()
    scene.controller.world = None
    begin(scene)
    scene.controller.settle()
    assert writes(scene.rig.seam.calls) == 0
    scene.cloud.end()


def test_a_bad_candidate_stops_after_three_attempts_with_growing_pauses() -> None:
    """L3: production is untouched, and a new commit is tried at once."""
    scene = bad_candidate()
    assert isinstance(scene.controller.settle(), Stalled)
    history = scene.cloud.history.entries
    puts = [e for e in history if e["operation"] == "settings-put"]
    at = [datetime.fromisoformat(entry["time"]) for entry in puts]
    gaps = [(b - a).total_seconds() for a, b in pairwise(at)]
    assert len(puts) == 3
    assert gaps[0] >= 30
    assert gaps[1] >= 120
    assert not [e for e in history if e["operation"] == "swap-started"]
    want(scene, NEWER)
    began = scene.cloud.now()
    scene.controller.run()
    put = next(e for e in history[::-1] if e["operation"] == "settings-put")
    assert (datetime.fromisoformat(put["time"]) - began).total_seconds() < 1
    scene.controller.settle()
    assert scene.cloud.serves() == NEWER
    scene.cloud.end()


def test_a_dead_holders_lock_is_broken_once_it_is_provably_stale() -> None:
    """L4: not before, and with a line in the journal."""
    scene = bump()
    cloud, policy = scene.cloud, scene.rig.policy
    lease = cloud.blobs.acquire(f"locks/{APP}")
    assert lease
    cloud.blobs.touch(f"locks/{APP}", lease, {"holder": "gone"})
    began = cloud.seconds()
    scene.controller.settle()
    broken = next(e for e in cloud.history.entries if e["operation"] == "lock-broken")
    assert broken["time"] - began - cloud.now().timestamp() + cloud.seconds() > policy.lock_stale_s
    assert cloud.serves() == NEW
    cloud.end()


def test_calls_stay_bounded_while_arm_throttles_for_ever() -> None:
    """L5: Retry-After is honoured, so an hour of 429 costs a few calls a minute."""
    scene = begin(bump())
    seam = scene.rig.seam

    class Throttled(dict[int, str]):
        """Every call to ARM is answered by 429."""

        def get(self, index: int, default: object = None) -> str | None:  # type: ignore[override]
            del default
            return "throttled" if seam.calls[index].name.startswith("arm.") else None

    seam.plan = Throttled()
    for _ in range(60):
        stop = scene.controller.run()
        scene.cloud.wait(60)
    assert isinstance(stop, Waiting)
    calls = [call for call in seam.calls if call.name.startswith("arm.")]
    assert len(calls) <= 2 * 60
    assert writes(calls) == 0
    scene.cloud.end()


def digest_of(name: str, plan: dict[int, str]) -> str:
    """Return a digest of the whole history of a run."""
    KEEP.add("all")
    try:
        return hashlib.sha256(play(SCENARIOS[name], plan).history).hexdigest()
    finally:
        KEEP.discard("all")


def test_the_same_seed_gives_the_same_history_byte_for_byte() -> None:
    """T1: in this process, and in another one whose hashes are seeded otherwise."""
    plan = {40: "timeout-after", 90: "killed-after"}
    here = digest_of("bump", plan)
    assert here == digest_of("bump", plan)
    code = (
        "from tests.reliability.test_bounds import digest_of;"
        f"print(digest_of('bump', {plan!r}), end='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == here


def test_a_restart_between_two_passes_changes_nothing_that_is_written() -> None:
    """I3: the writes of a bump are the same when every pass is another process."""
    seen = []
    for restarts in (False, True):
        scene = begin(bump())
        for _ in range(8):
            scene.controller.run()
            if restarts:
                scene.controller.world = None
            scene.cloud.wait(60)
        calls = [c.name for c in scene.rig.seam.calls if c.write and c.name.startswith("arm.")]
        seen.append((calls, scene.cloud.serves()))
        scene.cloud.end()
    assert seen[0] == seen[1]


def test_the_last_ten_desired_versions_stay_in_the_registry() -> None:
    """S7: the controller has no way to take a version out, and every one still has its digest."""
    scene = settled()
    versions = [f"1.2{number}.0" for number in range(10)]
    scene.cloud.register(*versions)
    for version in versions:
        want(scene, version)
        scene.controller.settle()
        assert scene.cloud.serves() == version
    for version in (OLD, *versions):
        for name, raw in registered.version_blobs(version).items():
            assert scene.cloud.account.blobs[name] == raw
    assert check(scene.cloud.history.entries) == []
    scene.cloud.end()


def test_a_converged_pass_costs_one_look_at_git_and_one_at_each_slot() -> None:
    """Hold the figures of docs/believe/reliability.md: no call to ARM, no write."""
    found = counted(converged_pass())
    assert (found["git"], found["health"], found["arm"], found["writes"]) == (1, 2, 0, 0)
    assert found["blobs"] == 1
    assert counted(converged_pass(hour=True))["arm"] == 5
