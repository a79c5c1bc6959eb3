"""Rules that come before any wish: a lost journal, hands off, a prepared swap. Pure."""

from datetime import timedelta

from gitslot.decide.case import Look, clock
from gitslot.state.decision import Frozen, Note, Reset, Suspended, Waiting
from gitslot.state.reasons import REASONS, Wait, retry
from gitslot.state.seen import Seen


def journal_was_lost(look: Look) -> Frozen | Waiting | None:
    """Freeze over an empty journal while slots serve; once acknowledged, wait for a lost swap."""
    live, memory = look.live, look.memory
    if memory.baseline or not any(map(_occupied, (live.production, live.staging))):
        return None
    if memory.lost_since is None:
        what = "a swap may be under way that nobody remembers"
        return Frozen("JournalLost", {"what": what}, retry("acknowledges it"))
    moved = bool(memory.lost_markers) and live.markers not in ("", memory.lost_markers)
    if moved and live.still_s >= look.policy.settle_s and not live.operation:
        return None
    until = memory.lost_since + timedelta(seconds=look.policy.swap_deadline_s)
    if look.now >= until:
        return None
    what = f"a swap that nobody remembers could still end until {clock(until)}"
    return Waiting("JournalLost", {"what": what}, Wait(until))


def _occupied(slot: Seen) -> bool:
    """Return whether *slot* names a release; if it does not answer, use what it is set to."""
    return bool(slot.health.version or (slot.arm and slot.arm.configured.version))


def somebody_asks_for_hands_off(look: Look) -> Suspended | None:
    """Do nothing while the file or the controller's setting suspends the app."""
    if not look.app.suspend:
        return None
    reason = "SuspendedBySetting" if look.app.suspended_by_setting else "Suspended"
    return Suspended(reason, {"message": look.app.suspend}, REASONS[reason].next)


def our_failed_swap_is_prepared(look: Look) -> Waiting | Reset | None:
    """Undo a prepared swap that a failed one of ours left."""
    live, memory = look.live, look.memory
    shown = any(arm.prepared for arm in live.pair or ())
    if not memory.swap_failed or not (shown or memory.conflict_prepared):
        return None
    if live.operation:
        entry = REASONS["OperationInProgress"]
        return Waiting(entry.name, {}, entry.next, poll_s=look.policy.poll_s)
    return Reset("a failed swap left the slots prepared")


def failed_swap_left_nothing(look: Look) -> Note | None:
    """Record that a failed swap left nothing prepared: a later one belongs to somebody else."""
    failed, live = look.memory.swap_failed, look.live
    if failed is None or live.pair is None or live.operation:
        return None
    if (look.now - failed).total_seconds() < look.policy.settle_s:
        return None
    message = "the swap that failed left nothing prepared"
    return Note("Waiting", "NothingPrepared", message, cleared=True)
