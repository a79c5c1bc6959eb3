"""Questions about a slot that releases are deployed to and proved in. Pure."""

from datetime import datetime

from gitslot.state.remembered import Memory
from gitslot.state.seen import Seen
from gitslot.state.wanted import STAGING, Resolved


def brought_since(memory: Memory, slot: str) -> datetime | None:
    """Return since when *slot* is brought to what is wanted; other slots do not count."""
    drift = memory.of(slot).drift
    if drift is None and slot == STAGING:
        return memory.run_started
    return drift.time if drift else None


def is_held(memory: Memory, slot: str, wanted: Resolved) -> bool:
    """Return whether *wanted* was proved in *slot*, and nothing was deployed there since."""
    return memory.of(slot).held == (wanted.release, wanted.build or "")


def holds(memory: Memory, slot: Seen, wanted: Resolved) -> bool:
    """
    Return whether health alone shows that *slot* serves what was proved in it.

    What staging holds may have been proved long ago and swapped out since. A further slot answers
    for itself: one that was made as a copy of production has proved nothing.
    """
    proof = slot.health.deploy, slot.health.digest
    known = memory.of(slot.name).proved == proof
    if slot.name == STAGING:
        known = proof in memory.verified
    return known and slot.health.shows(wanted)
