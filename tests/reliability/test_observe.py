"""GITSLOT_MODE=observe: what would be done is recorded, once, and nothing of it is done."""

from collections.abc import Callable
from dataclasses import replace

from gitslot.record.accepted import NAME
from gitslot.record.memory import fold
from reliability.cloud import OBSERVER, ROLE, STAGING
from reliability.lab import SWAP, Lab, why
from reliability.scenarios import Scene
from tests.reliability.test_suspended import gitslot

STEPS = ["WouldDeploy", "WouldSwap"]


def begin(lab: Lab, *, observe: bool = True) -> Lab:
    """Begin to observe with the right to read alone, or to act again."""
    lab.cloud.world.store.rights.roles[ROLE.id] = OBSERVER if observe else ROLE
    lab.restart(observe_only=observe)
    return lab


def test_an_adopted_app_is_observed_until_a_person_says_retry(open_lab: Callable[..., Lab]) -> None:
    """Each step once for each wish and state, suspended or not; hands are only seen."""
    lab = open_lab("1.4.0", "1.3.0")
    lab.lose_journal()
    lab.cloud.blobs.drop(NAME)
    for more in ("", 'suspend: "not yet"\n'):
        lab.want("1.5.0", more)
        begin(lab).passes(4)
    lab.want("1.6.0", 'suspend: "not yet"\n')
    lab.passes(4)
    lab.deploy(STAGING, "1.6.0")
    lab.passes(6)
    lab.swap()
    lab.passes(6)
    assert lab.told == ["Observing", *STEPS, *STEPS, "WouldSwap", "ByHand SwapByHand"]
    begin(lab, observe=False).passes(6)
    scene = Scene(lab.rig, lab.controller, "1.7.0")
    code, said = gitslot(scene, "status")
    assert (code, "only observed" in said, "`gitslot retry`" in said) == (1, True, True)
    assert (lab.writes, lab.seen("lock-taken"), lab.cloud.blobs.load(NAME)) == (0, [], None)
    older = [replace(each, event=f"{each.event}?") for each in lab.lines if each.detail.would]
    assert (len(older), fold(older)) == (5, fold([]))  # where these events are not known yet
    assert gitslot(scene, "retry")[0] == 0
    lab.want("1.7.0")
    assert (why(lab.settle()), lab.serves()) == ("Converged", "1.7.0")


def test_what_was_begun_before_is_seen_to_its_end(open_lab: Callable[..., Lab]) -> None:
    """A sent swap's intent closes without the lock; a swap by hand is held, and then undone."""
    lab = open_lab("1.4.0", "1.3.0")
    lab.spoil(f"arm.{SWAP}.{STAGING}", "killed-after")
    lab.want("1.5.0")
    while lab.controller.run():
        lab.wait(60)
    lab.forget()
    begin(lab).passes(4)
    lab.swap()
    lab.passes(5)
    assert lab.told[-3:] == ["Converged", "Observing", "ByHand SwapByHand"]
    lab.passes(15)
    laptop = lab.rig.controller("laptop", guest=True)
    assert why(laptop.run()) == "Waiting Observed"  # type: ignore[arg-type]
    assert (lab.names[-1], lab.writes, lab.seen("lock-taken")) == ("WouldSwap", 0, [])
    assert (why(begin(lab, observe=False).settle()), lab.serves()) == ("Converged", "1.5.0")
    assert lab.names.count("Resumed") == 1
