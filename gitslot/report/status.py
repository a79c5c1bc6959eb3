"""
The rows of `gitslot status`: one a slot, in the words for state.

Pure: an Observation and the journal's events in, rows out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gitslot.decide.case import soaks_until
from gitslot.record.event import STOPS, Event
from gitslot.report import history
from gitslot.state.decision import (
    Converged,
    Decision,
    Deploy,
    Frozen,
    Observation,
    Stalled,
    Suspended,
    Swap,
    Verify,
    Waiting,
)
from gitslot.state.reasons import REASONS, Run, still_goes_back
from gitslot.state.seen import Answer, Live, Mark, Rehearsal, Seen
from gitslot.state.wanted import PRODUCTION, STAGING, App, Refusal, Release, Resolved, Wanted

SYNCED, OUT_OF_SYNC, UNKNOWN = "Synced", "OutOfSync", "Unknown"
HEALTHY, PROGRESSING, DEGRADED, SUSPENDED = "Healthy", "Progressing", "Degraded", "Suspended"


@dataclass(frozen=True, slots=True)
class Row:
    """One slot of one app. Empty text means that nothing is to be shown."""

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
    reason: str = ""
    message: str = ""
    mend: str = ""  # a line to type


_DONE = _State("Converged")


def exit_code(seen: Observation) -> int:
    """Return the exit code for *seen*: 0 in sync, 1 drift, 2 where the evidence is in doubt."""
    return {"Converged": 0, "Frozen": 2}.get(_state(seen).kind, 1)


def rows(
    seen: Observation, events: Sequence[Event], rehearsal: Rehearsal | None = None
) -> tuple[Row, ...]:
    """
    Return a row for production, for staging, and for each further slot, in the file's order.

    *rehearsal* is how proving the way back went.
    """
    state = _state(seen)
    others = {name: each for name, each in seen.decisions.items() if name != PRODUCTION}
    own = {name: _own(seen, each) for name, each in others.items()}
    further = tuple(seen.app.further) if isinstance(seen.app, App) else ()
    return (
        _observed(seen, _production(seen, _DONE if own else state, events, rehearsal)),
        _staging(seen, own.get(STAGING), state),
        *(_further(seen, name, own.get(name), state) for name in further),
    )


def _observed(seen: Observation, row: Row) -> Row:
    """Add to *row* that nothing is written, and what is needed before anything is."""
    entry, acted = REASONS["Observed"], seen.memory.baseline or seen.memory.lost_since
    what = "" if acted else ", and before it acts `gitslot retry` is needed once"
    said = "; ".join(filter(None, (row.message, entry.message({"what": what}, entry.next))))
    return replace(row, reason=row.reason or entry.name, message=said) if seen.observed else row


def _state(seen: Observation) -> _State:
    decision = seen.decision
    stop = seen.memory.stop
    asked, app = seen.memory.of(PRODUCTION).asked, seen.app
    same = asked is not None and isinstance(app, App) and asked.text == app.wish(PRODUCTION)
    slot = _slot(seen, PRODUCTION)
    if slot and isinstance(slot.wanted, Resolved):  # other words for the same release
        same = same or slot.wanted.release == seen.memory.converged
    if isinstance(decision, Waiting) and stop[0] == "Stalled" and same:
        # The controller has watched for longer than this one look, and gave up.
        line = seen.memory.next
        way = still_goes_back(line, seen.head.short, seen.name) if seen.head else line
        return _State(*stop[:2], stop[2].replace(line, way) if line else stop[2], mend=way)
    return _of(decision)


def _of(decision: Decision) -> _State:
    match decision:
        case Converged():
            return _State("Converged", "", decision.message)
        case Waiting() | Stalled() | Frozen() | Suspended():
            mend = decision.next.line if isinstance(decision.next, Run) else ""
            return _State(type(decision).__name__, decision.reason, decision.message, mend)
        case _:
            return _State("Pending", "Pending", f"next: {next_step(decision)}")


def _own(seen: Observation, decision: Decision) -> _State:
    """Return how one slot stands; for what the app stops for, as the controller recorded it."""
    return _state(seen) if decision == seen.decision else _of(decision)


def next_step(decision: Decision) -> str:
    """Return in one phrase what *decision* is about to do."""
    match decision:
        case Deploy(release=release, why=why, slot=slot):
            return f"deploy {release} to {slot} ({why})"
        case Verify(release=release, slot=slot):
            return f"prove {release} in {slot}"
        case Swap(release=release, back=back):
            return f"swap {release} {'back ' if back else ''}into production"
        case _:
            return decision.message


# ---------------------------------------------------------------- one slot


def _slot(seen: Observation, name: str) -> Seen | None:
    return seen.live.slots.get(name) if isinstance(seen.live, Live) else None


def _row(seen: Observation, name: str, wanted: Wanted | None, **more: Any) -> Row:
    """Return the row of the slot *name*, with what it serves and what the file wants of it."""
    slot, app = _slot(seen, name), seen.app if isinstance(seen.app, App) else None
    release = slot.health.release if slot else None
    return Row(
        app=seen.name,
        slot=name,
        model=app.model if app else (release.model if release else ""),
        serves=(release.version if release else "nothing") if slot else "?",
        digest=release.digest if release else "",
        wanted=wanted.version if wanted else "",
        **more,
    )


def _staging(seen: Observation, own: _State | None, state: _State) -> Row:
    """Return the row of staging, which holds a candidate or is the working slot."""
    slot, app = _slot(seen, STAGING), seen.app if isinstance(seen.app, App) else None
    pin = app.pin if app else None
    health = _health(own, slot) if own else _working_health(state, slot)
    sync = ""
    if pin:
        wanted = slot.wanted if slot else None
        held = slot and isinstance(wanted, Resolved) and slot.health.serves(wanted.release)
        doubt = slot is None or (own or state).kind == "Frozen"
        sync = UNKNOWN if doubt else SYNCED if held else OUT_OF_SYNC
    reason, message = (own.reason, own.message) if own else ("", "")
    return _row(seen, STAGING, pin, sync=sync, health=health, reason=reason, message=message)


def _working_health(state: _State, slot: Seen | None) -> str:
    """Return the health of staging; without a model, as a first install leaves it, it has none."""
    if slot is None:
        return UNKNOWN
    if slot.health.answer is Answer.SERVING:
        return HEALTHY
    if state.kind in ("Waiting", "Pending"):
        return PROGRESSING
    empty = slot.health.answer is Answer.UNHEALTHY and not slot.health.version
    return "" if empty else DEGRADED


def _further(seen: Observation, name: str, own: _State | None, state: _State) -> Row:
    """Return the row of a further slot: *own* stands in its way, *state* is the app's."""
    slot = _slot(seen, name)
    wanted = slot.wanted if slot else None
    served = slot and isinstance(wanted, Resolved) and slot.health.release == wanted.release
    own = own or _State("Converged" if served else "Pending")
    doubt = state.kind == "Frozen"
    row = _row(
        seen,
        name,
        seen.app.slots[name] if isinstance(seen.app, App) else None,
        sync=UNKNOWN if doubt else SYNCED if own.kind == "Converged" else OUT_OF_SYNC,
        health=_health(state if state.kind in ("Frozen", "Suspended") else own, slot),
        reason=own.reason,
        message=own.message,
    )
    missing = slot is not None and isinstance(slot.unread, Refusal)
    return replace(row, serves="nothing") if missing else row


