"""
Measure what proving the way back costs: all golden rows in one request, against one by one.

The serving app, build onnx, answers on the local Functions host: a random forest of 100 trees on
iris, with 32 and 64 golden rows. The peer is the same rehearsal with each row alone, as a proof
before a swap has it. The two take turns on one kept connection. It has no TLS, which costs most
where there are more requests. Processor time is each side's own: the controller's, and the app's.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.apps import Start, on_host, registered, unpacked
from bench.load import SETTLED_S, process_clock
from bench.report import Report, Target
from gitslot.http.client import Answer, Http
from gitslot.look.golden_rows import Proof, Turn, prove
from gitslot.look.probe import Prober
from gitslot.registry.function_apps import ours
from gitslot.registry.manifest import Manifest, parse_manifest, with_golden
from gitslot.state.policy import Policy
from gitslot.state.seen import Mark
from gitslot.state.wanted import Release
from tests.platform import start_platform

ROUNDS = 5
TIMES = 20  # rehearsals of each kind in a round
ROWS = (32, 64)
MOST = 0.25  # of what one by one costs
KINDS = ("at once", "one by one")
COSTS = ("requests", "controller ms", "app ms")


class _Plain(Http):
    """The client without TLS, which counts its requests."""

    sent = 0

    def request(self, method: str, url: str, **more: Any) -> Answer:
        self.sent += 1
        return super().request(method, url.replace("https://", "http://", 1), **more)


def run(rounds: int) -> Report:
    """Measure *rounds* of both kinds for each number of rows."""
    report = Report("rehearse", rounds)
    with _app() as (manifest, host, pid):
        for rows in ROWS:
            spent = [_round(_fewer(manifest, rows), host, pid) for _ in range(rounds + 1)][1:]
            for what in COSTS:
                for kind in KINDS:
                    values = [each[kind][what] for each in spent]
                    report.add(kind, f"{rows} rows, {what}", values, what.split()[-1])
                share = median(each["at once"][what] / each["one by one"][what] for each in spent)
                report.ratios[f"{rows} rows, {what}"] = round(share, 4)
                want, got = f"<= {MOST:.0%} of one by one", f"{share:.1%}"
                report.targets[f"{rows} rows, {what}"] = Target(want, got, share <= MOST)
    return report


@contextmanager
def _app() -> Iterator[tuple[Manifest, str, int]]:
    """Start the app; yield what it serves, where, and in which process."""
    with tempfile.TemporaryDirectory() as name, start_platform(Path(name) / "state") as platform:
        folder = unpacked(ours("serving_app"), Path(name), thin=True)["onnx"]
        models, _ = (platform.blobs.create_container(each) for each in ("models", "code"))
        settings = registered(platform, "1.0.0", "forest")
        manifest = parse_manifest(models.download_blob("iris/1.0.0/manifest.json").readall())
        assert manifest.golden_file
        golden = models.download_blob(f"iris/1.0.0/{manifest.golden_file.name}").readall()
        manifest = with_golden(manifest, golden)
        with on_host(Start("onnx", folder, settings)) as (url, pid):
            yield manifest, url.removeprefix("http://"), pid


def _fewer(manifest: Manifest, rows: int) -> Manifest:
    """Return *manifest* with its first *rows* golden rows."""
    names = ("inputs", "labels", "probabilities")
    parts = {name: getattr(manifest.golden, name)[:rows] for name in names}
    return replace(manifest, golden=replace(manifest.golden, **parts))


def _round(manifest: Manifest, host: str, pid: int) -> dict[str, dict[str, float]]:
    """Return what a rehearsal of each kind costs both sides, and its requests."""
    http, clock, turn = _Plain(), process_clock(pid), Turn()
    release = Release("iris", "1.0.0", manifest.digest)
    proof = Proof(host, release, "none", manifest, turn=turn)
    spent = {kind: dict.fromkeys(COSTS, 0.0) for kind in KINDS}
    for kind in KINDS * TIMES:
        turn.singly = int(kind == "one by one")
        before = http.sent, time.process_time(), time.clock_gettime(clock)
        verdict = prove(Prober(http), proof, str, Policy())
        own = time.process_time() - before[1]
        assert verdict.mark is Mark.PASS, verdict.message
        time.sleep(SETTLED_S)
        theirs = time.clock_gettime(clock) - before[2]
        spent[kind]["requests"] += (http.sent - before[0]) / TIMES
        spent[kind]["controller ms"] += 1e3 * own / TIMES
        spent[kind]["app ms"] += 1e3 * theirs / TIMES
    return spent
