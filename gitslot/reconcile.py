"""
The loop: observe, decide, act, record; until converged, waiting or out of time.

A turn is one look, one decision, at most one write; a pass is an app's turns in one tick. Every
turn starts from a fresh look, so a turn that was cut off costs nothing but another look.
"""

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gitslot import act as acts
from gitslot.decide.decide import decisions, foremost, is_further_slot
from gitslot.errors import JournalError, JournalMoved, LockLost
from gitslot.record.event import Event
from gitslot.record.memory import remember
from gitslot.record.payload import Payload
from gitslot.record.transitions import (
    converged_event,
    drift_event,
    note_event,
    rehearsal_event,
    settled_event,
)
from gitslot.state.decision import (
    Converged,
    Deploy,
    Frozen,
    Note,
    Observation,
    Reset,
    Stalled,
    Stop,
    Suspended,
    Swap,
    Verify,
    Waiting,
    frozen,
)
from gitslot.state.reasons import Run, Wait
from gitslot.state.remembered import Intent, Memory
from gitslot.state.seen import Live
from gitslot.state.wanted import PRODUCTION, STAGING, App, Doubt, Release, Revision, is_app_name
from gitslot.world import World

__all__ = ["Pass", "World", "observe", "reconcile", "tick"]

_log = logging.getLogger("gitslot")
_ANSWER_TRIES = 5
_REUSE_S = 5.0  # how long one look-up of Git may serve the first turns of a tick
_HELD = Waiting("LockHeld", {}, Wait(), poll_s=1.0, quiet=True)
_AT_ONCE = Waiting("NextTurn", {}, Wait(), poll_s=0.0, quiet=True)


def observe(
    name: str,
    world: World,
    *,
    prove: Mapping[str, Release] | None = None,
    fresh: bool = False,
    whole: bool = False,
    reuse_s: float = 0.0,
) -> Observation:
    """
    Look once at *name* and decide, writing nothing. Raises JournalError.

    *prove* names slots and the release that each shall prove. *whole* asks every slot, whichever
    comes first. A look-up of Git of *reuse_s* seconds ago may do.
    """
    desired = world.wants.desired(reuse_s)
    app, head = world.wants.app(name, desired), desired.revision
    if isinstance(app, Doubt) and not is_app_name(name):  # no app, and no place for a journal
        now = world.clock.now()
        return Observation(name, app, head, app, Memory(), frozen(app), now, world.policy)
    memory = world.journal.memory(name, world.clock.now())
    revisions: Mapping[str, Revision] = {}
    if isinstance(app, App) and head:
        revisions = world.wants.asked_by(app, head, memory)
        app = world.hands_off(app, memory)
    block = app if isinstance(app, App) else None
    live = world.looker.look(name, block, memory, prove=prove, fresh=fresh, whole=whole)
    target = app if app is not None else Doubt("NotInFile", f"no file asks for `{name}` any more")
    now = world.clock.now()
    found = decisions(target, live, memory, now, world.policy)
    decision = foremost(found)
    return Observation(name, app, head, live, memory, decision, now, world.policy, found, revisions)


def tick(world: World, trigger: str = "timer") -> dict[str, Stop]:
    """Reconcile every app once, from one look-up of Git; return how each pass ended."""
    stops: dict[str, Stop] = {}
    for name in world.apps():
        try:
            stops[name] = Pass(name, world, trigger, _REUSE_S).run()
        except Exception as error:  # noqa: BLE001 - one app's pass must not keep others waiting
            _log.exception("%s: the pass broke off", name)
            stops[name] = frozen(
                Doubt("InternalError", f"the pass broke off: {type(error).__name__}")
            )
    return stops


def reconcile(name: str, world: World, trigger: str = "timer") -> Stop:
    """
    Bring the app *name* to what Git asks for, one verified change at a time.

    Every turn asks Git anew. Returns the stop that the pass ended with; never raises for anything
    that the world can do.
    """
    return Pass(name, world, trigger).run()


def _to_prove(decision: Verify | Deploy | Swap | Reset) -> dict[str, Release]:
    """Return the slot of *decision* and the release to prove there."""
    match decision:
        case Verify(release=release, slot=slot) | Deploy(release=release, slot=slot):
            return {slot: release}
        case Swap(release=release):
            return {STAGING: release}
        case _:
            return {}


def _changes(memory: Memory, event: Event) -> bool:
    """Return whether *event* changes what is remembered, but for the stop that it ends."""
    return replace(remember(memory, event), stop=memory.stop, next=memory.next) != memory


