"""Rules for production, which does not serve what the file wants. Pure."""

from datetime import timedelta

from gitslot.decide.case import Case, clock, not_serving
from gitslot.decide.deploy import stopped
from gitslot.state.decision import Note, Stalled, Swap, Waiting
from gitslot.state.reasons import REASONS, GoBack, go_back, go_back_to
from gitslot.state.remembered import Memory
from gitslot.state.seen import Answer, Live, Mark
from gitslot.state.wanted import PRODUCTION


def production_is_stopped(case: Case) -> Stalled | None:
    """Stall where production itself is stopped, whatever the file wants: no swap would start it."""
    return stopped(case.live.production)


def production_is_not_ours(case: Case) -> Waiting | Stalled | None:
    """Stall where production is set to no release and answers as another app."""
    # Production that is set to a release of ours and answers 404 is ours and broken: a revert may
    # replace it. Without one it is somebody else's app, or one that still starts.
    production = case.live.production
    if production.health.answer is not Answer.FOREIGN or case.source.configured.version:
        return None
    if production.down_s < case.policy.degraded_s:
        return _starting(case, "does not speak the serving contract")
    return Stalled("NotServingApp", {"slot": PRODUCTION}, REASONS["NotServingApp"].next)


def _starting(case: Case, what: str) -> Waiting:
    entry, poll_s = REASONS["ProductionStarting"], case.policy.poll_s
    return Waiting(entry.name, {"what": what}, entry.next, poll_s=poll_s, quiet=True)


def production_probe_is_blocked(case: Case) -> Waiting | None:
    """Wait where production is set to the wanted release and its probe is blocked."""
    health = case.live.production.health
    if not case.source.configured.is_set_to(case.wanted) or health.answer is not Answer.BLOCKED:
        return None
    facts = {"slot": PRODUCTION, "detail": health.detail}
    return Waiting("ProbeBlocked", facts, REASONS["ProbeBlocked"].next)


def production_is_starting(case: Case) -> Waiting | None:
    """Wait a minute where production is set to the wanted release and does not serve it."""
    if not case.source.configured.is_set_to(case.wanted):
        return None
    if case.live.production.down_s >= case.policy.degraded_s:
        return None
    return _starting(case, f"is set to {case.wanted.release} and does not serve it")


def production_is_degraded(case: Case) -> Stalled | None:
    """Stall, and write nothing, where production is set to the wanted release and stays down."""
    if not case.source.configured.is_set_to(case.wanted):
        return None
    facts = {"what": not_serving(case, case.wanted.release)}
    return Stalled("ProductionDegraded", facts, go_back(case.app.name))


# ---------------------------------------------------------------- production left what Git wants


def _left(case: Case) -> bool:
    """Return whether production had converged to what is wanted, and left it since."""
    memory, wanted = case.memory, case.wanted
    return (memory.converged, memory.converged_code) == (wanted.release, wanted.build or "")


def _is_foreign(case: Case) -> bool:
    """Return whether a swap that is not ours took place since our last look."""
    status = case.memory.swap_status
    return status is not None and case.source.swap_status != status


def production_drift_is_only_reported(case: Case) -> Stalled | None:
    """Report what others did to production, where the file says `drift: report`."""
    if case.app.drift != "report" or not _left(case):
        return None
    how = "an edit that is not ours"
    if was_taken_back(case.live, case.memory):
        how = "a swap that the platform took back"
    if _is_foreign(case):
        how = "a swap that is not ours"
    what = f"production serves {served_label(case.live)} by {how}"
    return Stalled("DriftReported", {"what": what}, REASONS["DriftReported"].next)


def platform_took_the_swap_back(case: Case) -> Note | None:
    """Count a swap that the platform took back after its end as a failed attempt."""
    if not _left(case) or not was_taken_back(case.live, case.memory):
        return None
    return Note(
        "SwapReverted",
        "SwapReverted",
        f"the platform took the swap back: production serves {served_label(case.live)} again",
        slot=PRODUCTION,
        release=case.wanted.release,
        mark=Mark.INCONCLUSIVE,
    )


def somebody_swapped(case: Case) -> Waiting | None:
    """Hold a swap that somebody else made for ten minutes before it is put back."""
    if not _left(case) or not _is_foreign(case):
        return None
    since = case.memory.hold_since or case.now
    until = since + timedelta(seconds=case.policy.hold_s)
    if case.now >= until:
        return None
    facts = {
        "serves": served_label(case.live),
        "release": str(case.wanted.release),
        "until": clock(until),
    }
    return Waiting("ForeignSwap", facts, _makes_it_last(case), since=since)


def _makes_it_last(case: Case) -> GoBack:
    """Return how Git comes to ask for what somebody brought; `bump` sets no model and no code."""
    app, serves, effect = case.app, case.live.production.health.release, "makes it last"
    if serves is None or serves.model != app.model or app.production.code:
        return go_back(app.name, effect)
    version = serves.setting if app.production.pin else serves.version  # a pinned file stays so
    return go_back_to(app.name, serves.model, version, effect)


def was_taken_back(live: Live, memory: Memory) -> bool:
    """
    Return whether the platform took our last swap back after its end.

    Both slots are set as before it, and no other swap has begun: `slotSwapStatus` is as we left it.
    """
    last, pair = memory.last_swap, live.pair
    if last is None or last.replaced is None or pair is None:
        return False
    production, staging = pair
    exchanged = production.configured.holds(last.replaced) and staging.configured.holds(
        last.release
    )
    return exchanged and production.swap_status == memory.swap_status


def served_label(live: Live) -> str:
    """Return the version that production serves, or else the one that it is set to."""
    release = live.production.health.release
    if release:
        return release.version
    return live.production.arm.configured.label if live.production.arm else "nothing"


# ---------------------------------------------------------------- the swap


def staging_is_proved(case: Case) -> Swap | None:
    """Swap once staging has proved the wanted release in this very look."""
    verdict = case.slot.verdict
    return Swap(case.wanted.release, verdict) if verdict and verdict.mark is Mark.PASS else None
