"""
Several apps under one controller: each on a cloud of its own, at one time, their passes in threads.

Each cloud keeps its own history, so what became of an app can be held against what becomes of it
alone. To the controller an app is called by its name here; on its cloud it is `APP`.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from gitslot.edges.azure.arm import AppRef
from gitslot.edges.git.last_change import Reverted
from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.source import Newest
from gitslot.edges.settings import Settings
from gitslot.reconcile import World
from gitslot.record.accepted import NAME, Accepted, AcceptedBlob
from gitslot.record.journal import Journal
from gitslot.report.snapshot import Snapshots
from gitslot.rounds import Rounds
from gitslot.state.decision import Stop, Waiting
from gitslot.state.wanted import App, Revision
from gitslot.wants import Wants
from reliability.cloud import APP
from reliability.crew import Crew
from reliability.doors import SeamBlobs, SeamClock, SeamGit, SeamLock
from reliability.memory_blobs import MemoryBlobs
from reliability.registered import STORE
from reliability.rig import TICK_S
from reliability.scenarios import Scene
from reliability.seam import Killed, Process

GITSLOT = "gitslot"  # the one controller where there is one
_DIGITS = 1  # of the number of an app's own commit: there is room for 40


class _Routed:
    """
    Hands each call to the part of the app that its first argument is, or is named by.

    One about no app goes to that of the app whose pass makes it.
    """

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self._parts = parts

    def __getattr__(self, method: str) -> Any:
        def call(first: Any, *words: Any, **more: Any) -> Any:
            name = getattr(first, "name", first)
            there = [_called(APP, each) for each in (first, *words)]
            if name not in self._parts:
                name = threading.current_thread().name
            elif name == first:
                there[0] = APP
            return _called(name, getattr(self._parts[name], method)(*there, **more))

        return call

    def reader(self) -> "_Routed":
        return self

    def recall(self, found: Mapping[str, Any]) -> None:
        """Tell each app where it was found."""
        for name in found.keys() & self._parts.keys():
            self._parts[name].recall({APP: found[name]})


def _called(name: str, value: Any) -> Any:
    return replace(value, name=name) if isinstance(value, App | AppRef) else value


class _Folder:
    """The files of all apps as one folder, whose commits count those of each."""

    def __init__(self, gits: Mapping[str, SeamGit], scenes: Mapping[str, Scene]) -> None:
        self._gits, self._scenes = gits, scenes

    def newest(self) -> Newest:
        """Return the files; the history of the app whose pass asks has it that it did."""
        own = threading.current_thread().name
        found = {name: g.newest() if name == own else g.shown(-1) for name, g in self._gits.items()}
        files = {name: _named(name, each.data) for name, each in found.items()}
        return Newest(Revision(_together(each.revision.commit for each in found.values())), files)

    def descends(self, commit: str, ancestor: str) -> bool:
        starts = range(0, _DIGITS * len(self._gits), _DIGITS)
        return all(commit[i : i + _DIGITS] >= ancestor[i : i + _DIGITS] for i in starts)

    def vouched(self, commit: str, app: str, rule: Rule, accepted: str = "") -> int:
        raise NotImplementedError

    def asked_by(self, head: Revision, app: App, accepted: str = "") -> dict[str, Revision]:
        own = Revision(self._own(head.commit, app.name))
        return self._gits[app.name].asked_by(own, replace(app, name=APP))

    def asks_for(self, commit: str, app: str) -> bool:
        return self._gits[app].asks_for(self._own(commit, app), APP)

    def reverted(self, head: str, app: str) -> Reverted | None:
        return self._gits[app].reverted(self._own(head, app), APP)

    def _own(self, commit: str, app: str) -> str:
        place = _DIGITS * list(self._gits).index(app)
        return commit[place : place + _DIGITS].rjust(7, "0").ljust(40, "0")


def _together(commits: Iterable[str]) -> str:
    """Return one commit for all of the apps' *commits*, which are numbered in seven digits."""
    return "".join(commit[7 - _DIGITS : 7] for commit in commits).ljust(40, "0")


def _named(name: str, data: Any) -> bytes:
    text: bytes = data
    return text.replace(f"app: {APP}\n".encode(), f"app: {name}\n".encode())


class _Clock(SeamClock):
    """The clock of the first cloud; whoever waits for news lets the other threads go on."""

    crew: Crew

    def wait(self, timeout: float) -> None:
        self.crew.wait(max(timeout, 0.001), news=True)
        if not self._process.alive:
            raise Killed

    def notify_all(self) -> None:
        self.crew.wake()


class _SlowBlobs(MemoryBlobs):
    """Where snapshots go: a write waits for *wait*, if any, and then each second one is lost."""

    wait: Callable[[], None] | None = None

    def put(self, name: str, data: bytes) -> None:
        if self.wait:
            self.wait()
            self.lost += ["put"] * (self.calls.count("put") % 2)
        super().put(name, data)


