"""
When each app is looked at again: the one timetable of the loop.

Pure: no thread, no wait, no I/O. Times are seconds of one clock that never goes back. To take an app
costs the logarithm of their number, so that a pass over all of them stays linear.
"""

import heapq
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from gitslot.state.decision import Converged, Stop, Waiting
from gitslot.state.policy import Policy
from gitslot.state.reasons import Wait


def again_s(stop: Stop, stopped_s: float, now: datetime, policy: Policy) -> float:
    """
    Return in how many seconds an app is due again that came to *stop*.

    It has stopped for *stopped_s* seconds without a step. *now* is the time of the look.
    """
    if isinstance(stop, Waiting) and stop.poll_s is not None:
        return stop.poll_s
    if isinstance(stop, Converged):
        return policy.rest_s
    rest_s = policy.long_rest_s if stopped_s >= policy.long_stop_s else policy.rest_s
    if isinstance(stop.next, Wait) and stop.next.until:
        left_s = (stop.next.until - now).total_seconds()
        return min(rest_s, max(left_s, policy.poll_s))
    return rest_s


def unread_s(name: str, apps: int, policy: Policy) -> tuple[float, float]:
    """
    Return the seconds for which settings of *name*, one of *apps*, may stay unread in ARM.

    Since the process began, and since they were last read: many apps are spread, so that half of
    the calls that ARM allows is kept for writes and steps under way.
    """
    window_s = apps * policy.full_look_s / policy.full_looks
    first_s = zlib.crc32(name.encode()) / 2**32 * window_s
    return first_s if apps > policy.full_looks_at_once else 0.0, max(policy.full_look_s, window_s)


# Kinds of entries: whether an app's last look timed out, and whether it waits for a step.
_PROMPT, _HANGING = ((False, False), (False, True)), ((True, False), (True, True))
_STEPS = ((False, True), (True, True))


@dataclass(slots=True)
class Entry:
    """One app: when it is *due*, and how its last pass ended; times are None before the first."""

    due: float
    stop: Stop | None = None
    stopped: float | None = None  # since when no pass has made a step
    began: float | None = None  # of the pass that runs now
    took: float = 0.0  # seconds of its last pass, where that only found it converged
    asked: int = 0  # in which survey it was last asked for news of its own
    hangs: bool = False  # its last look timed out
    recalled: bool = False  # it was made due while its pass ran

    @property
    def kind(self) -> tuple[bool, bool]:
        """Return its kind, as above."""
        return self.hangs, is_polled(self.stop)