class Pass:
    """An app's turns in one tick."""

    def __init__(self, name: str, world: World, trigger: str, reuse_s: float = 0.0) -> None:
        self._name, self._world, self._trigger = name, world, trigger
        self._reuse_s = reuse_s  # of the first turn alone
        self._seen: Observation | None = None
        self._lock = world.lock_of(name)
        self._prove: dict[str, Release] = {}
        self._fresh = False
        self._run = ""

    def run(self) -> Stop:
        """Take turns until one stops the pass; the lock is given back whatever happens."""
        clock = self._world.clock
        deadline = clock.monotonic() + self._world.policy.pass_s
        try:
            while True:
                stop = self._safe_turn() or _AT_ONCE
                left = deadline - clock.monotonic()
                if not isinstance(stop, Waiting) or stop.poll_s is None or left <= 0:
                    return stop
                if stop is not _AT_ONCE:
                    self._fresh, self._prove = False, {}
                    clock.sleep(min(stop.poll_s, left))
        finally:
            self._lock.release()

    def _safe_turn(self) -> Stop | None:
        try:
            return self._turn()
        except JournalMoved:
            return Waiting("JournalMoved", {}, Wait(), poll_s=0.0)
        except JournalError as error:
            stop = frozen(Doubt(error.reason, error.message))
            self._world.tell_unwritten(self._name, stop)
            return stop
        except LockLost:
            self._lock.release()
            return Waiting("LockLost", {}, Wait(), poll_s=0.0)

    def _turn(self) -> Stop | None:
        """Take one turn; None means that the next may follow at once."""
        reuse_s, self._reuse_s = self._reuse_s, 0.0
        seen = self._seen = observe(
            self._name, self._world, prove=self._prove, fresh=self._fresh, reuse_s=reuse_s
        )
        if isinstance(seen.decision, Frozen) and not is_app_name(self._name):
            self._world.tell_unwritten(self._name, seen.decision)
            return seen.decision
        acts_on_it = not seen.memory.intent and not isinstance(seen.decision, Frozen)
        if isinstance(seen.app, App) and acts_on_it:
            self._world.accept(self._name)
        self._run = seen.memory.run or self._run or self._world.new_id()[:12]
        told = seen.memory.stop[0] == "Suspended" or seen.memory.suspended
        if told and isinstance(seen.app, App) and not seen.app.suspend:
            self._record(self._base(seen, "Resumed", message="reconciling again"))
            return None
        if self._settled(seen) or self._drift(seen):
            return None
        match seen.decision:
            case Note(event="SwapUnknown") if self._answer_may_come(seen):
                return _HELD
            case Note():
                self._prove = {}  # it is told now
                return self._note(seen, seen.decision)
            case Verify() | Deploy() | Swap() | Reset():
                return self._write(seen, seen.decision)
            case Converged() as converged:
                self._converged(seen, converged)
                if converged.finishes:
                    return None
                self._rehearse(seen)
                return converged
            case stop:
                self._announce(seen, stop)
                if is_further_slot(stop):
                    self._rehearse(seen)
                return stop

    # ------------------------------------------------------------ writes

    def _write(self, seen: Observation, decision: Verify | Deploy | Swap | Reset) -> Stop | None:
        """Act if this look was made for a write under the lock; otherwise see that the next is."""
        if not self._lock.held:
            if not self._lock.take():
                return self._held_by_another(seen)
            self._fresh, self._prove = True, _to_prove(decision)
            return None
        if isinstance(decision, Verify) or not self._fresh:
            # Slots whose proofs say nothing would else ask by turns, without end.
            self._fresh, self._prove = True, {**self._prove, **_to_prove(decision)}
            return None
        assert isinstance(seen.live, Live)
        scene = acts.Scene(
            ref=self._world.looker.ref(self._name),
            live=seen.live,
            memory=seen.memory,
            base=self._base(
                seen,
                "",
                about=getattr(decision, "counts_for", PRODUCTION),
                slot=getattr(decision, "slot", ""),
            ),
            azure=self._world.azure,
            store=self._world.store,
            now=self._world.clock.now(),
            record=self._record,
            answer=self._record_answer,
            ready=self._lock.check,
        )
        self._fresh, self._prove = False, {}
        stop = acts.act(decision, scene)
        if stop:
            self._announce(seen, stop)
        return stop

    def _held_by_another(self, seen: Observation) -> Stop | None:
        if seen.memory.intent is None and self._lock.stale():
            event = self._base(seen, "LockBroken", reason="HolderGone")
            self._record(replace(event, message="the holder of the lock did not renew it; broken"))
            self._lock.break_()
            return None
        return _HELD

    def _answer_may_come(self, seen: Observation) -> bool:
        """Say whether a swap was sent so lately that whoever holds the lock still waits for it."""
        intent, policy = seen.memory.intent, self._world.policy
        if intent is None or self._lock.held:
            return False
        age = (self._world.clock.now() - intent.time).total_seconds()
        return 0 <= age < policy.lock_renew_s and not self._lock.take()

    # ------------------------------------------------------------ events

    def _base(
        self,
        seen: Observation,
        name: str,
        *,
        about: str = PRODUCTION,
        intent: Intent | None = None,
        **fields: Any,
    ) -> Event:
        """
        Return an event of this look, of what the slot *about* wants.

        One of *intent* carries the commit that opened it. While Git is in doubt, only the freeze
        itself names the commit that is not acted upon.
        """
        now = self._world.clock.now()
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

    def _record(self, *events: Event) -> Memory:
        now = self._world.clock.now()
        stamped = [
            replace(
                event,
                time=now,
                id=self._world.new_id(),
                detail=self._with_wishes(event),
            )
            for event in events
        ]
        return self._world.journal.append(self._name, stamped, now)

    def _with_wishes(self, event: Event) -> Payload:
        """Return the payload of *event* with each wish whose commit it is the first to name."""
        seen = self._seen
        if seen is None or not isinstance(seen.app, App):
            return event.detail
        of_it = {
            slot: revision
            for slot, revision in seen.revisions.items()
            if revision.commit == event.revision
        }
        known = {slot: asked.text for slot in of_it if (asked := seen.memory.of(slot).asked)}
        wishes = {slot: wish for slot in of_it if (wish := seen.app.wish(slot)) != known.get(slot)}
        inexact = not all(revision.exact for revision in of_it.values())
        return replace(event.detail, wish=wishes, inexact=inexact)

    def _record_answer(self, event: Event, intent: str) -> None:
        """
        Write down what became of the swap *intent*, even if somebody else wrote meanwhile.

        An answer that is lost here would leave the intent open for as long as a swap can take.
        """
        world = self._world
        for left in reversed(range(_ANSWER_TRIES)):
            try:
                self._record(event)
                return
            except JournalError as error:
                if not left:
                    raise
                if not isinstance(error, JournalMoved):
                    world.clock.sleep(world.policy.poll_s)
            with contextlib.suppress(JournalError):
                found = world.journal.memory(self._name, world.clock.now()).intent
                if found is None or found.id != intent or found.location or found.busy_since:
                    return

    def _drift(self, seen: Observation) -> bool:
        """Write down the Drift that opens a run, once; True if it was written."""
        event = drift_event(seen, self._base(seen, "Drift"))
        if event is None:
            return False
        if event.reason != "PutBack":
            self._run = self._world.new_id()[:12]
        self._record(replace(event, run=self._run, duration_ms=None))
        return True

    def _note(self, seen: Observation, note: Note) -> Stop | None:
        """Record *note*; refuse one that changes no memory: it would be decided every turn."""
        about, slot = note.counts_for, note.slot
        base = self._base(seen, note.event, about=about, intent=note.intent, slot=slot)
        event, memory = note_event(seen, note, base), seen.memory
        if _changes(memory, event):
            self._record(event)
            return None
        told = f"{note.event} {note.reason}".strip()
        stop = frozen(Doubt("InternalError", f"{told} leads nowhere: {note.message}"))
        self._announce(seen, stop)
        return stop

    def _announce(self, seen: Observation, stop: Stop) -> None:
        """Write a stop down once; the same cause gives the same words, pass after pass."""
        assert not isinstance(stop, Converged)
        if isinstance(stop, Waiting) and stop.quiet:
            return
        name = type(stop).__name__
        if seen.memory.stop == (name, stop.reason, stop.message):
            return
        doubt = not seen.memory.baseline and isinstance(stop, Waiting | Suspended)
        detail = Payload(
            next=stop.next.line if isinstance(stop.next, Run) else "",
            since=stop.since if isinstance(stop, Waiting) else None,
            doubt=doubt,
        )
        slot = stop.slot if isinstance(stop, Waiting | Stalled) else ""
        event = self._base(
            seen, name, slot=slot, reason=stop.reason, message=stop.message, detail=detail
        )
        self._record(event)

    def _converged(self, seen: Observation, stop: Converged) -> None:
        base = self._base(seen, "Converged", intent=stop.finishes)
        event = converged_event(seen, stop, base)
        if event:
            self._record(event)

    def _settled(self, seen: Observation) -> bool:
        """Record that production is in sync, though another slot is not; True if it was new."""
        event = settled_event(seen, self._base(seen, "Converged"))
        if event is None or not _changes(seen.memory, event):
            return False
        self._record(event)
        return True

    def _rehearse(self, seen: Observation) -> None:
        """Write down when going back by one swap turns out not to work, or to work again."""
        assert isinstance(seen.live, Live)
        rehearsal = self._world.looker.rehearse(self._name, seen.live, seen.memory)
        event = rehearsal and rehearsal_event(seen, rehearsal, self._base(seen, ""))
        if event:
            self._record(event)
