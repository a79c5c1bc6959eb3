"""
The soak after a swap: what becomes of a production that fails while the file asks to watch it.

Pure. Production goes back only onto a staging that is proved again in this look, and only once: the
try is used when it is sent. What was taken back is refused until the file wants something else.
"""

from datetime import timedelta

from gitslot.decide.case import (
    Case,
    Look,
    attempts_of,
    case_of,
    not_serving,
    soaks_until,
)
from gitslot.decide.deploy import (
    operation_is_running,
    release_setting_is_sticky,
    slot_is_stopped,
    somebody_prepared_a_swap,
)
from gitslot.state import slot_settings
from gitslot.state.decision import Note, Stalled, Swap, Verify, Waiting
from gitslot.state.reasons import go_back
from gitslot.state.remembered import LastSwap, Memory
from gitslot.state.safe_text import spoken
from gitslot.state.seen import Mark
from gitslot.state.wanted import PRODUCTION, STAGING, Resolved


def production_fails_its_soak(look: Look) -> Swap | Verify | Stalled | Waiting | None:
    """Bring back what our last swap replaced, where production fails its soak."""
    # Failing is what two looks, a minute apart, with no healthy one between them, have seen. A
    # commit that wants anything else has ended the soak, so a revert never waits for this rule.
    last = look.memory.last_swap
    if last is None or not _is_failing(look, last):
        return None
    if last.replaced is None:
        return _stopped(look, last, "nothing was there before it")
    case = case_of(look, STAGING, Resolved(last.replaced), PRODUCTION)
    if case is None:
        return None
    for rule in (
        release_setting_is_sticky,
        slot_is_stopped,
        somebody_prepared_a_swap,
        operation_is_running,
    ):
        if standing := rule(case):
            return standing
    if why := _unfit(case):
        return _stopped(look, last, why)
    verdict = case.slot.verdict
    if verdict is None:
        return Verify(last.replaced)
    if verdict.mark is not Mark.PASS:
        return _stopped(look, last, verdict.message)
    return Swap(last.replaced, verdict, back=True)


def production_has_soaked(look: Look) -> Note | None:
    """Record that a soak ended well, once: production served to its end and serves now."""
    last, production = look.memory.last_swap, look.live.production
    if last is None or not last.soaks or not isinstance(production.wanted, Resolved):
        return None
    until = soaks_until(look.app, look.memory, production.wanted)
    if until is None or look.now < until or not production.shows(production.wanted):
        return None
    message = f"production served {last.release} for its soak of {spoken(look.app.soak_s or 0)}"
    return Note("SoakPassed", "", message, slot=PRODUCTION, release=last.release)


def is_refused(memory: Memory, wanted: Resolved) -> bool:
    """Return whether *wanted* is what was taken back out of production, and still refused."""
    last = memory.last_swap
    if last is None or not last.back or memory.of(PRODUCTION).code != (wanted.build or ""):
        return False
    return attempts_of(memory, PRODUCTION, wanted.release).refused


def _is_failing(look: Look, last: LastSwap) -> bool:
    """Return whether production, set to what soaks, has failed since before the soak's end."""
    production = look.live.production
    if not isinstance(production.wanted, Resolved) or production.arm is None:
        return False
    until = soaks_until(look.app, look.memory, production.wanted)
    if until is None or production.failing_s < look.policy.degraded_s:
        return False
    began = look.now - timedelta(seconds=production.failing_s)
    return began < until and production.arm.configured.holds(last.release)


def _unfit(case: Case) -> str:
    """Return why staging may not be swapped in, or "" where only its proof is missing."""
    health, release = case.slot.health, case.wanted.release
    if not (health.serves(release) and health.deploy == case.arm.configured.deploy):
        return f"staging does not serve {release}"
    here, there = case.source, case.arm
    if names := slot_settings.differences(here.settings, there.settings, here.sticky):
        return f"settings differ in staging: {', '.join(names)}"
    if names := slot_settings.missing_warmup(there.settings):
        return f"staging lacks {', '.join(names)}"
    return ""


def _stopped(look: Look, last: LastSwap, why: str) -> Stalled:
    facts = {"what": not_serving(look, last.release), "why": why}
    return Stalled("SoakFailed", facts, go_back(look.app.name))
