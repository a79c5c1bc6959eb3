"""Plays many courses, on several grounds side by side, and counts what was wrong with them."""

import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from reliability.course import SCENARIOS, Course, Kill
from reliability.ground import FIRST, Ground
from reliability.groundwork import open_ground
from reliability.places import GOLDEN, writes
from reliability.runs import Tally
from reliability.witness import Trace

GROUNDS = 2  # side by side
ENOUGH = 10  # violations after which nothing is to be learned from more
LIFE = 30  # courses on one ground: its journal grows, and every process reads all of it
TRIES = 3  # for a place that the killed process did not come to


def kills(scenario: str, trace: Trace) -> list[Kill]:
    """Return where to kill in *scenario*, of which *trace* is a run that nobody disturbed."""
    places: dict[str, str] = {}
    released = [n for n, line in enumerate(trace.sent) if line["name"] == "lock.release"]
    for line in trace.sent[: released[-1] + 1]:  # what follows is the command's own table
        kind, _, number = line["place"].partition(":")
        if not number:
            places[kind] = kind
        elif line["name"] == GOLDEN:
            places[f"{kind}, the last"] = line["place"]
    found = []
    for place in places.values():
        found.append(Kill(scenario, place, "before"))
        if writes(place.partition("/")[2]) or place.endswith("/lock.release"):
            found.append(Kill(scenario, place, "after"))
    return found


@dataclass
class Field:
    """One worker's ground, renewed when something went wrong on it."""

    folder: Path
    ground: Ground | None = None
    next: str = SCENARIOS[0]
    age: int = 0  # courses played on this ground
    left: bool = False  # a dead process' lock, which the next change must break
    places: dict[str, list[Kill]] = field(default_factory=dict)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _number: int = 0

    def open(self) -> list[Course]:
        """Make a ground, play each scenario undisturbed; return what was wrong with that."""
        self._number += 1
        folder = self.folder / str(self._number)
        folder.mkdir(parents=True)
        self.ground = self._stack.enter_context(open_ground(folder))
        self.left, self.next, self.age = False, SCENARIOS[0], 0
        self.ground.want(FIRST)
        code, _ = self.ground.run()
        if code or self.ground.seen() != self.ground.wanted:
            raise RuntimeError(f"no first install: {self.ground.words()}")
        courses = [self.play(Kill(scenario)) for scenario in SCENARIOS]
        for course in courses:
            self.places[course.kill.scenario] = kills(course.kill.scenario, course.traces[-1])
        return [course for course in courses if course.found]

    def close(self) -> None:
        """End everything on it."""
        self.ground = None
        self._stack.close()

    def play(self, kill: Kill) -> Course:
        """Play *kill*, whose scenario is the next one, from where the last one settled."""
        assert self.ground
        course = Course(self.ground, kill).play(self.left)
        self.left, self.age = course.stays, self.age + 1
        self.next = SCENARIOS[1 - SCENARIOS.index(kill.scenario)]
        return course


type Progress = Callable[[int, int], None]


@dataclass
class Hunt:
    """All kills, shared by the workers that play them."""

    folder: Path
    tally: Tally = field(default_factory=lambda: Tally("D3"))
    progress: Progress = lambda *_: None
    waiting: dict[str, deque[Kill]] = field(default_factory=dict)
    tries: dict[Kill, int] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _over: bool = False

    def run(self, only: Callable[[Kill], bool] = lambda _: True) -> Tally:
        """Play every kill that *only* lets through, on several grounds side by side."""
        began = time.monotonic()
        fields = [Field(self.folder / str(number)) for number in range(GROUNDS)]
        workers = [threading.Thread(target=self._work, args=(each,)) for each in fields]
        try:
            for each in fields:  # one after the other: a train of heavy starts
                self._opened(each)
            found = fields[0].places
            self.waiting = {name: deque(k for k in found[name] if only(k)) for name in SCENARIOS}
            for worker in workers:
                worker.start()
            for worker in workers:
                while worker.is_alive():
                    worker.join(0.5)  # so that Ctrl-C is heard
        finally:
            self._over = True
            for each in fields:
                each.close()
            for worker in workers:
                if worker.ident:
                    worker.join()
            for each in fields:  # what was being opened meanwhile
                each.close()
        if self.errors:
            raise self.errors[0]
        self.tally.seconds = time.monotonic() - began
        return self.tally

    def _opened(self, each: Field) -> None:
        for course in each.open():
            self.tally.add(course.kill.seed, course.run())

    def _work(self, each: Field) -> None:
        try:
            while not self._over:
                if each.age >= LIFE and not each.left:
                    each.close()
                if each.ground is None:
                    if not any(self.waiting.values()):
                        return
                    self._opened(each)
                kill = self._next(each)
                if kill is None:
                    return
                self._count(each, each.play(kill))
        except BaseException as error:
            if not self._over:  # else the ground was taken away, which is no error
                self.errors.append(error)
                self._over = True

    def _next(self, each: Field) -> Kill | None:
        """Return what to play now: an undisturbed run where nothing waits for this scenario."""
        with self._guard:
            if self.tally.violations >= ENOUGH:
                return None
            queue = self.waiting[each.next]
            if each.left or (not queue and any(self.waiting.values())):
                return Kill(each.next)
            return queue.popleft() if queue else None

    def _count(self, each: Field, course: Course) -> None:
        kill = course.kill
        with self._guard:
            self.tries[kill] = self.tries.get(kill, 0) + 1
            again = not course.reached and not course.found and self.tries[kill] < TRIES
            if again:
                self.waiting[kill.scenario].append(kill)
            elif not course.reached and not course.found:
                self.missed.append(kill.seed)
            elif kill.place or course.found:
                self.tally.add(kill.seed, course.run())
                left = sum(map(len, self.waiting.values()))
                self.progress(self.tally.cases, self.tally.cases + left)
        if course.found:
            said = "".join(f"\n    {violation}" for violation in course.found)
            print(f"{kill.seed}{said}", file=sys.stderr, flush=True)
            each.close()