@dataclass(slots=True)
class Agenda:
    """
    The apps and when each is due. At most *threads* passes run at once, one of an app.

    Passes of apps whose last look timed out, or that have run for as long, get half of the threads.
    """

    policy: Policy
    threads: int = 1
    entries: dict[str, Entry] = field(default_factory=dict)
    _queues: dict[tuple[bool, bool], list[tuple[float, str]]] = field(default_factory=dict)
    _running: dict[str, Entry] = field(default_factory=dict)
    _took: float = 0.0  # of all entries
    _fired: float | None = None  # when the timer did
    _surveys: int = 0

    def _queue(self, name: str, entry: Entry) -> None:
        """Put *entry* where `_first` finds it; what it was queued for before counts no more."""
        heapq.heappush(self._queues.setdefault(entry.kind, []), (entry.due, name))

    def _first(self, *kinds: tuple[bool, bool]) -> tuple[float, str] | None:
        """Return who of these *kinds* is due first, and when; no one whose pass runs."""
        found = []
        for kind in kinds:
            queue = self._queues.get(kind, [])
            while queue:
                entry = self.entries.get(queue[0][1])
                if entry and entry.began is None and (entry.due, entry.kind) == (queue[0][0], kind):
                    found.append(queue[0])
                    break
                heapq.heappop(queue)
        return min(found, default=None)

    def keep(self, names: Iterable[str], now: float) -> None:
        """Keep exactly *names*; a new one is due *now*, one whose pass runs stays until it ends."""
        wanted = dict.fromkeys(names)
        for name in self.entries.keys() - wanted - self._running.keys():
            self._took -= self.entries.pop(name).took
        for name in wanted.keys() - self.entries.keys():
            self.entries[name] = Entry(now)
            self._queue(name, self.entries[name])

    def recall(self, names: Iterable[str], now: float) -> None:
        """Make *names* due *now*, as news of them came; one whose pass runs is due when it ends."""
        for name in names:
            if entry := self.entries.get(name):
                entry.stopped, entry.recalled = None, entry.began is not None
                self._hasten(name, entry, now)

    def _hasten(self, name: str, entry: Entry, now: float) -> None:
        if entry.due > now:
            entry.due = now
            self._queue(name, entry)

    def advance(self, now: float) -> None:
        """Make due what is due in half the time between two calls of the timer, which is one."""
        since = now - self._fired if self._fired is not None else self.policy.rest_s
        self._fired = now
        for name, entry in self.entries.items():
            if entry.due <= now + min(since, self.policy.rest_s) / 2:
                self._hasten(name, entry, now)

    def take(self, now: float) -> str | None:
        """Begin the pass of the app that is due for longest; None where none may begin."""
        if len(self._running) >= self.threads:
            return None
        found, since = self._first(*_PROMPT), now - self.policy.hangs_s
        if found is None or found[0] > now:
            running = self._running.values()
            hanging = sum(each.hangs or (each.began or now) <= since for each in running)
            found = self._first(*_HANGING) if hanging < max(1, self.threads // 2) else None
        if found is None or found[0] > now:
            return None
        name = found[1]
        self._running[name] = self.entries[name]
        self.entries[name].began = now
        return name

    def end(
        self,
        name: str,
        stop: Stop,
        now: float,
        moment: datetime,
        *,
        least_s: float = 0.0,
        hangs: bool = False,
    ) -> None:
        """
        Record that the pass of *name* came to *stop*, which says when it is due again.

        *moment* is the time of day, *least_s* for how long Azure has asked to wait.
        """
        entry = self._running.pop(name)
        began = now if entry.began is None else entry.began
        polled, converged = is_polled(stop), isinstance(stop, Converged)
        if polled or converged:
            entry.stopped = None
        elif entry.stopped is None:
            entry.stopped = now
        stopped_s = now - entry.stopped if entry.stopped is not None else 0.0
        took = now - began if converged and not hangs else 0.0
        self._took, entry.took = self._took + took - entry.took, took
        again = max(again_s(stop, stopped_s, moment, self.policy), least_s)
        if converged:  # a fleet that is too large for its machine leaves it time for steps
            again = max(again, self.policy.stretch * self._took / self.threads)
        entry.due = now if entry.recalled else max(now, (now if polled else began) + again)
        entry.stop, entry.hangs, entry.began, entry.recalled = stop, hangs, None, False
        self._queue(name, entry)

    def next_s(self, now: float) -> float:
        """Return in how many seconds the next app is due whose pass does not run."""
        found = self._first(*_PROMPT, *_HANGING)
        return max(0.0, found[0] - now) if found else self.policy.rest_s

    def is_at_work(self, now: float) -> bool:
        """Return whether a pass runs or is due, or an app waits for a step that soon ends."""
        step = self._first(*_STEPS)
        soon = step is not None and step[0] <= now + self.policy.near_s
        return bool(self._running) or soon or self.next_s(now) == 0

    def at_a_stop(self) -> list[str]:
        """
        Return apps whose passes have come to a stop and are not under way.

        They are asked for news of their own: so many in each survey, by turns.
        """
        self._surveys += 1
        found = (each for each in self.entries.items() if each[1].stopped is not None)
        free = (each for each in found if each[1].began is None)
        chosen = heapq.nsmallest(self.policy.asked_at_once, free, key=lambda each: each[1].asked)
        for _, entry in chosen:
            entry.asked = self._surveys
        return [name for name, _ in chosen]


def is_polled(stop: Stop | None) -> bool:
    """Return whether *stop* is a step under way, which is asked about until it ends."""
    return isinstance(stop, Waiting) and stop.poll_s is not None
