"""GITSLOT_MODE=observe: what would be done is recorded, once, and nothing of it is done."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gitslot.record.accepted import NAME
from gitslot.record.memory import fold
from reliability.cloud import OBSERVER, ROLE, STAGING
from reliability.lab import SWAP, Lab, why
from reliability.scenarios import Scene
from tests.reliability.test_suspended import gitslot

STEPS = ["WouldDeploy", "WouldSwap"]


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Give an app that a controller with the right to read alone begins to observe."""
    lab = Lab("1.4.0", "1.3.0", observe_only=True)
    lab.cloud.world.store.rights.roles[ROLE.id] = OBSERVER
    yield lab
    lab.end()


def test_an_adopted_app_is_observed_until_a_person_says_retry(lab: Lab) -> None:
    """Each step once for each wish and state, suspended or not; hands are only seen."""
    lab.lose_journal()
    lab.cloud.blobs.drop(NAME)
    for more in ("", 'suspend: "not yet"\n', ""):
        lab.want("1.5.0", more)
        lab.restart()
        lab.passes(4)
    lab.want("1.6.0", 'suspend: "not yet"\n')
    lab.passes(4)
    lab.deploy(STAGING, "1.6.0")
    lab.passes(6)
    lab.swap()
    lab.passes(6)
    assert lab.told == ["Observing", *STEPS, *STEPS, "WouldSwap", "ByHand SwapByHand"]
    lab.restart(observe_only=False)
    lab.want("1.7.0")
    lab.passes(6)
    assert (lab.names[-2:], lab.row().sync) == (STEPS, "OutOfSync")
    scene = Scene(lab.rig, lab.controller, "1.7.0")
    code, said = gitslot(scene, "status")
    assert (code, "only observed" in said, "`gitslot retry`" in said) == (1, True, True)
    assert (lab.writes, lab.seen("lock-taken"), lab.cloud.blobs.load(NAME)) == (0, [], None)
    older = [replace(each, event=f"{each.event}?") for each in lab.lines if each.detail.would]
    assert fold(older) == fold([])  # to a controller that does not know these events
    assert gitslot(scene, "retry")[0] == 0
    lab.cloud.world.store.rights.roles[ROLE.id] = ROLE
    assert (why(lab.settle()), lab.serves()) == ("Converged", "1.7.0")


def test_hands_in_an_app_that_was_reconciled_before_are_held_first(lab: Lab) -> None:
    """A swap by hand would be put back after ten minutes; observing ends without a word."""
    lab.run()
    lab.swap()
    lab.passes(5)
    assert lab.told == ["Observing", "ByHand SwapByHand"]
    lab.passes(15)
    assert (lab.told[2:], lab.writes) == (["WouldSwap"], 0)
    lab.restart(observe_only=False)
    lab.cloud.world.store.rights.roles[ROLE.id] = ROLE
    assert (why(lab.settle()), lab.serves()) == ("Converged", "1.4.0")
    assert lab.names[3] == "Resumed"


def test_a_swap_that_was_sent_is_asked_about_to_its_end(lab: Lab) -> None:
    """Its intent closes without the lock, and whoever is beside the observer sends nothing."""
    lab.restart(observe_only=False)
    lab.cloud.world.store.rights.roles[ROLE.id] = ROLE
    lab.spoil(f"arm.{SWAP}.{STAGING}", "killed-after")
    lab.want("1.5.0")
    while lab.controller.run():
        lab.wait(60)
    lab.forget()
    lab.restart(observe_only=True)
    lab.passes(4)
    assert (lab.names[-2:], lab.serves()) == (["Converged", "Observing"], "1.5.0")
    lab.want("1.6.0")
    laptop = lab.rig.controller("laptop", guest=True)
    assert why(laptop.run()) == "Waiting Observed"  # type: ignore[arg-type]
    assert (lab.writes, lab.seen("lock-taken"), lab.seen("lock-broken")) == (0, [], [])
