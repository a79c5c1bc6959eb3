"""
Measure what many converged apps cost: a pass over 100, 300 and 1,000 of them in one controller.

One process answers for all hosts (`bench.hosts`), each controller has a process of its own. The
floor is the same requests, sent by the same client with as many threads and nothing else.
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
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.hosts import DOMAIN, to_stub
from bench.report import Report, Target
from gitslot.edges.azure.arm import AppRef, Azure
from gitslot.edges.settings import read
from gitslot.http.client import Http
from gitslot.look.look import Looker
from gitslot.look.probe import Prober
from gitslot.registry.registry import Registry
from gitslot.report.snapshot import Snapshots
from gitslot.rounds import Rounds, in_a_thread
from gitslot.state.decision import Converged
from gitslot.state.wanted import PRODUCTION, STAGING
from gitslot.world import open_world
from reliability.arm_door import Credential
from tests.edges.git.signing import Checkout
from tests.servers import certificate

APPS = (100, 300, 1000)
PASSES = 3
STORE = f"https://store.{DOMAIN}"
PLACES = {PRODUCTION: "", STAGING: "-staging"}


class _Placed(Azure):
    """ARM, which knows all places: a start asks for them, a pass does not."""

    def locate(self, name: str, resource_group: str | None, subscription: str | None) -> AppRef:
        return AppRef("s", "g", name)

    def hosts(self, app: AppRef) -> dict[str, str]:
        return {slot: f"{app.name}{suffix}.{DOMAIN}" for slot, suffix in PLACES.items()}


def _controller(apps: list[str]) -> Iterator[None]:
    """Pass over all *apps* at each step."""
    settings = read({"GITSLOT_REPO": f"https://git.{DOMAIN}/repo", "GITSLOT_STORAGE": STORE,
                     "GITSLOT_ARM": f"https://arm.{DOMAIN}", "GITSLOT_FILE": "apps"})
    settings = replace(settings, policy=replace(settings.policy, full_look_s=1e9, full_looks_at_once=0))
    http, who = Http(), Credential("controller")
    world = open_world(settings, who, http=http, tell=lambda _: None)
    registry = Registry(STORE, who, http)
    azure = _Placed(settings.arm, who, http)
    world.looker = Looker(azure, registry, Prober(http), world.clock, settings.policy)
    shown = Snapshots(world.journal.blobs, world.clock, settings, world.looker.place)
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
    """Print what a start costs, and then each pass."""
    to_stub(port)
    http = Http()

    def asked() -> dict[str, int]:
        answer = http.request("GET", f"https://count.{DOMAIN}/", total_s=10.0, most=1 << 18)
        found: dict[str, int] = json.loads(answer.body)
        return found

    empty = _rss()
    steps = {"gitslot": _controller, "floor": _floor}[who](apps)
    asked()
    for number in range(PASSES + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        next(steps)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        found = {"CPU s": cpu, "wall s": wall, "peak MiB": _rss(), "grown MiB": _rss() - empty}
        print(json.dumps(found | asked()), flush=True)


def _rss() -> float:
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
            text = "model: iris\nslots:\n  production: 1.4.0\n"
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


def run(rounds: int) -> Report:
    report = Report("fleet", rounds)
    for count in APPS:
        with _hosts(count) as (env, port, apps):
            for who in ("gitslot", "floor"):
                words = [sys.executable, "-m", "bench.fleet", port, who, *apps]
                done = subprocess.run(words, env=env, stdout=subprocess.PIPE, check=True, text=True)
                for line in done.stdout.splitlines():
                    print(count, who, line)
    return report


if __name__ == "__main__":
    _measured(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
