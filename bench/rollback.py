"""
Measure rollback: from the commit of a revert until production first answers with the old version.

In turn with it, in the same run on the same platform, `az functionapp deployment slot swap` as
somebody on call would type it, for an app that a pipeline released. Both wait for one swap; the
rest is their *own share*. The controller asks Git each second (`detect` is a claim of its own).

A rollback is not faster than `az`. What is between them is mostly the start of `az`, which takes
longer on a busy machine; `az` returns 13 s later, at the swap's end. What a revert saves is the
typing; it proves staging before it swaps, and leaves a record.
"""

import tempfile
from functools import partial
from pathlib import Path

from bench.pipeline import APP, open_pipeline
from bench.report import Report
from bench.scene import open_scene


def run(rounds: int) -> Report:
    """Measure *rounds* of both with Azure's recorded times, and as many with none."""
    report = Report("rollback", rounds)
    for latency in ("recorded", "zero"):
        with tempfile.TemporaryDirectory() as folder, open_scene(Path(folder), "zero") as scene:
            git, pipeline = scene.stage.repository, open_pipeline(scene, Path(folder) / APP)
            for version in ("1.4.0", "1.5.0"):
                pipeline.build(version)
                pipeline.release(version)
            scene.seconds_until("1.5.0", partial(git.want, "1.5.0"))
            scene.settle()
            scene.stage.platform.admin_put("/latency", latency)
            reverted, swapped = [], []
            for number in range(rounds):
                version = ("1.4.0", "1.5.0")[number % 2]  # a revert, and the revert of that
                reverted.append(scene.seconds_until(version, git.revert))
                scene.settle()
                swapped.append(pipeline.back(version))
            waits = scene.waits(deploys=0, swaps=1)
            report.add("git revert to production answering", latency, reverted, "s")
            report.add("az slot swap to production answering", latency, swapped, "s")
            own = report.add("controller's own share", latency, [s - waits for s in reverted], "s")
            report.add("az's own share", latency, [s - waits for s in swapped], "s")
            if latency == "recorded":
                report.at_most("own share", 100 * own / waits, 10, f"% of {waits:.0f} s of waits")
    return report
