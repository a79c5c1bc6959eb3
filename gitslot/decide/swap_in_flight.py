"""
How an open intent closes: the only answer to "did that swap happen?".

Pure. A swap is a toggle, so it is never sent again because an answer was lost. An intent closes in
one of four ways: production serves it; the platform reports that it failed; the markers moved and
came to rest; or nothing moved for as long as a swap can take.
"""

from datetime import datetime

from gitslot.state.decision import Converged, Decision, Note, Waiting
from gitslot.state.policy import Policy
from gitslot.state.remembered import Intent
from gitslot.state.seen import Arm, Live, Mark, Poll
from gitslot.state.wanted import Doubt, Resolved


def served_as_intended(live: Live, intent: Intent) -> bool:
    """Say whether production's own health names the release and the deploy that *intent* sent."""
    health = live.production.health
    return health.serves(intent.release) and health.deploy == intent.deploy


def markers_moved(production: Arm, staging: Arm, intent: Intent) -> bool:
    """Say whether either slot's marker differs from what *intent* recorded before the swap."""
    return (
        production.deployment_id,
        staging.deployment_id,
        production.swap_status,
        staging.swap_status,
    ) != (
        intent.production_deployment,
        intent.staging_deployment,
        intent.production_swap,
        intent.staging_swap,
    )


def resolve(live: Live | Doubt, intent: Intent, now: datetime, policy: Policy) -> Decision:
    """Decide what *live* proves about *intent*; the answer is never a write to Azure."""
    if not (intent.location or intent.unknown or intent.busy_since):
        return Note(
            "SwapUnknown",
            "AnswerLost",
            "a swap was about to be sent and its answer is not known; it is not sent again",
            release=intent.release,
            intent=intent,
        )
    running = Waiting("SwapRunning", "the swap is running", poll_s=policy.poll_s, quiet=True)
    if isinstance(live, Doubt):
        return running
    if served_as_intended(live, intent) and not _old_answer(live, intent):
        return _finished(live, intent)
    if live.poll is Poll.FAILED:
        return Note(
            "SwapFailed",
            "SwapRefused",
            live.poll_message,
            release=intent.release,
            intent=intent,
            mark=Mark.INCONCLUSIVE,
        )
    return _by_markers(live, intent, now, policy) or running


def _old_answer(live: Live, intent: Intent) -> bool:
    """
    Say whether production's health must be from before the swap that *intent* sent.

    A way back brings the very deploy that production served a moment ago, and one that still drains
    may answer. ARM, read in the same look, shows that nothing has moved.
    """
    production, staging = live.production.arm, live.staging.arm
    if production is None or staging is None:
        return False
    return not markers_moved(production, staging, intent)


def _finished(live: Live, intent: Intent) -> Decision:
    if isinstance(live.wanted, Resolved) and live.wanted.release == intent.release:
        return Converged(f"production serves {intent.release}", finishes=intent)
    again = f" again: {intent.replaces} failed its soak" if intent.back else ""
    return Note(
        _took_effect(intent),
        "Served",
        f"production serves {intent.release}{again}",
        release=intent.release,
        intent=intent,
    )


def _took_effect(intent: Intent) -> str:
    return "SwappedBack" if intent.back else "SwapFinished"


def _by_markers(live: Live, intent: Intent, now: datetime, policy: Policy) -> Decision | None:
    production, staging = live.production.arm, live.staging.arm
    if production is None or staging is None or production.operation or staging.operation:
        return None
    overdue = (now - intent.time).total_seconds() >= policy.swap_deadline_s
    if live.poll is Poll.RUNNING and not overdue:
        return None
    if not markers_moved(production, staging, intent):
        if overdue and not intent.busy_since and (production.prepared or staging.prepared):
            # Nothing was prepared when the intent was opened: the swap began, and died half done.
            return Note(
                "SwapFailed",
                "SwapLeftPrepared",
                "the platform gave the swap up and left the slots prepared for it",
                release=intent.release,
                intent=intent,
                mark=Mark.INCONCLUSIVE,
            )
        if not (overdue or _settled(intent, now, policy)):
            return None
        if intent.refusal:
            return Note(
                "SwapFailed",
                "SwapRefused",
                f"the platform refused the swap: {intent.refusal}",
                release=intent.release,
                intent=intent,
                mark=Mark.INCONCLUSIVE,
            )
        return Note(
            "SwapFailed",
            "NotBegun",
            "the platform never began the swap",
            release=intent.release,
            intent=intent,
        )
    if live.still_s < policy.settle_s:
        return None
    if production.deployment_id != intent.production_deployment:
        return Note(
            _took_effect(intent),
            "Switched",
            f"the platform switched to {intent.release}, though production does not serve it",
            release=intent.release,
            intent=intent,
        )
    return Note(
        "SwapReverted",
        "SwapReverted",
        "the platform took the swap back",
        release=intent.release,
        intent=intent,
        mark=Mark.INCONCLUSIVE,
    )


def _settled(intent: Intent, now: datetime, policy: Policy) -> bool:
    """Say whether a swap that was answered by 409 would be seen by now, had it begun after all."""
    since = intent.busy_since
    return since is not None and (now - since).total_seconds() >= policy.settle_s
