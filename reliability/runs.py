"""One run of a scenario under a plan of faults, judged: what every design is made of."""

import gc
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitslot.state.decision import Converged, Frozen, Stalled, Stop, Suspended
from reliability.checker import Violation, check
from reliability.rig import TICK_S
from reliability.said import leaks, listening
from reliability.scenarios import Scene
from reliability.seam import Call

# What ends the quiet from which turns are counted, beside other people's hands.
_DISTURBS = ("git-commit", "spoilt", "swap-failed", "swap-reverted", "process-crashed")
KEEP: set[str] = set()  # seeds whose history is wanted although nothing is wrong
FREE_TURNS = 4  # L1: turns that write, and the stop, once faults have ended


@dataclass
class Run:
    """How a run ended."""

    stop: Stop | None
    violations: list[Violation]
    calls: list[Call]
    taken: int
    turns: int  # writes after the last fault, and the stop
    writes: int
    history: bytes = b""


def judged(rule: str, wrong: str) -> Run:
    """Return the run of a case judged elsewhere: *wrong* says how it failed, or is empty."""
    return Run(None, [Violation(rule, 0, wrong)] if wrong else [], [], 0, 0, 0)


def play(make: Callable[[], Scene], plan: Mapping[int, str]) -> Run:
    """Run a scenario under *plan* until it comes to rest, as it says."""
    scene = make()
    rig = scene.rig
    rig.seam.plan = plan
    rig.seam.on, rig.seam.stage = True, 0
    mark = len(rig.cloud.history.entries)
    stop = scene.controller.settle()
    if scene.watched_s or not scene.cloud.serves():  # which somebody may have restarted just now
        scene.cloud.wait(scene.watched_s or TICK_S)
        stop = scene.controller.settle()
    rig.seam.on = False
    entries = rig.cloud.history.entries
    found = check(entries)
    writes = [e for e in entries[mark:] if e["operation"] == "write-sent"]
    last = max((e["seq"] for e in entries if _disturbs(e)), default=0)
    turns = sum(e["seq"] > last for e in writes) + 1
    found += liveness(scene, stop, turns, len(rig.seam.taken))
    found += missed(scene, plan)
    return finish(scene, Run(stop, found, rig.seam.calls, len(rig.seam.taken), turns, len(writes)))


def _disturbs(entry: Mapping[str, Any]) -> bool:
    return entry["operation"] in _DISTURBS or entry.get("caller") == "person"


def finish(scene: Scene, run: Run) -> Run:
    """End the world of a run, keeping its history where somebody may want to read it."""
    run.violations += leaks(scene.cloud, run.stop)
    if run.violations or KEEP:
        run.history = scene.rig.history()
    scene.cloud.end()
    return run


def missed(scene: Scene, plan: Mapping[int, str]) -> list[Violation]:
    """Return what was to go wrong and did not: such a case would show nothing."""
    taken = {index for index, _, _ in scene.rig.seam.taken}
    what = [f"{kind} of call {index}" for index, kind in plan.items() if index not in taken]
    what += [name for name, came in scene.planted.items() if not came()]
    return [Violation("case", 0, f"never came true: {each}") for each in what]


def liveness(scene: Scene, stop: Stop | None, turns: int, faults: int) -> list[Violation]:
    """Return what is wrong with the end of a run."""
    found = []
    if not isinstance(stop, Converged | Stalled | Frozen | Suspended):
        found.append(Violation("L1", 0, f"it never came to rest: {stop}"))
    if turns > FREE_TURNS + max(0, faults - 2):
        found.append(Violation("L1", 0, f"{turns} turns after the last fault"))
    if not scene.ends:
        return found
    for slot, version in scene.beside.items():
        if scene.cloud.serves(slot) != version:
            text = f"{slot} serves {scene.cloud.serves(slot)!r}, {version} is right: {stop}"
            found.append(Violation("L1", 0, text))
    serves = scene.cloud.serves()
    told = scene.reason in ("", getattr(stop, "reason", ""))
    if not isinstance(stop, scene.stop) or serves != scene.wants or not told:
        found.append(
            Violation("L1", 0, f"production serves {serves!r}, {scene.wants} is right: {stop}")
        )
    return found


type Case = tuple[str, Callable[[], Run]]  # a seed, and the run that it stands for


@dataclass
class Tally:
    """The figures of one design; *seconds* are of one core."""

    design: str
    cases: int = 0
    violations: int = 0
    seconds: float = 0.0
    failed: list[tuple[str, Run]] = field(default_factory=list)

    def add(self, seed: str, run: Run) -> None:
        """Count one case; *seed* is what `make repro` needs to play it again."""
        self.cases += 1
        if run.violations:
            self.violations += 1
            self.failed.append((seed, run))

    def line(self) -> str:
        """Return the one line of a design."""
        return (
            f"{self.design} cases={self.cases} violations={self.violations} "
            f"seconds={self.seconds:.1f}"
        )

    def report(self, limit: int = 20) -> str:
        """Return seeds and violations of what failed."""
        lines = []
        for seed, run in self.failed[:limit]:
            lines.append(f"make repro SEED={seed}")
            lines += [f"    {violation}" for violation in run.violations]
        return "\n".join(lines)


def tally(design: str, cases: Iterable[Case], *, first: bool = False) -> Tally:
    """Run *cases* and count them, no further than to the *first* violation where that is asked."""
    found, began = Tally(design), _used_s()
    gc.collect()
    gc.freeze()  # what is loaded by now stays, and need not be looked through after every case
    with listening():
        for seed, run in cases:
            found.add(seed, run())
            if first and found.failed:
                break
    found.seconds = _used_s() - began
    return found


def _used_s() -> float:
    """Return the seconds that a core has spent on this process and on those that it waited for."""
    return sum(os.times()[:4])


def thinned(calls: Iterable[Call], *, last: bool = True) -> list[int]:
    """
    Return the numbers of the calls worth spoiling.

    Of the same call between the same two writes, the first and, where *last* is asked for, the
    last: those between are the same look, made again while something is waited for.
    """
    groups: dict[tuple[str, int], list[int]] = {}
    for index, call in enumerate(calls):
        groups.setdefault((call.name, call.stage), []).append(index)
    chosen = {group[0] for group in groups.values()}
    if last:
        chosen |= {group[-1] for group in groups.values()}
    return sorted(chosen)
