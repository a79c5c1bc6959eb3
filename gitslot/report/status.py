"""
The rows of `gitslot status`: one a slot, in the words for state.

Pure: an Observation and the journal's events in, rows out.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gitslot.decide.case import soaks_until
from gitslot.record.recent import Recent
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
from gitslot.state.reasons import REASONS, Run, next_line, still_goes_back
from gitslot.state.safe_text import seconds_text
from gitslot.state.seen import Answer, Live, Mark, Rehearsal, Seen
from gitslot.state.wanted import PRODUCTION, STAGING, App, Refusal, Release, Resolved, Wanted

# What users get of a slot, and what the controller does about it.
HEALTHY, DEGRADED, UNKNOWN = "Healthy", "Degraded", "Unknown"
SYNCED, PROGRESSING = "Synced", "Progressing"
_STATES = {
    **{"Converged": SYNCED, "Waiting": PROGRESSING, "Pending": PROGRESSING},
    **{name: name for name in ("Stalled", "Frozen", "Suspended")},
}


@dataclass(frozen=True, slots=True)
class Row:
    """
    One slot of one app: *health* is what users get, *state* what the controller does.

    Empty text means that nothing is to be shown.
    """

    app: str
    slot: str
    model: str = ""
    serves: str = ""
    digest: str = ""
    wanted: str = ""
    health: str = ""
    state: str = ""
    rollback: str = ""
    proved: datetime | None = None  # when going back was last proved
    since: datetime | None = None
    commit: str = ""  # 40 hex digits
    reason: str = ""
    message: str = ""
    mend: str = ""  # a line to type, or what to change

    def way_back(self, now: datetime) -> str:
        """Return what going back costs, and when it was last proved."""
        proved = self.proved and seconds_text((now - self.proved).total_seconds())
        return f"{self.rollback}, proven {proved} ago" if proved else self.rollback


@dataclass(frozen=True, slots=True)
class _State:
    """How an app stands: kind names the stop, or is "Pending" while a step is due."""

    kind: str
    reason: str = ""
    message: str = ""
    mend: str = ""  # a line to type, or what to change


_DONE = _State("Converged")


def exit_code(seen: Observation) -> int:
    """Return the exit code for *seen*: 0 in sync, 1 drift, 2 where the evidence is in doubt."""
    return {"Converged": 0, "Frozen": 2}.get(_state(seen).kind, 1)


def rows(seen: Observation, recent: Recent, rehearsal: Rehearsal | None = None) -> tuple[Row, ...]:
    """
    Return a row for production, for staging, and for each further slot, in the file's order.

    *rehearsal* is how proving the way back went.
    """
    state = _state(seen)
    others = {name: each for name, each in seen.decisions.items() if name != PRODUCTION}
    own = {name: _own(seen, each) for name, each in others.items()}
    further = tuple(seen.app.further) if isinstance(seen.app, App) else ()
    return (
        _observed(seen, _production(seen, _DONE if own else state, recent, rehearsal)),
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
        way = next_line(way, seen.name)
        return _State(*stop[:2], stop[2].replace(line, way) if line else stop[2], mend=way)
    return _of(decision, seen.name)


def _of(decision: Decision, app: str) -> _State:
    match decision:
        case Converged():
            return _State("Converged", "", decision.message)
        case Waiting() | Stalled() | Frozen() | Suspended():
            step, said = decision.next, decision.message
            if isinstance(step, Run):
                mend = next_line(step.line, app)
                said = said.replace(step.line, mend)
            else:
                mend = "" if step.clause in said else step.clause
            return _State(type(decision).__name__, decision.reason, said, mend)
        case _:
            return _State("Pending", "Pending", f"next: {next_step(decision)}")


def _own(seen: Observation, decision: Decision) -> _State:
    """Return how one slot stands; for what the app stops for, as the controller recorded it."""
    return _state(seen) if decision == seen.decision else _of(decision, seen.name)


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
    does = ""
    if pin:
        wanted = slot.wanted if slot else None
        held = slot and isinstance(wanted, Resolved) and slot.health.serves(wanted.release)
        does = _does(own or state, bool(held))
    said = {name: getattr(own, name) for name in ("reason", "message", "mend") if own}
    return _row(seen, STAGING, pin, state=does, health=_answers(own or state, slot), **said)


def _does(state: _State, done: bool) -> str:
    """Return what the controller does about a slot beside production."""
    if done and state.kind != "Frozen":
        return SYNCED
    return _STATES[state.kind if state.kind != "Converged" else "Pending"]


def _answers(state: _State, slot: Seen | None) -> str:
    """Return the health of a slot that no user asks: none while it is empty or being changed."""
    if slot is None or slot.health.answer is Answer.SERVING:
        return _health(slot)
    empty = slot.health.answer is Answer.UNHEALTHY and not slot.health.version
    return "" if empty or _STATES[state.kind] == PROGRESSING else DEGRADED


def _further(seen: Observation, name: str, own: _State | None, state: _State) -> Row:
    """Return the row of a further slot: *own* stands in its way, *state* is the app's."""
    slot = _slot(seen, name)
    wanted = slot.wanted if slot else None
    served = slot and isinstance(wanted, Resolved) and slot.health.release == wanted.release
    own = own or _State("Converged" if served else "Pending")
    over = state if state.kind in ("Frozen", "Suspended") else own
    row = _row(
        seen,
        name,
        seen.app.slots[name] if isinstance(seen.app, App) else None,
        state=_does(over, own.kind == "Converged"),
        health=_answers(over, slot),
        reason=own.reason,
        message=own.message,
        mend=own.mend,
    )
    missing = slot is not None and isinstance(slot.unread, Refusal)
    return replace(row, serves="nothing", health="") if missing else row


