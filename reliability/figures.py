"""
What a change costs: calls to the outside by boundary, and writes, when nothing fails.

    python -m reliability.figures
"""

from collections import Counter
from collections.abc import Mapping

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
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
