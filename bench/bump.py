"""
Measure bump: from the commit of a new version until production first answers with it.

The platform's own waits (a restart and the swap's switch, from its latency profile) are known; the
rest is the controller's *own share*: it looks, deploys, replays 64 golden rows, checks once more,
sends the swap. It has Azure's waits between two looks, and asks Git each second: how long a commit
goes unnoticed is the claim `detect`. The peer is in the claim `pipeline`.
"""

import tempfile
from functools import partial
from pathlib import Path

from bench.report import Report
from bench.scene import open_scene


def run(rounds: int) -> Report:
    """Measure *rounds* bumps with Azure's recorded times, and as many with none."""
    report = Report("bump", rounds)
    for latency in ("recorded", "zero"):
        with tempfile.TemporaryDirectory() as folder, open_scene(Path(folder), latency) as scene:
            seconds, deploys = [], 0
            for index in range(rounds):
                before = len(scene.stage.platform.history("settings-put"))
                # With three versions in turn staging never has the wanted one: each round deploys.
                version = ("1.5.0", "1.6.0", "1.4.0")[index % 3]
                commit = partial(scene.stage.repository.want, version)
                seconds.append(scene.seconds_until(version, commit))
                scene.settle()
                deploys += len(scene.stage.platform.history("settings-put")) - before
            if deploys != rounds:
                raise RuntimeError(f"{deploys} deploys in {rounds} bumps")
            waits = scene.waits(deploys=1, swaps=1)
            report.add("commit to production answering", latency, seconds, "s")
            own = report.add("controller's own share", latency, [s - waits for s in seconds], "s")
            if latency == "recorded":
                report.share("own_share_of_waits", own, waits, "the platform's")
    return report
