"""
When each app is looked at again: the one timetable of the loop.

Pure: no thread, no wait, no I/O. Times are seconds of one clock that never goes back. To take an
app costs the logarithm of their number, so that a pass over all of them stays linear.
"""

import heapq
import math
import zlib
from collections import defaultdict
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
    return later_s(name, apps, window_s, policy), max(policy.full_look_s, window_s)


def later_s(name: str, apps: int, period_s: float, policy: Policy) -> float:
    """Return how much later *name*, one of many *apps*, begins what all do once in a period."""
    return zlib.crc32(name.encode()) / 2**32 * period_s if apps > policy.full_looks_at_once else 0.0


# Kinds of entries: whether an app's last look timed out, and whether it waits for a step.
Queues = defaultdict[tuple[bool, bool], list[tuple[float, str]]]
_NEVER = (math.inf, "")
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
    hangs: bool = False  # its last look timed out
    recalled: bool = False  # it was made due while its pass ran
    queued: tuple[float, str] | None = None  # where it waits for its next pass


@dataclass(slots=True)
class Agenda:
    """
    The apps and when each is due. At most *threads* passes run at once, one of an app.

    Passes of apps whose last look timed out, or that have run for as long, get half of the threads.
    """

    policy: Policy
    threads: int = 1
    entries: dict[str, Entry] = field(default_factory=dict)
    _queues: Queues = field(default_factory=lambda: defaultdict(list))
    _running: dict[str, Entry] = field(default_factory=dict)
    _took: float = 0.0  # by all entries
    _fired: float = -math.inf  # when the timer did
    _asked: int = 0  # of the apps at a stop

    def _due(self, name: str, entry: Entry, due: float) -> None:
        """Make *entry* due; where it is queued already, that counts no more."""
        entry.due, entry.queued = due, (due, name)
        heapq.heappush(self._queues[entry.hangs, is_polled(entry.stop)], entry.queued)

    def _first(self, *kinds: tuple[bool, bool]) -> tuple[float, str]:
        """Return when the first of these *kinds* is due whose pass does not run, and its name."""
        for kind in kinds:
            queue = self._queues[kind]
            while queue and getattr(self.entries.get(queue[0][1]), "queued", None) is not queue[0]:
                heapq.heappop(queue)
        return min((queue[0] for kind in kinds if (queue := self._queues[kind])), default=_NEVER)

    def keep(self, names: Iterable[str], now: float) -> None:
        """Keep exactly *names*; a new one is due *now*, one whose pass runs stays until it ends."""
        wanted = dict.fromkeys(names)
        for name in self.entries.keys() - wanted - self._running.keys():
            self._took -= self.entries.pop(name).took
        for name in wanted.keys() - self.entries.keys():
            self._due(name, self.entries.setdefault(name, Entry(now)), now)

    def recall(self, names: Iterable[str], now: float) -> None:
        """Make *names* due *now*, as news of them came; one whose pass runs is due when it ends."""
        for name in names:
            if entry := self.entries.get(name):
                entry.stopped, entry.recalled = None, entry.began is not None
                if entry.queued and entry.due > now:
                    self._due(name, entry, now)

    def advance(self, now: float) -> None:
        """Make due what is due in half the time between two calls of the timer, which is one."""
        soon = now + min(now - self._fired, self.policy.rest_s) / 2
        self._fired = now
        for name, entry in self.entries.items():
            if entry.queued and now < entry.due <= soon:
                self._due(name, entry, now)

    def take(self, now: float) -> str | None:
        """Begin the pass of the app that is due for longest; None where none may begin."""
        if len(self._running) >= self.threads:
            return None
        (due, name), since = self._first(*_PROMPT), now - self.policy.hangs_s
        if due > now:
            running = self._running.values()
            hanging = sum(each.hangs or (each.began or now) <= since for each in running)
            if hanging < max(1, self.threads // 2):
                due, name = self._first(*_HANGING)
        if due > now:
            return None
        self._running[name] = entry = self.entries[name]
        entry.began, entry.queued = now, None
        return name

    def end(
        self,
        name: str,
        stop: Stop,
        now: float,
        moment: datetime,
        *,
        hangs: bool = False,
    ) -> None:
        """
        Record that the pass of *name* came to *stop*, which says when it is due again.

        *moment* is the time of day.
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
        again = again_s(stop, stopped_s, moment, self.policy)
        if converged:  # a fleet that is too large for its machine leaves it time for steps
            again = max(again, self.policy.stretch * self._took / self.threads)
        due = now if entry.recalled else max(now, (now if polled else began) + again)
        entry.stop, entry.hangs, entry.began, entry.recalled = stop, hangs, None, False
        self._due(name, entry, due)

    def next_s(self, now: float) -> float:
        """Return in how many seconds the next app is due whose pass does not run."""
        return min(max(0.0, self._first(*_PROMPT, *_HANGING)[0] - now), self.policy.long_rest_s)

    def is_at_work(self, now: float) -> bool:
        """Return whether a pass runs or is due, or an app waits for a step that soon ends."""
        soon = self._first(*_STEPS)[0] <= now + self.policy.near_s
        return bool(self._running) or soon or self.next_s(now) == 0

    def at_a_stop(self) -> list[str]:
        """Return apps at a stop whose passes are not under way; of very many some by turns."""
        found = [n for n, e in self.entries.items() if e.stopped is not None and e.began is None]
        most = min(self.policy.asked_at_once, len(found))
        begin = self._asked % (len(found) or 1)
        self._asked = begin + most
        return [*found, *found][begin : begin + most]


def is_polled(stop: Stop | None) -> bool:
    """Return whether *stop* is a step under way, which is asked about until it ends."""
    return isinstance(stop, Waiting) and stop.poll_s is not None
