"""
D13: several apps at work under one controller: one hangs or is deleted at every call of its own, or
the process is killed there. The other is released as if it were alone, at the same moments.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from emulator.seen.faults import Fault
from gitslot.state.decision import Converged, Stop
from reliability.checker import Violation, check
from reliability.company import Company
from reliability.lab import POLL
from reliability.runs import Case, Run, missed, thinned
from reliability.said import leaks
from reliability.scenarios import NEW, Scene, bump
from reliability.seam import KILL_KINDS, Call

OURS, THEIRS = "ours", "theirs"
HANGS_S = 80.0  # for as long as every call of a look may time out
SLOW_S = 20.0  # for as long as a snapshot is written, if it is
_TOLD = ("write-sent", "swap-started", "swap-flipped")
_SHARED = ("git.", "sleep", "blobs.load", "blobs.store")  # nobody's own


def told(scene: Scene) -> list[tuple[Any, ...]]:
    """Return what happened to the app of *scene*, and when; ids are left out."""
    entries = scene.cloud.history.entries
    events = [
        (entry["time"], event.event, event.reason)
        for entry in entries
        if entry["operation"] == "journal"
        for event in entry["events"]
    ]
    return [*events, *((e["time"], e["operation"]) for e in entries if e["operation"] in _TOLD)]


@cache
def alone() -> list[tuple[Any, ...]]:
    """Return what happens to an app that has the controller to itself."""
    company = Company({OURS: bump()})
    company.settle(OURS)
    found = told(company.scenes[OURS])
    company.end()
    return found


@cache
def calls() -> tuple[Call, ...]:
    """Return the calls about one of two apps that are released at once."""
    company = Company({OURS: bump(), THEIRS: bump()}, slow_s=SLOW_S)
    company.settle(THEIRS)
    company.end()
    return tuple(company.scenes[THEIRS].rig.seam.calls)


def _from(scene: Scene, index: int, what: Callable[[], object]) -> None:
    """Do *what* before each call about the app of *scene* from number *index* on."""
    seam, did = scene.rig.seam, []

    def before(name: str) -> None:
        if len(seam.calls) >= index and not name.startswith(_SHARED):
            did.append(name)
            what()

    seam.before = before
    scene.must(f"what was to happen from call {index} on", lambda: bool(did))


def hang(company: Company, index: int) -> None:
    """Let every call about the other app take very long, from number *index* on."""
    _from(company.scenes[THEIRS], index, lambda: company.crew.wait(HANGS_S))


def delete(company: Company, index: int) -> None:
    """Let the other app be gone, from its call number *index* on."""
    scene = company.scenes[THEIRS]
    rules, slots = scene.cloud.faults.rules, scene.cloud.behaviour.slots
    body = {"Code": "NotFound", "Message": "not known"}
    reads = ("site-get", "slot-get", "slotconfignames-get", "appsettings-list", POLL)
    gone = [Fault(name, status=404, body=body, times=None) for name in reads]

    def vanish() -> None:
        rules[:] = gone
        slots.update(production="silent", staging="silent")

    _from(scene, index, vanish)


def beside(spoil: Callable[[Company, int], None], index: int) -> Run:
    """Release two apps, the other one spoilt: ours must not notice."""
    company = Company({OURS: bump(), THEIRS: bump()}, slow_s=SLOW_S)
    spoil(company, index)
    stop = company.settle(OURS)
    found = _judged(company, stop, OURS)
    found += missed(company.scenes[THEIRS], {})
    if told(company.scenes[OURS]) != alone():
        found.append(Violation("S13", 0, "it is not released as if it were alone"))
    return _ended(company, stop, found)


def killed(kind: str, index: int) -> Run:
    """Release two apps; the process is killed at a call about one, and the next ends both."""
    company = Company({OURS: bump(), THEIRS: bump()}, slow_s=SLOW_S)
    company.scenes[THEIRS].rig.seam.plan = plan = {index: kind}
    stop = company.settle(THEIRS)
    found = [*_judged(company, stop, THEIRS), *_judged(company, company.settle(OURS), OURS)]
    return _ended(company, stop, [*found, *missed(company.scenes[THEIRS], plan)])


def _judged(company: Company, stop: Stop | None, name: str) -> list[Violation]:
    serves = company.scenes[name].cloud.serves()
    if isinstance(stop, Converged) and serves == NEW:
        return []
    return [Violation("L1", 0, f"{name} serves {serves!r}: {stop}")]


def _ended(company: Company, stop: Stop | None, found: list[Violation]) -> Run:
    for scene in company.scenes.values():
        found += check(scene.cloud.history.entries)
        found += leaks(scene.cloud, stop)
    taken = len(company.scenes[THEIRS].rig.seam.taken)
    company.end()
    return Run(stop, found, [], taken, 0, 0)


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give every fault at every call that differs from the one before it, or at every call."""
    found = range(len(calls())) if long else thinned(calls(), last=False)
    own = [index for index in found if not calls()[index].name.startswith(_SHARED)]
    for index in own:
        yield f"D13,hang,{index}", partial(beside, hang, index)
        yield f"D13,delete,{index}", partial(beside, delete, index)
        for kind in KILL_KINDS:
            yield f"D13,{kind},{index}", partial(killed, kind, index)
