"""
Measure what many apps cost: a pass over 100, 300 and 1,000 converged ones in one controller.

One process answers for all hosts (`bench.hosts`); each controller has a process of its own. Its
peer is a loop that sends the same requests by the same client with as many threads, and does
nothing else. The hourly looks at ARM and rehearsals of the way back are left out. Then, on virtual
time, how much apps delay each other: those are the scenes of the tests.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from bench.hosts import DOMAIN, to_stub
from bench.report import Report, Target
from gitslot.edges.azure.arm import AppRef, Azure
from gitslot.edges.settings import AZURE_POLICY, Settings
from gitslot.http.client import Http
from gitslot.look.look import Looker
from gitslot.look.probe import Prober
from gitslot.registry.registry import Registry
from gitslot.report.snapshot import Snapshots
from gitslot.rounds import Rounds, in_a_thread
from gitslot.state.decision import Converged
from gitslot.state.wanted import PRODUCTION, STAGING
from gitslot.world import open_world
from reliability import registered
from reliability.arm_door import Credential
from reliability.company import Company
from reliability.scenarios import OLD, Scene, bump, settled
from tests.edges.git.signing import Checkout
from tests.servers import certificate
from tests.test_rounds import minutes, released, reverted

APPS, WHO = (100, 300, 1000), ("gitslot", "floor")
MEASURED = {
    **{"CPU": "s", "wall": "s", "peak": "MiB", "grown": "MiB"},
    **dict.fromkeys(("health", "git", "arm", "blob reads", "blob writes"), "requests"),
}
STORE = f"https://store.{DOMAIN}"
PLACES = {PRODUCTION: "", STAGING: "-staging"}


class _Placed(Azure):
    """ARM, which knows all places: a start asks for them, a pass does not."""

    def locate(self, name: str, resource_group: str | None, subscription: str | None) -> AppRef:
        return AppRef("s", "g", name)

    def host(self, app: AppRef, slot: str, **_: object) -> str:
        return f"{app.name}{PLACES[slot]}.{DOMAIN}"


def _controller(apps: list[str]) -> Iterator[None]:
    """Pass over all *apps* at each step."""
    policy = replace(AZURE_POLICY, full_look_s=1e9, full_looks_at_once=0)
    where = (f"https://git.{DOMAIN}/repo", STORE, "main", "apps", f"https://arm.{DOMAIN}")
    settings = Settings(*where, policy=policy)
    http, who = Http(), Credential("controller")
    world = open_world(settings, who, http=http, tell=lambda _: None)
    registry = Registry(STORE, who, http)
    azure = _Placed(settings.arm, who, http)
    world.looker = Looker(azure, registry, Prober(http), world.clock, settings.policy)
    shown = Snapshots(world.journal.blobs, world.clock, settings, world.looker)
    rounds = Rounds(world, threads=settings.policy.threads, start=in_a_thread, shown=shown)
    while True:
        stops = rounds.go("push")
        assert len(stops) == len(apps), len(stops)
        for name, stop in stops.items():
            assert isinstance(stop, Converged), (name, stop)
        yield


def _floor(apps: list[str]) -> Iterator[None]:
    """Ask for the same as a pass over *apps* does, at each step."""
    http = Http()
    token = Credential("controller").get_token().token
    signed = {"Authorization": f"Bearer {token}", "x-ms-version": "2025-01-05"}

    def ask(app: str) -> None:
        for suffix in PLACES.values():
            url = f"https://{app}{suffix}.{DOMAIN}/api/health"
            json.loads(http.request("GET", url, total_s=10.0, most=1 << 18).body)
        url = f"{STORE}/gitslot/journal/{app}/2026-11.jsonl"
        http.request("HEAD", url, headers=signed, total_s=10.0, most=1 << 18)

    with ThreadPoolExecutor(16) as pool:
        while True:
            list(pool.map(ask, apps))
            yield


def _measured(port: int, who: str, apps: list[str]) -> None:
    """Take one step for each line that comes in, and print what it cost."""
    to_stub(port)
    http, before = Http(), _peak()
    steps = {"gitslot": _controller, "floor": _floor}[who](apps)
    for _ in sys.stdin:
        http.request("GET", f"https://count.{DOMAIN}/", total_s=10.0, most=1 << 18)
        wall, cpu = time.perf_counter(), time.process_time()
        next(steps)
        found = {"CPU": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        answer = http.request("GET", f"https://count.{DOMAIN}/", total_s=10.0, most=1 << 18)
        found |= {"peak": _peak(), "grown": _peak() - before, **json.loads(answer.body)}
        print(json.dumps(found), flush=True)


def _peak() -> float:
    """Return the most MiB that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _hosts(count: int) -> Iterator[tuple[dict[str, str], str, list[str]]]:
    """Give environment, port and names of so many apps, whose hosts all answer."""
    with tempfile.TemporaryDirectory() as name:
        folder, apps = Path(name), [f"app-{number:04}" for number in range(count)]
        checkout = Checkout(folder / "repo")
        checkout.begin()
        (folder / "repo" / "apps").mkdir()
        for each in apps:
            text = f"model: {registered.MODEL}\nslots:\n  production: {OLD}\n"
            (folder / "repo" / "apps" / f"{each}.yaml").write_text(text)
        checkout.git("add", "-A")
        checkout.git("commit", "-q", "-m", "all apps")
        commit = checkout.git("rev-parse", "HEAD")
        cert, _ = certificate(folder, f"*.{DOMAIN}")
        words = [sys.executable, "-m", "bench.hosts", str(folder), commit, *apps]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as stub:
            try:
                assert stub.stdout
                port = stub.stdout.readline().strip()
                yield {**os.environ, "REQUESTS_CA_BUNDLE": str(cert)}, port, apps
            finally:
                stub.terminate()


