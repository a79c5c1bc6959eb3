"""
Records what a pass observes, decides and does: one event a transition, with every field filled in.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol, Self

from gitslot.decide.digest import set_to
from gitslot.errors import JournalError, JournalMoved
from gitslot.record.event import BY_HAND, OBSERVING, ONLY_SEEN, Event
from gitslot.record.hands import hand_event
from gitslot.record.journal import Journal
from gitslot.record.memory import remember
from gitslot.record.payload import Payload
from gitslot.record.transitions import (
    converged_event,
    drift_event,
    note_event,
    rehearsal_event,
    settled_event,
    would_events,
)
from gitslot.state.decision import (
    Converged,
    Note,
    Observation,
    Stalled,
    Stop,
    Suspended,
    Waiting,
    Write,
    frozen,
)
from gitslot.state.policy import Policy
from gitslot.state.reasons import REASONS, GoBack, Run
from gitslot.state.remembered import Intent, Memory
from gitslot.state.seen import Live, Rehearsal
from gitslot.state.wanted import PRODUCTION, App, Doubt, Revision

_TRIES = 5  # to record what became of a swap


class Clock(Protocol):
    """The time, and a wait between two tries."""

    def now(self) -> datetime: ...
    def sleep(self, seconds: float) -> None: ...


class Recorder:
    """Writes the events of one app in one pass; `of` gives it the observation that they are of."""

    def __init__(
        self,
        name: str,
        trigger: str,
        journal: Journal,
        clock: Clock,
        policy: Policy,
        new_id: Callable[[], str],
    ) -> None:
        self._name, self._trigger = name, trigger
        self._journal, self._clock, self._policy = journal, clock, policy
        self._new_id = new_id
        self._run = ""
        self._observed: Observation | None = None

    def of(self, seen: Observation) -> Self:
        """Record events of *seen* from now on."""
        self._observed = seen
        self._run = seen.memory.run or self._run or self._new_id()[:12]
        return self

    @property
    def _seen(self) -> Observation:
        assert self._observed is not None
        return self._observed

    def base(
        self, name: str, *, about: str = PRODUCTION, intent: Intent | None = None, **fields: Any
    ) -> Event:
        """
        Return an event of this look, of what the slot *about* wants.

        One of *intent* carries the commit that opened it. While Git is in doubt, only the freeze
        itself names the commit that is not acted upon.
        """
        seen, now = self._seen, self._clock.now()
        slot = fields.get("slot", "")
        drift = seen.memory.of(slot).drift if slot not in ("", PRODUCTION) else None
        started = drift.time if drift else seen.memory.run_started
        freeze = isinstance(seen.app, Doubt) and name == "Frozen"
        asked = seen.head or Revision("") if freeze else seen.asked_by(about)
        revision = intent.revision if intent else asked
        return Event(
            event=name,
            app=self._name,
            time=now,
            run=self._run,
            revision=revision.commit,
            author=revision.author,
            subject=revision.subject,
            head=seen.head.commit if seen.head else "",
            duration_ms=round((now - started).total_seconds() * 1000) if started else None,
            trigger=self._trigger,
            rule=getattr(seen.decision, "rule", ""),
            **fields,
        )

    def record(self, *events: Event) -> Memory:
        """Append *events*; raise JournalMoved if somebody appended since the look."""
        now = self._clock.now()
        stamped = [
            replace(event, time=now, id=self._new_id(), detail=self._complete(event))
            for event in events
        ]
        return self._journal.append(self._name, stamped, now)

    def _complete(self, event: Event) -> Payload:
        """
        Return the payload of *event* with each wish whose commit it is the first to name.

        As long as there is no baseline it also holds the digests that the slots are set to, but for
        what is no act of ours: that vouches for nothing.
        """
        seen = self._seen
        if not isinstance(seen.app, App) or event.event in ONLY_SEEN:
            return event.detail
        found: Mapping[str, str] = {}
        if isinstance(seen.live, Live):
            found = set_to(seen.memory, seen.live)
        of_it = {
            slot: revision
            for slot, revision in seen.revisions.items()
            if revision.commit == event.revision
        }
        known = {slot: asked.text for slot in of_it if (asked := seen.memory.of(slot).asked)}
        wishes = {slot: wish for slot in of_it if (wish := seen.app.wish(slot)) != known.get(slot)}
        inexact = not all(revision.exact for revision in of_it.values())
        return replace(event.detail, wish=wishes, inexact=inexact, set_to=found)

    def answer(self, event: Event, intent: str) -> None:
        """
        Record what became of the swap *intent*, even if somebody else wrote meanwhile.

        An answer that is lost here would leave the intent open for as long as a swap can take.
        """
        for left in reversed(range(_TRIES)):
            try:
                self.record(event)
                return
            except JournalError as error:
                if not left:
                    raise
                if not isinstance(error, JournalMoved):
                    self._clock.sleep(self._policy.poll_s)
            with contextlib.suppress(JournalError):
                found = self._journal.memory(self._name, self._clock.now()).intent
                if found is None or found.id != intent or found.location or found.busy_since:
                    return

    def hands(self) -> bool:
        """Record what somebody else did to production, once; True if it was new. No commit did."""
        event = hand_event(self._seen, self.base(BY_HAND))
        if event is None:
            return False
        self.record(replace(event, revision="", author="", subject="", rule="", duration_ms=None))
        return True

    def drift(self) -> bool:
        """Record the Drift that opens a run, once; True if it was new."""
        seen = self._seen
        event = drift_event(seen, self.base("Drift"))
        if event is None:
            return False
        if event.reason != "PutBack":
            self._run = self._new_id()[:12]
        self.record(replace(event, run=self._run, duration_ms=None))
        return True

    def note(self, note: Note) -> Stop | None:
        """Record *note*; refuse one that changes no memory: it would be decided every turn."""
        seen = self._seen
        about, slot = note.counts_for, note.slot
        base = self.base(note.event, about=about, intent=note.intent, slot=slot)
        event, memory = note_event(seen, note, base), seen.memory
        if _changes(memory, event):
            self.record(event)
            return None
        name = f"{note.event} {note.reason}".strip()
        stop = frozen(Doubt("InternalError", f"{name} leads nowhere: {note.message}"))
        self.stop(stop)
        return stop

    def stop(self, stop: Stop) -> None:
        """Record a stop once; the same cause gives the same words, pass after pass."""
        seen = self._seen
        assert not isinstance(stop, Converged)
        if isinstance(stop, Waiting) and stop.quiet:
            return
        name = type(stop).__name__
        said = stop.message
        if isinstance(stop.next, GoBack):  # a later commit changes the line, and not the cause
            said = said.replace(stop.next.line, seen.memory.next or stop.next.line)
        if seen.memory.stop == (name, stop.reason, said):
            return
        doubt = not seen.memory.baseline and isinstance(stop, Waiting | Suspended)
        detail = Payload(
            next=stop.next.line if isinstance(stop.next, Run) else "",
            since=stop.since if isinstance(stop, Waiting) else None,
            doubt=doubt,
        )
        slot = stop.slot if isinstance(stop, Waiting | Stalled) else ""
        base = self.base(name, about=slot or PRODUCTION, slot=slot)
        self.record(replace(base, reason=stop.reason, message=stop.message, detail=detail))

    def converged(self, stop: Converged) -> None:
        """Record that every slot has what is wanted, where that is new."""
        event = converged_event(self._seen, stop, self.base("Converged", intent=stop.finishes))
        if event:
            self.record(event)

    def settled(self) -> bool:
        """Record that production is in sync, though another slot is not; True if it was new."""
        seen = self._seen
        event = settled_event(seen, self.base("Converged"))
        if event is None or not _changes(seen.memory, event):
            return False
        self.record(event)
        return True

    def resumed(self) -> bool:
        """Record that an app is not suspended, or only observed, any more; True if that is new."""
        seen, memory = self._seen, self._seen.memory
        was = memory.stop[0] == "Suspended" or memory.suspended
        free = isinstance(seen.app, App) and not seen.app.suspend
        if seen.observed or not (memory.observed or (was and free)):
            return False
        self.record(self.base("Resumed", message="reconciling again"))
        return True

    def left_undone(self, writes: Iterable[Write], *, begins: bool) -> None:
        """Record *writes* that are not made, and, where that *begins*, that none is: each once."""
        events = would_events(self._seen, writes, self.base)
        if begins and not self._seen.memory.observed:
            message = "what would be done is recorded, and not done"
            events.insert(0, self.base(OBSERVING, message=message))
        if events:
            self.record(*events)

    def left_or_returned(self) -> bool:
        """Record that no file asks for the app any more, or one does again; True if that is new."""
        seen, left = self._seen, self._seen.memory.left
        if seen.app is None and seen.head and not left:
            head, message = seen.head, "no file asks for the app any more; it is left running"
            event = self.base("Left", message=message, detail=Payload(inexact=True))
            event = replace(event, revision=head.commit, author=head.author, subject=head.subject)
            self.record(event)
            return True
        if not (left and isinstance(seen.app, App)):
            return False
        self.record(self.base("Returned", message="a file asks for the app again"))
        return True

    def lock_broken(self) -> None:
        """Record that the lock of a holder who is gone is broken."""
        message = "the holder of the lock did not renew it; broken"
        self.record(self.base("LockBroken", reason="HolderGone", message=message))

    def rehearsal(self, rehearsal: Rehearsal) -> None:
        """Record when going back by one swap turns out not to work, or to work again."""
        event = rehearsal_event(self._seen, rehearsal, self.base(""))
        if event:
            self.record(event)

    def users(self, refused: bool | None) -> None:
        """Record when production begins to refuse the key that users have, or accepts it again."""
        if refused is None or refused == self._seen.memory.users_refused:
            return
        entry = REASONS["KeyDiffers"]
        message = entry.message({}, entry.next) if refused else "both slots have the same key"
        event = self.base("VerifyFailed" if refused else "VerifyPassed", slot=PRODUCTION)
        event = replace(event, reason=entry.name, message=message)
        self.record(replace(event, detail=Payload(rehearsal=True)))


def _changes(memory: Memory, event: Event) -> bool:
    """Return whether *event* changes what is remembered, but for the stop that it ends."""
    return replace(remember(memory, event), stop=memory.stop, next=memory.next) != memory
