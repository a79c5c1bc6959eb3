"""The way back is proved again and again while nothing happens: told on real processes."""

from dataclasses import replace

from gitslot.edges import settings as settings_
from gitslot.state.decision import Converged
from gitslot.world import open_world
from tests.platform import until
from tests.story.stage import Stage


def status(stage: Stage) -> str:
    """Return what `gitslot status`, a process of its own, says."""
    process = stage.run("status")
    said, _ = process.communicate(timeout=60)
    return said


def test_status_proves_the_way_back_and_a_broken_one_is_warned_of(stage: Stage) -> None:
    """Ready while staging answers as it was trained; a warning, once, when it no longer does."""
    settings = settings_.read(stage.environment)
    quick = replace(settings.policy, rehearse_s=0.5, degraded_s=1.0)
    world = open_world(
        replace(settings, policy=quick), stage.platform.credential, tell=stage.events.append
    )
    for version in ("1.4.0", "1.5.0"):
        stage.repository.want(version)
        assert isinstance(stage.reconcile(world), Converged)
    until(lambda: stage.serves("staging") == "1.4.0", "staging is back after the swap")
    assert "ready, 1 swap, proven just now" in status(stage)
    stage.events.clear()
    store = stage.settings("staging")["MODEL_STORE"]
    stage.change("staging", MODEL_STORE="https://localhost:1/gone")
    until(lambda: isinstance(stage.reconcile(world), Converged) and stage.events, "a warning")
    assert "not proven" in status(stage)
    stage.change("staging", MODEL_STORE=store)
    until(lambda: stage.reconcile(world) and len(stage.events) > 1, "all is well again")
    assert stage.told() == ["VerifyFailed", "VerifyPassed"]
    assert "ready, 1 swap, proven just now" in status(stage)
