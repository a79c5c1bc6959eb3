"""
What one look came to, and the events that tell of it: each transition once, in the same words.

Pure. A pass that changes nothing and finds nothing has nothing to tell.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gitslot.decide.attempts import attempts_of
from gitslot.decide.held import is_beside
from gitslot.decide.place import holds
from gitslot.decide.production import production_serves, taken_back
from gitslot.decide.soak import refused
from gitslot.record.event import Event
from gitslot.state.decision import (
    Converged,
    Decision,
    Deploy,
    Frozen,
    Note,
    Observation,
    Suspended,
    Swap,
    Verify,
)
from gitslot.state.safe_text import spoken
from gitslot.state.seen import Further, Live, Mark, Rehearsal, SlotLive
from gitslot.state.wanted import PRODUCTION, STAGING, App, Release, Resolved


def note_event(seen: Observation, note: Note, base: Event) -> Event:
    """Return the event that writes *note* down."""
    detail: dict[str, Any] = {}
    if note.deploy:
        detail["deploy"] = note.deploy
    if note.counts_for != PRODUCTION and note.mark and note.deploy:
        detail["counts_for"] = note.counts_for
    if note.refuse:
        detail["refuse"] = True
    if note.cleared:
        detail |= {"reset": True, "quiet": True}
    if note.code:
        detail["code"] = note.code
    if isinstance(seen.live, Live) and seen.live.production.arm:
        detail["swap_status"] = seen.live.production.arm.swap_status
    replaced = note.intent.replaces if note.intent else None
    if note.release and replaced and replaced.model != note.release.model:
        detail["from_model"] = replaced.model
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
    """Return the event of a rehearsal that turned, or None where the last that was told stands."""
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
        detail={"rehearsal": True},
        **_release_fields(rehearsal.release, None),
    )


def _release_fields(release: Release | None, replaced: Release | None) -> Mapping[str, Any]:
    fields: dict[str, str] = {}
    if release:
        fields |= {"model": release.model, "to": release.version, "to_digest": release.digest}
    if replaced:
        fields |= {"from_": replaced.version, "from_digest": replaced.digest}
    return fields


def drift_event(seen: Observation, base: Event) -> Event | None:
    """Return the Drift that opens a run or a put-back, or None where nothing new drifted."""
    live, memory = seen.live, seen.memory
    if not isinstance(live, Live) or not isinstance(seen.app, App) or memory.intent:
        return None
    if not isinstance(live.wanted, Resolved) or isinstance(seen.decision, Frozen | Suspended):
        return None
    wanted = live.wanted
    if production_serves(live, wanted):
        return _pin_drift(live, seen, base) or _further_drift(live, seen, base)
    if _only_starting(live, wanted) or refused(memory, wanted):
        return None
    code = wanted.build or ""
    held = memory.hold_since is not None and memory.converged == wanted.release
    put_back = held and isinstance(seen.decision, Deploy | Swap | Verify)
    told = memory.drifted == wanted.release and memory.drifted_code == code
    if told and not put_back:
        return None
    serving = live.production.health.release
    arm = live.production.arm
    label = serving.version if serving else (arm.configured.label if arm else "nothing")
    detail: dict[str, Any] = {"put_back": True} if put_back else {}
    if code:
        detail["code"] = code
    if serving and serving.model != wanted.release.model:
        detail["from_model"] = serving.model
    return replace(
        base,
        slot=PRODUCTION,
        reason="PutBack" if put_back else "",
        verdict="inconclusive" if put_back else "",
        message=_drift_message(seen, label, wanted.release, put_back=put_back),
        detail=detail,
        **_release_fields(wanted.release, serving),
    )


def _only_starting(live: Live, wanted: Resolved) -> bool:
    """Production that is set to the wanted release and does not serve it yet is no drift."""
    arm = live.production.arm
    same_code = wanted.package is None or (arm and arm.configured.package == wanted.package)
    return arm is not None and arm.configured.holds(wanted.release) and bool(same_code)


def _drift_message(seen: Observation, label: str, wanted: Release, *, put_back: bool) -> str:
    revision, memory = seen.asked_by(PRODUCTION), seen.memory
    commit = revision.short
    if put_back:
        return f"the hold is over: production {label} -> {wanted.version}"
    if memory.converged == wanted and isinstance(seen.live, Live) and taken_back(seen.live, memory):
        return f"the platform took the swap back: production {label} -> {wanted.version}"
    if memory.converged == wanted:
        return f"production serves {label} by hand, {commit} wants {wanted.version}"
    if revision.reverts and wanted in memory.served:
        return (
            f"rollback: {commit} reverts {revision.reverts[:7]}, "
            f"production {label} -> {wanted.version}"
        )
    return f"production serves {label}, {commit} wants {wanted.version}"


def _pin_drift(live: Live, seen: Observation, base: Event) -> Event | None:
    if not isinstance(live.pin, Resolved) or not _brings_to(seen.decision, STAGING):
        return None
    release = live.pin.release
    code = live.pin.build or ""
    told = seen.memory.drifts.get(STAGING)
    if told and (told.release, told.code) == (release, code):
        return None
    return _drift_at(live.staging, release, code, seen, base)


def _further_drift(live: Live, seen: Observation, base: Event) -> Event | None:
    for each in live.further:
        if isinstance(each.wanted, Resolved) and _drifts(each, each.wanted, seen):
            wanted, slot = each.wanted, each.place.slot
            return _drift_at(slot, wanted.release, wanted.build or "", seen, base)
    return None


def _drifts(each: Further, wanted: Resolved, seen: Observation) -> bool:
    """Say whether a further slot is to be brought to what has not been told of it yet."""
    memory, name = seen.memory, each.place.name
    told = memory.drifts.get(name)
    if told and (told.release, told.code) == (wanted.release, wanted.build or ""):
        return False
    if _brings_to(seen.decision, name):
        return True
    # Other code is another wish: what was given up with the code before is tried again.
    failed = attempts_of(memory, name, wanted.release)
    given_up = told is not None and bool(failed.failed or failed.refused)
    return given_up and not holds(memory, each.place, wanted)


def _brings_to(decision: Decision, slot: str) -> bool:
    return isinstance(decision, Verify | Deploy) and decision.slot == slot


def _drift_at(slot: SlotLive, release: Release, code: str, seen: Observation, base: Event) -> Event:
    serving, revision = slot.health.release, seen.asked_by(slot.name)
    return replace(
        base,
        slot=slot.name,
        revision=revision.commit,
        author=revision.author,
        subject=revision.subject,
        message=f"{slot.name} serves {serving.version if serving else 'nothing'}, "
        f"{revision.short} wants {release.version}",
        detail={"code": code} if code else {},
        **_release_fields(release, serving),
    )


def converged_event(seen: Observation, stop: Converged, base: Event) -> Event | None:
    """Return the Converged that ends a run, or None where it was said already."""
    live, memory = seen.live, seen.memory
    assert isinstance(live, Live)
    assert isinstance(live.wanted, Resolved)
    release = live.wanted.release
    told = memory.stop[0] == "Converged" and memory.converged == release
    if told and stop.finishes is None:
        return None
    detail: dict[str, Any] = {}
    if live.production.arm:
        detail["swap_status"] = live.production.arm.swap_status
    if live.wanted.build:
        detail["code"] = live.wanted.build
    if stop.finishes is None:
        fields = _release_fields(release, None)
        return replace(base, slot=PRODUCTION, message=stop.message, detail=detail, **fields)
    intent = stop.finishes
    detail["intent"] = intent.id
    started = memory.run_started
    seconds = (base.time - started).total_seconds() if started else 0.0
    before = intent.replaces.version if intent.replaces else "nothing"
    deployed = memory.deploy is not None and (started is None or memory.deploy.time >= started)
    after = (
        f"staging keeps {before} for rollback"
        if deployed and intent.replaces
        else ("first install" if not intent.replaces else "one swap, nothing deployed")
    )
    soak_s = seen.app.soak_s if isinstance(seen.app, App) else None
    soaks = f"; it soaks for {spoken(soak_s)}" if soak_s and not intent.back else ""
    return replace(
        base,
        slot=PRODUCTION,
        message=f"production {before} -> {release.version} in {_seconds(seconds)}; {after}{soaks}",
        detail=detail,
        **_release_fields(release, intent.replaces),
    )


def settled_event(seen: Observation, base: Event) -> Event | None:
    """
    Return the Converged of a production that is as it shall while another slot is not.

    What is remembered of production, a hold or attempts or a failed swap, must not wait for a
    candidate in staging or a further slot. None where nothing of it is open.
    """
    live, memory, app = seen.live, seen.memory, seen.app
    if not is_beside(seen.decision) or not isinstance(live, Live) or not isinstance(app, App):
        return None
    if memory.intent or not isinstance(live.wanted, Resolved):
        return None
    if not production_serves(live, live.wanted):
        return None
    release, code = live.wanted.release, live.wanted.build or ""
    same = (memory.converged, memory.converged_code) == (release, code)
    if same and not (memory.hold_since or memory.swap_failed or memory.drifted):
        return None
    detail: dict[str, Any] = {"aside": True}
    if live.production.arm:
        detail["swap_status"] = live.production.arm.swap_status
    if code:
        detail["code"] = code
    message = f"production serves {release}"
    fields = _release_fields(release, None)
    return replace(base, slot=PRODUCTION, message=message, detail=detail, **fields)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
