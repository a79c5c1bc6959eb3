"""
The soak after a swap: what becomes of a production that fails while the file asks to watch it.

Pure. Production goes back only onto a staging that is proved again in this look, and only once: the
try is used when it is sent. What was taken back is refused until the file wants something else.
"""

from datetime import timedelta

from gitslot.decide.attempts import attempts_of
from gitslot.decide.case import Case, asked, not_serving, soaks_until
from gitslot.decide.deploy import cannot_swap
from gitslot.state import slot_settings
from gitslot.state.decision import Decision, Stalled, Swap, Verify
from gitslot.state.remembered import LastSwap, Memory
from gitslot.state.seen import Mark, SlotLive
from gitslot.state.wanted import PRODUCTION, Release, Resolved


def swap_back(case: Case) -> Decision | None:
    """
    Bring back what our last swap replaced, where production fails its soak.

    Failing is what two looks, a minute apart, with no healthy one between them, have seen. A commit
    that wants anything else has ended the soak, so a revert is never kept waiting by this rule.
    """
    last = case.memory.last_swap
    production = case.live.production.arm
    if last is None or production is None or not _failing(case, last):
        return None
    if last.replaced is None:
        return _stopped(case, last, "nothing was there before it")
    replaced = Resolved(last.replaced, case.live.staging.health.code)
    if standing := cannot_swap(case, production, replaced):
        return standing
    if why := _unfit(case.live.production, case.live.staging, last.replaced):
        return _stopped(case, last, why)
    verdict = case.live.verdict
    if verdict is None:
        return Verify(last.replaced)
    if verdict.mark is not Mark.PASS:
        return _stopped(case, last, verdict.message)
    return Swap(last.replaced, verdict, back=True)


def refused(memory: Memory, wanted: Resolved) -> bool:
    """Say whether *wanted* is what was taken back out of production, and still refused."""
    last = memory.last_swap
    if last is None or not last.back or memory.drifted_code != (wanted.build or ""):
        return False
    return attempts_of(memory, PRODUCTION, wanted.release).refused


def _failing(case: Case, last: LastSwap) -> bool:
    """Say whether production, set to what soaks, has been failing since before the soak's end."""
    live = case.live
    if not isinstance(live.wanted, Resolved) or live.production.arm is None:
        return False
    until = soaks_until(case.app, case.memory, live.wanted)
    if until is None or live.failing_s < case.policy.degraded_s:
        return False
    began = case.now - timedelta(seconds=live.failing_s)
    return began < until and live.production.arm.configured.holds(last.release)


def _unfit(production: SlotLive, staging: SlotLive, replaced: Release) -> str:
    """Say why staging may not be swapped in, or "" where only its proof is missing."""
    assert production.arm is not None
    assert staging.arm is not None
    health, configured = staging.health, staging.arm.configured
    if not (health.serves(replaced) and health.deploy == configured.deploy):
        return f"staging does not serve {replaced}"
    here, there = production.arm, staging.arm
    if names := slot_settings.differences(here.settings, there.settings, here.sticky):
        return f"settings differ in staging: {', '.join(names)}"
    if names := slot_settings.missing_warmup(there.settings):
        return f"staging lacks {', '.join(names)}"
    return ""


def _stopped(case: Case, last: LastSwap, why: str) -> Stalled:
    return Stalled(
        "SoakFailed",
        f"{not_serving(case, last.release)}; it is not swapped back: {why}; "
        f"`git revert {asked(case, last.release)} && git push` goes back",
    )
