"""
What a change costs, and what standing still does: calls to the outside when nothing fails.

    python -m reliability.figures
"""

from collections import Counter
from collections.abc import Mapping
from functools import cache

from gitslot.agenda import unread_s
from gitslot.edges.settings import AZURE_POLICY, Settings
from reliability.company import Company
from reliability.registered import STORE
from reliability.runs import play
from reliability.scenarios import SCENARIOS, Scene, bumped
from reliability.seam import Call

BOUNDARIES = {
    "git": "look-ups of Git",
    "health": "health of a slot",
    "golden": "golden rows",
    "arm": "ARM",
    "blobs": "journal and lock",
    "registry": "registry",
}

HOUR_S, MONTH_H, FLEETS = 3600.0, 730.0, (1, 40, 1000)  # apps
BILLED = {  # what a call is in a bill or a log, by the beginning of its name
    "timer": ("calls of the timer", "nothing: a plan is billed by its instances"),
    "git": ("look-ups of the branch", "nothing: the Git host's limits"),
    "health": ("health of both slots", "L: lines of the apps' own logs"),
    "golden": ("rehearsals of the way back", "L: lines of the apps' own logs"),
    "blobs.size": ("lengths of journals, *Get Blob Properties*", "O: other operations"),
    "registry": ("manifests, *Get Blob*", "R: read operations"),
    "put": ("snapshots, *Put Blob*", "W: write operations"),
    "arm": ("ARM", "nothing: ARM's limits"),
}


def counted(calls: list[Call]) -> Mapping[str, int]:
    """Return how many of *calls* crossed each boundary, and how many changed Azure."""
    found = Counter(call.name.partition(".")[0] for call in calls)
    found["writes"] = sum(call.write and call.name.startswith("arm.") for call in calls)
    return found


def converged_pass(*, hour: bool = False) -> list[Call]:
    """Return the calls of one pass that changes nothing; *hour*: the one that looks at ARM."""
    scene: Scene = bumped()
    scene.controller.run()  # a new process reads the journal and ARM once
    scene.cloud.wait(scene.rig.policy.full_look_s if hour else 60)
    scene.rig.seam.on = True
    scene.controller.run()
    scene.cloud.end()
    return scene.rig.seam.calls


@cache
def table() -> str:
    """Return the figures as a table in Markdown."""
    rows = {
        "a bump, to the end": play(SCENARIOS["bump"], {}).calls,
        "a revert, to the end": play(SCENARIOS["revert"], {}).calls,
        "a converged pass": converged_pass(),
        "the one that looks at ARM, once an hour": converged_pass(hour=True),
    }
    names = [*BOUNDARIES, "writes"]
    titles = [*BOUNDARIES.values(), "of them writes to Azure"]
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for title, calls in rows.items():
        found = counted(calls)
        lines.append(f"| {title} | " + " | ".join(str(found[n]) for n in names) + " |")
    return "\n".join(lines) + "\n"


@cache
def standing_still() -> str:
    """Return what converged apps ask for in a month of 730 hours, as a table in Markdown."""
    scene, second = bumped(), Settings("", STORE).schedule.split()[0]
    scene.rig.policy = policy = AZURE_POLICY
    company = Company({"app": scene})
    every_s = float(second.removeprefix("*/")) if second.startswith("*/") else 60.0
    for hour in (1, 2):  # a process that began just now asks for more
        calls, puts = len(scene.rig.seam.calls), company.shown.calls.count("put")
        while company.first.seconds() < hour * HOUR_S:
            company.run()
            company.crew.wait(every_s - company.first.seconds() % every_s)
    names = [call.name for call in scene.rig.seam.calls[calls:]]
    own = Counter(next(kind for kind in BILLED if name.startswith(kind)) for name in names)
    shared: dict[str, float] = {"put": company.shown.calls.count("put") - puts}
    shared |= dict.fromkeys(("timer", "git"), HOUR_S / every_s)
    company.end()
    heads = " | ".join(f"{apps:,} app{'s' * (apps > 1)}" for apps in FLEETS)
    lines = [f"| a month | {heads} | multiply with |", "|---" * (len(FLEETS) + 2) + "|"]
    for kind, (title, price) in BILLED.items():
        found = [MONTH_H * (shared.get(kind) or own[kind] * apps) for apps in FLEETS]
        if kind == "arm":  # spread, so that half of what ARM allows is left for writes
            rate = [policy.full_look_s / unread_s("", apps, policy)[1] for apps in FLEETS]
            found = [each * share for each, share in zip(found, rate, strict=True)]
        lines.append(f"| {title} | " + " | ".join(f"{n:,.0f}" for n in found) + f" | {price} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
