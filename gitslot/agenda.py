"""
When each app is looked at again: the one timetable of the loop.

Pure: no thread, no wait, no I/O. Times are seconds of one clock that never goes back.
"""

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
    return later_s(name, apps, window_s, policy), max(policy.full_look_s, window_s)


def later_s(name: str, apps: int, period_s: float, policy: Policy) -> float:
    """Return how much later *name*, one of many *apps*, begins what all do once in a period."""
    return zlib.crc32(name.encode()) / 2**32 * period_s if apps > policy.full_looks_at_once else 0.0


@dataclass(slots=True)
class Entry:
    """One app: when it is *due*, and how its last pass ended; times are None before the first."""

    due: float
    stop: Stop | None = None
    stopped: float | None = None  # since when no pass has made a step
    began: float | None = None  # of the pass that runs now
    hangs: bool = False  # its last look timed out
    recalled: bool = False  # it was made due while its pass ran


@dataclass(slots=True)
class Agenda:
    """
    The apps and when each is due. At most *threads* passes run at once, one of an app.

    Passes of apps whose last look timed out, or that have run for as long, get half of the threads.
    """

    policy: Policy
    threads: int = 1
    entries: dict[str, Entry] = field(default_factory=dict)

    def keep(self, names: Iterable[str], now: float) -> None:
        """Keep exactly *names*; a new one is due *now*, one whose pass runs stays until it ends."""
        wanted = dict.fromkeys(names)
        gone = self.entries.keys() - wanted
        for name in gone:
            if self.entries[name].began is None:
                del self.entries[name]
        for name in wanted:
            self.entries.setdefault(name, Entry(now))

    def recall(self, names: Iterable[str], now: float) -> None:
        """Make *names* due *now*, as news of them came; one whose pass runs is due when it ends."""
        for entry in filter(None, map(self.entries.get, names)):
            entry.due, entry.stopped = min(entry.due, now), None
            entry.recalled = entry.began is not None

    def advance(self, now: float) -> None:
        """Make due what is due before half of a rest is over: a timer fires once a rest."""
        for entry in self.entries.values():
            if entry.due <= now + self.policy.rest_s / 2:
                entry.due = min(entry.due, now)

    def take(self, now: float) -> str | None:
        """Begin the pass of the app that is due for longest; None where none may begin."""
        found = {name: each for name, each in self.entries.items() if self._may_begin(each, now)}
        if not found:
            return None
        name = min(found, key=lambda each: (found[each].hangs, found[each].due))
        found[name].began = now
        return name

    def _may_begin(self, entry: Entry, now: float) -> bool:
        running = [each for each in self.entries.values() if each.began is not None]
        if entry.began is not None or entry.due > now or len(running) >= self.threads:
            return False
        since = now - self.policy.hangs_s
        hanging = [each for each in running if each.hangs or (each.began or now) <= since]
        return not entry.hangs or len(hanging) < max(1, self.threads // 2)

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
        entry = self.entries[name]
        began = now if entry.began is None else entry.began
        polled = is_polled(stop)
        if polled or isinstance(stop, Converged):
            entry.stopped = None
        elif entry.stopped is None:
            entry.stopped = now
        stopped_s = now - entry.stopped if entry.stopped is not None else 0.0
        again = again_s(stop, stopped_s, moment, self.policy)
        entry.due = now if entry.recalled else max(now, (now if polled else began) + again)
        entry.stop, entry.hangs, entry.began, entry.recalled = stop, hangs, None, False

    def next_s(self, now: float) -> float:
        """Return in how many seconds the next app is due whose pass does not run."""
        due = (entry.due for entry in self.entries.values() if entry.began is None)
        return max(0.0, min(due, default=now + self.policy.rest_s) - now)

    def is_at_work(self, now: float) -> bool:
        """Return whether a pass runs or is due, or an app waits for a step that soon ends."""
        return any(
            each.began is not None
            or each.due <= now
            or (is_polled(each.stop) and each.due <= now + self.policy.near_s)
            for each in self.entries.values()
        )

    def at_a_stop(self) -> list[str]:
        """Return the apps whose passes have come to a stop, and are not under way."""
        found = self.entries.items()
        return [name for name, each in found if each.stopped is not None and each.began is None]


def is_polled(stop: Stop | None) -> bool:
    """Return whether *stop* is a step under way, which is asked about until it ends."""
    return isinstance(stop, Waiting) and stop.poll_s is not None
