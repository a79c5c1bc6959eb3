"""
D10: hostile input of every kind is refused by name, writes nothing, and costs little.

Each group of attacks runs in a process of its own under limits of time and memory; an attack that
escapes its handler, or only costs too much, is a violation as well as one that gets through.
"""

import base64
import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from reliability import hostile, hostile_world
from reliability.runs import Case, judged
from reliability.said import heard, listening

GROUPS: dict[str, Callable[[], Iterator[tuple[str, hostile.Attack]]]] = {
    "yaml": hostile.yaml,
    "git": hostile.git,
    "webhook": hostile.webhook,
    "addresses": hostile_world.addresses,
    "models": hostile_world.models,
    "logs": hostile_world.logs,
}
ATTACK_CPU_S = 8.0  # of this process; what a Git server of the test burns is not counted
GROUP_CPU_S = 150
MEMORY = 3 << 30  # bytes of addresses; beyond it an allocation fails
GROWTH = 700 << 20  # bytes that a whole group may add to what it began with
# What no attack may bring to light: ARM's token and a slot's key are one and the same here.
_BASIC = base64.b64encode(f"x-access-token:{hostile.GIT_TOKEN}".encode()).decode()
SECRETS = (hostile.GIT_TOKEN, _BASIC, hostile_world.TOKEN)
ROOT = Path(__file__).resolve().parents[1]


def attack(group: str) -> None:
    """Run the attacks of *group* in this process, under limits; print one JSON a line."""
    resource.setrlimit(resource.RLIMIT_CPU, (GROUP_CPU_S, GROUP_CPU_S))
    with contextlib.suppress(ValueError, OSError):  # macOS knows no limit of addresses
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    attacks = list(GROUPS[group]())
    start = _peak()
    for name, run in attacks:
        began, cpu = time.monotonic(), time.process_time()
        with listening():
            try:
                refused, wrong = run(), ""
            except BaseException as error:
                refused, wrong = "", f"{type(error).__name__}: {str(error)[:300]}"
            said = heard()
        spent = time.process_time() - cpu
        if spent > ATTACK_CPU_S:
            wrong = wrong or f"it took {spent:.1f} s"
        if not refused:
            wrong = wrong or "it has no name"
        if any(secret in said for secret in SECRETS):
            wrong = wrong or "a secret was logged"
        told = {
            "name": name,
            "refused": refused,
            "wrong": wrong,
            "seconds": round(time.monotonic() - began, 3),
            "cpu": round(spent, 3),
            "grown": _peak() - start,
        }
        print(json.dumps(told), flush=True)


def _peak() -> int:
    """Return the most memory that this process ever held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def run_group(group: str) -> tuple[dict[str, str], str]:
    """Run *group* in a process of its own; return what is wrong with each attack, and figures."""
    done = subprocess.run(
        [sys.executable, "-m", "reliability.attacks", group],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=GROUP_CPU_S * 3,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found = {f"{group}: {line['name']}": line["wrong"] for line in lines}
    if done.returncode or not lines:
        found[f"{group}: the process"] = f"ended {done.returncode}: {done.stderr[-500:]}"
        return found, ""
    grown = max(line["grown"] for line in lines)
    if grown > GROWTH:
        found[f"{group}: memory"] = f"it grew by {grown >> 20} MB"
    names = ", ".join(sorted({line["refused"] for line in lines}))
    slowest = max(lines, key=lambda line: line["cpu"])
    return found, (
        f"{group}: {len(lines)} attacks, refused as {names}; at most {slowest['cpu']:.2f} s of "
        f"processor ({slowest['name']}), {grown >> 20} MB more memory"
    )


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give every attack by its name, each judged where its group was run."""
    del long
    for group in GROUPS:
        for name, wrong in run_group(group)[0].items():
            yield f"D10,{name}", partial(judged, "D10", wrong)


if __name__ == "__main__":
    attack(sys.argv[1])
