"""
Measure rollback: from the commit of a revert until production first answers with the old version.

In turn with it, in the same run, `az functionapp deployment slot swap` as somebody on call would
type it, against the same platform. Both wait for one swap; the rest is their *own share*.

A rollback is not faster than `az`. What is between them is mostly the start of `az`, which takes
longer on a busy machine; `az` returns 13 s later, at the swap's end. What a revert saves is the
typing; it proves staging before it swaps, and leaves a record. The controller asks Git each second:
how long a commit goes unnoticed is the claim `detect`.
"""

import subprocess
import tempfile
import time
from pathlib import Path

from bench.report import Report
from bench.scene import TICK_S, HandSwap, Scene, azure_cli, open_scene

ROOT = Path(__file__).resolve().parent.parent


def run(rounds: int) -> Report:
    """Measure *rounds* rollbacks by revert and as many by hand; then again with no latency."""
    report = Report("rollback", rounds)
    az = azure_cli(ROOT)
    for latency in ("recorded", "zero"):
        with tempfile.TemporaryDirectory() as folder, open_scene(Path(folder), latency) as scene:
            by_hand = HandSwap(az, scene.stage)
            scene.seconds_until("1.5.0", lambda: scene.stage.repository.want("1.5.0"))
            scene.settle()
            reverted, swapped = [], []
            for _ in range(rounds):
                reverted.append(_by_revert(scene))
                swapped.append(_by_hand(scene, by_hand))
            waits = scene.waits(deploys=0, swaps=1)
            report.add("git revert to production answering", latency, reverted, "s")
            report.add("az slot swap to production answering", latency, swapped, "s")
            own = report.add("controller's own share", latency, [s - waits for s in reverted], "s")
            report.add("az's own share", latency, [s - waits for s in swapped], "s")
            if latency == "recorded":
                report.share("own_share_of_swap", own, waits, "the swap's")
    return report


def _by_revert(scene: Scene) -> float:
    seconds = scene.seconds_until("1.4.0", scene.stage.repository.revert)
    scene.settle()
    return seconds


def _by_hand(scene: Scene, by_hand: HandSwap) -> float:
    """Swap by hand, the other way, while gitslot is suspended; then let Git agree."""
    scene.stage.world.suspend = "by hand"
    time.sleep(2 * TICK_S)
    running: list[subprocess.Popen[bytes]] = []
    seconds = scene.seconds_until("1.5.0", lambda: running.append(by_hand.swap()))
    if running[0].wait(300):
        raise RuntimeError("az could not swap")
    scene.stage.repository.revert()
    scene.stage.world.suspend = ""
    scene.settle()
    return seconds
