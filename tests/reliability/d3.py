"""
D3: a real controller process is killed with SIGKILL before and after every request of a bump and of
a revert; a fresh one is started, and must bring the change to its end: once, and by the rules.

Everything is real: the platform with Azurite and slot processes, git over https, `gitslot
reconcile` as a process. Of equal requests between two writes the first is played, of golden rows
also the last. An answer to a read changes nothing outside, so "after" it is "before" what follows
it, and is played once; what changes something is played before it left and after it was answered.
"""

import contextlib
import json
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.events import parse
from tests.reliability.checker import Violation, check
from tests.reliability.ground import FIRST, Ground, open_ground
from tests.reliability.places import GOLDEN, writes
from tests.reliability.runs import FREE_TURNS, Run, Tally
from tests.reliability.witness import Account, Trace, exchanged, strangers

SCENARIOS = ("bump", "revert")
GROUNDS = 2  # side by side
TRIES = 3  # for a place that the killed process did not come to
DEPLOYS = {"bump": 1, "revert": 0}


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a controller is killed; nowhere without a place."""

    scenario: str
    place: str = ""
    when: str = ""

    @property
    def seed(self) -> str:
        """Return what `make repro` needs."""
        return f"D3,{self.scenario},{self.place},{self.when}"

    @classmethod
    def parse(cls, seed: str) -> "Kill":
        """Read a seed; KeyError where it is none."""
        parts = seed.split(",")
        if len(parts) != 4 or parts[1] not in SCENARIOS or parts[3] not in ("before", "after"):
            raise KeyError(seed)
        return cls(*parts[1:])


def kills(scenario: str, trace: Trace) -> list[Kill]:
    """Return where to kill in *scenario*, of which *trace* is a run that nobody disturbed."""
    places: dict[str, str] = {}
    for line in trace.sent:
        kind, _, number = line["place"].partition(":")
        if not number:
            places[kind] = kind
        elif line["name"] == GOLDEN:
            places[f"{kind}, the last"] = line["place"]
        if line["name"] == "lock.release":
            break  # the pass is over; what follows is the command's own table
    found = []
    for place in places.values():
        found.append(Kill(scenario, place, "before"))
        if writes(place.partition("/")[2]) or place.endswith("/lock.release"):
            found.append(Kill(scenario, place, "after"))
    return found


# ---------------------------------------------------------------- one case


@dataclass
class Course:
    """One change on a ground, and what was seen of it."""

    ground: Ground
    kill: Kill
    began: float = field(default_factory=time.time)
    reached: bool = True
    stays: bool = False  # a dead process' lock that nothing had to be written under
    traces: list[Trace] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    found: list[Violation] = field(default_factory=list)

    def wrong(self, rule: str, message: str) -> None:
        """Note a rule that does not hold at the end."""
        self.found.append(Violation(rule, len(self.entries), message))

    def play(self, left: bool) -> "Course":
        """Make the change, kill, start afresh, and judge; *left*: the lock is a dead process'."""
        ground = self.ground
        seq, settings = ground.seq(), ground.settings()
        journal = len(ground.journal())
        moment = time.time()
        ground.begin(self.kill.scenario)
        if self.kill.place:
            code, trace = ground.run(place=self.kill.place, when=self.kill.when)
            self.traces.append(trace)
            self.reached = trace.killed == self.kill.place
            if self.reached == (code == 0) or code not in (0, -9):
                self.wrong("L1", f"the first process ended with {code}: {ground.words()}")
        code, trace = ground.run(passes=2)
        self.traces.append(trace)
        if code:
            self.wrong("L1", f"the fresh process ended with {code}: {ground.words()}")
        serves = ground.seen()
        if serves != ground.wanted:
            self.wrong("L1", f"the slots serve {serves}, {ground.wanted} is right")
        account = Account(
            began=moment - 1,
            settings=settings,
            sticky=ground.sticky,
            rows=ground.rows,
            commits=ground.commits(moment),
            traces=self.traces,
            platform=ground.since(seq),
        )
        self.entries = account.entries()
        self.found += check(self.entries, [trace.caller for trace in self.traces])
        self._judge(account, ground.journal()[journal:], left)
        return self

    def _judge(self, account: Account, journal: bytes, left: bool) -> None:
        """Check what the checker cannot know."""
        count = [entry["operation"] for entry in self.entries].count
        fresh = self.traces[-1]
        if count("swap-flipped") != 1 or count("swap-started") != 1 or count("swap-reverted"):
            self.wrong("S3", f"{count('swap-started')} swaps began, {count('swap-flipped')} ended")
        posts = sum(len(trace.calls("arm.slotsswap")) for trace in self.traces)
        if posts != 1:
            self.wrong("S3", f"{posts} swaps were sent")
        deploys = DEPLOYS[self.kill.scenario]
        if count("settings-put") != deploys:
            self.wrong("L2", f"{count('settings-put')} deploys, {deploys} would do")
        turns = len(fresh.calls("arm.appsettings-put")) + len(fresh.calls("arm.slotsswap")) + 1
        if turns > FREE_TURNS:
            self.wrong("L1", f"{turns} turns of the fresh process")
        if again := [line["name"] for line in fresh.after_pass(1) if writes(line["name"])]:
            self.wrong("I1", f"a converged pass wrote {', '.join(again)}")
        for strange in strangers(self.traces):
            self.wrong("S5", strange)
        if any(e["caller"] == "stranger" for e in self.entries if e.get("request")):
            self.wrong("S5", "the platform changed something that no request asked for")
        told = [event for e in self.entries if e["operation"] == "journal" for event in e["events"]]
        if [parse(line) for line in journal.splitlines()] != told:
            self.wrong("S10", "the journal does not hold what was seen to be appended")
        if self.ground.settings() != account.now:
            self.wrong("S11", "ARM's settings are not what deploys and swaps make of them")
        before = account.settings if not deploys else {**account.settings, "staging": account.put}
        if account.now != exchanged(before, account.sticky):
            self.wrong("S11", "more or less than one deploy and one swap was made of the settings")
        self._judge_lock(fresh, [event.event for event in told], left)

    def _judge_lock(self, fresh: Trace, told: list[str], left: bool) -> None:
        """See that the lock of a dead process was taken over where there was anything to write."""
        for trace in self.traces[:-1]:
            left = left or trace.done("lock.acquire", 201) > trace.done("lock.release", 200)
        took = fresh.done("lock.acquire", 201) > 0
        if left and took and not (fresh.done("lock.break", 202) and "LockBroken" in told):
            self.wrong("L4", "the lock was free, though nobody gave it back or broke it")
        if not left and "LockBroken" in told:
            self.wrong("S6", "a lock was broken that nobody had left behind")
        self.stays = left and not took
        if self.ground.locked() != self.stays:
            self.wrong("L4", f"the lock is {'free' if self.stays else 'held'} at the end")

    def run(self) -> Run:
        """Return what the tally counts."""
        lines = [json.dumps(entry, default=lambda e: e.as_dict()) for entry in self.entries]
        history = "".join(line + "\n" for line in lines).encode()
        sent = self.traces[-1]
        count = len(sent.calls("arm.appsettings-put")) + len(sent.calls("arm.slotsswap"))
        return Run(None, self.found, [], 1, count + 1, count, history)


