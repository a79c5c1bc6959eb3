"""
Memory: what the controller remembers, folded from its journal, one event at a time.

Pure. Every field of `Memory` that an event changes is changed here and nowhere else.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeVar

from gitslot.errors import JournalError
from gitslot.record.event import STOPS, Event
from gitslot.state.remembered import Attempts, Intent, LastSwap, Memory, OpenDeploy, Told, Wish
from gitslot.state.seen import Mark
from gitslot.state.wanted import PRODUCTION, STAGING, Release, Revision

T = TypeVar("T")


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
    if wait := event.detail.get("retry_after_s"):
        memory = replace(memory, writes_from=event.time + timedelta(seconds=float(wait)))
    memory = replace(memory, wishes=_wishes(memory, event))
    if event.event in _BASELINE:
        memory = replace(memory, baseline=True)
    if event.quiet or event.rehearsal:
        return memory
    stop = (event.event, event.reason, event.message) if event.event in STOPS else ("", "", "")
    return replace(memory, stop=stop)


def _revision(event: Event) -> Revision:
    exact = not event.detail.get("inexact")
    return Revision(event.revision, event.author, event.subject, exact=exact)


def _wishes(memory: Memory, event: Event) -> Mapping[str, Wish]:
    """Keep which commit asked for a wish; older controllers wrote the newest one of the look."""
    found = {
        str(slot): Wish(str(text), _revision(event))
        for slot, text in dict(event.detail.get("wish", {})).items()
    }
    older = event.event in ("Drift", "Converged") and event.slot in ("", PRODUCTION)
    known = memory.wishes.get(PRODUCTION)
    if not found and older and event.revision and not (known and known.text):
        found = {PRODUCTION: Wish("", _revision(event))}
    return MappingProxyType({**memory.wishes, **found}) if found else memory.wishes


def _drift(memory: Memory, event: Event) -> Memory:
    release = event.release
    if release is None:
        return replace(memory, run=event.run, run_started=event.time, hold_since=None)
    code = str(event.detail.get("code", ""))
    if event.slot not in ("", PRODUCTION):
        return _drift_beside(memory, event, Told(release, code, event.time))
    attempts = {
        slot: entry
        for slot, entry in memory.attempts.items()
        if slot != PRODUCTION or (entry.release == release and code == memory.drifted_code)
    }
    served = memory.served | ({event.replaced} if event.replaced else set())
    last = memory.last_swap
    same = last is not None and (last.release, last.code) == (release, code)
    stays = (memory.converged, memory.converged_code) == (release, code)
    return replace(
        memory,
        last_swap=last if same or not last else _soaked(last),
        run=event.run,
        run_started=event.time,
        drifted=release,
        drifted_code=code,
        drifts=_without(memory.drifts, STAGING),  # a candidate waits until production is settled
        aligned=0,
        converged=memory.converged if stays and not event.detail.get("put_back") else None,
        attempts=MappingProxyType(attempts),
        served=served,
        hold_since=None,
    )


def _drift_beside(memory: Memory, event: Event, wanted: Told) -> Memory:
    """What a candidate or a further slot shall hold changes nothing that is known of production."""
    slot, told = event.slot, memory.drifts.get(event.slot)
    entry = memory.attempts.get(slot)
    over = entry and (entry.release != wanted.release or (told and told.code != wanted.code))
    return replace(
        memory,
        run=event.run,
        aligned=0 if slot == STAGING else memory.aligned,
        attempts=_without(memory.attempts, slot) if over else memory.attempts,
        drifts=_and(memory.drifts, slot, wanted),
    )


def _soaked(last: LastSwap) -> LastSwap:
    return replace(last, soaked=True)


def _deploy_started(memory: Memory, event: Event) -> Memory:
    release = event.release
    assert release is not None
    slot = _counts_for(event)
    entry = _attempts(memory, slot, release)
    entry = replace(entry, started=entry.started + 1)
    began = OpenDeploy(str(event.detail.get("deploy", "")), event.time, release)
    return replace(
        memory,
        deploys=_and(memory.deploys, _place(event), began),
        held=_without(memory.held, _place(event)),
        aligned=memory.aligned + (event.reason in ("SettingsDiffer", "WarmupMissing")),
        attempts=_and(memory.attempts, slot, entry),
    )


def _deploy_finished(memory: Memory, event: Event) -> Memory:
    """A deploy that the platform refused was never begun: nothing is in doubt any more."""
    if event.detail.get("busy") and event.release:
        memory = _busy(memory, _counts_for(event), event.release, event.time)
    memory = replace(memory, deploys=_without(memory.deploys, _place(event)))
    if _place(event) != STAGING:
        return memory  # whatever is prepared there is not ours: it is never swapped
    return replace(memory, conflict_prepared=bool(event.detail.get("prepared", False)))


def _verify_failed(memory: Memory, event: Event) -> Memory:
    return replace(memory, rehearsal_failed=True) if event.rehearsal else memory


def _verify_passed(memory: Memory, event: Event) -> Memory:
    if event.rehearsal:
        return replace(memory, rehearsal_failed=False)
    proof = (str(event.detail.get("deploy", "")), event.to_digest)
    memory = replace(memory, verified=memory.verified | {proof})
    if event.reason != "Held" or event.release is None:
        return memory
    slot, held = _place(event), (event.release, str(event.detail.get("code", "")))
    return replace(
        memory,
        held=_and(memory.held, slot, held),
        proved=_and(memory.proved, slot, proof),
        attempts=_not_busy(memory.attempts, slot),
        drifts=_without(memory.drifts, slot),
    )


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
        deploy=str(detail.get("deploy", "")),
        production_deployment=str(detail.get("production_deployment", "")),
        staging_deployment=str(detail.get("staging_deployment", "")),
        production_swap=str(detail.get("production_swap", "")),
        staging_swap=str(detail.get("staging_swap", "")),
        back=bool(detail.get("back")),
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
    if intent and detail.get("location"):
        intent = replace(intent, location=str(detail["location"]))
    if intent and detail.get("busy"):
        refusal = str(detail.get("refusal", ""))
        intent = replace(intent, busy_since=event.time, refusal=refusal)
        if not (refusal or intent.back or detail.get("retry_after_s")):
            memory = _busy(memory, PRODUCTION, intent.release, event.time)
    since = detail.get("since")
    hold = datetime.fromisoformat(since) if isinstance(since, str) else memory.hold_since
    cleared = bool(detail.get("reset"))
    return replace(
        memory,
        intent=intent,
        hold_since=hold,
        swap_failed=None if cleared else memory.swap_failed,
        conflict_prepared=memory.conflict_prepared and not cleared,
    )


def _took_effect(memory: Memory, event: Event) -> Memory:
    intent = memory.intent
    if intent is None:
        return memory
    served = memory.served | {intent.release} | ({intent.replaces} if intent.replaces else set())
    memory = replace(
        memory,
        intent=None,
        deploys=_without(memory.deploys, STAGING),
        held=_without(memory.held, STAGING),
        rehearsal_failed=False,
        swap_failed=None,
        served=frozenset(served),
        converged=None,  # what production leaves by our own swap, it does not leave by hand
        swap_status=_status(event, memory),
    )
    if intent.back:
        return went_back(memory, intent.release, intent.replaces)
    last = LastSwap(
        intent.release,
        intent.replaces,
        intent.revision.commit,
        memory.drifted_code,
        event.time,
    )
    return replace(memory, last_swap=last)


def went_back(memory: Memory, release: Release, refused: Release | None) -> Memory:
    """Return *memory* after production went back to *release*: *refused* is not tried again."""
    commit = memory.last_swap.commit if memory.last_swap else ""
    memory = replace(memory, last_swap=LastSwap(release, refused, "", back=True))
    if refused is None:
        return memory
    makes_it_last = f"`git revert {commit[:7]} && git push` makes that last, " if commit else ""
    entry = replace(
        _attempts(memory, PRODUCTION, refused),
        reason="SwappedBack",
        message=f"{refused} failed its soak, and production was swapped back to {release}; "
        f"{makes_it_last}`gitslot retry` tries it again",
        refused=True,
    )
    return replace(memory, attempts=_and(memory.attempts, PRODUCTION, entry))


def _status(event: Event, memory: Memory) -> str | None:
    status = event.detail.get("swap_status", memory.swap_status)
    return status if isinstance(status, str) else None


def _not_taken(memory: Memory, event: Event) -> Memory:
    prepared = bool(event.detail.get("prepared", False))
    last, intent = memory.last_swap, memory.intent
    failed = event.verdict != "" and not (intent and intent.refusal)  # that one never began
    if last and intent and intent.back and _unused(memory, intent, event):
        last = replace(last, soaked=False)
    return replace(
        memory,
        intent=None,
        last_swap=last,
        swap_failed=event.time if failed else memory.swap_failed,
        conflict_prepared=memory.conflict_prepared or prepared,
    )


def _unused(memory: Memory, intent: Intent, event: Event) -> bool:
    """Say whether a swap back was never sent, or sent to an ARM that asked to wait."""
    since, until = intent.busy_since, memory.writes_from
    waits = since is not None and until is not None and until > since and not event.verdict
    return waits or bool(event.detail.get("unsent"))


def _reverted(memory: Memory, event: Event) -> Memory:
    """A swap that the platform took back after its end: production did not leave it by hand."""
    if memory.intent:
        return _not_taken(memory, event)
    last = memory.last_swap
    return replace(memory, converged=None, last_swap=last and _soaked(last))


def _converged(memory: Memory, event: Event) -> Memory:
    if event.detail.get("intent"):
        memory = _took_effect(memory, event)
    release = event.release
    served = memory.served | ({release} if release else set())
    attempts = {
        slot: entry
        for slot, entry in _not_busy(memory.attempts, PRODUCTION).items()
        if slot != PRODUCTION or release is None or entry.release == release
    }
    looked = "swap_status" in event.detail  # ARM was read, and showed nothing prepared
    memory = replace(
        memory,
        served=frozenset(served),
        attempts=MappingProxyType(attempts),
        converged=release or memory.converged,
        converged_code=str(event.detail.get("code", "")),
        swap_failed=memory.swap_failed if memory.conflict_prepared or not looked else None,
        hold_since=None,
        swap_status=_status(event, memory),
    )
    if event.detail.get("aside"):  # production alone: the run goes on beside it
        return replace(memory, drifted=None)
    # A swap's end says nothing of further slots; without one, all are as they shall.
    drifts = memory.drifts if event.detail.get("intent") else MappingProxyType({})
    return replace(memory, aligned=0, drifted=None, drifts=drifts, run="", run_started=None)


def _suspended(memory: Memory, event: Event) -> Memory:
    """Remember the controller's setting; that of somebody's own shell binds nobody else."""
    if event.trigger == "cli":
        return memory
    by_setting = event.reason == "SuspendedBySetting"
    return replace(memory, suspended=event.message if by_setting else "")


def _resumed(memory: Memory, event: Event) -> Memory:
    del event
    return replace(memory, suspended="")


def _retried(memory: Memory, event: Event) -> Memory:
    """
    A person looked: attempts, freezes and holds start afresh.

    Which deploys failed is kept, so that the next one is a new one and restarts the slot.
    """
    attempts = {
        slot: Attempts(entry.release, started=entry.started, counted=entry.counted)
        for slot, entry in memory.attempts.items()
    }
    memory = replace(
        memory,
        attempts=MappingProxyType(attempts),
        aligned=0,
        hold_since=None,
        conflict_prepared=False,
    )
    if memory.baseline:
        return memory
    return replace(memory, lost_since=event.time, lost_markers=str(event.detail.get("markers", "")))


# ---------------------------------------------------------------- attempts


def _counts_for(event: Event) -> str:
    return str(event.detail.get("counts_for", PRODUCTION))


def _attempts(memory: Memory, slot: str, release: Release) -> Attempts:
    entry = memory.attempts.get(slot)
    return entry if entry and entry.release == release else Attempts(release)


def _busy(memory: Memory, slot: str, release: Release, time: datetime) -> Memory:
    """Another operation came first: no failed attempt, and not to be asked again at once."""
    entry = _attempts(memory, slot, release)
    entry = replace(entry, busy=entry.busy + 1, last=time)
    return replace(memory, attempts=_and(memory.attempts, slot, entry))


def _not_busy(attempts: Mapping[str, Attempts], slot: str) -> Mapping[str, Attempts]:
    """What *slot* wanted has come about: other operations do not stand in the way any more."""
    entry = attempts.get(slot)
    return _and(attempts, slot, replace(entry, busy=0)) if entry else attempts


def _place(event: Event) -> str:
    """Return the slot that *event* happened in; older journals know of staging alone."""
    return event.slot or STAGING


def _and(found: Mapping[str, T], slot: str, entry: T) -> Mapping[str, T]:
    return MappingProxyType({**found, slot: entry})


def _without(found: Mapping[str, T], slot: str) -> Mapping[str, T]:
    return MappingProxyType({key: entry for key, entry in found.items() if key != slot})


def _count_failure(memory: Memory, event: Event) -> Memory:
    """An event with a failing verdict is one failed attempt, counted once per MODEL_DEPLOY."""
    release, deploy = event.release, str(event.detail.get("deploy", ""))
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
        counted=entry.counted | ({deploy} if deploy else set()),
        busy=0,
        refused=entry.refused or bool(event.detail.get("refuse")),
    )
    return replace(memory, attempts=_and(memory.attempts, slot, entry))


# What only a controller that looked, decided and found its journal whole can have written.
_BASELINE = frozenset(
    {
        "DeployStarted",
        "DeployFinished",
        "VerifyPassed",
        "VerifyFailed",
        "SwapStarted",
        "SwapFinished",
        "SwapFailed",
        "SwapUnknown",
        "SwapReverted",
        "SwappedBack",
        "Converged",
    }
)

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
}
