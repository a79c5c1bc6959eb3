"""
Measure a pipeline without gitslot: from a finished zip until production first answers with it.

It takes turns with a commit that names a registered version, in the same run on the same platform.
The pipeline is `tests/clients/article`: zip deploy to staging and a swap, both by `az`. *Own share*
is what is beyond the platform's waits, which differ: the pipeline's are the upload (13.6 s) and the
switch, because it swaps while staging restarts and asks nobody whether the model answers; a
commit's are the restart and the switch. Test, train and zip come before, for either.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import requests

from bench.report import Report
from bench.scene import HandSwap, Scene, azure_cli, open_scene
from tests.platform import until

ROOT = Path(__file__).resolve().parent.parent
ARTICLE = ROOT / "tests" / "clients" / "article"
APP = "article"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The article's pipeline in *folder*; its app is on the scene's platform."""

    scene: Scene
    folder: Path
    env: dict[str, str]

    def build(self, version: str, estimators: int = 50) -> float:
        """Test, train and zip *version*; return the seconds it took."""
        started = time.perf_counter()
        env = {**self.env, "VERSION": version, "ESTIMATORS": str(estimators)}
        subprocess.run(["sh", "build.sh"], cwd=self.folder, env=env, check=True)
        return time.perf_counter() - started

    def release(self, version: str) -> float:
        """Return the seconds from the zip until production answers with *version*."""
        return self._timed(version, "sh", "release.sh")

    def back(self, version: str) -> float:
        """Swap back by hand; return the seconds until production answers with *version*."""
        words = ("functionapp", "deployment", "slot", "swap", "--slot", "staging", "-o", "none")
        return self._timed(version, "az", *words, "-g", self.env["GROUP"], "-n", APP)

    @property
    def url(self) -> str:
        """Return the address of its production."""
        return str(self.scene.stage.platform.slots()[APP, "production"]["http"])

    def _timed(self, version: str, *command: str) -> float:
        watched = replace(self.scene, url=self.url, session=requests.Session())
        running: list[subprocess.Popen[bytes]] = []

        def begin() -> None:
            running.append(subprocess.Popen(command, cwd=self.folder, env=self.env))

        seconds = watched.seconds_until(version, begin)
        if running[0].wait(300):
            raise RuntimeError(f"{command[0]} failed")
        return seconds


def open_pipeline(scene: Scene, az: Path, folder: Path) -> Pipeline:
    """Create the article's app next to the scene's own, and a checkout of its pipeline."""
    platform = scene.stage.platform
    hand = HandSwap(az, scene.stage)
    env = {
        **hand.env,
        "PATH": f"{az.parent}{os.pathsep}{os.environ['PATH']}",
        "GROUP": platform.group,
        "APP": APP,
        "PYTHON": sys.executable,
    }
    settings = {
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "WEBSITE_SWAP_WARMUP_PING_PATH": "/api/health",
        "WEBSITE_SWAP_WARMUP_PING_STATUSES": "200",
    }
    platform.create_app(APP, settings)
    until(partial(_running, scene), "both slots are up", 120)
    shutil.copytree(ARTICLE, folder)
    return Pipeline(scene, folder, env)


def _running(scene: Scene) -> bool:
    slots = scene.stage.platform.slots()
    return all(slots[APP, slot]["state"] == "Running" for slot in ("production", "staging"))


def run(rounds: int) -> Report:
    """Measure *rounds* of both with Azure's recorded times, and as many with none."""
    report = Report("pipeline", rounds)
    az = azure_cli(ROOT)
    for latency in ("recorded", "zero"):
        with tempfile.TemporaryDirectory() as folder, open_scene(Path(folder), latency) as scene:
            pipeline = open_pipeline(scene, az, Path(folder) / APP)
            built, released, bumped = [], [], []
            for index in range(rounds):
                built.append(pipeline.build(str(index)))
                released.append(pipeline.release(str(index)))
                version = ("1.5.0", "1.6.0", "1.4.0")[index % 3]
                commit = partial(scene.stage.repository.want, version)
                bumped.append(scene.seconds_until(version, commit))
                scene.settle()
            swap, deploy = scene.waits(deploys=0, swaps=1), scene.waits(deploys=1, swaps=0)
            upload = float(scene.stage.platform.admin_get("/latency")["deploy_s"])
            report.add("test, train, zip", latency, built, "s")
            theirs = report.add("zip to production answering", latency, released, "s")
            ours = report.add("commit to production answering", latency, bumped, "s")
            # The swap does not wait for staging's restart: it restarts staging itself.
            theirs_own = [s - swap - upload for s in released]
            report.add("az's own share", latency, theirs_own, "s")
            own = [s - swap - deploy for s in bumped]
            report.add("controller's own share", latency, own, "s")
            report.ratios[f"pipeline_to_gitslot_{latency}"] = round(theirs / ours, 3)
    return report