@dataclass
class Company:
    """
    Apps by their names, each in its scene, and one process that reconciles those *allowed*.

    *shown* holds its snapshots; a write there takes *slow_s* seconds, and may be lost.
    """

    scenes: Mapping[str, Scene]
    threads: int = 4
    name: str = GITSLOT
    allowed: frozenset[str] = frozenset()
    rounds: Rounds | None = None
    processes: dict[str, Process] = field(default_factory=dict)
    ids: int = 0
    slow_s: float = 0.0

    def __post_init__(self) -> None:
        self.first = next(iter(self.scenes.values())).cloud
        self.crew = Crew(self._advance, self.first.seconds)
        self.crew.on_death = self.kill
        self.shown = _SlowBlobs()
        if self.slow_s:
            self.shown.wait = lambda: self.crew.wait(self.slow_s)
        commits = {name: scene.cloud.git.commits[0].name for name, scene in self.scenes.items()}
        head = _together(commits.values())
        self.first.blobs.drop(NAME)
        self.first.blobs.store(NAME, Accepted(head, dict.fromkeys(commits, head)).line(), "")
        for scene in self.scenes.values():
            scene.rig.seam.wait, scene.rig.seam.on = self.crew.wait, True

    def colleague(self, name: str, allowed: Iterable[str]) -> "Company":
        """Return another controller on the same apps and storage; `kill` ends one of them."""
        self.crew.on_death = lambda: self.crew.forget(Killed)
        other = copy(self)
        other.name, other.allowed = name, frozenset(allowed)
        other.rounds, other.processes = None, {}
        return other

    def _advance(self, seconds: float) -> None:
        for scene in self.scenes.values():
            scene.cloud.wait(seconds)

    def new_id(self) -> str:
        """Return an id that differs from the first digit on."""
        self.ids += 1
        return f"{self.ids:08x}{self.name.encode().hex():>24.24}".replace(" ", "0")

    def kill(self) -> None:
        """End the process, wherever its threads are."""
        for process in self.processes.values():
            process.alive = False
        self.rounds = None

    def start(self) -> Rounds:
        """Start the process, with nothing in memory."""
        worlds = {}
        for name, scene in self.scenes.items():
            own = self.name == GITSLOT
            controller = scene.controller if own else scene.rig.controller(self.name)
            worlds[name] = controller.start()
            assert controller.process
            self.processes[name] = controller.process
        clouds = {name: scene.cloud for name, scene in self.scenes.items()}
        blobs = {name: SeamBlobs(clouds[name], self.processes[name]) for name in clouds}
        gits = {name: SeamGit(clouds[name], self.processes[name]) for name in clouds}
        clock = _Clock(self.first, next(iter(self.processes.values())))
        clock.crew = self.crew
        policy = next(iter(worlds.values())).policy
        parts = {name: Journal(each) for name, each in blobs.items()}
        routed: Any = _Routed
        world = World(
            wants=Wants(
                _Folder(gits, self.scenes),
                AcceptedBlob(next(iter(blobs.values()))),
                clock.monotonic,
                allowed=self.allowed,
            ),
            looker=routed({name: each.looker for name, each in worlds.items()}),
            azure=routed({name: each.azure for name, each in worlds.items()}),
            journal=routed(parts),
            lock=lambda name: SeamLock(
                clouds[name], self.processes[name], blobs[name], policy, clock
            ),
            clock=clock,
            policy=policy,
            store=STORE,
            new_id=self.new_id,
        )
        settings = Settings("https://git.example/it", STORE, controller=self.name)
        shown = Snapshots(self.shown, clock, settings, world.looker)
        self.rounds = Rounds(world, threads=self.threads, start=self.crew.spawn, shown=shown)
        return self.rounds

    def run(self, trigger: str = "timer") -> Mapping[str, Stop]:
        """Go round once, as a call of the timer does; nothing where the process was killed."""
        rounds = self.rounds or self.start()
        try:
            return rounds.go(trigger)
        except Killed:
            self.crew.end()
            return {}

    def settle(self, name: str, rounds: int = 60) -> Stop | None:
        """Go round every minute until *name* comes to the same stop twice; return that."""
        last: Stop | None = None
        for _ in range(rounds):
            stop = self.run().get(name)
            if stop and stop == last and not isinstance(stop, Waiting):
                return stop
            last = stop
            self.crew.wait(TICK_S - self.first.seconds() % TICK_S)
        return last

    def end(self) -> None:
        """End every world."""
        self.kill()
        self.crew.end()
        for scene in self.scenes.values():
            scene.cloud.end()
