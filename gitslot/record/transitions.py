"""
Turn one observation into journal events; each change is recorded once, in the same words.

Pure. A pass that changes nothing and finds nothing yields no event.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from gitslot.decide.case import attempts_of
from gitslot.decide.decide import is_not_production
from gitslot.decide.place import holds
from gitslot.decide.production import served_label, was_taken_back
from gitslot.decide.soak import is_refused
from gitslot.record.event import WOULD, Event
from gitslot.record.payload import Payload
from gitslot.state.decision import (
    Converged,
    Decision,
    Deploy,
    Frozen,
    Note,
    Observation,
    Reset,
    Suspended,
    Swap,
    Verify,
    Write,
)
from gitslot.state.safe_text import spoken
from gitslot.state.seen import Live, Mark, Rehearsal, Seen
from gitslot.state.wanted import PRODUCTION, STAGING, App, Release, Resolved


def note_event(seen: Observation, note: Note, base: Event) -> Event:
    """Return the event that records *note*."""
    live, replaced = seen.live, note.intent.replaces if note.intent else None
    arm = live.production.arm if isinstance(live, Live) else None
    elsewhere = note.counts_for != PRODUCTION and note.mark and note.deploy
    other = note.release and replaced and replaced.model != note.release.model
    detail = Payload(
        deploy=note.deploy,
        counts_for=note.counts_for if elsewhere else "",
        refuse=note.refuse,
        reset=note.cleared,
        quiet=note.cleared,
        code=note.code,
        swap_status=arm.swap_status if arm else None,
        soaks=note.intent is not None and _soaks(seen),
        from_model=replaced.model if replaced and other else "",
    )
    return replace(
        base,
        event=note.event,
        reason=note.reason,
        message=note.message,
        slot=PRODUCTION if note.intent else note.slot,
        verdict=note.mark.value if note.mark else "",
        detail=detail,
        **_release_fields(note.release, replaced),
    )


def rehearsal_event(seen: Observation, rehearsal: Rehearsal, base: Event) -> Event | None:
    """Return the event of a rehearsal that turned, or None where the last one stands."""
    mark, failed = rehearsal.verdict.mark, seen.memory.rehearsal_failed
    if mark is Mark.INCONCLUSIVE or (mark is Mark.FAIL) == failed:
        return None
    how = "works again" if failed else "would not work"
    return replace(
        base,
        event="VerifyPassed" if failed else "VerifyFailed",
        reason="Rehearsal",
        slot=STAGING,
        message=f"going back to {rehearsal.release} {how}: {rehearsal.verdict.message}",
        verdict=mark.value,
        detail=Payload(rehearsal=True),
        **_release_fields(rehearsal.release, None),
    )


def _release_fields(release: Release | None, replaced: Release | None) -> Mapping[str, Any]:
    fields: dict[str, str] = {}
    if release:
        fields |= {"model": release.model, "to": release.version, "to_digest": release.digest}
    if replaced:
        fields |= {"from_": replaced.version, "from_digest": replaced.digest}
    return fields


def _moving(seen: Observation) -> tuple[Live, App, Resolved] | None:
    """Return look, app and production's wish where nothing stands before them."""
    live, app = seen.live, seen.app
    if not isinstance(live, Live) or not isinstance(app, App) or seen.memory.intent:
        return None
    wanted = live.production.wanted
    return (live, app, wanted) if isinstance(wanted, Resolved) else None


def drift_event(seen: Observation, base: Event) -> Event | None:
    """Return the Drift that opens a run or a put-back, or None where nothing new drifted."""
    found = _moving(seen)
    if found is None or isinstance(seen.decision, Frozen | Suspended):
        return None
    live, _, wanted = found
    if live.production.shows(wanted):
        return _drift_elsewhere(live, seen, base)
    arm, memory = live.production.arm, seen.memory
    starting = arm is not None and arm.configured.is_set_to(wanted)
    if starting or is_refused(memory, wanted):
        return None
    held = memory.hold_since is not None and memory.converged == wanted.release
    put_back = held and isinstance(seen.decision, Deploy | Swap | Verify)
    if _is_recorded(seen, PRODUCTION, wanted) and not put_back:
        return None
    serving = live.production.health.release
    other = serving and serving.model != wanted.release.model
    detail = Payload(
        put_back=put_back,
        code=wanted.build or "",
        from_model=serving.model if serving and other else "",
    )
    return replace(
        base,
        slot=PRODUCTION,
        reason="PutBack" if put_back else "",
        verdict="inconclusive" if put_back else "",
        message=_drift_message(seen, live, wanted.release, put_back=put_back),
        detail=detail,
        **_release_fields(wanted.release, serving),
    )


def _is_recorded(seen: Observation, slot: str, wanted: Resolved) -> bool:
    """Return whether it is recorded that *slot* is brought to *wanted*."""
    drift = seen.memory.of(slot).drift
    return drift is not None and (drift.release, drift.code) == (wanted.release, wanted.build or "")


def _drift_message(seen: Observation, live: Live, wanted: Release, *, put_back: bool) -> str:
    revision, memory, label = seen.asked_by(PRODUCTION), seen.memory, served_label(live)
    commit = revision.short
    if put_back:
        return f"the hold is over: production {label} -> {wanted.version}"
    if memory.converged == wanted and was_taken_back(live, memory):
        return f"the platform took the swap back: production {label} -> {wanted.version}"
    if memory.converged == wanted:
        return f"production serves {label} by hand, {commit} wants {wanted.version}"
    if revision.reverts and wanted in memory.served:
        return (
            f"rollback: {commit} reverts {revision.reverts[:7]}, "
            f"production {label} -> {wanted.version}"
        )
    return f"production serves {label}, {commit} wants {wanted.version}"


