"""
Measure a look at an app that has converged: what it costs, what it asks, and that nothing grows.

The controller's own rounds run over TLS against servers in a process of their own: git, the slots,
storage, ARM. Requests and connections are counted there. The peers send the same four requests and
decide nothing: the plain `requests` library, and urllib3 alone, which is the floor.
"""

import multiprocessing
import os
import resource
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import requests
import urllib3

from bench.report import Report, Target
from gitslot.edges import settings
from gitslot.http.client import Http
from gitslot.http.login import credential
from gitslot.report.snapshot import Snapshots
from gitslot.rounds import Rounds, in_a_thread
from gitslot.state.decision import Converged
from gitslot.world import World, open_world
from reliability.cloud import APP
from tests.converged import LOOK, SNAPSHOT, converged

LOOKS = 100  # of each in a round; three rounds are as many as ten-second timers make in 50 minutes
WARM = 20
WANT_MS, WANT_PASS_MS, WANT_KB = 8.0, 10.0, 2048  # 1,000 apps in 10 s of one core
_REFS = b"0014command=ls-refs\n00010009peel\n001fref-prefix refs/heads/main\n0000"


def run(rounds: int) -> Report:
    """Measure *rounds* times, gitslot and its peers in turn."""
    report = Report("noop", rounds)
    with _served() as (environment, counts):
        os.environ.update(environment)
        world, go = _controller()
        looks = {"gitslot": go, **_peers(environment)}
        for look in looks.values():
            for _ in range(WARM):
                look()
        used: dict[str, list[float]] = {name: [] for name in looks}
        of_git: list[float] = []
        asked: Counter[str] = Counter()
        before = _grown()
        for _ in range(rounds):
            for name, look in looks.items():
                began = counts()
                used[name] += [_processor(look) for _ in range(LOOKS)]
                if name == "gitslot":
                    asked += counts() - began
            of_git += [_processor(world.wants.desired) for _ in range(LOOKS)]
        grown = {name: value - before[name] for name, value in _grown().items()}
    number = rounds * LOOKS
    for name, found in used.items():
        report.add("converged look, processor", name, found, "ms")
    git = report.add("of it, asking Git", "gitslot", of_git, "ms")
    connections = asked.pop("connections", 0)
    writes = {name for name in asked if "PUT" in name}
    for kind in sorted(asked):
        report.add("requests a look", kind, [asked[kind] / number], "requests")
    for name, value in {"new connections": connections, **grown}.items():
        report.add(f"after {number} looks", name, [value], "more")
    own = report.rows[0].median
    report.ratios = {f"to_{each.load}": round(own / each.median, 2) for each in report.rows[1:3]}
    four = {name: count for name, count in asked.items() if name not in writes}
    report.targets = {
        "look": _most(own, WANT_MS, "ms"),
        "pass without Git, one of 1,000 apps": _most(own - git, WANT_PASS_MS, "ms"),
        "requests": _is("4 a look, 0 to ARM", four, dict.fromkeys(LOOK, number)),
        "connections": _is("all kept", connections, 0),
        "writes": _is("the snapshot alone", writes - {SNAPSHOT}, set()),
        "threads and files": _is("no more", grown["threads"] + grown["files"], 0),
        "memory": _most(grown["KiB of memory"], WANT_KB, "KiB more"),
    }
    return report


def _most(got: float, want: float, unit: str) -> Target:
    return Target(f"<= {want:g} {unit}", f"{got:.2f} {unit}", got <= want)


def _is(want: str, got: Any, wanted: Any) -> Target:
    return Target(want, want if got == wanted else str(got), got == wanted)


def _processor(work: Callable[[], object]) -> float:
    """Return the milliseconds of the processor that all threads need for *work*."""
    began = time.process_time()
    work()
    return 1e3 * (time.process_time() - began)


def _grown() -> dict[str, int]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "threads": threading.active_count(),
        "files": len(list(Path("/dev/fd").iterdir())),
        "KiB of memory": pages * resource.getpagesize() // 1024,
    }


def _controller() -> tuple[World, Callable[[], object]]:
    """Return a controller's world, and what makes its rounds look at the app at once."""
    found, http = settings.read(os.environ), Http()
    world = open_world(found, credential(http), http=http)
    shown = Snapshots(world.journal.blobs, world.clock, found, world.looker)
    rounds = Rounds(world, threads=found.policy.threads, start=in_a_thread, shown=shown)

    def look() -> None:
        stop = rounds.go("push")[APP]
        assert isinstance(stop, Converged), stop

    return world, look


def _peers(environment: Mapping[str, str]) -> dict[str, Callable[[], object]]:
    """Return what sends the same four requests over kept connections."""
    bundle = environment["REQUESTS_CA_BUNDLE"]
    storage, git = environment["GITSLOT_STORAGE"], environment["GITSLOT_REPO"]
    of_git = {"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2"}
    calls: list[tuple[str, str, dict[str, str], bytes | None]] = [
        ("POST", f"{git}/git-upload-pack", of_git, _REFS),
        ("HEAD", f"{storage}/gitslot/journal/{LOOK[-1].partition('journal/')[2]}", {}, None),
        *(("GET", f"{environment[slot]}/api/health", {}, None) for slot in LOOK[1:3]),
    ]
    session = requests.Session()
    pool = urllib3.PoolManager(ca_certs=bundle)

    def plain() -> None:
        for method, url, headers, body in calls:
            assert session.request(method, url, headers=headers, data=body).status_code == 200

    def floor() -> None:
        for method, url, headers, body in calls:
            assert pool.request(method, url, headers=headers, body=body).status == 200

    return {"requests": plain, "urllib3 alone": floor}


@contextmanager
def _served() -> Iterator[tuple[Mapping[str, str], Callable[[], Counter[str]]]]:
    """Give the environment of a controller, and what returns the counts of the servers."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=_serve, args=(folder, there), daemon=True)
        process.start()
        environment = here.recv()

        def counts() -> Counter[str]:
            here.send("count")
            return Counter(here.recv())

        try:
            yield environment, counts
        finally:
            here.send("")
            process.join()


def _serve(folder: str, pipe: Connection) -> None:
    with converged(Path(folder)) as there:
        pipe.send({**there.environment, **there.addresses})
        while pipe.recv():
            pipe.send({**there.asked, "connections": len(there.callers)})
