"""
(App, Live, Memory, now) -> one Decision. Pure: no clock, no file, no network.

Read `decide` first: it is the order of precedence, one line a rule. Every rule returns a Decision,
or None for "not mine". At most one write follows, and only from a look made under the lock.
"""

from datetime import datetime

from gitslot.decide import swap_in_flight
from gitslot.decide.case import Case, soaks_until
from gitslot.decide.held import foremost, further, hold_pin
from gitslot.decide.production import production_wants
from gitslot.decide.soak import swap_back
from gitslot.decide.unsafe import failed_swap_left_nothing, hands_off, lost_journal, prepared_swap
from gitslot.state.decision import (
    Converged,
    Decision,
    Deploy,
    Frozen,
    Reset,
    Swap,
    Verify,
    Waiting,
)
from gitslot.state.policy import Policy
from gitslot.state.remembered import Memory
from gitslot.state.seen import Live
from gitslot.state.wanted import App, Doubt, Resolved


def decide(
    app: App | Doubt, live: Live | Doubt, memory: Memory, now: datetime, policy: Policy
) -> Decision:
    """Return the one next thing to do for *app*, or why nothing may be done."""
    if memory.intent:
        return swap_in_flight.resolve(live, memory.intent, now, policy)
    if isinstance(app, Doubt):
        return Frozen(app.reason, app.message)
    if isinstance(live, Doubt):
        return Frozen(live.reason, live.message)
    case = Case(app, live, memory, now, policy)
    decision = (
        lost_journal(case)
        or hands_off(case)
        or prepared_swap(case)
        or failed_swap_left_nothing(case)
        or swap_back(case)
        or production_wants(case)
        or foremost(hold_pin(case), *further(case))
        or Converged(_summary(case))
    )
    return _throttled(case, decision) or decision


def _throttled(case: Case, decision: Decision) -> Decision | None:
    """Hold a write, and the proof before it, for as long as ARM asked when it refused the last."""
    until = case.memory.writes_from
    if until is None or case.now >= until:
        return None
    if not isinstance(decision, Deploy | Swap | Reset | Verify):
        return None
    return Waiting("Throttled", f"ARM asked to wait: nothing is written before {until:%H:%M:%SZ}")


def _summary(case: Case) -> str:
    wanted = case.live.wanted
    assert isinstance(wanted, Resolved)
    until = soaks_until(case.app, case.memory, wanted)
    soaks = f"; it soaks until {until:%H:%M:%SZ}" if until and case.now < until else ""
    beside = "".join(f"; {slot} {each.version}" for slot, each in case.app.further.items())
    return f"production serves {wanted.release}{beside}{soaks}"
