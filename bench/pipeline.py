"""
The article's pipeline (tests/clients/article), which knows nothing of gitslot: a peer of claims.

It tests, trains and zips; then zip deploy to staging and a swap, both by `az`.
"""

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import requests

from bench.scene import Scene
from tests.clients.azure_cli import log_in, shell_environment
from tests.platform import until

ROOT = Path(__file__).resolve().parent.parent
ARTICLE = ROOT / "tests" / "clients" / "article"
APP = "article"
SLOTS = ("production", "staging")


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


def open_pipeline(scene: Scene, folder: Path) -> Pipeline:
    """Create the article's app next to the scene's own, and a checkout of its pipeline."""
    platform = scene.stage.platform
    env = shell_environment(folder.parent, platform)
    log_in(env, platform)
    names = {"GROUP": platform.group, "APP": APP, "PYTHON": sys.executable}
    settings = {
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "WEBSITE_SWAP_WARMUP_PING_PATH": "/api/health",
        "WEBSITE_SWAP_WARMUP_PING_STATUSES": "200",
    }
    platform.create_app(APP, settings)
    until(lambda: {platform.slots()[APP, each]["state"] for each in SLOTS} == {"Running"}, APP, 120)
    shutil.copytree(ARTICLE, folder)
    return Pipeline(scene, folder, {**env, **names})
