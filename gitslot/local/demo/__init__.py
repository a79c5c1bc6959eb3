"""
`gitslot local demo`: play the whole story on real processes, in a temporary folder.

Six steps under constant load, then the measured values as a table and in .gitslot/demo.json.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from gitslot.edges.installed import refuse_without_local
from gitslot.local.command import FOLDER, interruptible
from gitslot.local.demo import incident, stage, steps
from gitslot.local.demo.screen import Screen
from gitslot.local.demo.steps import NEW, OLD, Measured
from gitslot.local.process import write_json

Row: TypeAlias = tuple[str, str, str, bool | None]


def demo(
    results: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write the measured values, as JSON.")
    ] = Path(FOLDER, "demo.json"),
) -> int:
    """Watch the whole story on its own platform, in a minute.

    It leaves nothing running.

    Exit codes: 0 every measured value is as expected, 1 one is not, 2 error.
    """
    refuse_without_local()
    with interruptible():
        return run(results.absolute())


def run(results: Path) -> int:
    """Play the demo and write *results*; return 0 if every value is as expected, else 1."""
    began = time.monotonic()
    screen = Screen()
    measured = Measured()
    screen.title(
        "gitslot",
        "the whole story on this machine, in about a minute",
        "Real processes, HTTP, git and blobs; Microsoft's SDK and worker library.\n"
        "What is not Azure: the platform under it, with Azure's recorded times divided by 40.",
    )
    with stage.opened(screen) as scene:
        steps.install(scene)
        steps.bump(scene, measured)
        steps.rollback(scene, measured)
        bad = scene.train(steps.BAD, "tree")
        incident.incident(scene, measured)
        steps.refuse(scene, measured, bad.finish())
        measured.failed = scene.load.failed
        steps.heal(scene, measured)
        scene.load.stop()
        measured.requests = scene.load.requests
        measured.versions_seen = scene.load.versions
        rows = judge(measured)
        holds = all(row[3] is not False for row in rows)
        scene.keep = not holds
        faults = scene.load.faults
    screen.title("=", "What was measured")
    screen.table(rows)
    write_json(results, asdict(measured))
    for fault in faults[:5]:
        screen.output(f"a request failed: {fault}", "red")
    screen.result(
        f"{'all as expected' if holds else 'NOT as expected'}, {time.monotonic() - began:.0f} s "
        f"in all; also in {_short(results)}",
        good=holds,
    )
    return 0 if holds else 1


def judge(measured: Measured) -> Sequence[Row]:
    """Return a row for each value: what it is, measured, expected, and whether they agree."""
    return [
        ("push to users having the new version", f"{measured.bump_s} s", "", None),
        ("revert to users having the old one", f"{measured.rollback_s} s", "", None),
        _exact("  deploys for it", measured.rollback_deploys, 0),
        _exact("  swaps for it", measured.rollback_swaps, 1),
        ("requests under way meanwhile", f"{measured.requests:,}", "", None),
        _exact("  failed, steps 1 to 5", measured.failed, 0),
        ("  failed by the hand edit of step 6", str(measured.failed_by_hand), "", None),
        _exact("versions that users saw", ", ".join(measured.versions_seen), f"{OLD}, {NEW}"),
        ("the bad version was refused for", measured.refused_reason or "nothing", "a reason",
         bool(measured.refused_reason)),
        _exact("the incident, pipeline: swaps", measured.blind_swaps, 2),
        _exact("  users are left with", measured.blind_serves, OLD),
        _exact("the incident, gitslot: swaps", measured.ours_swaps, 1),
        _exact("  users are left with", measured.ours_serves, NEW),
    ]  # fmt: skip


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _exact(what: str, got: object, want: object) -> Row:
    return what, str(got), str(want), got == want
