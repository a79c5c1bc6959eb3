"""
Rounds over the agenda: every app's pass when it is due, and none waits for another's.

A round goes on until no app is at work or its time is over. At most one runs in a process; what
wakes a second one wakes the first.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial

from gitslot.agenda import Agenda
from gitslot.errors import SourceError
from gitslot.reconcile import Pass
from gitslot.report.snapshot import Snapshots
from gitslot.state.decision import Stop, frozen
from gitslot.state.wanted import Desired, Doubt
from gitslot.world import World

_log = logging.getLogger("gitslot")

Start = Callable[[Callable[[], None]], object]


def in_turn(work: Callable[[], None]) -> None:
    """Do *work* now, in the thread that asks for it."""
    work()


def in_a_thread(work: Callable[[], None]) -> None:
    """Do *work* in a thread of its own, which nobody waits for when the process ends."""
    threading.Thread(target=work, name="pass", daemon=True).start()


class Rounds:
    """
    The rounds of one process over all apps, or over the app *only*.

    Up to *threads* passes run at once, each by *start*. The clock's `news` guards the agenda.
    What passes see goes to *shown*.
    """

    def __init__(
        self,
        world: World,
        *,
        only: str = "",
        threads: int = 1,
        start: Start = in_turn,
        shown: Snapshots | None = None,
    ) -> None:
        self._world, self._only, self._start = world, only, start
        self._agenda = Agenda(world.policy, threads)
        self._trigger = ""
        self._shown = shown
        self._goes = False
        self._surveys = False
        self._writes = False
        self._survey_at = 0.0
        self._known: Desired | Doubt | None = None  # at the last survey

    def go(self, trigger: str, round_s: float | None = None) -> Mapping[str, Stop]:
        """
        Go round until no app is at work, or *round_s* seconds are over; return how passes ended.

        A push makes every app due. Where a round runs already, that one is woken.
        """
        clock, agenda = self._world.clock, self._agenda
        with clock.news:
            now = clock.monotonic()
            self._trigger, self._survey_at = trigger, now
            if trigger == "push":
                agenda.recall(agenda.entries, now)
            if trigger == "timer":
                agenda.advance(now)
            clock.news.notify_all()
            if self._goes:
                return {}
            self._goes = True
            if self._shown:
                self._shown.begin(trigger)
            try:
                self._round(now + (self._world.policy.round_s if round_s is None else round_s))
            finally:
                self._goes = False
            return {name: each.stop for name, each in agenda.entries.items() if each.stop}

    def _round(self, until: float) -> None:
        clock, agenda = self._world.clock, self._agenda
        while (now := clock.monotonic()) < until:
            if now >= self._survey_at and not self._surveys:
                self._surveys = True
                self._start(self._survey)
            elif (name := agenda.take(now)) is not None:
                self._start(partial(self._pass, name, until))
            elif self._due(busy := self._surveys or agenda.is_at_work(now)):
                self._writes = True
                self._start(self._write)
            elif busy or self._writes or (self._shown and self._shown.pending):
                clock.news.wait(min(until - now, self._idle_s(now)))
            else:
                return

    def _due(self, busy: bool) -> bool:
        """Say whether what is shown is to be written now."""
        shown = self._shown
        return shown is not None and not self._writes and shown.due_s(ends=not busy) == 0

    def _write(self) -> None:
        news = self._world.clock.news
        try:
            if self._shown:
                self._shown.write()
        finally:
            with news:
                self._writes = False
                news.notify_all()

    def _idle_s(self, now: float) -> float:
        """Return for how many seconds there is nothing to begin."""
        next_s = self._agenda.next_s(now)
        if self._shown and not self._writes:
            next_s = min(next_s, self._shown.due_s())
        return next_s if self._surveys else min(next_s, self._survey_at - now)

    def _pass(self, name: str, until: float) -> None:
        """Run the pass of *name*, and put down when it is due again."""
        world, agenda = self._world, self._agenda
        one = Pass(name, world, self._trigger, self._shown.take if self._shown else None)
        try:
            stop = one.run(until)
        except Exception as error:
            if self._only:
                raise
            _log.exception("%s: the pass broke off", name)
            what = f"the pass broke off: {type(error).__name__}"
            stop = frozen(Doubt("InternalError", what))
        hangs = one.look_s >= world.policy.hangs_s
        with world.clock.news:
            moment, now = world.clock.now(), world.clock.monotonic()
            agenda.end(name, stop, now, moment, hangs=hangs)
            world.clock.news.notify_all()

    # ------------------------------------------------------------ news

    def _survey(self) -> None:
        """Ask for news, and put down when to ask again."""
        news, clock = self._world.clock.news, self._world.clock
        asked = self._survey_at
        try:
            self._ask()
        finally:
            with news:
                self._surveys = False
                if self._survey_at == asked:  # else somebody has asked for one since
                    self._survey_at = clock.monotonic() + self._world.policy.survey_s
                news.notify_all()

    def _ask(self) -> None:
        """Ask Git which apps there are and whose files changed, and journals for what was added."""
        world, agenda = self._world, self._agenda
        desired = world.wants.desired()
        names = [self._only] if self._only else world.apps(desired)
        changed = names if self._concerns_all(desired) else self._changed(desired)
        with world.clock.news:
            now = world.clock.monotonic()
            agenda.keep(names, now)
            agenda.recall(changed, now)
            if self._shown:
                self._shown.news(names, desired)
            stopped = agenda.at_a_stop()
        self._known = desired
        grown = [name for name in stopped if world.journal.grew(name)]
        with world.clock.news:
            agenda.recall(grown, world.clock.monotonic())

    def _concerns_all(self, desired: Desired | Doubt) -> bool:
        """Return whether the folder or the ancestry changed, so that every app is looked at."""
        known, wants = self._known, self._world.wants
        if not isinstance(known, Desired) or not isinstance(desired, Desired):
            return known != desired
        if known.apps.keys() != desired.apps.keys():
            return True
        try:
            return not wants.git.descends(desired.revision.commit, known.revision.commit)
        except SourceError:
            return True

    def _changed(self, desired: Desired | Doubt) -> list[str]:
        if not isinstance(desired, Desired) or not isinstance(self._known, Desired):
            return []
        known = self._known.apps
        return [name for name, app in desired.apps.items() if app != known.get(name)]


def tick(world: World, trigger: str = "timer") -> Mapping[str, Stop]:
    """Go round all apps once, one pass after the other; return how they ended."""
    return Rounds(world).go(trigger)


def reconcile(
    name: str, world: World, trigger: str = "timer", round_s: float | None = None
) -> Stop:
    """
    Bring the app *name* to what Git asks for, one verified change at a time.

    Returns the stop that its last pass ended with; never raises for anything that the world can do.
    """
    return Rounds(world, only=name).go(trigger, round_s)[name]
