"""Rules for production's wanted release. Pure."""

from datetime import timedelta

from gitslot.decide.attempts import given_up
from gitslot.decide.case import Case, asked, blocked, not_serving
from gitslot.decide.deploy import bring, cannot_swap
from gitslot.state.decision import (
    Decision,
    Frozen,
    Note,
    Stalled,
    Swap,
    Waiting,
)
from gitslot.state.remembered import Memory
from gitslot.state.seen import Answer, Arm, Live, Mark
from gitslot.state.wanted import PRODUCTION, Refusal, Resolved


def production_wants(case: Case) -> Decision | None:
    live = case.live
    wanted = live.wanted
    if isinstance(wanted, Refusal):
        return Stalled(wanted.reason, wanted.message)
    assert wanted is not None
    if production_serves(live, wanted):
        return None
    production, staging = live.production.arm, live.staging.arm
    if production is None or staging is None:
        return Frozen("Unreadable", "the slots' settings were not read")
    return (
        already_set_to_it(case, production, wanted)
        or given_up(case, PRODUCTION, wanted.release)
        or left_by_hand(case, production, wanted)
        or cannot_swap(case, production, wanted)
        or bring(case, live.at_staging, wanted, PRODUCTION)
        or _swap(live, wanted)
    )


def production_serves(live: Live, wanted: Resolved) -> bool:
    """Say whether production's own health names *wanted*, and its code where that is named."""
    health = live.production.health
    code = wanted.build is None or health.code == wanted.build
    return health.serves(wanted.release) and code


def already_set_to_it(case: Case, production: Arm, wanted: Resolved) -> Decision | None:
    """Production that is set to the wanted release gets no write, whatever its health."""
    live = case.live
    answer = live.production.health.answer
    # Production that is set to a release of ours and answers 404 is ours and broken: a revert may
    # replace it. Without one it is somebody else's app, or one that still starts.
    if answer is Answer.FOREIGN and not production.configured.version:
        if live.down_s < case.policy.degraded_s:
            return Waiting(
                "ProductionStarting",
                "production does not speak the serving contract yet",
                poll_s=case.policy.poll_s,
                quiet=True,
            )
        return Stalled(
            "NotServingApp",
            "production answers, but not as an app that speaks the serving contract "
            "(GET /api/health)",
        )
    same_code = wanted.package is None or production.configured.package == wanted.package
    if not (production.configured.holds(wanted.release) and same_code):
        return None
    if answer is Answer.BLOCKED:
        return Waiting("ProbeBlocked", f"production: {blocked(live.production.health.detail)}")
    if live.down_s < case.policy.degraded_s:
        return Waiting(
            "ProductionStarting",
            f"production is set to {wanted.release} and does not serve it yet",
            poll_s=case.policy.poll_s,
            quiet=True,
        )
    return Stalled(
        "ProductionDegraded",
        f"{not_serving(case, wanted.release)}; "
        f"`git revert {asked(case, wanted.release)} && git push` goes back",
    )


def left_by_hand(case: Case, production: Arm, wanted: Resolved) -> Decision | None:
    """Hold a swap that somebody else made, and only report where drift is not to be healed."""
    memory = case.memory
    if (memory.converged, memory.converged_code) != (wanted.release, wanted.build or ""):
        return None
    foreign = memory.swap_status is not None and production.swap_status != memory.swap_status
    serves = _served_label(case.live)
    back = taken_back(case.live, memory)
    if case.app.drift == "report":
        by_platform = "a swap that the platform took back" if back else "an edit that is not ours"
        how = "a swap that is not ours" if foreign else by_platform
        return Stalled(
            "DriftReported", f"production serves {serves} by {how}; drift is only reported"
        )
    if back:
        return Note(
            "SwapReverted",
            "SwapReverted",
            f"the platform took the swap back: production serves {serves} again",
            slot=PRODUCTION,
            release=wanted.release,
            mark=Mark.INCONCLUSIVE,
        )
    if not foreign:
        return None
    since = memory.hold_since or case.now
    until = since + timedelta(seconds=case.policy.hold_s)
    if case.now >= until:
        return None
    return Waiting(
        "ForeignSwap",
        f"somebody swapped: production serves {serves}; {wanted.release} is put back at "
        f"{until:%H:%M:%SZ}, and `git revert {asked(case, wanted.release)}` makes it last",
        since=since,
    )


def taken_back(live: Live, memory: Memory) -> bool:
    """
    Say whether the platform took our last swap back after its end.

    Both slots are set as before it, and no other swap has begun: `slotSwapStatus` is as we left it.
    """
    last, production, staging = memory.last_swap, live.production.arm, live.staging.arm
    if last is None or last.replaced is None or production is None or staging is None:
        return False
    exchanged = production.configured.holds(last.replaced) and staging.configured.holds(
        last.release
    )
    return exchanged and production.swap_status == memory.swap_status


def _served_label(live: Live) -> str:
    release = live.production.health.release
    if release:
        return release.version
    return live.production.arm.configured.label if live.production.arm else "nothing"


def _swap(live: Live, wanted: Resolved) -> Decision:
    assert live.verdict is not None
    return Swap(wanted.release, live.verdict)
