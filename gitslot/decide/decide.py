"""
(App, Live, Memory, now) -> one Decision. Pure: no clock, no file, no network.

The tables are the order of precedence: the first rule that returns a decision wins. A rule's name
is a sentence, and the first line of its docstring is the rule. docs/rules.md is made from them. At
most one write follows, and only from a look made under the lock.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias, TypeVar

from gitslot.decide import (
    asked,
    attempts,
    deploy,
    held,
    production,
    proof,
    soak,
    swap_in_flight,
    unsafe,
)
from gitslot.decide.asked import Ask, Evidence
from gitslot.decide.case import Case, Look, case_of, clock
from gitslot.decide.swap_in_flight import Flight
from gitslot.state.decision import (
    Decision,
    Deploy,
    Frozen,
    Note,
    Reset,
    Stalled,
    Swap,
    Verify,
    Waiting,
)
from gitslot.state.policy import Policy
from gitslot.state.reasons import Wait
from gitslot.state.remembered import Memory
from gitslot.state.seen import Live
from gitslot.state.wanted import PRODUCTION, STAGING, App, Doubt

T = TypeVar("T")
Rules: TypeAlias = tuple[Callable[[T], Decision | None], ...]

# A swap is on its way: nothing else is looked at.
IN_FLIGHT: Rules[Flight] = (
    swap_in_flight.answer_was_lost,
    swap_in_flight.production_serves_it,
    swap_in_flight.platform_reports_a_failure,
    swap_in_flight.slots_cannot_be_read,
    swap_in_flight.swap_still_runs,
    swap_in_flight.swap_was_left_prepared,
    swap_in_flight.swap_never_began,
    swap_in_flight.markers_still_move,
    swap_in_flight.platform_switched,
    swap_in_flight.platform_took_it_back,
)

# What is known is not to be trusted.
IN_DOUBT: Rules[Evidence] = (
    asked.git_is_put_off,
    asked.file_is_in_doubt,
    asked.look_is_put_off,
    asked.slots_cannot_be_read,
    asked.registry_cannot_be_read,
)

# Before anything that the file wants.
UNSAFE: Rules[Look] = (
    unsafe.journal_was_lost,
    unsafe.somebody_asks_for_hands_off,
    unsafe.our_failed_swap_is_prepared,
    unsafe.failed_swap_left_nothing,
    soak.production_fails_its_soak,
    soak.production_has_soaked,
)

# What the registry and ARM say of one slot.
ANSWERS: Rules[Ask] = (
    asked.slot_was_not_looked_at,
    asked.registry_has_no_answer,
    asked.version_has_other_bytes,
    asked.version_must_be_pinned,
)
UNREAD: Rules[Ask] = (asked.settings_were_not_read,)

# What brings one slot to a release and proves it there.
_MAY_WRITE: Rules[Case] = (
    deploy.release_setting_is_sticky,
    deploy.slots_share_their_content,
    deploy.code_has_no_package,
    deploy.code_lacks_what_the_model_needs,
    deploy.slot_is_stopped,
    deploy.operation_is_running,
)
_BRING: Rules[Case] = (
    deploy.deploy_may_still_arrive,
    deploy.deploy_never_arrived,
    attempts.attempt_pauses,
    deploy.settings_never_become_equal,
    deploy.code_has_other_bytes,
    deploy.slot_needs_a_deploy,
    proof.golden_rows_were_not_asked,
    proof.golden_rows_differ,
    proof.app_refuses_the_release,
    proof.slot_is_not_ours,
    proof.proof_took_too_long,
    proof.proof_is_inconclusive,
    proof.slot_probe_is_blocked,
    proof.slot_is_starting,
)

# Production does not serve what the file wants: staging is brought to it, then swapped.
PRODUCTION_WANTS: Rules[Case] = (
    production.production_is_stopped,
    production.production_is_not_ours,
    production.production_probe_is_blocked,
    production.production_is_starting,
    production.production_is_degraded,
    deploy.somebody_prepared_a_swap,
    attempts.release_is_given_up,
    production.production_drift_is_only_reported,
    production.platform_took_the_swap_back,
    production.somebody_swapped,
    *_MAY_WRITE,
    *_BRING,
    production.staging_is_proved,
)

# Production serves what the file wants: a candidate in staging, and each further slot.
SLOT_HOLDS: Rules[Case] = (
    held.production_still_soaks,
    deploy.somebody_prepared_a_swap,
    attempts.release_is_given_up,
    held.drift_is_only_reported,
    *_MAY_WRITE,
    *_BRING,
    held.slot_is_proved,
)

# Nothing is left to do.
IN_SYNC: Rules[Look] = (asked.every_slot_has_what_is_wanted,)


def decide(
    app: App | Doubt, live: Live | Doubt, memory: Memory, now: datetime, policy: Policy
) -> Decision:
    """Return the one next thing to do for *app*, or why nothing may be done."""
    return foremost(decisions(app, live, memory, now, policy))


def decisions(
    app: App | Doubt, live: Live | Doubt, memory: Memory, now: datetime, policy: Policy
) -> Mapping[str, Decision]:
    """
    Return what is to be done for each slot that does not have what the file wants.

    Production stands alone until it has: whatever it is, it concerns the whole app. Where no slot
    wants anything, production is Converged.
    """
    if memory.intent:
        flight = Flight(memory.intent, live if isinstance(live, Live) else None, now, policy)
        return _alone(_first(IN_FLIGHT, flight))
    if doubt := _first(IN_DOUBT, Evidence(app, live, now)):
        return _alone(doubt)
    assert isinstance(app, App)
    assert isinstance(live, Live)
    look = Look(app, live, memory, now, policy)
    whole = _first(UNSAFE, look) or _wanted(look, PRODUCTION)
    found = _alone(whole) if whole else _others(look) or _alone(_first(IN_SYNC, look))
    return {slot: _put_off(look, decision) for slot, decision in found.items()}


def _alone(decision: Decision | None) -> dict[str, Decision]:
    return {PRODUCTION: decision} if decision else {}


def _first(rules: Rules[T], case: T) -> Decision | None:
    """Return the decision of the first of *rules* that has one, with the rule's name."""
    for rule in rules:
        if decision := rule(case):
            return replace(decision, rule=rule.__name__)
    return None