def _passes(count: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Return what a start and *rounds* passes over so many apps cost, the peers by turns."""
    found: dict[str, list[dict[str, float]]] = {}
    with _hosts(count) as (env, port, apps), ExitStack() as stack:
        running = {}
        for who in WHO:
            words = [sys.executable, "-m", "bench.fleet", port, who, *apps]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            each = subprocess.Popen(words, env=env, text=True, bufsize=1, **pipes)  # type: ignore[call-overload] # one line at a time
            running[who] = stack.enter_context(each)
            stack.callback(each.stdin.close)
        for _ in range(rounds + 1):
            for who, each in running.items():
                each.stdin.write("\n")
                found.setdefault(who, []).append(json.loads(each.stdout.readline()))
    return found


def run(rounds: int) -> Report:
    """Measure *rounds* passes over each number of apps, after one that starts."""
    report, cpu = Report("fleet", rounds), {}
    for count in APPS:
        for who, (start, *passes) in _passes(count, rounds).items():
            load = f"{count:,} apps, {who}"
            report.add("start, processor", load, [start["CPU"]], "s")
            for kind, unit in MEASURED.items():
                values = [each.get(kind, 0.0) for each in passes]
                cpu[kind, who, count] = report.add(f"pass, {kind}", load, values, unit)
    few, many = APPS[0], APPS[-1]
    linear = cpu["CPU", WHO[0], many] / cpu["CPU", WHO[0], few] / (many / few)
    for count in APPS:
        ratio = cpu["CPU", "gitslot", count] / cpu["CPU", "floor", count]
        report.ratios[f"pass_{count}_to_floor"] = round(ratio, 2)
    _target(report, "pass", cpu["wall", "gitslot", many], 10.0, "s")
    _target(report, "memory", cpu["grown", "gitslot", many], 150.0, "MiB more than before")
    _target(report, "linear", linear, 1.2, f"x the cost of an app among {few}")
    asked = {kind: cpu[kind, "gitslot", many] for kind in ("git", "arm")}
    report.targets["requests"] = Target("git 1, ARM 0", str(asked), asked == {"git": 1, "arm": 0})
    _scenes(report)
    return report


def _target(report: Report, name: str, got: float, most: float, unit: str) -> None:
    report.targets[name] = Target(f"<= {most:g} {unit}", f"{got:.2f}", got <= most)


def _scenes(report: Report) -> None:
    """Add what becomes of an app beside others, in seconds of virtual time, with no spread."""
    opened: list[Company] = []

    def company(threads: int = 16, **scenes: Scene) -> Company:
        opened.append(Company(scenes, threads))
        return opened[-1]

    one, eight = released(company, 1), released(company, 8)
    found = {
        "released: 8 apps": (one, eight, 0.3 * one),
        "revert sent: another swaps": (reverted(company), reverted(company, a=bump()), 1.0),
        "longest rest: another hangs": (_longest(company, 0.0), _longest(company, 80.0), 1.0),
    }
    for name, (alone, beside, most) in found.items():
        report.add(name, "alone", [alone], "s")
        report.add(name, "beside others", [beside], "s")
        _target(report, name, beside - alone, most, "s later than alone")
    for each in opened:
        each.end()


def _longest(company: Callable[..., Company], hangs_s: float) -> float:
    """Return the longest time between two looks at any of 19 apps; one more *hangs_s* each look."""
    found = company(**{f"app{n:02}": settled() for n in range(20)})
    looked: dict[str, list[float]] = {name: [] for name in found.scenes}

    def note(app: str, name: str) -> None:
        if name == "health.production":
            looked[app].append(found.first.seconds())
            if hangs_s and app == "app00":
                found.crew.wait(hangs_s)

    for app, scene in found.scenes.items():
        scene.rig.seam.before = partial(note, app)
    minutes(found, 10, 10.0)
    del looked["app00"]
    return max(later - sooner for each in looked.values() for sooner, later in pairwise(each))


if __name__ == "__main__":
    _measured(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