# ---------------------------------------------------------------- many


@dataclass
class Field:
    """One worker's ground, renewed when something went wrong on it."""

    folder: Path
    ground: Ground | None = None
    next: str = SCENARIOS[0]
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
        self.left, self.next = False, SCENARIOS[0]
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
        self.left = course.stays
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
                if each.ground is None:
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
            each.close()


def tally(progress: Progress | None = None, only: Callable[[Kill], bool] = lambda _: True) -> Tally:
    """Play all kills, *only* some where that is asked for; seconds are those of the wall."""
    with tempfile.TemporaryDirectory(prefix="gitslot-d3-") as folder:
        hunt = Hunt(Path(folder), progress=progress or shown)
        found = hunt.run(only)
    for seed in hunt.missed:
        print(f"not played, the process did not come there: {seed}", file=sys.stderr)
    return found


def shown(done: int, total: int) -> None:
    """Say on stderr how far it is: a counter on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        print(f"\rD3 {done} of {total}", end="\n" if done == total else "", file=sys.stderr)
    elif done % 10 == 0:
        print(f"D3 {done} of {total}", file=sys.stderr, flush=True)


def play(seed: str) -> Run:
    """Play the one case of *seed*; KeyError where it is none."""
    kill = Kill.parse(seed)
    with tempfile.TemporaryDirectory(prefix="gitslot-d3-") as name:
        own = Field(Path(name))
        try:
            own.open()
            if own.next != kill.scenario:
                own.play(Kill(own.next))
            course = own.play(kill)
        finally:
            own.close()
    if not course.reached:
        course.wrong("D3", "the process did not come to where it was to be killed")
    return course.run()
