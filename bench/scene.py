"""The scene of the release claims: a platform, a controller, and a client of production."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from gitslot.rounds import reconcile
from gitslot.world import World
from tests.story.stage import APP, Stage, open_stage

TICK_S = 1.0  # how long a commit goes unnoticed on Azure is the claim `detect`


@dataclass(slots=True)
class Scene:
    """A stage whose controller runs by itself, with a stopwatch on production's answers."""

    stage: Stage
    url: str
    watcher: World  # a second world, because the controller's journal belongs to its own thread
    session: requests.Session = field(default_factory=requests.Session)

    def seconds_until(
        self, version: str, begin: Callable[[], object], limit_s: float = 300
    ) -> float:
        """Call *begin*; return the seconds until production answers with *version*."""
        started = time.perf_counter()
        begin()
        while time.perf_counter() - started < limit_s:
            answer = self.session.get(f"{self.url}/api/health", timeout=30)
            if answer.headers.get("x-model-version") == version:
                return time.perf_counter() - started
            time.sleep(0.02)
        raise RuntimeError(f"production did not serve {version} within {limit_s:.0f} s")

    def settle(self) -> None:
        """Wait until no operation runs and the controller is done."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            memory = self.watcher.journal.memory(APP, self.watcher.clock.now())
            begun = len(self.stage.platform.history("swap-started"))
            ended = len(self.stage.platform.history("swap-finished", "swap-failed"))
            if memory.intent is None and memory.stop[0] == "Converged" and begun == ended:
                return
            time.sleep(0.1)
        raise RuntimeError("the platform did not settle")

    def waits(self, *, deploys: int, swaps: int) -> float:
        """Return the seconds that the platform itself takes, by its latency profile."""
        profile = self.stage.platform.admin_get("/latency")
        return float(deploys * profile["restart_s"] + swaps * profile["swap_flip_s"])


@contextmanager
def open_scene(folder: Path, latency: str) -> Iterator[Scene]:
    """Open a scene that serves 1.4.0; its controller ticks each second, with Azure's policy."""
    with open_stage(folder) as stage:
        stage.world = stage.open(GITSLOT_PROFILE="azure")
        stage.repository.want("1.4.0")
        reconcile(APP, stage.world)
        stage.platform.admin_put("/latency", latency)
        url = str(stage.platform.slots()[APP, "production"]["http"])
        scene = Scene(stage, url, stage.open())
        scene.settle()
        stop = threading.Event()
        ticking = threading.Thread(target=_tick, args=(stage, stop))
        ticking.start()
        try:
            yield scene
        finally:
            stop.set()
            ticking.join()


def _tick(stage: Stage, stop: threading.Event) -> None:
    while not stop.wait(TICK_S):
        reconcile(APP, stage.world)
