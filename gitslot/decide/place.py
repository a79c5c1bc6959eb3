"""Questions about a slot that releases are deployed to and proved in. Pure."""

from datetime import datetime

from gitslot.decide.case import Case, operation
from gitslot.state.decision import Decision, Stalled, Waiting
from gitslot.state.remembered import Memory
from gitslot.state.seen import Arm, Place, SlotLive
from gitslot.state.wanted import STAGING, Resolved


def stopped(slot: SlotLive) -> Decision | None:
    """Stop for a slot that ARM shows stopped."""
    assert slot.arm is not None
    if not slot.arm.state or slot.arm.state == "Running":
        return None
    return Stalled("SlotStopped", f"{slot.name} is {slot.arm.state.lower()}; start it to go on")


def busy(case: Case, arm: Arm | None = None) -> Decision | None:
    """Wait while an operation runs on the app's two slots, or on that of *arm*."""
    if not operation(case.live) and not (arm and arm.operation):
        return None
    return Waiting(
        "OperationInProgress",
        "another operation runs on the app",
        poll_s=case.policy.poll_s,
        quiet=True,  # most often the tail of our own last swap
    )


def bringing_since(memory: Memory, place: Place) -> datetime | None:
    """Return since when *place* is being brought to what it shall; other slots do not count."""
    told = memory.drifts.get(place.name)
    if told is None and place.name == STAGING:
        return memory.run_started
    return told.time if told else None


def is_held(memory: Memory, place: Place, wanted: Resolved) -> bool:
    """Say whether *wanted* was proved in *place*, nothing having been deployed there since."""
    return memory.held.get(place.name) == (wanted.release, wanted.build or "")


def holds(memory: Memory, place: Place, wanted: Resolved) -> bool:
    """
    Say whether health alone shows that *place* serves what was proved in it.

    What staging holds may have been proved long ago and swapped out since. A further slot answers
    for itself: one that was made as a copy of production has proved nothing.
    """
    health = place.slot.health
    proof = health.deploy, health.digest
    here = place.name == STAGING
    known = proof in memory.verified if here else memory.proved.get(place.name) == proof
    code = wanted.build is None or health.code == wanted.build
    return known and code and health.serves(wanted.release)