# ---------------------------------------------------------------- production


def _production(
    seen: Observation, state: _State, recent: Recent, rehearsal: Rehearsal | None
) -> Row:
    since, commit = _since(seen, state, recent)
    quiet = state.kind == "Converged"
    aside = (quiet and (_unready(seen, rehearsal) or _soaking(seen) or _unread(seen))) or ("", "")
    row = _row(
        seen,
        PRODUCTION,
        seen.app.production if isinstance(seen.app, App) else None,
        health=_health(_slot(seen, PRODUCTION)),
        state=_STATES[state.kind],
        rollback=_rollback(seen, rehearsal),
        proved=_proved(seen, rehearsal),
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
    since = f"for {seen.live.unread_s // 3600:.0f} h" if seen.live.unread_s >= 3600 else "yet"
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


def _health(slot: Seen | None) -> str:
    if slot is None:
        return UNKNOWN
    return HEALTHY if slot.health.answer is Answer.SERVING else DEGRADED


def _unready(seen: Observation, rehearsal: Rehearsal | None) -> tuple[str, str] | None:
    """Return reason and message where users may be refused or the way back is not proved."""
    if seen.memory.users_refused:
        entry = REASONS["KeyDiffers"]
        return entry.name, entry.message({}, entry.next)
    if rehearsal is None or rehearsal.verdict.mark is Mark.PASS:
        return None
    would = "would not work" if rehearsal.verdict.mark is Mark.FAIL else "is not proved"
    return "Rehearsal", f"going back to {rehearsal.release} {would}: {rehearsal.verdict.message}"


_READY = {Mark.FAIL: "not ready", Mark.INCONCLUSIVE: "1 swap, not proven"}


def _proved(seen: Observation, rehearsal: Rehearsal | None) -> datetime | None:
    """Return when the way back passed, to ten seconds: it is the same moment in every look."""
    if rehearsal is None or rehearsal.verdict.mark is not Mark.PASS:
        return None
    moment = seen.now.timestamp() - rehearsal.age_s
    return datetime.fromtimestamp(round(moment, -1), UTC)


def _rollback(seen: Observation, rehearsal: Rehearsal | None) -> str:
    """Say what going back costs now and, where *rehearsal* shows it, that it would work."""
    (release, replaced), live, last = _last_swap(seen), seen.live, seen.memory.last_swap
    if not isinstance(live, Live) or release is None or replaced is None:
        return ""
    if (last and last.back) or not live.production.health.serves(release):
        return ""
    if rehearsal and rehearsal.release == replaced:
        return _READY.get(rehearsal.verdict.mark, "ready, 1 swap")
    return "ready, 1 swap" if live.staging.health.serves(replaced) else "needs a deploy"


def _last_swap(seen: Observation) -> tuple[Release | None, Release | None]:
    """Return what our last swap brought and replaced; one that this look proves over counts."""
    if isinstance(seen.decision, Converged) and (intent := seen.decision.finishes):
        return intent.release, intent.replaces
    last = seen.memory.last_swap
    return (last.release, last.replaced) if last else (None, None)


def _since(seen: Observation, state: _State, recent: Recent) -> tuple[datetime | None, str]:
    """Return since when it stands so, and the commit that it stands so for."""
    newest = seen.asked_by(PRODUCTION).commit
    if state.kind == "Converged":
        slot, last = _slot(seen, PRODUCTION), recent.changes[-1] if recent.changes else None
        if slot and last and last.digest == slot.health.digest:
            return last.time, last.commit or newest
        return None, newest
    stop, drift = recent.stop, recent.drift
    if stop and (stop.event, stop.reason) == seen.memory.stop[:2] == (state.kind, state.reason):
        return stop.time, newest
    wish = seen.memory.of(PRODUCTION).drift
    if drift and wish and drift.release == wish.release:
        return drift.time, newest
    return None, newest
