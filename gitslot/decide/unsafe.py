"""Rules that forbid every write: a lost journal, a suspended app, a prepared swap. Pure."""

from datetime import timedelta

from gitslot.decide.case import Case, operation
from gitslot.state.decision import (
    Decision,
    Frozen,
    Note,
    Reset,
    Stalled,
    Suspended,
    Waiting,
)
from gitslot.state.seen import Live, SlotLive


def lost_journal(case: Case) -> Decision | None:
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


def hands_off(case: Case) -> Decision | None:
    app = case.app
    reason = "SuspendedBySetting" if app.suspended_by_setting else "Suspended"
    return Suspended(reason, app.suspend) if app.suspend else None


def prepared_swap(case: Case) -> Decision | None:
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


def failed_swap_left_nothing(case: Case) -> Decision | None:
    """Once a failed swap has left nothing prepared, what is prepared later is a person's."""
    memory, live = case.memory, case.live
    failed, arms = memory.swap_failed, (live.production.arm, live.staging.arm)
    if failed is None or not all(arms) or operation(live):
        return None
    if (case.now - failed).total_seconds() < case.policy.settle_s:
        return None
    message = "the swap that failed left nothing prepared"
    return Note("Waiting", "NothingPrepared", message, cleared=True)