# ---------------------------------------------------------------- production


def _production(
    seen: Observation, state: _State, events: Sequence[Event], rehearsal: Rehearsal | None
) -> Row:
    since, commit = _since(seen, state, events)
    quiet = state.kind == "Converged"
    aside = (quiet and (_unready(rehearsal) or _soaking(seen) or _unread(seen))) or ("", "")
    row = _row(
        seen,
        PRODUCTION,
        seen.app.production if isinstance(seen.app, App) else None,
        sync=_sync(seen, state),
        health=_as_it_answers(state, _slot(seen, PRODUCTION)),
        rollback=_rollback(seen, rehearsal),
        since=since,
        commit=commit,
        reason=aside[0] or state.reason,
        message=aside[1] if quiet else state.message,
        mend=state.mend,
    )
    return row if row.wanted else replace(row, wanted="?")


def _unread(seen: Observation) -> tuple[str, str] | None:
    """Return reason and message where an app in sync has settings that were not read for long."""
    if not isinstance(seen.live, Live) or seen.live.unread_s is None:
        return None
    since = f"for {seen.live.unread_s // 60:.0f} min" if seen.live.unread_s >= 60 else "yet"
    return "SettingsUnread", f"its settings were not read {since}, to stay within ARM's limits"


def _soaking(seen: Observation) -> tuple[str, str] | None:
    """Return reason and message while a production in sync is watched after its swap."""
    slot, app = _slot(seen, PRODUCTION), seen.app
    if not (slot and isinstance(slot.wanted, Resolved) and isinstance(app, App)):
        return None
    until = soaks_until(app, seen.memory, slot.wanted)
    if until is None or seen.now >= until:
        return None
    return "Soaking", f"until {until:%H:%M:%SZ}; should production fail, it is swapped back"


def _sync(seen: Observation, state: _State) -> str:
    if state.kind == "Converged":
        return SYNCED
    if state.kind == "Frozen":
        return UNKNOWN
    slot = _slot(seen, PRODUCTION)
    shown = slot and isinstance(slot.wanted, Resolved) and slot.shows(slot.wanted)
    return SYNCED if shown and state.kind == "Suspended" else OUT_OF_SYNC


_HEALTH = {
    **{"Suspended": SUSPENDED, "Stalled": DEGRADED},
    **{"Waiting": PROGRESSING, "Pending": PROGRESSING},
}


def _as_it_answers(state: _State, slot: Seen | None) -> str:
    """Return the health of production: a refused version over one that serves is not Degraded."""
    return _health(_State("") if state.kind == "Stalled" else state, slot)


def _health(state: _State, slot: Seen | None) -> str:
    if state.kind in _HEALTH:
        return _HEALTH[state.kind]
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


def _rollback(seen: Observation, rehearsal: Rehearsal | None) -> str:
    """Say what going back costs now and, where *rehearsal* shows it, that it would work."""
    (release, replaced), live, last = _last_swap(seen), seen.live, seen.memory.last_swap
    if not isinstance(live, Live) or release is None or replaced is None:
        return ""
    if (last and last.back) or not live.production.health.serves(release):
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
        slot, changes = _slot(seen, PRODUCTION), history.changes(events)
        if slot and changes and changes[-1].digest == slot.health.digest:
            return changes[-1].time, changes[-1].commit or newest
        return None, newest
    stop = next((event for event in reversed(events) if event.event in STOPS), None)
    if stop and (stop.event, stop.reason) == seen.memory.stop[:2] == (state.kind, state.reason):
        return stop.time, newest
    drift = next((event for event in reversed(events) if event.event == "Drift"), None)
    wish = seen.memory.of(PRODUCTION).drift
    if drift and wish and drift.release == wish.release:
        return drift.time, newest
    return None, newest
