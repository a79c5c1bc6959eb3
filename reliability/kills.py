"""
D3: a real controller process is killed with SIGKILL before and after every request of a bump and of
a revert; a fresh one is started, and must bring the change to its end: once, and by the rules.

Everything is real: the platform with Azurite and slot processes, git over https, `gitslot
reconcile` as a process. Of equal requests between two writes the first is played, of golden rows
also the last. An answer to a read changes nothing outside, so "after" it is "before" what follows
it, and is played once; what changes something is played before it left and after it was answered.
"""

import contextlib
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from reliability.course import SCENARIOS, Course, Kill
from reliability.ground import FIRST, Ground
from reliability.groundwork import open_ground
from reliability.places import GOLDEN, writes
from reliability.runs import Run, Tally
from reliability.witness import Trace

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
    """The ground, renewed when something went wrong on it."""

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


def tally(only: Callable[[Kill], bool] = lambda _: True) -> Tally:
    """Play all kills, *only* some where that is asked for; seconds are those of the wall."""
    found, began = Tally("D3"), time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="gitslot-d3-") as folder,
        contextlib.closing(Field(Path(folder))) as own,
    ):
        _opened(own, found)
        waiting = {name: deque(filter(only, own.places[name])) for name in SCENARIOS}
        tries: Counter[Kill] = Counter()
        while any(waiting.values()) and found.violations < ENOUGH:
            if own.ground is None or (own.age >= LIFE and not own.left):
                own.close()
                _opened(own, found)
            queue = waiting[own.next]
            # Undisturbed where nothing waits for this scenario.
            kill = queue.popleft() if queue and not own.left else Kill(own.next)
            course = own.play(kill)
            tries[kill] += 1
            if course.found or (kill.place and course.reached):
                found.add(kill.seed, course.run())
            elif kill.place and tries[kill] < TRIES:
                queue.append(kill)
            elif kill.place:
                print(f"not played, the process did not come there: {kill.seed}", file=sys.stderr)
            if course.found:
                own.close()
    found.seconds = time.monotonic() - began
    return found


def _opened(own: Field, found: Tally) -> None:
    for course in own.open():
        found.add(course.kill.seed, course.run())


def play(seed: str) -> Run:
    """Play the one case of *seed*; KeyError where it is none."""
    kill = Kill.parse(seed)
    with tempfile.TemporaryDirectory(prefix="gitslot-d3-") as name:
        with contextlib.closing(Field(Path(name))) as own:
            own.open()
            if own.next != kill.scenario:
                own.play(Kill(own.next))
            course = own.play(kill)
    if not course.reached:
        course.wrong("D3", "the process did not come to where it was to be killed")
    return course.run()
