"""
The loop: observe, decide, act, record; until a stop that says when the app is due again.

A turn is one look, one decision, at most one write; a pass is an app's turns from when it is due
until such a stop. Every turn starts from a fresh look, so a turn that was cut off costs nothing but
another look. A pass never sleeps: `gitslot.rounds` runs one when the app is due.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from gitslot import act as acts
from gitslot.decide.decide import decisions, foremost, is_further_slot
from gitslot.errors import JournalError, JournalMoved, LockLost, Superseded
from gitslot.record.recent import Recent
from gitslot.record.recorder import Recorder
from gitslot.report.plan import course
from gitslot.state.decision import (
    Converged,
    Decision,
    Deploy,
    Frozen,
    Note,
    Observation,
    Reset,
    Stop,
    Swap,
    Verify,
    Waiting,
    frozen,
)
from gitslot.state.reasons import Wait
from gitslot.state.remembered import Memory
from gitslot.state.seen import Live, Rehearsal
from gitslot.state.wanted import (
    PRODUCTION,
    STAGING,
    App,
    Desired,
    Doubt,
    Release,
    Revision,
    is_app_name,
)
from gitslot.world import World

__all__ = ["Pass", "World", "observe"]

_GUEST_LOOKS = 3  # at most, while the controller writes
_HELD = Waiting("LockHeld", {}, Wait(), poll_s=1.0, quiet=True)
_AT_ONCE = Waiting("NextTurn", {}, Wait(), poll_s=0.0, quiet=True)
_OBSERVED = Waiting("Observed", {"what": ""}, Wait(), quiet=True)


def observe(
    name: str,
    world: World,
    *,
    prove: Mapping[str, Release] | None = None,
    fresh: bool = False,
    whole: bool = False,
    desired: Desired | Doubt | None = None,
) -> Observation:
    """
    Look once at *name* and decide, writing nothing. Raises JournalError.

    *prove* names slots and the release that each shall prove. *whole* asks every slot, whichever
    comes first. Git is asked anew unless *desired* is what it asks for.
    """
    desired = desired or world.wants.desired()
    app = world.wants.app(name, desired)
    for _ in range(_GUEST_LOOKS):
        seen = look_for(name, app, desired.revision, world, prove=prove, fresh=fresh, whole=whole)
        # Whoever appends finds out that the journal moved; a guest would judge by an old one.
        now = world.clock.now()
        if not world.guest or world.journal.memory(name, now).length == seen.memory.length:
            break
    return seen


def look_for(
    name: str,
    app: App | Doubt | None,
    head: Revision | None,
    world: World,
    *,
    prove: Mapping[str, Release] | None = None,
    fresh: bool = False,
    whole: bool = False,
) -> Observation:
    """Look once at *name*, of which the commit *head* wants *app*. Raises JournalError."""
    if isinstance(app, Doubt) and not is_app_name(name):  # no app, and no place for a journal
        now = world.clock.now()
        return Observation(name, app, head, app, Memory(), frozen(app), now, world.policy)
    memory = world.journal.memory(name, world.clock.now())
    revisions: Mapping[str, Revision] = {}
    if isinstance(app, App):
        revisions = world.wants.asked_by(app, head, memory) if head else {}
        app = world.hands_off(app, memory)
    block = app if isinstance(app, App) else None
    whole = whole or world.observe_only  # all steps, not the next one alone
    live = world.looker.look(name, block, memory, prove=prove, fresh=fresh, whole=whole)
    now, policy = world.clock.now(), world.policy
    observed = world.only_observes(memory)
    judging = memory.as_observer() if observed else memory
    found = decisions(_target(name, app), live, judging, now, policy)
    found = world.wants.advised(found, name, head, revisions)
    known = (name, app, head, live, memory, foremost(found), now, policy, found, revisions)
    return Observation(*known, observed)


def _target(name: str, app: App | Doubt | None) -> App | Doubt:
    return app if app is not None else Doubt("NotInFile", f"no file asks for `{name}` any more")


def would_decide(seen: Observation, memory: Memory) -> Mapping[str, Decision]:
    """Return what is decided for each slot of *seen*, were *memory* what is remembered."""
    return decisions(_target(seen.name, seen.app), seen.live, memory, seen.now, seen.policy)


def _to_prove(decision: Verify | Deploy | Swap | Reset) -> dict[str, Release]:
    """Return the slot of *decision* and the release to prove there."""
    match decision:
        case Verify(release=release, slot=slot) | Deploy(release=release, slot=slot):
            return {slot: release}
        case Swap(release=release):
            return {STAGING: release}
        case _:
            return {}


Show = Callable[[Observation, tuple[Memory, Recent], Rehearsal | None], None]


class Pass:
    """
    An app's turns from when it is due. *look_s* is how many seconds its longest look took.

    *show* is called with what each turn saw and with what the journal says after it.
    """

    def __init__(self, name: str, world: World, trigger: str, show: Show | None = None) -> None:
        self._name, self._world, self._show = name, world, show
        self._rehearsed: Rehearsal | None = None
        self.look_s = 0.0
        self._desired: Desired | Doubt | None = None  # what the present look is for
        self._lock = world.lock_of(name)
        self._prove: dict[str, Release] = {}
        self._fresh = False
        outside = (world.journal, world.clock, world.policy, world.new_id)
        self._recorder = Recorder(name, trigger, *outside)

    def run(self, until: float = math.inf) -> Stop:
        """
        Take turns until one says to wait; the lock is given back whatever happens.

        No turn begins once the clock that never goes back has reached *until*.
        """
        clock = self._world.clock
        try:
            while True:
                stop = self._safe_turn() or _AT_ONCE
                at_once = isinstance(stop, Waiting) and stop.poll_s == 0
                if not at_once or clock.monotonic() >= until:
                    return stop
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
        except Superseded:
            return _AT_ONCE

    def _turn(self) -> Stop | None:
        """Take one turn; None means that the next may follow at once."""
        world, began = self._world, self._world.clock.monotonic()
        desired = world.wants.desired() if self._lock.held else world.wants.known()
        try:
            seen = observe(self._name, world, prove=self._prove, fresh=self._fresh, desired=desired)
        finally:
            self.look_s = max(self.look_s, world.clock.monotonic() - began)
        self._desired = desired
        self._check_newest()  # another app's pass may have found a newer commit meanwhile
        if isinstance(seen.decision, Frozen) and not is_app_name(self._name):
            self._world.tell_unwritten(self._name, seen.decision)
            return seen.decision
        try:
            return self._step(seen, desired)
        finally:
            if self._show and (known := self._world.journal.known(self._name)):
                self._show(seen, known, self._rehearsed)

    def _step(self, seen: Observation, desired: Desired | Doubt) -> Stop | None:
        """Record what *seen* shows, and do what is decided."""
        world = self._world
        if seen.observed and not seen.memory.intent:
            return self._left_undone(seen)
        acts_on_it = not seen.memory.intent and not isinstance(seen.decision, Frozen)
        if isinstance(seen.app, App) and acts_on_it:
            world.accept(self._name, desired)
        recorder = self._recorder.of(seen)
        mine = seen.app is not None or world.wants.was_asked_here(self._name)
        if (
            (mine and recorder.left_or_returned())
            or recorder.hands()
            or recorder.resumed()
            or recorder.settled()
            or recorder.drift()
        ):
            return None
        match seen.decision:
            case Note(event="SwapUnknown") if self._answer_may_come(seen):
                return _HELD
            case Note():
                self._prove = {}  # it is recorded now
                return recorder.note(seen.decision)
            case Verify() | Deploy() | Swap() | Reset():
                return self._write(seen, seen.decision)
            case Converged() as converged:
                recorder.converged(converged)
                if converged.finishes:
                    return None
                self._rehearse(seen)
                return converged
            case stop if seen.app is None:  # it left the file, and that is recorded
                return stop
            case stop:
                recorder.stop(stop)
                self._rehearse(seen)
                return stop

    def _left_undone(self, seen: Observation) -> Stop | None:
        """Record what would be done, and do nothing of it: no lock, and nothing is accepted."""
        recorder, app = self._recorder.of(seen), seen.app
        if recorder.hands():
            return None
        if isinstance(app, App):
            free, memory = replace(app, suspend=None), seen.memory.as_observer()
            turns = course(free, seen.live, memory, seen.now, seen.policy)
            writes = (each for each, _, _ in turns if isinstance(each, Deploy | Swap | Reset))
            recorder.left_undone(writes, begins=not self._world.guest)
        return seen.decision if isinstance(seen.decision, Converged) else _OBSERVED

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
            base=self._recorder.base(
                "",
                about=getattr(decision, "counts_for", PRODUCTION),
                slot=getattr(decision, "slot", ""),
            ),
            azure=self._world.azure,
            store=self._world.store,
            now=self._world.clock.now(),
            record=self._recorder.record,
            answer=self._recorder.answer,
            flaw_of_code=self._world.looker.flaw_of_code,
            ready=self._lock.check,
            newest=self._check_newest,
        )
        self._fresh, self._prove = False, {}
        stop = acts.act(decision, scene)
        if stop:
            self._recorder.stop(stop)
        return stop

    def _check_newest(self) -> None:
        """Raise Superseded where Git was found to ask for something else than this look was for."""
        if self._world.wants.known() != self._desired:
            raise Superseded("a newer commit is known")

    def _held_by_another(self, seen: Observation) -> Stop | None:
        if seen.memory.intent is None and self._lock.stale():
            self._recorder.lock_broken()
            self._lock.break_()
            return None
        return _HELD

    def _answer_may_come(self, seen: Observation) -> bool:
        """Return whether a swap was sent so lately that the holder of the lock still waits."""
        intent, policy = seen.memory.intent, self._world.policy
        if intent is None or self._lock.held:
            return False
        age = (self._world.clock.now() - intent.time).total_seconds()
        return 0 <= age < policy.lock_renew_s and (seen.observed or not self._lock.take())

    def _rehearse(self, seen: Observation) -> None:
        """Ask as users do, prove the way back, and record what turned out otherwise than before."""
        in_sync = isinstance(seen.decision, Converged) or is_further_slot(seen.decision)
        if not in_sync or not isinstance(seen.live, Live):
            return
        self._recorder.users(self._world.looker.refuses_users(self._name, seen.live))
        self._rehearsed = self._world.looker.rehearse(self._name, seen.live, seen.memory)
        if self._rehearsed:
            self._recorder.rehearsal(self._rehearsed)
