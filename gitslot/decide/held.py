"""
Further slots: what the file wants beside production and staging.

Pure. They are deployed and proved like staging, once production serves what it shall; they are
never swapped, and whatever becomes of one holds back neither the others nor a release.
"""

from dataclasses import replace

from gitslot.decide.attempts import given_up
from gitslot.decide.case import Case, soaks_until
from gitslot.decide.deploy import bring, cannot_swap
from gitslot.decide.place import busy, holds, is_held, stopped
from gitslot.decide.proof import proved
from gitslot.state.decision import Decision, Deploy, Frozen, Note, Stalled, Verify, Waiting
from gitslot.state.seen import Arm, Further, Place
from gitslot.state.wanted import PRODUCTION, STAGING, Doubt, Refusal, Resolved


def further(case: Case) -> tuple[Decision, ...]:
    """Return what is to be done for each further slot that does not hold what it shall."""
    found = (at(case, name) for name in case.app.further)
    return tuple(decision for decision in found if decision)


def foremost(*decisions: Decision | None) -> Decision | None:
    """
    Return which of several slots' decisions comes first.

    The candidate in staging is first in order. What can be done goes before what is waited for,
    and that before what stands still, so that no slot keeps another waiting.
    """
    found = [decision for decision in decisions if decision]
    if found and isinstance(found[0], Frozen):
        return found[0]
    steps = (each for each in found if isinstance(each, Deploy | Verify | Note))
    polled = (each for each in found if isinstance(each, Waiting) and each.poll_s is not None)
    return next(steps, None) or next(polled, None) or next(iter(found), None)


def is_beside(decision: Decision) -> bool:
    """Say whether *decision* is about what any slot but production shall hold."""
    about = Deploy | Verify | Note | Stalled | Waiting
    return isinstance(decision, about) and decision.slot not in ("", PRODUCTION)


def is_aside(decision: Decision) -> bool:
    """Say whether *decision* is about a further slot: production has all that it shall."""
    return is_beside(decision) and getattr(decision, "slot", "") != STAGING


def at(case: Case, name: str) -> Decision | None:
    """Return what is to be done for the further slot *name*, or None where it is as it shall."""
    seen = next((each for each in case.live.further if each.place.name == name), None)
    if seen is None:
        text, poll_s = f"{name} has not been looked at", case.policy.poll_s
        return Waiting("SlotNotSeen", text, poll_s, quiet=True, slot=name)
    decision = _decide(case, seen)
    match decision:
        case Stalled(message=message) | Waiting(message=message):
            return replace(decision, message=_named(name, message), slot=name)
        case Note(message=message):
            return replace(decision, message=_named(name, message))
        case _:
            return decision


def _named(name: str, message: str) -> str:
    """Return *message*, which people read far from the slot that it is about, with its name."""
    return message if name in message.split(":", maxsplit=1)[0].split() else f"{name}: {message}"


def _decide(case: Case, seen: Further) -> Decision | None:
    wanted, place, arm = seen.wanted, seen.place, seen.place.slot.arm
    if not isinstance(wanted, Resolved):
        return _standing(wanted)
    if holds(case.memory, place, wanted):
        return None
    if seen.standing:
        return _standing(seen.standing)
    if arm is None or case.live.production.arm is None:
        return Waiting("Unreadable", "its settings were not read")
    return (
        given_up(case, place.name, wanted.release)
        or _reported(case, place, wanted)
        or stopped(place.slot)
        or _prepared(arm)
        or busy(case, arm)
        or bring(case, place, wanted, place.name)
        or proved(place, wanted)
    )


def _standing(why: Refusal | Doubt) -> Decision:
    """Stop for what somebody must mend; what could only not be read now is looked at again."""
    if isinstance(why, Refusal):
        return Stalled(why.reason, why.message)
    return Waiting(why.reason, why.message)


def _reported(case: Case, place: Place, wanted: Resolved) -> Decision | None:
    """Only report an edit by hand where drift is not to be healed."""
    arm = place.slot.arm
    if case.app.drift != "report" or arm is None or not is_held(case.memory, place, wanted):
        return None
    same_code = wanted.package is None or arm.configured.package == wanted.package
    if arm.configured.holds(wanted.release) and same_code:
        return None
    return Stalled(
        "DriftReported",
        f"{place.name} is set to {arm.configured.label} by an edit that is not ours; drift is only "
        "reported",
    )


def _prepared(arm: Arm) -> Decision | None:
    if not arm.prepared:
        return None
    return Stalled("PreparedByPerson", "somebody prepared a swap with it; complete or cancel it")


def hold_pin(case: Case) -> Decision | None:
    """Bring the candidate that the file pins to staging, once production has what it wants."""
    decision = _pinned(case)
    match decision:
        case Stalled() | Waiting():
            return replace(decision, slot=STAGING)
        case _:
            return decision


def _pinned(case: Case) -> Decision | None:
    live = case.live
    if case.app.pin is None or live.pin is None:
        return None
    if isinstance(live.pin, Refusal):
        return Stalled(live.pin.reason, live.pin.message)
    pin, place = live.pin, live.at_staging
    if holds(case.memory, place, pin):
        return None
    assert isinstance(live.wanted, Resolved)
    until = soaks_until(case.app, case.memory, live.wanted)
    if until and case.now < until:
        return Waiting(
            "Soaking", f"production soaks until {until:%H:%M:%SZ}; then staging gets {pin.release}"
        )
    production = live.production.arm
    if production is None or live.staging.arm is None:
        return Frozen("Unreadable", "the slots' settings were not read")
    missing = (
        given_up(case, STAGING, pin.release)
        or cannot_swap(case, production, pin)
        or bring(case, place, pin, STAGING)
    )
    return missing or proved(place, pin)
