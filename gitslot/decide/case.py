"""
What rules look at, and the questions that several of them ask. Pure.

A `Look` is all that is known of an app. A `Case` is a slot that is brought to a release: it exists
only once ARM was read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitslot.state.policy import Policy
from gitslot.state.remembered import Attempts, Memory, SlotMemory
from gitslot.state.seen import Answer, Arm, Live, Seen
from gitslot.state.wanted import App, Release, Resolved


@dataclass(frozen=True, slots=True)
class Look:
    """One look at an app whose file, slots and registry could be read."""

    app: App
    live: Live
    memory: Memory
    now: datetime
    policy: Policy


@dataclass(frozen=True, slots=True)
class Case(Look):
    """
    A *slot* of a look, set to *arm*, that is brought to *wanted*.

    *source* is what production is set to: a deploy takes its settings from there. Failures count
    for the slot of the file that wants it, *counts_for*.
    """

    slot: Seen
    arm: Arm
    source: Arm
    wanted: Resolved
    counts_for: str

    @property
    def remembered(self) -> SlotMemory:
        """Return what is remembered of the slot."""
        return self.memory.of(self.slot.name)

    @property
    def attempts(self) -> Attempts:
        """Return the failures of the wanted release."""
        return attempts_of(self.memory, self.counts_for, self.wanted.release)

    @property
    def answers(self) -> bool:
        """Return whether the slot answers with the wanted release, from its newest deploy."""
        health = self.slot.health
        return health.shows(self.wanted) and health.deploy == self.arm.configured.deploy


def case_of(look: Look, name: str, wanted: Resolved, counts_for: str) -> Case | None:
    """Return the case of bringing the slot *name* to *wanted*, or None before ARM was read."""
    slot, source = look.live.slots[name], look.live.production.arm
    if slot.arm is None or source is None:
        return None
    known = (look.app, look.live, look.memory, look.now, look.policy)
    return Case(*known, slot, slot.arm, source, wanted, counts_for)


# ---------------------------------------------------------------- questions


def attempts_of(memory: Memory, slot: str, release: Release) -> Attempts:
    """Return what failed of *release* in *slot*; nothing yet where another release failed."""
    attempts = memory.of(slot).attempts
    return attempts if attempts and attempts.release == release else Attempts(release)


NOT_SERVING: Mapping[Answer, str] = {
    Answer.SERVING: "it still serves another release",
    Answer.UNHEALTHY: "it is unhealthy",
    Answer.SILENT: "no answer",
    Answer.FOREIGN: "GET /api/health is not there",
    Answer.STOPPED: "it is stopped",
    Answer.BLOCKED: "GET /api/health is blocked",
}


def not_serving(look: Look, release: Release) -> str:
    """Return in what way production, which is set to *release*, does not serve it."""
    health = look.live.production.health
    why = health.reason or NOT_SERVING[health.answer]
    return f"production is set to {release} and does not serve it: {why}"


def soaks_until(app: App, memory: Memory, wanted: Resolved) -> datetime | None:
    """Return when the soak of *wanted* ends, or None where the file asks for none or it is over."""
    last = memory.last_swap
    if app.soak_s is None or last is None or last.since is None:
        return None
    same = (last.release, last.code) == (wanted.release, wanted.build or "")
    if last.soaked or last.back or not same:
        return None
    return last.since + timedelta(seconds=app.soak_s)


def clock(moment: datetime) -> str:
    """Return *moment* as messages name it."""
    return f"{moment:%H:%M:%SZ}"