def _others(look: Look) -> dict[str, Decision]:
    names = (*((STAGING,) if look.app.pin else ()), *look.app.further)
    return {name: decision for name in names if (decision := _wanted(look, name))}


def _wanted(look: Look, name: str) -> Decision | None:
    """Return what is to be done for the slot *name*, or None where it has what the file wants."""
    decision = _for_slot(Ask(look, name))
    if name != PRODUCTION and isinstance(decision, Stalled | Waiting):
        return replace(decision, slot=name)
    return decision


def _for_slot(ask: Ask) -> Decision | None:
    if decision := _first(ANSWERS, ask):
        return decision
    if ask.wanted is None or ask.is_settled:
        return None
    here = ask.name == PRODUCTION
    case = case_of(ask.look, STAGING if here else ask.name, ask.wanted, ask.name)
    if case is None or ask.unread:
        return _first(UNREAD, ask)
    return _first(PRODUCTION_WANTS if here else SLOT_HOLDS, case)


def foremost(found: Mapping[str, Decision]) -> Decision:
    """
    Return which of several slots' decisions comes first.

    The candidate in staging is first in order. What can be done goes before what is waited for,
    and that before what stands still, so that no slot keeps another waiting.
    """
    each = tuple(found.values())
    if isinstance(each[0], Frozen):
        return each[0]
    steps = (one for one in each if isinstance(one, Deploy | Swap | Reset | Verify | Note))
    polled = (one for one in each if isinstance(one, Waiting) and one.poll_s is not None)
    return next(steps, None) or next(polled, None) or each[0]


def is_not_production(decision: Decision) -> bool:
    """Return whether *decision* is about what a slot but production holds."""
    about = Deploy | Verify | Note | Stalled | Waiting
    return isinstance(decision, about) and decision.slot not in ("", PRODUCTION)


def is_further_slot(decision: Decision) -> bool:
    """Return whether *decision* is about a further slot: production has all that is wanted."""
    return is_not_production(decision) and getattr(decision, "slot", "") != STAGING


def _put_off(look: Look, decision: Decision) -> Decision:
    """Hold a write, and the proof before it, for as long as ARM asked when it refused the last."""
    until = look.memory.writes_from
    if until is None or look.now >= until:
        return decision
    if not isinstance(decision, Deploy | Swap | Reset | Verify):
        return decision
    return Waiting("Throttled", {"until": f"before {clock(until)}"}, Wait(until))


def rules() -> Iterable[tuple[str, tuple[Callable[..., Decision | None], ...]]]:
    """Return every table with its title, in the order of precedence."""
    return (
        ("While a swap is on its way", IN_FLIGHT),
        ("When what is known is not to be trusted", IN_DOUBT),
        ("Before anything that the file wants", UNSAFE),
        ("For production, and then for each other slot of the file", ANSWERS + UNREAD),
        ("While production does not serve what the file wants", PRODUCTION_WANTS),
        ("Once production serves it: a candidate in staging, and further slots", SLOT_HOLDS),
        ("When nothing is left to do", IN_SYNC),
    )
