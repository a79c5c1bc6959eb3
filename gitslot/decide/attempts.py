"""
How often a release has failed in a slot, and what follows: a pause, then a stall by name. Pure.
"""

from datetime import timedelta

from gitslot.decide.case import Case
from gitslot.state.decision import Decision, Stalled, Waiting
from gitslot.state.remembered import Attempts, Memory
from gitslot.state.wanted import Release


def attempts_of(memory: Memory, slot: str, release: Release) -> Attempts:
    """Return what failed of *release* in *slot*; nothing yet where it is another that failed."""
    attempts = memory.attempts.get(slot)
    return attempts if attempts and attempts.release == release else Attempts(release)


def given_up(case: Case, slot: str, release: Release) -> Decision | None:
    """Stop for what is refused or failed too often; one served before fails by wrong answers."""
    attempts = attempts_of(case.memory, slot, release)
    if attempts.refused:
        return Stalled(attempts.reason, attempts.message)
    if attempts.busy >= case.policy.max_busy and release not in case.memory.served:
        return Stalled(
            "PlatformBusy",
            f"the platform answered {attempts.busy} times that another operation is in progress, "
            "and shows none; `gitslot retry` tries again",
        )
    limit = case.policy.max_attempts
    counted = attempts.disproved if release in case.memory.served else attempts.failed
    if counted < limit:
        return None
    return Stalled(
        attempts.reason,
        f"{attempts.message}; {limit} attempts failed, and it is tried again when the file wants "
        "another version or after `gitslot retry`",
    )


def pause(case: Case, slot: str, release: Release) -> Decision | None:
    """Wait between two attempts, longer each time."""
    attempts = attempts_of(case.memory, slot, release)
    if attempts.last is None:
        return None
    pauses = case.policy.pauses_s
    times = attempts.failed + attempts.busy
    due = attempts.last + timedelta(seconds=pauses[min(times, len(pauses) - 1)])
    if case.now >= due:
        return None
    why = f"attempt {attempts.failed} failed ({attempts.reason})"
    if attempts.busy:
        why = "the platform is busy with another operation"
    return Waiting(
        "RetryPause",
        f"{why}; trying again at {due:%H:%M:%SZ}",
        poll_s=case.policy.poll_s,
    )
