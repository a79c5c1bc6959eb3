"""Rules about failures: a pause after each, then a stop by name. Pure."""

from datetime import timedelta

from gitslot.decide.case import Case, clock
from gitslot.decide.soak import is_refused
from gitslot.state.decision import Stalled, Waiting
from gitslot.state.reasons import Wait, go_back, retry


def release_is_given_up(case: Case) -> Stalled | None:
    """Stall a release that was refused for good, or that failed too often."""
    # Of one that production has served before, only wrong answers count, not silence.
    attempts, served = case.attempts, case.wanted.release in case.memory.served
    if attempts.refused and is_refused(case.memory, case.wanted):
        step = go_back(case.app.name, "makes that last")
        return Stalled(attempts.reason, {"what": attempts.message}, step)
    if attempts.refused:
        return Stalled(attempts.reason, {"message": attempts.message}, retry())
    busy = attempts.busy >= case.policy.max_busy or attempts.waits >= case.policy.busy_waits
    if busy and not served:
        return Stalled("PlatformBusy", {"times": str(attempts.busy + attempts.waits)}, retry())
    limit = case.policy.max_attempts
    if (attempts.disproved if served else attempts.failed) < limit:
        return None
    message = (
        f"{attempts.message}; {limit} attempts failed, and it is tried again when the file wants "
        "another version or after `gitslot retry`"
    )
    return Stalled(attempts.reason, {"message": message}, retry())


def attempt_pauses(case: Case) -> Waiting | None:
    """Pause between two attempts, longer each time."""
    attempts, pauses = case.attempts, case.policy.pauses_s
    if attempts.last is None:
        return None
    times = attempts.failed + attempts.busy + attempts.waits
    due = attempts.last + timedelta(seconds=pauses[min(times, len(pauses) - 1)])
    if case.now >= due:
        return None
    why = f"attempt {attempts.failed} failed ({attempts.reason})"
    if attempts.busy or attempts.waits:
        why = "the platform was busy"
    facts = {"why": why, "until": clock(due)}
    return Waiting("RetryPause", facts, Wait(due), poll_s=case.policy.poll_s)
