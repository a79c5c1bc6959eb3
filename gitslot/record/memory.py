"""
Memory: what the controller remembers, folded from its journal, one event at a time.

Pure. Every field of `Memory` that an event changes is changed here and nowhere else.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

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
    SlotMemory,
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
    draft = _draft(memory or Memory())
    seen: set[str] = set()
    for event in events:
        if event.id not in seen:
            seen.add(event.id)
            try:
                _remember(draft, event)
            except (AssertionError, ValueError, TypeError) as error:
                raise JournalError(
                    f"event {event.id} of the journal lacks what memory needs",
                    reason="JournalUnreadable",
                ) from error
    return draft


def remember(memory: Memory, event: Event) -> Memory:
    """Return *memory* after *event*."""
    return fold([event], memory)


def went_back(memory: Memory, release: Release, refused: Release | None) -> Memory:
    """Return *memory* after production went back to *release*: *refused* is not tried again."""
    draft = _draft(memory)
    _went_back(draft, release, refused)
    return draft


def _draft(memory: Memory) -> Memory:
    """Return a copy of *memory* that the rules may write into, as nobody else has it yet."""
    slots = {slot: replace(each) for slot, each in memory.slots.items()}
    releases, digests = dict(memory.releases), dict(memory.digests)
    return replace(memory, slots=slots, releases=releases, digests=digests)


def _set(draft: Memory | SlotMemory, **changes: Any) -> None:
    for name, value in changes.items():
        object.__setattr__(draft, name, value)


def _at(memory: Memory, slot: str, **changes: Any) -> None:
    """Write *changes* into what *memory* holds of *slot*."""
    slots = cast(dict[str, SlotMemory], memory.slots)
    if slot not in slots:
        slots[slot] = SlotMemory()
    _set(slots[slot], **changes)


def _remember(memory: Memory, event: Event) -> None:
    """Write what *event* changes into *memory*, a draft; so does each rule."""
    going_back = memory.intent is not None and memory.intent.back
    if rule := _RULES.get(event.event):
        rule(memory, event)
    detail = event.detail
    if not going_back and not detail.rehearsal:  # what ends a soak is no attempt at what Git wants
        _count_failure(memory, event)
    if wait := detail.retry_after_s:
        _set(memory, writes_from=event.time + timedelta(seconds=float(wait)))
    _asked(memory, event)
    _pinned(memory, event)
    if event.event in _BASELINE:
        _set(memory, baseline=True)
    if detail.quiet or detail.rehearsal or event.event in _ASIDE:
        return
    stops = event.event in STOPS
    stop = (event.event, event.reason, event.message) if stops else ("", "", "")
    _set(memory, stop=stop, next=detail.next if stops else "")


def _revision(event: Event) -> Revision:
    exact = not event.detail.inexact
    return Revision(event.revision, event.author, event.subject, exact=exact)


def _asked(memory: Memory, event: Event) -> None:
    """Keep which commit asked for a wish; older controllers wrote the newest one of the look."""
    for slot, text in event.detail.wish.items():
        _at(memory, slot, asked=Asked(text, _revision(event)))
    older = event.event in ("Drift", "Converged") and event.slot in ("", PRODUCTION)
    if older and event.revision:
        known = memory.of(PRODUCTION).asked
        if not (known and known.text):
            _at(memory, PRODUCTION, asked=Asked("", _revision(event)))


def _pinned(memory: Memory, event: Event) -> None:
    """Keep which digests the file pins, and what the slots were set to at the first look."""
    if event.event in ("Drift", "Converged"):
        release, asked = event.release, memory.of(event.slot or PRODUCTION).asked
        if release and asked and asked.text.startswith(f"{release.model} {release.setting}"):
            if release not in memory.pinned:
                _set(memory, pinned=memory.pinned | {release})
            _known(memory, release)
    if found := event.detail.set_to:
        _set(memory, digests={**found, **memory.digests})


def _drift(memory: Memory, event: Event) -> None:
    release = event.release
    if release is None:
        _set(memory, run=event.run, run_started=event.time, hold_since=None)
        return
    wish = Wish(release, event.detail.code, event.time)
    if event.slot not in ("", PRODUCTION):
        _drift_elsewhere(memory, event, wish)
        return
    last, before, replaced = memory.last_swap, memory.of(PRODUCTION), event.replaced
    attempts = before.attempts
    if attempts and (attempts.release, before.code) != (release, wish.code):
        attempts = None
    same = last is not None and (last.release, last.code) == (release, wish.code)
    stays = (memory.converged, memory.converged_code) == (release, wish.code)
    if memory.production is None:
        _shown(memory, event, replaced)
    _served(memory, replaced)
    _set(
        memory,
        last_swap=last if same or not last else _soaked(last),
        run=event.run,
        run_started=event.time,
        aligned=0,
        converged=memory.converged if stays and not event.detail.put_back else None,
        hold_since=None,
    )
    _at(memory, PRODUCTION, wish=wish, attempts=attempts)
    _at(memory, STAGING, wish=None)  # a candidate waits until production is settled


def _drift_elsewhere(memory: Memory, event: Event, wish: Wish) -> None:
    """Remember what a slot but production is brought to; nothing changes for production."""
    slot, before = event.slot, memory.of(event.slot)
    attempts, drift = before.attempts, before.drift
    if attempts and (attempts.release != wish.release or (drift and drift.code != wish.code)):
        attempts = None
    _set(memory, run=event.run, aligned=0 if slot == STAGING else memory.aligned)
    _at(memory, slot, wish=wish, attempts=attempts)


def _soaked(last: LastSwap) -> LastSwap:
    return replace(last, soaked=True)


def _deploy_started(memory: Memory, event: Event) -> None:
    release = event.release
    assert release is not None
    slot, entry = _counts_for(event), _attempts(memory, _counts_for(event), release)
    began = OpenDeploy(event.detail.deploy, event.time, release)
    _known(memory, release)
    _at(memory, slot, attempts=replace(entry, started=entry.started + 1))
    _at(memory, _place(event), deploy=began, held=None)
    if event.reason in ("SettingsDiffer", "WarmupMissing"):
        _set(memory, aligned=memory.aligned + 1)


def _deploy_finished(memory: Memory, event: Event) -> None:
    """A deploy that the platform refused was never begun: nothing is in doubt any more."""
    if event.detail.busy and event.release:
        _busy(memory, _counts_for(event), event.release, event.time)
    _at(memory, _place(event), deploy=None)
    if _place(event) == STAGING:  # whatever is prepared elsewhere is not ours: it is never swapped
        _set(memory, conflict_prepared=event.detail.prepared)


def _rehearsed(memory: Memory, event: Event, *, failed: bool) -> None:
    users = event.slot == PRODUCTION  # asked as they do
    _set(memory, **{"users_refused" if users else "rehearsal_failed": failed})


def _verify_failed(memory: Memory, event: Event) -> None:
    if event.rehearsal:
        _rehearsed(memory, event, failed=True)


def _verify_passed(memory: Memory, event: Event) -> None:
    if event.rehearsal:
        _rehearsed(memory, event, failed=False)
        return
    proof = (event.detail.deploy, event.to_digest)
    verified = tuple(each for each in memory.verified if each != proof)
    _set(memory, verified=(*verified, proof)[-_PROOFS:])
    if event.reason != "Held" or event.release is None:
        return
    slot = _place(event)
    held = (event.release, event.detail.code)
    _not_busy(memory, slot)
    _at(memory, slot, held=held, proved=proof, wish=None)


def _swap_started(memory: Memory, event: Event) -> None:
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
    _set(memory, intent=intent, last_swap=last)


def _swap_unknown(memory: Memory, event: Event) -> None:
    del event
    _set(memory, intent=memory.intent and replace(memory.intent, unknown=True))


def _waiting(memory: Memory, event: Event) -> None:
    """Waiting carries what was learned of a swap in flight, and when a hold began."""
    detail, intent = event.detail, memory.intent
    if intent and detail.location:
        intent = replace(intent, location=detail.location)
    if intent and detail.busy:
        met = detail.prepared
        intent = replace(intent, busy_since=event.time, refusal=detail.refusal, prepared=met)
        if (met or not detail.refusal) and not intent.back:
            _waited(memory, intent.release, event.time)
    cleared = detail.reset
    _set(
        memory,
        intent=intent,
        hold_since=detail.since or memory.hold_since,
        swap_failed=None if cleared else memory.swap_failed,
        conflict_prepared=memory.conflict_prepared and not cleared,
    )


def _took_effect(memory: Memory, event: Event) -> None:
    intent = memory.intent
    if intent is None:
        return
    _served(memory, intent.replaces, intent.release)
    _at(memory, STAGING, deploy=None, held=None)
    _set(
        memory,
        intent=None,
        rehearsal_failed=False,
        swap_failed=None,
        converged=None,  # what production leaves by our own swap, it does not leave by hand
        swap_status=_status(event, memory),
    )
    _shown(memory, event, intent.release)
    if intent.back:
        _went_back(memory, intent.release, intent.replaces)
        return
    last = LastSwap(
        intent.release,
        intent.replaces,
        memory.of(PRODUCTION).code,
        event.time,
        soaks=event.detail.soaks,
    )
    _set(memory, last_swap=last)


def _went_back(memory: Memory, release: Release, refused: Release | None) -> None:
    _set(memory, last_swap=LastSwap(release, refused, back=True))
    if refused is None:
        return
    entry = replace(
        _attempts(memory, PRODUCTION, refused),
        reason="SwappedBack",
        message=f"{refused} failed its soak, and production was swapped back to {release}; "
        "`gitslot retry` tries it again",
        refused=True,
    )
    _at(memory, PRODUCTION, attempts=entry)


def _status(event: Event, memory: Memory) -> str | None:
    status = event.detail.swap_status
    return memory.swap_status if status is None else status


def _not_taken(memory: Memory, event: Event) -> None:
    last, intent = memory.last_swap, memory.intent
    prepared = event.detail.prepared or (intent is not None and intent.prepared)
    failed = event.verdict != "" and not (intent and intent.refusal)  # that one never began
    if last and intent and intent.back and event.detail.unsent:  # it never was, so it is not used
        last = replace(last, soaked=False)
    _set(
        memory,
        intent=None,
        last_swap=last,
        swap_failed=event.time if failed else memory.swap_failed,
        conflict_prepared=memory.conflict_prepared or prepared,
    )


def _reverted(memory: Memory, event: Event) -> None:
    """A swap that the platform took back after its end: production did not leave it by hand."""
    if memory.intent:
        _not_taken(memory, event)
        return
    last = memory.last_swap
    _shown(memory, event, last.replaced if last else None)
    _set(memory, converged=None, last_swap=last and _soaked(last))


def _converged(memory: Memory, event: Event) -> None:
    if event.detail.intent:
        _took_effect(memory, event)
    release = event.release
    _served(memory, release)
    _not_busy(memory, PRODUCTION)
    production = memory.of(PRODUCTION)
    if production.attempts and release not in (None, production.attempts.release):
        _at(memory, PRODUCTION, attempts=None)
    looked = event.detail.swap_status is not None  # ARM was read, and showed nothing prepared
    _closed(memory, PRODUCTION)
    _set(
        memory,
        converged=release or memory.converged,
        converged_code=event.detail.code,
        swap_failed=memory.swap_failed if memory.conflict_prepared or not looked else None,
        hold_since=None,
        swap_status=_status(event, memory),
    )
    _shown(memory, event, release)
    if event.detail.aside:  # production alone: the run goes on in other slots
        return
    if not event.detail.intent:  # the end of a swap proves nothing of further slots
        _closed(memory, *memory.slots)
    _set(memory, aligned=0, run="", run_started=None)


def _shown(memory: Memory, event: Event, release: Release | None) -> None:
    """Remember that production is set to *release*; the first of equal events counts."""
    before, status = memory.production, event.detail.swap_status
    if status is None and before:
        status = before.swap_status
    same = before and (before.release, before.swap_status) == (release, status)
    if release is not None and not same:
        _set(memory, production=Shown(release, status, event.time))


def _by_hand(memory: Memory, event: Event) -> None:
    """Whatever hands did to production changes no other memory: it vouches for nothing."""
    _shown(memory, event, Release(event.model, event.to, event.to_digest))


def _soak_passed(memory: Memory, event: Event) -> None:
    del event
    _set(memory, last_swap=memory.last_swap and _soaked(memory.last_swap))


def _left(memory: Memory, event: Event) -> None:
    """Forget who asked for what: whoever brings the file back asks anew."""
    del event
    for slot in memory.slots:
        _at(memory, slot, asked=None)
    _set(memory, left=True)


def _returned(memory: Memory, event: Event) -> None:
    del event
    _set(memory, left=False)


def _suspended(memory: Memory, event: Event) -> None:
    """Remember the controller's setting; that of somebody's own shell binds nobody else."""
    if event.trigger != "cli":
        by_setting = event.reason == "SuspendedBySetting"
        _set(memory, suspended=event.message if by_setting else "")


def _resumed(memory: Memory, event: Event) -> None:
    del event
    _set(memory, suspended="", observed=False)


def _would(memory: Memory, event: Event) -> None:
    """Remember that the controller only observes, or a step that it left undone."""
    if event.event == OBSERVING:
        _set(memory, observed=True)
    else:
        _set(memory, would=memory.would | {event.detail.would})


def _retried(memory: Memory, event: Event) -> None:
    """
    A person looked: attempts, freezes and holds start afresh.

    Which deploys failed is kept, so that the next one is a new one and restarts the slot.
    """
    for slot, each in memory.slots.items():
        if entry := each.attempts:
            again = Attempts(entry.release, started=entry.started, counted=entry.counted)
            _at(memory, slot, attempts=again)
    _set(memory, aligned=0, hold_since=None, conflict_prepared=False)
    if not memory.baseline:
        _set(memory, lost_since=event.time, lost_markers=event.detail.markers)


# ---------------------------------------------------------------- attempts


def _counts_for(event: Event) -> str:
    return event.detail.counts_for or PRODUCTION


def _attempts(memory: Memory, slot: str, release: Release) -> Attempts:
    entry = memory.of(slot).attempts
    return entry if entry and entry.release == release else Attempts(release)


def _busy(memory: Memory, slot: str, release: Release, time: datetime) -> None:
    """Another operation came first: no failed attempt, and not to be asked again at once."""
    entry = _attempts(memory, slot, release)
    _at(memory, slot, attempts=replace(entry, busy=entry.busy + 1, last=time))


def _waited(memory: Memory, release: Release, time: datetime) -> None:
    """A swap was answered by 409: no failed attempt, and it is seen first whether it began."""
    entry = _attempts(memory, PRODUCTION, release)
    _at(memory, PRODUCTION, attempts=replace(entry, waits=entry.waits + 1, last=time))


def _not_busy(memory: Memory, slot: str) -> None:
    """*slot* has what it wanted: other operations do not stand in the way any more."""
    entry = memory.of(slot).attempts
    if entry and (entry.busy or entry.waits):
        _at(memory, slot, attempts=replace(entry, busy=0, waits=0))


def _place(event: Event) -> str:
    """Return the slot that *event* happened in; older journals know of staging alone."""
    return event.slot or STAGING


def _closed(memory: Memory, *slots: str) -> None:
    """End the drift that is open in *slots*."""
    for slot in slots:
        if drift := memory.of(slot).drift:
            _at(memory, slot, wish=replace(drift, open=False))


def _known(memory: Memory, release: Release, *, served: bool = False) -> None:
    """
    Keep *release* among those that were seen, or *served* by production.

    Its digest stands for the version from then on, where none did, and where the file has pinned it
    and production served it.
    """
    releases = cast(dict[Release, bool], memory.releases)
    served = served or releases.get(release, False)
    name, digests = str(release), cast(dict[str, str], memory.digests)
    if name not in digests or (served and release in memory.pinned):
        digests[name] = release.digest
    releases[release] = served


def _served(memory: Memory, *releases: Release | None) -> None:
    """Keep *releases* among those that production served."""
    for release in filter(None, releases):
        _known(memory, release, served=True)


def _count_failure(memory: Memory, event: Event) -> None:
    """An event with a failing verdict is one failed attempt, counted once per MODEL_DEPLOY."""
    if event.verdict not in _FAILING or (release := event.release) is None:
        return
    slot, deploy = _counts_for(event), event.detail.deploy
    entry = _attempts(memory, slot, release)
    if deploy and deploy in entry.counted:
        return
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
    _at(memory, slot, attempts=entry)


_FAILING = (Mark.FAIL.value, Mark.INCONCLUSIVE.value)
_RULES: dict[str, Callable[[Memory, Event], None]] = {
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
