"""A change of what is wanted, on real processes: a controller is killed, the end is judged."""

import time
from dataclasses import dataclass, field
from typing import Any

from gitslot.record.event import parse
from reliability.checker import Violation, check
from reliability.ground import Ground
from reliability.places import writes
from reliability.runs import FREE_TURNS, Run
from reliability.witness import Account, Trace, as_lines, exchanged, strangers

SCENARIOS = ("bump", "revert")
DEPLOYS = {"bump": 1, "revert": 0}
# Killed here, a controller leaves a swap under way. It is made to last until long after a fresh one
# has broken the lock: whoever took it for lost would send another.
SWAPPING = ("slotsswap.staging/", "Waiting/git.", "Waiting/health.", "Waiting/journal.size")
SWAP_S = 7.0


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a controller is killed; nowhere without a place."""

    scenario: str
    place: str = ""
    when: str = ""

    @property
    def mid_swap(self) -> bool:
        """Say whether a swap is under way when the controller dies."""
        sent = self.place.endswith("/arm.slotsswap.staging") and self.when == "after"
        return sent or self.place.startswith(SWAPPING)

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


@dataclass
class Course:
    """One change on a ground, and what was seen of it."""

    ground: Ground
    kill: Kill
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
        ground.swaps_last(SWAP_S if self.kill.mid_swap else 0.0)
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
        account = ground.account(moment, seq, settings, self.traces)
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
        sent = self.traces[-1]
        count = len(sent.calls("arm.appsettings-put")) + len(sent.calls("arm.slotsswap"))
        return Run(None, self.found, [], 1, count + 1, count, as_lines(self.entries))
