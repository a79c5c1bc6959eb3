"""
How an open intent closes: the only answer to "did that swap happen?".

Pure. A swap is a toggle, so it is never sent again because an answer was lost. An intent closes in
one of four ways: production serves it; the platform reports that it failed; the markers moved and
came to rest; or nothing moved for as long as a swap can take. No rule writes to Azure.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from gitslot.decide.case import clock
from gitslot.state.decision import Converged, Note, Stalled, Waiting
from gitslot.state.policy import Policy
from gitslot.state.reasons import REASONS, Wait
from gitslot.state.remembered import Intent
from gitslot.state.seen import Arm, Live, Mark, Poll
from gitslot.state.wanted import Resolved


@dataclass(frozen=True, slots=True)
class Flight:
    """A swap whose end is not recorded. *live* is None where the slots could not be read."""

    intent: Intent
    live: Live | None
    now: datetime
    policy: Policy

    @property
    def pair(self) -> tuple[Arm, Arm] | None:
        """Return what production and staging are set to, or None where ARM was not asked."""
        return self.live.pair if self.live else None

    @property
    def is_overdue(self) -> bool:
        """Return whether the swap has taken longer than any swap may."""
        return (self.now - self.intent.time).total_seconds() >= self.policy.swap_deadline_s

    @property
    def is_moved(self) -> bool:
        """Return whether ARM shows that a marker moved since the intent was recorded."""
        return self.pair is not None and markers_moved(*self.pair, self.intent)

    @property
    def has_not_begun(self) -> bool:
        """
        Return whether the swap would be seen by now, had it begun: overdue, or answered by 409.

        Either way this process has seen both markers unmoved, by its own monotonic clock.
        """
        rests = self.live is not None and self.live.still_s >= self.policy.busy_wait_s
        late = self.is_overdue or self.intent.busy_since is not None
        return rests and late and not self.is_moved

    @property
    def is_by_an_older_swap(self) -> bool:
        """
        Return whether ARM names no new swap, and the platform does not report that ours is done.

        What moved then is the platform taking an older swap back: a swap names itself on both
        slots, and only content that comes back leaves the name as it was.
        """
        if self.pair is None or self.live is None or self.live.poll is Poll.DONE:
            return False
        named = self.pair[0].swap_status
        return bool(named) and named == self.intent.production_swap


def served_as_intended(live: Live, intent: Intent) -> bool:
    """Return whether production's own health names the release and deploy that *intent* sent."""
    health = live.production.health
    return health.serves(intent.release) and health.deploy == intent.deploy


def markers_moved(production: Arm, staging: Arm, intent: Intent) -> bool:
    """Return whether either slot's marker differs from what *intent* recorded before the swap."""
    now = (production.deployment_id, staging.deployment_id)
    then = (intent.production_deployment, intent.staging_deployment)
    swaps = (intent.production_swap, intent.staging_swap)
    return now != then or (production.swap_status, staging.swap_status) != swaps


# ---------------------------------------------------------------- the rules


def answer_was_lost(flight: Flight) -> Note | None:
    """Record a swap as unknown where its answer is nowhere recorded; it is not sent again."""
    intent = flight.intent
    if intent.location or intent.unknown or intent.busy_since:
        return None
    message = "a swap was about to be sent and its answer is not known; it is not sent again"
    return _note(flight, "SwapUnknown", "AnswerLost", message)


def production_serves_it(flight: Flight) -> Converged | Note | None:
    """Close the intent once production's own health names its release and deploy."""
    intent, live = flight.intent, flight.live
    if live is None or not served_as_intended(live, intent):
        return None
    # A way back brings the very deploy that production served a moment ago, and one that still
    # drains may answer. ARM, read in the same look, shows then that no swap has happened.
    if flight.is_by_an_older_swap or (flight.pair and not flight.is_moved):
        return None
    wanted = live.production.wanted
    if isinstance(wanted, Resolved) and wanted.release == intent.release:
        return Converged(f"production serves {intent.release}", finishes=intent)
    again = f" again: {intent.replaces} failed its soak" if intent.back else ""
    message = f"production serves {intent.release}{again}"
    return _note(flight, _took_effect(intent), "Served", message)


