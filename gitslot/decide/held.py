"""
Rules for slots that only hold a release: a candidate in staging, and further slots. Pure.

They are deployed and proved once production serves what the file wants. They are never swapped,
and whatever becomes of one holds back neither the others nor a release.
"""

from gitslot.decide.case import Case, clock, soaks_until
from gitslot.decide.place import is_held
from gitslot.state.decision import Note, Stalled, Waiting
from gitslot.state.reasons import REASONS, Wait
from gitslot.state.seen import Mark
from gitslot.state.wanted import STAGING, Resolved


def production_still_soaks(case: Case) -> Waiting | None:
    """Keep a candidate waiting while production soaks: staging is the way back."""
    wanted = case.live.production.wanted
    if case.slot.name != STAGING or not isinstance(wanted, Resolved):
        return None
    until = soaks_until(case.app, case.memory, wanted)
    if until is None or case.now >= until:
        return None
    facts = {"until": clock(until), "release": str(case.wanted.release)}
    return Waiting("Soaking", facts, Wait(until))


def drift_is_only_reported(case: Case) -> Stalled | None:
    """Report an edit of a further slot by hand, where the file says `drift: report`."""
    name, configured = case.slot.name, case.arm.configured
    if case.app.drift != "report" or name == STAGING:
        return None
    if not is_held(case.memory, name, case.wanted) or configured.is_set_to(case.wanted):
        return None
    what = f"{name} is set to {configured.label} by an edit that is not ours"
    return Stalled("DriftReported", {"what": what}, REASONS["DriftReported"].next)


def slot_is_proved(case: Case) -> Note | None:
    """Record that the slot holds the wanted release, which it has just proved."""
    verdict, name = case.slot.verdict, case.slot.name
    if verdict is None or verdict.mark is not Mark.PASS:
        return None
    return Note(
        "VerifyPassed",
        "Held",
        verdict.message,
        slot=name,
        counts_for=name,
        release=case.wanted.release,
        deploy=case.arm.configured.deploy,
        code=case.wanted.build or "",
    )
