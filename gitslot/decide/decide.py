"""
(App, Live, Memory, now) -> one Decision. Pure: no clock, no file, no network.

Read `decide` first: it is the order of precedence, one line a rule. Every rule returns a Decision,
or None for "not mine". At most one write follows, and only from a look made under the lock.
"""

from datetime import datetime, timedelta

from controller import intents
from controller.attempts import given_up
from controller.case import Case, asked, blocked, not_serving, operation, soaks_until
from controller.further import foremost, further
from controller.soak import swap_back
from controller.staging import bring, cannot_swap, hold_pin
from controller.state import (
    PRODUCTION,
    Answer,
    App,
    Arm,
    Converged,
    Decision,
    Deploy,
    Doubt,
    Frozen,
    Live,
    Mark,
    Memory,
    Note,
    Policy,
    Refusal,
    Reset,
    Resolved,
    SlotLive,
    Stalled,
    Suspended,
    Swap,
    Verify,
    Waiting,
)


def decide(
    app: App | Doubt, live: Live | Doubt, memory: Memory, now: datetime, policy: Policy
) -> Decision:
    """Return the one next thing to do for *app*, or why nothing may be done."""
    if memory.intent:
        return intents.resolve(live, memory.intent, now, policy)
    if isinstance(app, Doubt):
        return Frozen(app.reason, app.message)
    if isinstance(live, Doubt):
        return Frozen(live.reason, live.message)
    case = Case(app, live, memory, now, policy)
    decision = (
        _lost_journal(case)
        or _suspended(case)
        or _prepared(case)
        or _nothing_left(case)
        or swap_back(case)
        or _production(case)
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


# ---------------------------------------------------------------- before any write


def _lost_journal(case: Case) -> Decision | None:
    live, memory = case.live, case.memory
    if memory.baseline or not any(map(_occupied, (live.production, live.staging))):
        return None
    if memory.lost_since is None:
        return Frozen(
            "JournalLost",
            "the slots serve a release and the journal is empty: a swap may be under way that "
            "nobody remembers; `gitslot retry` acknowledges it",
        )
    moved = bool(memory.lost_markers) and markers(live) not in ("", memory.lost_markers)
    if moved and live.still_s >= case.policy.settle_s and not operation(live):
        return None
    until = memory.lost_since + timedelta(seconds=case.policy.swap_deadline_s)
    if case.now >= until:
        return None
    return Waiting(
        "JournalLost", f"a swap that nobody remembers could still end until {until:%H:%M:%SZ}"
    )


def _occupied(slot: SlotLive) -> bool:
    """Say whether *slot* names a release; while it is silent, its settings speak for it."""
    return bool(slot.health.version or (slot.arm and slot.arm.configured.version))


def markers(live: Live) -> str:
    """Return both slots' markers as one text, or "" where ARM was not asked."""
    arms = (live.production.arm, live.staging.arm)
    return "|".join(f"{a.deployment_id} {a.swap_status}" for a in arms if a) if all(arms) else ""


def _suspended(case: Case) -> Decision | None:
    app = case.app
    reason = "SuspendedBySetting" if app.suspended_by_setting else "Suspended"
    return Suspended(reason, app.suspend) if app.suspend else None


def _prepared(case: Case) -> Decision | None:
    live, memory = case.live, case.memory
    arms = (live.production.arm, live.staging.arm)
    shown = any(arm and arm.prepared for arm in arms)
    if not shown and not (memory.swap_failed and memory.conflict_prepared):
        return None
    if operation(live):
        return Waiting(
            "OperationInProgress",
            "another operation runs on the app",
            poll_s=case.policy.poll_s,
        )
    if memory.swap_failed:
        return Reset("a failed swap left the slots prepared")
    return Stalled(
        "PreparedByPerson",
        "somebody prepared a swap with preview; complete or cancel it "
        "(az functionapp deployment slot swap --action reset)",
    )


def _nothing_left(case: Case) -> Decision | None:
    """Once a failed swap has left nothing prepared, what is prepared later is a person's."""
    memory, live = case.memory, case.live
    failed, arms = memory.swap_failed, (live.production.arm, live.staging.arm)
    if failed is None or not all(arms) or operation(live):
        return None
    if (case.now - failed).total_seconds() < case.policy.settle_s:
        return None
    message = "the swap that failed left nothing prepared"
    return Note("Waiting", "NothingPrepared", message, cleared=True)


# ---------------------------------------------------------------- production


def _production(case: Case) -> Decision | None:
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
        _not_a_write(case, production, wanted)
        or given_up(case, PRODUCTION, wanted.release)
        or _by_hand(case, production, wanted)
        or cannot_swap(case, production, wanted)
        or bring(case, live.at_staging, wanted, PRODUCTION)
        or _swap(live, wanted)
    )


def production_serves(live: Live, wanted: Resolved) -> bool:
    """Say whether production's own health names *wanted*, and its code where that is named."""
    health = live.production.health
    code = wanted.build is None or health.code == wanted.build
    return health.serves(wanted.release) and code


def _not_a_write(case: Case, production: Arm, wanted: Resolved) -> Decision | None:
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


def _by_hand(case: Case, production: Arm, wanted: Resolved) -> Decision | None:
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
