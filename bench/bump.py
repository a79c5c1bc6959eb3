"""
Measure bump: from the commit of a new version until production first answers with it.

It takes turns, in the same run on the same platform, with a pipeline that knows nothing of gitslot
(`tests/clients/article`): zip deploy to staging and a swap, both by `az`, from a finished zip on.
Test, train and zip come before, for either.

*Own share* is what is beyond the platform's waits, which differ: a commit's are the restart and the
switch; the pipeline's are the upload (13.6 s) and the switch, because it swaps while staging
restarts and asks nobody whether the model answers. In its own share the controller looks, deploys,
replays 64 golden rows, checks once more and sends the swap, with Azure's waits between two looks.
It asks Git each second: how long a commit goes unnoticed is the claim `detect`.
"""

import tempfile
from functools import partial
from pathlib import Path

from bench.pipeline import APP, open_pipeline
from bench.report import Report
from bench.scene import open_scene


def run(rounds: int) -> Report:
    """Measure *rounds* of both with Azure's recorded times, and as many with none."""
    report = Report("bump", rounds)
    for latency in ("recorded", "zero"):
        with tempfile.TemporaryDirectory() as folder, open_scene(Path(folder), latency) as scene:
            pipeline = open_pipeline(scene, Path(folder) / APP)
            built, released, bumped, deploys = [], [], [], 0
            for index in range(rounds):
                built.append(pipeline.build(str(index)))
                released.append(pipeline.release(str(index)))
                before = len(scene.stage.history("settings-put"))
                # With three versions in turn staging never has the wanted one: each round deploys.
                version = ("1.5.0", "1.6.0", "1.4.0")[index % 3]
                commit = partial(scene.stage.repository.want, version)
                bumped.append(scene.seconds_until(version, commit))
                scene.settle()
                deploys += len(scene.stage.history("settings-put")) - before
            if deploys != rounds:
                raise RuntimeError(f"{deploys} deploys in {rounds} bumps")
            waits, swap = scene.waits(deploys=1, swaps=1), scene.waits(deploys=0, swaps=1)
            upload = float(scene.stage.platform.admin_get("/latency")["deploy_s"])
            report.add("commit to production answering", latency, bumped, "s")
            report.add("zip to production answering", latency, released, "s")
            own = report.add("controller's own share", latency, [s - waits for s in bumped], "s")
            theirs = [s - swap - upload for s in released]
            report.add("az's own share", latency, theirs, "s")
            report.add("test, train, zip", latency, built, "s")
            if latency == "recorded":
                report.at_most(
                    "own share", 100 * own / waits, 10, f"% of the waits of {waits:.0f} s"
                )
    return report