def platform_reports_a_failure(flight: Flight) -> Note | None:
    """Close the intent as failed where the platform reports so."""
    if flight.live is None or flight.live.poll not in (Poll.FAILED, Poll.COLD):
        return None
    reason, message = "SwapRefused", flight.live.poll_message
    if flight.live.poll is Poll.COLD:
        reason = "PingRefused"
        message = REASONS[reason].message({"answer": message}, Wait())
    return _note(flight, "SwapFailed", reason, message, Mark.INCONCLUSIVE)


def slots_cannot_be_read(flight: Flight) -> Waiting | Stalled | None:
    """Look ever more seldom while the slots cannot be read; at the swap's deadline stop by name."""
    if flight.live is not None:
        return None
    if flight.is_overdue:
        facts = {"release": str(flight.intent.release), "sent": clock(flight.intent.time)}
        return Stalled("SwapUnread", facts, REASONS["SwapUnread"].next)
    age = (flight.now - flight.intent.time).total_seconds()
    policy = flight.policy
    seldom = age * policy.long_rest_s / policy.swap_deadline_s  # the longest rest at the deadline
    return replace(_running(flight), poll_s=max(policy.poll_s, min(seldom, policy.long_rest_s)))


def swap_still_runs(flight: Flight) -> Waiting | None:
    """Wait while ARM was not read or shows an operation, or the platform reports progress."""
    live, pair = flight.live, flight.pair
    if live is None or pair is None or any(arm.operation for arm in pair):
        return _running(flight)
    progress = live.poll is Poll.RUNNING and not flight.is_overdue
    return _running(flight) if progress else None


def swap_was_left_prepared(flight: Flight) -> Note | None:
    """Close the intent as failed where it would have begun by now and ARM shows it half done."""
    prepared = any(arm.prepared for arm in flight.pair or ())
    # Nothing was prepared when the intent was opened: the swap began, and died half done, unless
    # the platform's answer was that somebody else had prepared one.
    if flight.intent.prepared or not (prepared and flight.has_not_begun):
        return None
    message = "the platform gave the swap up and left the slots prepared for it"
    return _note(flight, "SwapFailed", "SwapLeftPrepared", message, Mark.INCONCLUSIVE)


def swap_never_began(flight: Flight) -> Note | None:
    """Close the intent as not begun where nothing moved for as long as it could have begun."""
    if not flight.has_not_begun:
        return None
    refusal = flight.intent.refusal
    if refusal and not flight.intent.prepared:
        message = f"the platform refused the swap: {refusal}"
        return _note(flight, "SwapFailed", "SwapRefused", message, Mark.INCONCLUSIVE)
    return _note(flight, "SwapFailed", "NotBegun", "the platform never began the swap")


def markers_still_move(flight: Flight) -> Waiting | None:
    """Wait until the markers have moved, and then rested for longer than a flip takes."""
    rests = flight.live is not None and flight.live.still_s >= flight.policy.settle_s
    return None if flight.is_moved and rests else _running(flight)


def platform_switched(flight: Flight) -> Note | None:
    """Close the intent as taken effect where production's content is another than before."""
    intent = flight.intent
    if not flight.pair or flight.pair[0].deployment_id == intent.production_deployment:
        return None
    if flight.is_by_an_older_swap:
        message = "the platform took an older swap back; this one never took effect"
        return _note(flight, "SwapReverted", "SwapReverted", message, Mark.INCONCLUSIVE)
    message = f"the platform switched to {intent.release}, though production does not serve it"
    return _note(flight, _took_effect(intent), "Switched", message)


def platform_took_it_back(flight: Flight) -> Note | None:
    """Close the intent as reverted where production's content is the one from before."""
    message = "the platform took the swap back"
    return _note(flight, "SwapReverted", "SwapReverted", message, Mark.INCONCLUSIVE)


# ---------------------------------------------------------------- words


def _note(flight: Flight, event: str, reason: str, message: str, mark: Mark | None = None) -> Note:
    intent = flight.intent
    return Note(event, reason, message, release=intent.release, intent=intent, mark=mark)


def _running(flight: Flight) -> Waiting:
    entry = REASONS["SwapRunning"]
    return Waiting(entry.name, {}, entry.next, poll_s=flight.policy.poll_s, quiet=True)


def _took_effect(intent: Intent) -> str:
    return "SwappedBack" if intent.back else "SwapFinished"
