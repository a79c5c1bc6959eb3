"""
What `gitslot status` says of an app: one row a slot, in the words for state.

Pure: an Observation and the journal's events in, rows out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gitslot.decide import held
from gitslot.decide.case import Case, soaks_until
from gitslot.decide.held import hold_pin
from gitslot.decide.production import production_serves
from gitslot.record.event import STOPS, Event
from gitslot.report import history
from gitslot.state.decision import (
    Converged,
    Decision,
    Deploy,
    Frozen,
    Note,
    Observation,
    Reset,
    Stalled,
    Suspended,
    Swap,
    Verify,
    Waiting,
)
from gitslot.state.seen import Answer, Live, Mark, Rehearsal, SlotLive
from gitslot.state.wanted import PRODUCTION, STAGING, App, Refusal, Release, Resolved

SYNCED, OUT_OF_SYNC, UNKNOWN = "Synced", "OutOfSync", "Unknown"
HEALTHY, PROGRESSING, DEGRADED, SUSPENDED = "Healthy", "Progressing", "Degraded", "Suspended"


@dataclass(frozen=True, slots=True)
class Row:
    """One slot of one app. Empty text means that there is nothing to say."""

    app: str
    slot: str
    model: str = ""
    serves: str = ""
    digest: str = ""
    wanted: str = ""
    sync: str = ""
    health: str = ""
    rollback: str = ""
    since: datetime | None = None
    commit: str = ""  # 40 hex digits
    reason: str = ""
    message: str = ""
    mend: str = ""  # a line to type


@dataclass(frozen=True, slots=True)
class _State:
    """How an app stands: kind names the stop, or is "Pending" while a step is due."""

    kind: str
    reason: str
    message: str


def exit_code(seen: Observation) -> int:
    """Return the exit code for *seen*: 0 in sync, 1 drift, 2 where the evidence is in doubt."""
    kind = _state(seen).kind
    if kind == "Converged":
        return 0
    return 2 if kind == "Frozen" else 1


def rows(
    seen: Observation, events: Sequence[Event], rehearsal: Rehearsal | None = None
) -> tuple[Row, ...]:
    """
    Return a row for production, for staging, and for each further slot, in the file's order.

    *rehearsal* is how proving the way back went.
    """
    state = _state(seen)
    done = _State("Converged", "", "")
    found = _beside_production(seen)
    aside = seen.decision in found.values()
    own = {name: _own(seen, each) for name, each in found.items()} if aside else {}
    return (
        _production(seen, done if aside else state, events, rehearsal),
        _staging(seen, own.get(STAGING, state), owns=STAGING in own),
        *(_further(seen, state, name, own.get(name)) for name in _names(seen)),
    )


def _state(seen: Observation) -> _State:
    decision = seen.decision
    stop = seen.memory.stop
    wish = seen.memory.wishes.get(PRODUCTION)
    same = wish is not None and isinstance(seen.app, App) and wish.text == seen.app.wish(PRODUCTION)
    if isinstance(decision, Waiting) and stop[0] == "Stalled" and same:
        # The controller has watched for longer than this one look, and gave up.
        return _State(*stop)
    return _of(decision)


def _of(decision: Decision) -> _State:
    match decision:
        case Converged(message=message):
            return _State("Converged", "", message)
        case Waiting(reason, message):
            return _State("Waiting", reason, message)
        case Stalled(reason, message) | Frozen(reason, message) | Suspended(reason, message):
            return _State(type(decision).__name__, reason, message)
        case _:
            return _State("Pending", "Pending", f"next: {next_step(decision)}")


def next_step(decision: Decision) -> str:
    """Say in one phrase what *decision* is about to do."""
    match decision:
        case Deploy(release=release, why=why, slot=slot):
            return f"deploy {release} to {slot} ({why})"
        case Verify(release=release, slot=slot):
            return f"prove {release} in {slot}"
        case Swap(release=release, back=back):
            return f"swap {release} {'back ' if back else ''}into production"
        case Reset(message=message) | Note(message=message):
            return message
        case Converged(message=message):
            return message
        case _:
            return decision.message


# ---------------------------------------------------------------- production


def _production(
    seen: Observation, state: _State, events: Sequence[Event], rehearsal: Rehearsal | None
) -> Row:
    live = seen.live if isinstance(seen.live, Live) else None
    app = seen.app if isinstance(seen.app, App) else None
    slot = live.production if live else None
    release = slot.health.release if slot else None
    since, commit = _since(seen, state, events)
    quiet = state.kind == "Converged"
    aside = (_unready(rehearsal) or _soaking(seen)) if quiet else ("", "")
    return Row(
        app=seen.name,
        slot=PRODUCTION,
        model=app.model if app else (release.model if release else ""),
        serves=_serves(slot),
        digest=release.digest if release else "",
        wanted=app.production.version if app else "?",
        sync=_sync(seen, state),
        health=_health(state, slot),
        rollback=_rollback(seen, live, rehearsal),
        since=since,
        commit=commit,
        reason=aside[0] or state.reason,
        message=aside[1] if quiet else state.message,
        mend=_mend(seen, state),
    )


def _soaking(seen: Observation) -> tuple[str, str]:
    """Return reason and message while a production in sync is watched after its swap."""
    live, app = seen.live, seen.app
    if not (isinstance(live, Live) and isinstance(live.wanted, Resolved) and isinstance(app, App)):
        return "", ""
    until = soaks_until(app, seen.memory, live.wanted)
    if until is None or seen.now >= until:
        return "", ""
    return "Soaking", f"until {until:%H:%M:%SZ}; should production fail, it is swapped back"


def _serves(slot: SlotLive | None) -> str:
    if slot is None:
        return "?"
    release = slot.health.release
    return release.version if release else "nothing"


def _sync(seen: Observation, state: _State) -> str:
    if state.kind == "Converged":
        return SYNCED
    if state.kind == "Frozen":
        return UNKNOWN
    if state.kind == "Suspended":
        return SYNCED if _production_synced(seen) else OUT_OF_SYNC
    return OUT_OF_SYNC


def _production_synced(seen: Observation) -> bool:
    live = seen.live
    return (
        isinstance(live, Live)
        and isinstance(live.wanted, Resolved)
        and production_serves(live, live.wanted)
    )


def _health(state: _State, slot: SlotLive | None) -> str:
    if state.kind == "Suspended":
        return SUSPENDED
    if state.kind == "Stalled":
        return DEGRADED
    if state.kind in ("Waiting", "Pending"):
        return PROGRESSING
    if slot is None:
        return UNKNOWN
    return HEALTHY if slot.health.answer is Answer.SERVING else DEGRADED


def _unready(rehearsal: Rehearsal | None) -> tuple[str, str] | None:
    """Return reason and message where the way back was not proved, or None."""
    if rehearsal is None or rehearsal.verdict.mark is Mark.PASS:
        return None
    would = "would not work" if rehearsal.verdict.mark is Mark.FAIL else "is not proved"
    return "Rehearsal", f"going back to {rehearsal.release} {would}: {rehearsal.verdict.message}"


_READY = {Mark.FAIL: "not ready", Mark.INCONCLUSIVE: "1 swap, not proven"}


def ago(seconds: float) -> str:
    """Return how long ago something was, in whole minutes."""
    return "just now" if seconds < 60 else f"{seconds // 60:.0f} min ago"


def _rollback(seen: Observation, live: Live | None, rehearsal: Rehearsal | None) -> str:
    """Say what going back costs now and, where *rehearsal* shows it, that it would work."""
    release, replaced = _last_swap(seen)
    if live is None or release is None or replaced is None:
        return ""
    back = seen.memory.last_swap is not None and seen.memory.last_swap.back
    if back or not live.production.health.serves(release):
        return ""
    if rehearsal and rehearsal.release == replaced:
        proven = f"ready, 1 swap, proven {ago(rehearsal.age_s)}"
        return _READY.get(rehearsal.verdict.mark, proven)
    return "ready, 1 swap" if live.staging.health.serves(replaced) else "needs a deploy"


def _last_swap(seen: Observation) -> tuple[Release | None, Release | None]:
    """Return what our last swap brought and replaced; one that this look proves over counts."""
    if isinstance(seen.decision, Converged) and (intent := seen.decision.finishes):
        return intent.release, intent.replaces
    last = seen.memory.last_swap
    return (last.release, last.replaced) if last else (None, None)


def _since(
    seen: Observation, state: _State, events: Sequence[Event]
) -> tuple[datetime | None, str]:
    """Return since when it stands so, and the commit that it stands so for."""
    newest = seen.asked_by(PRODUCTION).commit
    if state.kind == "Converged":
        live = seen.live.production.health if isinstance(seen.live, Live) else None
        changes = history.changes(events)
        if live and changes and changes[-1].digest == live.digest:
            return changes[-1].time, changes[-1].commit or newest
        return None, newest
    stop = next((event for event in reversed(events) if event.event in STOPS), None)
    if stop and (stop.event, stop.reason) == seen.memory.stop[:2] == (state.kind, state.reason):
        return stop.time, newest
    drift = next((event for event in reversed(events) if event.event == "Drift"), None)
    if drift and seen.memory.drifted and drift.release == seen.memory.drifted:
        return drift.time, newest
    return None, newest


def _mend(seen: Observation, state: _State) -> str:
    """Return the line that goes back, where production itself is what is broken."""
    live, last = seen.live, seen.memory.last_swap
    if state.kind != "Stalled" or not isinstance(live, Live) or last is None:
        return ""
    arm, wanted = live.production.arm, live.wanted
    if arm is None or not isinstance(wanted, Resolved) or not last.commit:
        return ""
    broken = arm.configured.holds(wanted.release) and not live.production.health.serves(
        wanted.release
    )
    if not broken or last.release != wanted.release:
        return ""
    return f"git revert {last.commit[:7]} && git push"


# ---------------------------------------------------------------- staging


def _names(seen: Observation) -> tuple[str, ...]:
    return tuple(seen.app.further) if isinstance(seen.app, App) else ()


def _beside_production(seen: Observation) -> dict[str, Decision]:
    """Return, by slot, what is to be done about every slot but production, now that it serves."""
    app, live = seen.app, seen.live
    if not isinstance(app, App) or not isinstance(live, Live) or not _production_synced(seen):
        return {}
    case = Case(app, live, seen.memory, seen.now, seen.policy)
    found = {STAGING: hold_pin(case), **{name: held.at(case, name) for name in app.further}}
    return {name: decision for name, decision in found.items() if decision}


def _own(seen: Observation, decision: Decision) -> _State:
    """Return how one slot stands; what the app stops for is told as the controller told it."""
    return _state(seen) if decision == seen.decision else _of(decision)


def _staging(seen: Observation, state: _State, *, owns: bool) -> Row:
    live = seen.live if isinstance(seen.live, Live) else None
    app = seen.app if isinstance(seen.app, App) else None
    slot = live.staging if live else None
    release = slot.health.release if slot else None
    pin = app.pin if app else None
    return Row(
        app=seen.name,
        slot=STAGING,
        model=app.model if app else (release.model if release else ""),
        serves=_serves(slot),
        digest=release.digest if release else "",
        wanted=pin.version if pin else "",
        sync=_pin_sync(live, state) if pin else "",
        health=_health(state, slot) if owns else _staging_health(state, slot),
        reason=state.reason if owns else "",
        message=state.message if owns else "",
    )


def _pin_sync(live: Live | None, state: _State) -> str:
    if state.kind == "Frozen" or live is None:
        return UNKNOWN
    held = isinstance(live.pin, Resolved) and live.staging.health.serves(live.pin.release)
    return SYNCED if held else OUT_OF_SYNC


# ---------------------------------------------------------------- further slots


def _further(seen: Observation, state: _State, name: str, own: _State | None) -> Row:
    """A slot of its own: *own* is what stands in its way, *state* how the app stands."""
    assert isinstance(seen.app, App)
    live = seen.live if isinstance(seen.live, Live) else None
    found = next((each for each in live.further if each.place.name == name), None) if live else None
    slot = found.place.slot if found else None
    release = slot.health.release if slot else None
    served = found and isinstance(found.wanted, Resolved) and release == found.wanted.release
    own = own or _State("Converged" if served else "Pending", "", "")
    missing = found is not None and isinstance(found.standing, Refusal)
    return Row(
        app=seen.name,
        slot=name,
        model=seen.app.model,
        serves="nothing" if missing else _serves(slot),
        digest=release.digest if release else "",
        wanted=seen.app.further[name].version,
        sync=_sync_further(own, state),
        health=_health(state if state.kind in ("Frozen", "Suspended") else own, slot),
        reason=own.reason,
        message=own.message,
    )


def _sync_further(own: _State, state: _State) -> str:
    if state.kind == "Frozen":
        return UNKNOWN
    return SYNCED if own.kind == "Converged" else OUT_OF_SYNC


def _staging_health(state: _State, slot: SlotLive | None) -> str:
    """Staging without a model, as a first install leaves it, is not Degraded."""
    if slot is None:
        return UNKNOWN
    if slot.health.answer is Answer.SERVING:
        return HEALTHY
    if state.kind in ("Waiting", "Pending"):
        return PROGRESSING
    empty = slot.health.answer is Answer.UNHEALTHY and not slot.health.version
    return "" if empty else DEGRADED
