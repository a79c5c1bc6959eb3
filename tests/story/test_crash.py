"""Killed at the worst moment, answered wrongly, started twice: one swap, and it converges."""

import signal
from dataclasses import replace
from typing import Any

import pytest

from gitslot.state.decision import Converged
from tests.platform import until
from tests.story.stage import Stage


def fault(operation: str, when: str, **more: Any) -> dict[str, Any]:
    return {"operation": operation, "when": when, "times": 1, **more}


def kill_when(stage: Stage, happened: str, count: int) -> None:
    """Start a controller in a process of its own and kill -9 it once *happened* was seen."""
    process = stage.run("reconcile", stage.app)
    try:
        until(lambda: len(stage.history(happened)) > count, happened)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def converges_to(stage: Stage, version: str) -> list[str]:
    """Start a fresh controller, let it run, and return what it told."""
    stage.events.clear()
    assert isinstance(stage.reconcile(stage.open()), Converged)
    assert stage.serves() == version
    return stage.told()


def test_killed_during_a_swap_it_finds_the_swap_done_and_sends_no_other(stage: Stage) -> None:
    """The platform took the swap, the controller died before the answer: one swap in all."""
    swaps = stage.swaps()
    finished = len(stage.history("swap-finished"))
    stage.platform.faults(fault("slotsswap", "after", status=503, hold=True))
    stage.repository.want("1.6.0")
    kill_when(stage, "swap-started", swaps)
    until(lambda: len(stage.history("swap-finished")) > finished, "the swap's end")
    assert converges_to(stage, "1.6.0") == ["SwapUnknown", "Converged"]
    assert stage.swaps() == swaps + 1


def test_killed_during_a_deploy_it_deploys_on_and_swaps_once(stage: Stage) -> None:
    """The settings arrived and the controller died: the next start goes on from there."""
    swaps, puts = stage.swaps(), len(stage.history("settings-put"))
    stage.platform.faults(fault("appsettings-put", "after", status=503, delay_s=5))
    stage.repository.want("1.6.0")
    kill_when(stage, "settings-put", puts)
    converges_to(stage, "1.6.0")
    assert stage.swaps() == swaps + 1
    assert len(stage.history("settings-put")) == puts + 1


@pytest.mark.parametrize("status", [504, 409])
def test_a_lost_answer_to_the_swap_is_never_sent_again(stage: Stage, status: int) -> None:
    """The swap took effect and the answer says it did not: one swap, production on the new."""
    swaps = stage.swaps()
    headers = {"Retry-After": "1"}
    stage.platform.faults(fault("slotsswap", "after", status=status, hold=True, headers=headers))
    stage.repository.want("1.6.0")
    told = converges_to(stage, "1.6.0")
    assert stage.swaps() == swaps + 1
    assert told[-1] == "Converged"


def test_a_swap_that_was_refused_is_tried_again_without_another_deploy(stage: Stage) -> None:
    """ARM said no before anything happened: the verified staging is swapped later."""
    swaps, puts = stage.swaps(), len(stage.history("settings-put"))
    refused = {"Code": "BadRequest", "Message": "Cannot swap slots for site."}
    stage.platform.faults(fault("slotsswap", "before", status=400, body=refused))
    stage.repository.want("1.6.0")
    stop = stage.reconcile(fast_retries(stage))
    assert isinstance(stop, Converged)
    assert "SwapFailed" in stage.told()
    assert stage.swaps() == swaps + 1
    assert len(stage.history("settings-put")) == puts + 1


def fast_retries(stage: Stage) -> Any:
    """Return a world whose pauses between attempts are short."""
    world = stage.open()
    world.policy = replace(world.policy, pauses_s=(0.0, 0.2, 0.5))
    return world


def test_two_controllers_started_at_once_make_one_deploy_and_one_swap(stage: Stage) -> None:
    """One acts, the other waits for the lock, and both end converged."""
    swaps, puts = stage.swaps(), len(stage.history("settings-put"))
    stage.repository.want("1.6.0")
    pair = [stage.run("reconcile", stage.app) for _ in range(2)]
    output = [process.communicate(timeout=120)[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], output
    assert stage.serves() == "1.6.0"
    assert stage.swaps() == swaps + 1
    assert len(stage.history("settings-put")) == puts + 1


def test_a_bad_candidate_never_reaches_production(stage: Stage) -> None:
    """An artifact that is not what its manifest says is refused by name, and a revert ends it."""
    registered = stage.world.looker.manifest("iris", "1.6.0")
    container = stage.platform.blobs.get_container_client("models")
    blob = container.get_blob_client(f"iris/1.6.0/{registered.artifact.name}")
    good = blob.download_blob().readall()
    blob.upload_blob(b"\0" * len(good), overwrite=True)
    swaps = stage.swaps()
    try:
        stage.repository.want("1.6.0")
        stop = stage.reconcile(stage.open())
        assert getattr(stop, "reason", "") == "DigestMismatch"
        assert (stage.serves(), stage.swaps()) == ("1.4.0", swaps)
        stage.repository.revert()
        assert isinstance(stage.reconcile(), Converged)
    finally:
        blob.upload_blob(good, overwrite=True)
