"""
Memory: what the controller remembers, folded from its journal, one event at a time.

Pure. Every field of `Memory` that an event changes is changed here and nowhere else.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from gitslot.errors import JournalError
from gitslot.record.event import BY_HAND, OBSERVING, ONLY_SEEN, STOPS, Event
from gitslot.state.remembered import (
    Asked,
    Attempts,
    Intent,
    LastSwap,
    Memory,
    OpenDeploy,
    Shown,
    Wish,
)
from gitslot.state.seen import Mark
from gitslot.state.wanted import PRODUCTION, STAGING, Release, Revision

_PROOFS = 64  # proofs that are remembered: what staging holds may have been proved long ago
_COUNTED = 16  # failed deploys that are remembered by name


def fold(events: Iterable[Event], memory: Memory | None = None) -> Memory:
    """
    Return the memory of *events*, in their order; an id seen twice counts once.

    Raises JournalError where an event lacks what memory needs: somebody edited the journal.
    """
    memory = memory or Memory()
    seen: set[str] = set()
    for event in events:
        if event.id not in seen:
            seen.add(event.id)
            try:
                memory = remember(memory, event)
            except (AssertionError, ValueError, TypeError) as error:
                raise JournalError(
                    f"event {event.id} of the journal lacks what memory needs",
                    reason="JournalUnreadable",
                ) from error
    return memory


def remember(memory: Memory, event: Event) -> Memory:
    """Return *memory* after *event*."""
    going_back = memory.intent is not None and memory.intent.back
    if rule := _RULES.get(event.event):
        memory = rule(memory, event)
    if not going_back and not event.rehearsal:  # what ends a soak is no attempt at what Git wants
        memory = _count_failure(memory, event)
    if wait := event.detail.retry_after_s:
        memory = replace(memory, writes_from=event.time + timedelta(seconds=float(wait)))
    memory = _pinned(_asked(memory, event), event)
    if event.event in _BASELINE:
        memory = replace(memory, baseline=True)
    if event.quiet or event.rehearsal or event.event in _ASIDE:
        return memory
    if event.event not in STOPS:
        return replace(memory, stop=("", "", ""), next="")
    stop = (event.event, event.reason, event.message)
    return replace(memory, stop=stop, next=event.detail.next)


def _revision(event: Event) -> Revision:
    exact = not event.detail.inexact
    return Revision(event.revision, event.author, event.subject, exact=exact)


def _asked(memory: Memory, event: Event) -> Memory:
    """Keep which commit asked for a wish; older controllers wrote the newest one of the look."""
    for slot, text in event.detail.wish.items():
        memory = _at(memory, slot, asked=Asked(text, _revision(event)))
    known = memory.of(PRODUCTION).asked
    older = event.event in ("Drift", "Converged") and event.slot in ("", PRODUCTION)
    if older and event.revision and not (known and known.text):
        memory = _at(memory, PRODUCTION, asked=Asked("", _revision(event)))
    return memory


def _pinned(memory: Memory, event: Event) -> Memory:
    """Keep which digests the file pins, and what the slots were set to at the first look."""
    release, asked = event.release, memory.of(event.slot or PRODUCTION).asked
    pins = release and asked and asked.text.startswith(f"{release.model} {release.setting}")
    if release and pins and event.event in ("Drift", "Converged"):
        memory = _known(replace(memory, pinned=memory.pinned | {release}), release)
    if found := event.detail.set_to:
        memory = replace(memory, digests={**found, **memory.digests})
    return memory


def _drift(memory: Memory, event: Event) -> Memory:
    release = event.release
    if release is None:
        return replace(memory, run=event.run, run_started=event.time, hold_since=None)
    wish = Wish(release, event.detail.code, event.time)
    if event.slot not in ("", PRODUCTION):
        return _drift_elsewhere(memory, event, wish)
    last, before = memory.last_swap, memory.of(PRODUCTION)
    attempts = before.attempts
    if attempts and (attempts.release, before.code) != (release, wish.code):
        attempts = None
    same = last is not None and (last.release, last.code) == (release, wish.code)
    stays = (memory.converged, memory.converged_code) == (release, wish.code)
    if memory.production is None:
        memory = _shown(memory, event, event.replaced)
    memory = replace(
        _served(memory, event.replaced),
        last_swap=last if same or not last else _soaked(last),
        run=event.run,
        run_started=event.time,
        aligned=0,
        converged=memory.converged if stays and not event.detail.put_back else None,
        hold_since=None,
    )
    memory = _at(memory, PRODUCTION, wish=wish, attempts=attempts)
    return _at(memory, STAGING, wish=None)  # a candidate waits until production is settled


def _drift_elsewhere(memory: Memory, event: Event, wish: Wish) -> Memory:
    """Remember what a slot but production is brought to; nothing changes for production."""
    slot, before = event.slot, memory.of(event.slot)
    attempts, drift = before.attempts, before.drift
    if attempts and (attempts.release != wish.release or (drift and drift.code != wish.code)):
        attempts = None
    aligned = 0 if slot == STAGING else memory.aligned
    memory = replace(memory, run=event.run, aligned=aligned)
    return _at(memory, slot, wish=wish, attempts=attempts)


def _soaked(last: LastSwap) -> LastSwap:
    return replace(last, soaked=True)


def _deploy_started(memory: Memory, event: Event) -> Memory:
    release = event.release
    assert release is not None
    slot, entry = _counts_for(event), _attempts(memory, _counts_for(event), release)
    began = OpenDeploy(event.detail.deploy, event.time, release)
    memory = _known(memory, release)
    memory = _at(memory, slot, attempts=replace(entry, started=entry.started + 1))
    memory = _at(memory, _place(event), deploy=began, held=None)
    aligns = event.reason in ("SettingsDiffer", "WarmupMissing")
    return replace(memory, aligned=memory.aligned + aligns)


def _deploy_finished(memory: Memory, event: Event) -> Memory:
    """A deploy that the platform refused was never begun: nothing is in doubt any more."""
    if event.detail.busy and event.release:
        memory = _busy(memory, _counts_for(event), event.release, event.time)
    memory = _at(memory, _place(event), deploy=None)
    if _place(event) != STAGING:
        return memory  # whatever is prepared there is not ours: it is never swapped
    return replace(memory, conflict_prepared=event.detail.prepared)


def _rehearsed(memory: Memory, event: Event, *, failed: bool) -> Memory:
    if event.slot == PRODUCTION:  # asked as users do
        return replace(memory, users_refused=failed)
    return replace(memory, rehearsal_failed=failed)


def _verify_failed(memory: Memory, event: Event) -> Memory:
    return _rehearsed(memory, event, failed=True) if event.rehearsal else memory


def _verify_passed(memory: Memory, event: Event) -> Memory:
    if event.rehearsal:
        return _rehearsed(memory, event, failed=False)
    proof = (event.detail.deploy, event.to_digest)
    verified = tuple(each for each in memory.verified if each != proof)
    memory = replace(memory, verified=(*verified, proof)[-_PROOFS:])
    if event.reason != "Held" or event.release is None:
        return memory
    slot = _place(event)
    held = (event.release, event.detail.code)
    return _at(_not_busy(memory, slot), slot, held=held, proved=proof, wish=None)


def _swap_started(memory: Memory, event: Event) -> Memory:
    release = event.release
    assert release is not None
    detail = event.detail
    intent = Intent(
        id=event.id,
        run=event.run,
        time=event.time,
        release=release,
        replaces=event.replaced,
        deploy=detail.deploy,
        production_deployment=detail.production_deployment,
        staging_deployment=detail.staging_deployment,
        production_swap=detail.production_swap,
        staging_swap=detail.staging_swap,
        back=detail.back,
        revision=_revision(event),
    )
    last = memory.last_swap
    if intent.back and last:
        last = _soaked(last)
    return replace(memory, intent=intent, last_swap=last)


def _swap_unknown(memory: Memory, event: Event) -> Memory:
    return replace(memory, intent=memory.intent and replace(memory.intent, unknown=True))


def _waiting(memory: Memory, event: Event) -> Memory:
    """Waiting carries what was learned of a swap in flight, and when a hold began."""
    detail, intent = event.detail, memory.intent
    if intent and detail.location:
        intent = replace(intent, location=detail.location)
    if intent and detail.busy:
        met = detail.prepared
        intent = replace(intent, busy_since=event.time, refusal=detail.refusal, prepared=met)
        if (met or not detail.refusal) and not intent.back:
            memory = _waited(memory, intent.release, event.time)
    cleared = detail.reset
    return replace(
        memory,
        intent=intent,
        hold_since=detail.since or memory.hold_since,
        swap_failed=None if cleared else memory.swap_failed,
        conflict_prepared=memory.conflict_prepared and not cleared,
    )


def _took_effect(memory: Memory, event: Event) -> Memory:
    intent = memory.intent
    if intent is None:
        return memory
    memory = _at(_served(memory, intent.replaces, intent.release), STAGING, deploy=None, held=None)
    memory = replace(
        memory,
        intent=None,
        rehearsal_failed=False,
        swap_failed=None,
        converged=None,  # what production leaves by our own swap, it does not leave by hand
        swap_status=_status(event, memory),
    )
    memory = _shown(memory, event, intent.release)
    if intent.back:
        return went_back(memory, intent.release, intent.replaces)
    last = LastSwap(
        intent.release,
        intent.replaces,
        memory.of(PRODUCTION).code,
        event.time,
        soaks=event.detail.soaks,
    )
    return replace(memory, last_swap=last)


def went_back(memory: Memory, release: Release, refused: Release | None) -> Memory:
    """Return *memory* after production went back to *release*: *refused* is not tried again."""
    memory = replace(memory, last_swap=LastSwap(release, refused, back=True))
    if refused is None:
        return memory
    entry = replace(
        _attempts(memory, PRODUCTION, refused),
        reason="SwappedBack",
        message=f"{refused} failed its soak, and production was swapped back to {release}; "
        "`gitslot retry` tries it again",
        refused=True,
    )
    return _at(memory, PRODUCTION, attempts=entry)


def _status(event: Event, memory: Memory) -> str | None:
    status = event.detail.swap_status
    return memory.swap_status if status is None else status


def _not_taken(memory: Memory, event: Event) -> Memory:
    last, intent = memory.last_swap, memory.intent
    prepared = event.detail.prepared or (intent is not None and intent.prepared)
    failed = event.verdict != "" and not (intent and intent.refusal)  # that one never began
    if last and intent and intent.back and event.detail.unsent:  # it never was, so it is not used
        last = replace(last, soaked=False)
    return replace(
        memory,
        intent=None,
        last_swap=last,
        swap_failed=event.time if failed else memory.swap_failed,
        conflict_prepared=memory.conflict_prepared or prepared,
    )


def _reverted(memory: Memory, event: Event) -> Memory:
    """A swap that the platform took back after its end: production did not leave it by hand."""
    if memory.intent:
        return _not_taken(memory, event)
    last = memory.last_swap
    memory = _shown(memory, event, last.replaced if last else None)
    return replace(memory, converged=None, last_swap=last and _soaked(last))


def _converged(memory: Memory, event: Event) -> Memory:
    if event.detail.intent:
        memory = _took_effect(memory, event)
    release = event.release
    memory = _not_busy(_served(memory, release), PRODUCTION)
    production = memory.of(PRODUCTION)
    if production.attempts and release not in (None, production.attempts.release):
        memory = _at(memory, PRODUCTION, attempts=None)
    looked = event.detail.swap_status is not None  # ARM was read, and showed nothing prepared
    memory = replace(
        _closed(memory, PRODUCTION),
        converged=release or memory.converged,
        converged_code=event.detail.code,
        swap_failed=memory.swap_failed if memory.conflict_prepared or not looked else None,
        hold_since=None,
        swap_status=_status(event, memory),
    )
    memory = _shown(memory, event, release)
    if event.detail.aside:  # production alone: the run goes on in other slots
        return memory
    # The end of a swap proves nothing of further slots; without one, all have what is wanted.
    names = () if event.detail.intent else tuple(memory.slots)
    memory = _closed(memory, *names)
    return replace(memory, aligned=0, run="", run_started=None)


def _shown(memory: Memory, event: Event, release: Release | None) -> Memory:
    """Remember that production is set to *release*; the first of equal events counts."""
    before, status = memory.production, event.detail.swap_status
    if status is None and before:
        status = before.swap_status
    same = before and (before.release, before.swap_status) == (release, status)
    if release is None or same:
        return memory
    return replace(memory, production=Shown(release, status, event.time))


def _by_hand(memory: Memory, event: Event) -> Memory:
    """Whatever hands did to production changes no other memory: it vouches for nothing."""
    return _shown(memory, event, Release(event.model, event.to, event.to_digest))


def _soak_passed(memory: Memory, event: Event) -> Memory:
    del event
    return replace(memory, last_swap=memory.last_swap and _soaked(memory.last_swap))


def _left(memory: Memory, event: Event) -> Memory:
    """Forget who asked for what: whoever brings the file back asks anew."""
    del event
    slots = {slot: replace(each, asked=None) for slot, each in memory.slots.items()}
    return replace(memory, left=True, slots=slots)


def _returned(memory: Memory, event: Event) -> Memory:
    del event
    return replace(memory, left=False)


def _suspended(memory: Memory, event: Event) -> Memory:
    """Remember the controller's setting; that of somebody's own shell binds nobody else."""
    if event.trigger == "cli":
        return memory
    by_setting = event.reason == "SuspendedBySetting"
    return replace(memory, suspended=event.message if by_setting else "")


def _resumed(memory: Memory, event: Event) -> Memory:
    del event
    return replace(memory, suspended="", observed=False)


def _would(memory: Memory, event: Event) -> Memory:
    """Remember that the controller only observes, or a step that it left undone."""
    if event.event == OBSERVING:
        return replace(memory, observed=True)
    return replace(memory, would=memory.would | {event.detail.would})


def _retried(memory: Memory, event: Event) -> Memory:
    """
    A person looked: attempts, freezes and holds start afresh.

    Which deploys failed is kept, so that the next one is a new one and restarts the slot.
    """
    for slot, each in memory.slots.items():
        if entry := each.attempts:
            again = Attempts(entry.release, started=entry.started, counted=entry.counted)
            memory = _at(memory, slot, attempts=again)
    memory = replace(memory, aligned=0, hold_since=None, conflict_prepared=False)
    if memory.baseline:
        return memory
    return replace(memory, lost_since=event.time, lost_markers=event.detail.markers)


# ---------------------------------------------------------------- attempts


def _counts_for(event: Event) -> str:
    return event.detail.counts_for or PRODUCTION


def _attempts(memory: Memory, slot: str, release: Release) -> Attempts:
    entry = memory.of(slot).attempts
    return entry if entry and entry.release == release else Attempts(release)


def _busy(memory: Memory, slot: str, release: Release, time: datetime) -> Memory:
    """Another operation came first: no failed attempt, and not to be asked again at once."""
    entry = _attempts(memory, slot, release)
    return _at(memory, slot, attempts=replace(entry, busy=entry.busy + 1, last=time))


def _waited(memory: Memory, release: Release, time: datetime) -> Memory:
    """A swap was answered by 409: no failed attempt, and it is seen first whether it began."""
    entry = _attempts(memory, PRODUCTION, release)
    return _at(memory, PRODUCTION, attempts=replace(entry, waits=entry.waits + 1, last=time))


def _not_busy(memory: Memory, slot: str) -> Memory:
    """*slot* has what it wanted: other operations do not stand in the way any more."""
    entry = memory.of(slot).attempts
    return _at(memory, slot, attempts=replace(entry, busy=0, waits=0)) if entry else memory


def _place(event: Event) -> str:
    """Return the slot that *event* happened in; older journals know of staging alone."""
    return event.slot or STAGING


def _at(memory: Memory, slot: str, **changes: Any) -> Memory:
    """Return *memory* with *changes* to what it holds of *slot*."""
    return replace(memory, slots={**memory.slots, slot: replace(memory.of(slot), **changes)})


def _closed(memory: Memory, *slots: str) -> Memory:
    """Return *memory* without open drift in *slots*."""
    for slot in slots:
        if drift := memory.of(slot).drift:
            memory = _at(memory, slot, wish=replace(drift, open=False))
    return memory


def _known(memory: Memory, release: Release, *, served: bool = False) -> Memory:
    """
    Return *memory* with *release* among those that were seen, or *served* by production.

    Its digest stands for the version from then on, where none did, and where the file has pinned it
    and production served it.
    """
    served = served or release in memory.served
    name, digests = str(release), memory.digests
    if name not in digests or (served and release in memory.pinned):
        digests = {**digests, name: release.digest}
    return replace(memory, releases={**memory.releases, release: served}, digests=digests)


def _served(memory: Memory, *releases: Release | None) -> Memory:
    """Return *memory* with *releases* among those that production served."""
    for release in filter(None, releases):
        memory = _known(memory, release, served=True)
    return memory


def _count_failure(memory: Memory, event: Event) -> Memory:
    """An event with a failing verdict is one failed attempt, counted once per MODEL_DEPLOY."""
    release, deploy = event.release, event.detail.deploy
    if release is None or event.verdict not in (Mark.FAIL.value, Mark.INCONCLUSIVE.value):
        return memory
    slot = _counts_for(event)
    entry = _attempts(memory, slot, release)
    if deploy and deploy in entry.counted:
        return memory
    put_back = event.event == "Drift"
    disproved = event.verdict == Mark.FAIL.value or put_back or event.event == "SwapReverted"
    entry = replace(
        entry,
        failed=entry.failed + 1,
        disproved=entry.disproved + disproved,
        last=entry.last if put_back else event.time,  # the hold was the pause
        reason=event.reason,
        message="somebody swapped it away again" if put_back else event.message,
        counted=(*entry.counted, deploy)[-_COUNTED:] if deploy else entry.counted,
        busy=0,
        waits=0,
        refused=entry.refused or event.detail.refuse,
    )
    return _at(memory, slot, attempts=entry)


_RULES: dict[str, Callable[[Memory, Event], Memory]] = {
    "Drift": _drift,
    "DeployStarted": _deploy_started,
    "DeployFinished": _deploy_finished,
    "VerifyPassed": _verify_passed,
    "VerifyFailed": _verify_failed,
    "SwapStarted": _swap_started,
    "SwapUnknown": _swap_unknown,
    "Waiting": _waiting,
    "SwapFinished": _took_effect,
    "SwappedBack": _took_effect,
    "SwapFailed": _not_taken,
    "SwapReverted": _reverted,
    "Converged": _converged,
    "Suspended": _suspended,
    "Resumed": _resumed,
    "Retried": _retried,
    "SoakPassed": _soak_passed,
    "Left": _left,
    "Returned": _returned,
    **dict.fromkeys(ONLY_SEEN, _would),
    BY_HAND: _by_hand,
}
# What only a controller that looked, decided and found its journal whole can have written.
_NO_BASELINE = ("Drift", "Waiting", "Suspended", "Resumed", "Retried", "Left", "Returned")
_BASELINE = _RULES.keys() - {*_NO_BASELINE, *ONLY_SEEN}
# What is recorded beside a stop, which stays.
_ASIDE = (*ONLY_SEEN, "SoakPassed")