def _drift_elsewhere(live: Live, seen: Observation, base: Event) -> Event | None:
    """Return the Drift of the first slot but production that is newly brought to its release."""
    for slot in live.slots.values():
        if isinstance(slot.wanted, Resolved) and _drifts(slot, slot.wanted, seen):
            return _drift_at(slot, slot.wanted, seen, base)
    return None


def _drifts(slot: Seen, wanted: Resolved, seen: Observation) -> bool:
    """Return whether *slot* is brought to what the journal does not have of it yet."""
    if slot.name == PRODUCTION or _is_recorded(seen, slot.name, wanted):
        return False
    if _brings_to(seen.decision, slot.name):
        return True
    # Other code is another wish: what was given up with the code before is tried again.
    failed = attempts_of(seen.memory, slot.name, wanted.release)
    drift = seen.memory.of(slot.name).drift
    given_up = slot.name != STAGING and drift is not None and (failed.failed or failed.refused)
    return bool(given_up) and not holds(seen.memory, slot, wanted)


def _brings_to(decision: Decision, slot: str) -> bool:
    return isinstance(decision, Verify | Deploy) and decision.slot == slot


def _drift_at(slot: Seen, wanted: Resolved, seen: Observation, base: Event) -> Event:
    serving, release = slot.health.release, wanted.release
    revision = seen.asked_by(slot.name)
    return replace(
        base,
        slot=slot.name,
        revision=revision.commit,
        author=revision.author,
        subject=revision.subject,
        message=f"{slot.name} serves {serving.version if serving else 'nothing'}, "
        f"{revision.short} wants {release.version}",
        detail=Payload(code=wanted.build or ""),
        **_release_fields(release, serving),
    )


def converged_event(seen: Observation, stop: Converged, base: Event) -> Event | None:
    """Return the Converged that ends a run, or None where it is recorded already."""
    live, memory = seen.live, seen.memory
    if not isinstance(live, Live) or not isinstance(live.production.wanted, Resolved):
        return None
    wanted = live.production.wanted
    release = wanted.release
    recorded = memory.stop[0] == "Converged" and memory.converged == release
    if recorded and stop.finishes is None:
        return None
    detail = _settled_detail(live, wanted)
    if stop.finishes is None:
        fields = _release_fields(release, None)
        return replace(base, slot=PRODUCTION, message=stop.message, detail=detail, **fields)
    intent = stop.finishes
    detail = replace(detail, intent=intent.id, soaks=_soaks(seen))
    started = memory.run_started
    seconds = (base.time - started).total_seconds() if started else 0.0
    before = intent.replaces.version if intent.replaces else "nothing"
    deploy = memory.of(STAGING).deploy
    deployed = deploy is not None and (started is None or deploy.time >= started)
    after = "one swap, nothing deployed"
    if deployed:
        after = f"staging keeps {before} for rollback"
    if not (intent.replaces or memory.served):
        after = "first install"
    soak_s = seen.app.soak_s if isinstance(seen.app, App) else None
    soaks = f"; it soaks for {spoken(soak_s)}" if soak_s and not intent.back else ""
    return replace(
        base,
        slot=PRODUCTION,
        message=f"production {before} -> {release.version} in {_seconds(seconds)}; {after}{soaks}",
        detail=detail,
        **_release_fields(release, intent.replaces),
    )


def _soaks(seen: Observation) -> bool:
    return isinstance(seen.app, App) and seen.app.soak_s is not None


def _settled_detail(live: Live, wanted: Resolved) -> Payload:
    arm = live.production.arm
    return Payload(swap_status=arm.swap_status if arm else None, code=wanted.build or "")


def settled_event(seen: Observation, base: Event) -> Event | None:
    """
    Return a Converged event when production is in sync but another slot is not.

    What is remembered of production, a hold or attempts or a failed swap, must not wait for a
    candidate in staging or a further slot. None where nothing of it is open.
    """
    found, memory = _moving(seen), seen.memory
    if found is None or not is_not_production(seen.decision):
        return None
    live, _, wanted = found
    if not live.production.shows(wanted):
        return None
    same = (memory.converged, memory.converged_code) == (wanted.release, wanted.build or "")
    if same and not (memory.hold_since or memory.swap_failed or memory.of(PRODUCTION).drift):
        return None
    return replace(
        base,
        slot=PRODUCTION,
        message=f"production serves {wanted.release}",
        detail=replace(_settled_detail(live, wanted), aside=True),
        **_release_fields(wanted.release, None),
    )


def would_events(
    seen: Observation, writes: Iterable[Write], base: Callable[..., Event]
) -> list[Event]:
    """Return an event for each of *writes* that is not recorded for this wish and state."""
    found: dict[str, Event] = {}
    for write in writes:
        assert isinstance(seen.app, App)
        assert isinstance(seen.live, Live)
        slot, about = getattr(write, "slot", PRODUCTION), getattr(write, "counts_for", PRODUCTION)
        release, name = getattr(write, "release", None), f"{WOULD}{type(write).__name__}"
        shown = filter(None, map(seen.live.slots.get, (PRODUCTION, STAGING, slot)))
        state = [replace(each.arm.configured, deploy="") for each in shown if each.arm]
        # A digest, because what a slot is set to may hold a secret: a package's URL with its key.
        step = repr((name, slot, release, seen.app.wish(about), state)).encode()
        would = hashlib.sha256(step).hexdigest()[:16]
        found[would] = replace(
            base(name, about=about, slot=slot),
            message=write.message if isinstance(write, Reset) else f"{slot} <- {release}",
            duration_ms=None,
            rule=write.rule,
            detail=Payload(would=would, why=getattr(write, "why", "")),
            **_release_fields(release, None),
        )
    return [event for would, event in found.items() if would not in seen.memory.would]


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
