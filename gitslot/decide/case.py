"""
What every rule may look at, and the questions that several rules ask. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitslot.state.policy import Policy
from gitslot.state.remembered import Memory
from gitslot.state.seen import Answer, Live
from gitslot.state.wanted import PRODUCTION, App, Release, Resolved


@dataclass(frozen=True, slots=True)
class Case:
    """What every rule may look at."""

    app: App
    live: Live
    memory: Memory
    now: datetime
    policy: Policy


def operation(live: Live) -> str:
    """Return the id of an operation that ARM shows on either slot, or ""."""
    arms = (live.production.arm, live.staging.arm)
    return next((arm.operation for arm in arms if arm and arm.operation), "")


NOT_SERVING: Mapping[Answer, str] = {
    Answer.SERVING: "it still serves another release",
    Answer.UNHEALTHY: "it is unhealthy",
    Answer.SILENT: "no answer",
    Answer.FOREIGN: "GET /api/health is not there",
    Answer.BLOCKED: "GET /api/health is blocked",
}


def not_serving(case: Case, release: Release) -> str:
    """Say in what way production, which is set to *release*, does not serve it."""
    health = case.live.production.health
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


def asked(case: Case, release: Release) -> str:
    """Return the commit whose swap brought *release*, else the one that production's wish has."""
    last, wish = case.memory.last_swap, case.memory.wishes.get(PRODUCTION)
    if last and last.release == release and last.commit:
        return last.commit[:7]
    return wish.revision.short if wish else "HEAD"


def blocked(detail: str) -> str:
    """Say that a probe is blocked, and how to mend it."""
    return (
        f"GET /api/health is blocked ({detail}); make it anonymous, and let the controller "
        "through access restrictions"
    )
