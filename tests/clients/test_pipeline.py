"""A pipeline that knows nothing of gitslot releases a model through zip deploy and a swap."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests import processes
from tests.clients.azure_cli import Az
from tests.emulator.app_under_test import App
from tests.platform import until

pytestmark = pytest.mark.clients

ARTICLE = Path(__file__).parent / "article"
APP = "article"
SETOSA, VIRGINICA = [5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 5.6, 2.4]


def run(az: Az, folder: Path, version: str, estimators: int) -> subprocess.CompletedProcess[str]:
    """Run the pipeline on a fresh check-out."""
    shutil.copytree(ARTICLE, folder)
    environment = {
        **az.environment,
        "PATH": f"{az.program.parent}{os.pathsep}{az.environment['PATH']}",
        "GROUP": az.platform.group,
        "APP": APP,
        "VERSION": version,
        "ESTIMATORS": str(estimators),
        "PYTHON": sys.executable,
    }
    return processes.run("sh", "pipeline.sh", cwd=folder, env=environment, timeout=300)


def test_train_zip_deploy_swap(az: Az, tmp_path: Path) -> None:
    """Production serves what was trained, twice; the old model waits in staging for a swap back."""
    az.platform.create_app(
        APP, {"FUNCTIONS_EXTENSION_VERSION": "~4", "WEBSITE_SWAP_WARMUP_PING_PATH": "/api/health"}
    )
    app = App(az.platform, APP)
    for version, estimators in (("1", 5), ("2", 10)):
        done = run(az, tmp_path / version, version, estimators)
        assert done.returncode == 0, done.stderr[-2000:]
        answer = requests.post(
            f"{app.url('production')}/api/predict", json=[SETOSA, VIRGINICA], timeout=30
        )
        assert answer.json() == [0, 2]
        assert answer.headers["x-model-version"] == version
    until(lambda: app.get("staging").text == "1", "staging holds the old model")
    swap = ("functionapp", "deployment", "slot", "swap", "-g", app.group, "-n", APP)
    az.run(*swap, "--slot", "staging")
    app.wait_serves("production", "1")


def test_failed_step_ends_it(az: Az, tmp_path: Path) -> None:
    """A pipeline whose model cannot be trained deploys nothing."""
    before = az.platform.history("deployment-started", "swap-started")
    done = run(az, tmp_path / "broken", "3", 0)
    assert done.returncode != 0
    assert az.platform.history("deployment-started", "swap-started") == before
