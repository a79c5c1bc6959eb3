"""
D2 over HTTP: a seeded sample of its pairs, on the ground of D3.

The two faults are the platform's own, put onto real requests to ARM: 503 or a connection that is
cut, before or after the request has done its work. Nothing else is left out: sockets, TLS, Git,
Azurite, slots and a controller that is a process.
"""

import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any

from reliability.checker import Violation, check
from reliability.ground import FIRST, Ground
from reliability.groundwork import open_ground
from reliability.runs import Run, Tally
from reliability.witness import as_lines

type Rule = dict[str, Any]

NAME = "D2-HTTP"
SEED = 20261123
EACH = 6  # pairs of each scenario
WRITES = {"bump": ("appsettings-put", "slotsswap"), "revert": ("slotsswap",)}
READS = ("site-get", "slot-get", "appsettings-list", "slotconfignames-get")
HOW: tuple[Rule, ...] = ({"status": 503}, {"drop": True})
REST_S = 120.0


def rules(scenario: str) -> list[Rule]:
    """Return every fault that a request of *scenario* can suffer."""
    writes = product(WRITES[scenario], ("before", "after"), HOW)
    found = [{"operation": name, "when": when, **how} for name, when, how in writes]
    return found + [{"operation": name, **how} for name, how in product(READS, HOW)]


def pairs(scenario: str) -> list[tuple[Rule, Rule]]:
    """Return the sampled pairs: each has a fault at a write, the other is anywhere."""
    every = combinations_with_replacement(rules(scenario), 2)
    written = [pair for pair in every if pair[0]["operation"] in WRITES[scenario]]
    return random.Random(f"{SEED} {scenario}").sample(written, EACH)


def tally() -> Tally:
    """Play the sample, a bump and its revert by turns; seconds are those of the wall."""
    found, began = Tally(NAME), time.monotonic()
    with _ground() as ground:
        for number, both in enumerate(zip(*map(pairs, WRITES), strict=True)):
            for scenario, pair in zip(WRITES, both, strict=True):
                found.add(f"{NAME},{scenario},{number}", play(ground, scenario, pair))
    found.seconds = time.monotonic() - began
    return found


def again(seed: str) -> Run:
    """Play the one case of *seed*."""
    _, scenario, number = seed.split(",")
    with _ground() as ground:
        if scenario == "revert":
            play(ground, "bump", ())
        return play(ground, scenario, pairs(scenario)[int(number)])


@contextmanager
def _ground() -> Iterator[Ground]:
    """Make a ground on which production serves a first version."""
    with tempfile.TemporaryDirectory(prefix="gitslot-d2-") as folder:
        with open_ground(Path(folder)) as ground:
            ground.want(FIRST)
            ground.run()
            yield ground


def play(ground: Ground, scenario: str, pair: tuple[Rule, ...]) -> Run:
    """Make one change while ARM fails twice, and judge its end and all that happened."""
    seq, settings, moment = ground.seq(), ground.settings(), time.time()
    ground.begin(scenario)
    ground.platform.faults(*pair)
    traces, deadline = [], time.monotonic() + REST_S
    while True:
        code, trace = ground.run()
        traces.append(trace)
        if not code or time.monotonic() > deadline:
            break
    entries = ground.account(moment, seq, settings, traces).entries()
    found = check(entries, [each.caller for each in traces])
    if code or ground.seen() != ground.wanted:
        found.append(Violation("L1", 0, f"{ground.seen()}, {ground.wanted}: {ground.words()}"))
    if sum(entry["operation"] == "swap-flipped" for entry in entries) != 1:
        found.append(Violation("S3", 0, "not one swap took effect"))
    left = [rule for rule in ground.platform.admin_get("/faults") if rule["times"]]
    found += [Violation("case", 0, f"never came true: {rule['operation']}") for rule in left]
    ground.platform.faults()
    return Run(None, found, [], len(pair), 1, 0, as_lines(entries))
