"""A release that fails in production while it soaks goes back by itself: told on real processes."""

from dataclasses import replace

from gitslot.state.decision import Converged, Stalled
from tests.platform import until
from tests.story.stage import Stage


def test_a_release_that_fails_its_soak_is_swapped_back_and_refused(stage: Stage) -> None:
    """Production answers with the version before, by one swap, and a revert then agrees."""
    quick = replace(stage.world, policy=replace(stage.world.policy, degraded_s=3.0))
    for version in ("1.4.0", "1.5.0"):
        stage.repository.want(version, more="soak: 10m\n")
        assert isinstance(stage.reconcile(quick), Converged)
    stage.change("production", MODEL_STORE="https://localhost:1/gone")
    until(lambda: stage.serves() != "1.5.0", "production lost its model")
    before = len(stage.writes())
    stage.events.clear()
    stop = stage.reconcile(quick)
    assert isinstance(stop, Stalled)
    assert stop.reason == "SwappedBack"
    assert (stage.serves(), stage.writes()[before:]) == ("1.4.0", [("swap-started", "staging")])
    assert stage.told() == ["VerifyPassed", "SwapStarted", "SwappedBack", "Stalled"]
    assert stage.reconcile(stage.open()) == stop
    stage.repository.revert()
    assert isinstance(stage.reconcile(quick), Converged)
    assert (stage.serves(), len(stage.writes()[before:])) == ("1.4.0", 1)
