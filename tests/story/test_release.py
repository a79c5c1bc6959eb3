"""A release is a commit, a rollback is a revert: told on real processes."""

import threading

from gitslot.state.decision import Converged, Stop
from tests.platform import until
from tests.story.stage import Stage


def test_a_first_install_ends_with_production_serving_what_the_commit_says(
    empty_stage: Stage,
) -> None:
    """Two slots without a model become a production with one, by deploy and swap."""
    stage = empty_stage
    stage.repository.want("1.4.0")
    assert isinstance(stage.reconcile(), Converged)
    assert (stage.serves(), stage.serves("staging")) == ("1.4.0", "none")
    assert stage.told() == ["Drift", "DeployStarted", "VerifyPassed", "SwapStarted", "Converged"]
    assert isinstance(stage.reconcile(stage.open()), Converged)
    assert stage.swaps() == 1


def test_a_bump_costs_one_deploy_and_one_swap_and_keeps_the_old_version(stage: Stage) -> None:
    """After a bump production serves the new version, staging the old one, five lines tell it."""
    before = len(stage.writes())
    stage.repository.want("1.6.0")
    assert isinstance(stage.reconcile(), Converged)
    assert (stage.serves(), stage.serves("staging")) == ("1.6.0", "1.4.0")
    assert stage.writes()[before:] == [("settings-put", "staging"), ("swap-started", "staging")]
    assert len(stage.told()) == 5


def test_a_revert_costs_one_swap_and_deploys_nothing(stage: Stage) -> None:
    """`git revert` brings the old version back by the swap alone."""
    stage.repository.want("1.5.0")
    stage.reconcile()
    before = len(stage.writes())
    stage.repository.revert()
    assert isinstance(stage.reconcile(), Converged)
    assert stage.serves() == "1.4.0"
    assert stage.writes()[before:] == [("swap-started", "staging")]
    assert stage.events[-1].message.endswith("one swap, nothing deployed")


def test_bump_revert_bump_is_never_stuck(stage: Stage) -> None:
    """Staging is overwritten as often as the file asks for it."""
    for version in ("1.5.0", "1.4.0", "1.6.0", "1.5.0", "1.6.0"):
        stage.repository.want(version)
        assert isinstance(stage.reconcile(), Converged)
        assert stage.serves() == version


def test_a_setting_changed_on_production_survives_the_next_bump_and_its_revert(
    stage: Stage,
) -> None:
    """A swap changes the release alone: what somebody set on production stays there."""
    stage.repository.want("1.5.0")
    stage.reconcile()
    stage.change("production", TEAM_SETTING="on")
    until(lambda: stage.serves() == "1.5.0", "production is back after the change")
    stage.repository.want("1.6.0")
    stage.reconcile()
    assert (stage.serves(), stage.settings("production")["TEAM_SETTING"]) == ("1.6.0", "on")
    stage.change("production", TEAM_SETTING="off")
    until(lambda: stage.serves() == "1.6.0", "production is back after the change")
    stage.repository.revert()
    stage.reconcile()
    assert (stage.serves(), stage.settings("production")["TEAM_SETTING"]) == ("1.5.0", "off")


def test_a_sticky_setting_stays_with_its_slot(stage: Stage) -> None:
    """Deploy and swap leave slot settings where they are."""
    stage.change("production", STAGE_NAME="live")
    stage.change("staging", STAGE_NAME="rehearsal")
    stage.hand.stick("STAGE_NAME")
    stage.repository.want("1.5.0")
    assert isinstance(stage.reconcile(), Converged)
    assert stage.settings("production")["STAGE_NAME"] == "live"
    assert stage.settings("staging")["STAGE_NAME"] == "rehearsal"


def test_a_converged_pass_writes_nothing_and_asks_arm_nothing(stage: Stage) -> None:
    """Once converged, a hundred passes leave Azure and the journal as they are."""
    stage.reconcile()
    size = len(stage.world.journal.events(stage.app))
    requests_before = stage.platform.admin_get("/requests")
    for _ in range(100):
        assert isinstance(stage.reconcile(), Converged)
    assert stage.platform.admin_get("/requests") == requests_before
    assert len(stage.world.journal.events(stage.app)) == size


def test_a_revert_committed_while_the_bump_is_deployed_wins(stage: Stage) -> None:
    """The bump never reaches production: no swap is sent at all."""
    swaps = stage.swaps()
    stage.platform.admin_put("/latency", {"name": "zero", "restart_s": 3.0})
    stops: list[Stop] = []
    stage.repository.want("1.6.0")
    passing = threading.Thread(target=lambda: stops.append(stage.reconcile()))
    passing.start()
    until(lambda: "DeployStarted" in stage.told(), "the deploy is on its way")
    stage.repository.revert()
    passing.join(60)
    stage.platform.admin_put("/latency", "zero")
    assert isinstance(stops[0], Converged)
    assert (stage.serves(), stage.swaps()) == ("1.4.0", swaps)


def test_a_release_edited_by_hand_is_put_right_at_once(stage: Stage) -> None:
    """A portal click that changes production's version is healed by deploy and swap."""
    stage.change("production", MODEL_VERSION="1.6.0")
    until(lambda: stage.serves() == "1.6.0", "the edit shows")
    assert isinstance(stage.reconcile(), Converged)
    assert stage.serves() == "1.4.0"


def test_a_candidate_is_held_in_staging_and_promoted_by_one_swap(stage: Stage) -> None:
    """A staging entry is deployed and held; naming it for production costs one swap."""
    stage.repository.want("1.4.0", staging="1.6.0")
    assert isinstance(stage.reconcile(), Converged)
    assert (stage.serves(), stage.serves("staging")) == ("1.4.0", "1.6.0")
    before = len(stage.writes())
    stage.repository.want("1.6.0")
    assert isinstance(stage.reconcile(), Converged)
    assert stage.serves() == "1.6.0"
    assert stage.writes()[before:] == [("swap-started", "staging")]


def test_a_foreign_swap_is_held_and_a_revert_makes_it_last(stage: Stage) -> None:
    """Somebody swapped by hand: gitslot waits, and agrees once Git does."""
    stage.repository.want("1.5.0")
    stage.reconcile()
    stage.hand.swap()
    until(lambda: stage.serves() == "1.4.0", "the swap by hand shows")
    before = len(stage.writes())
    stop = stage.reconcile()
    assert getattr(stop, "reason", "") == "ForeignSwap"
    stage.repository.revert()
    assert isinstance(stage.reconcile(), Converged)
    assert (stage.serves(), stage.writes()[before:]) == ("1.4.0", [])
