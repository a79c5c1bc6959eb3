"""The package as Azure gets it: its own libraries are all that each build needs."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gitslot.registry.function_apps import ours
from gitslot.registry.package import package
from gitslot.registry.registry import Registry
from tests.platform import ROOT, Platform
from tests.training.versions import built

pytestmark = pytest.mark.long

# What a worker does with an app, with nothing of this machine's Python but the standard library.
WORKER = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/.python_packages/lib/site-packages"]
import function_app
assert function_app.serving.model, function_app.serving.refusal
print(function_app.shares(function_app.serving.model, sys.stdin.buffer.read()))
"""


@pytest.mark.parametrize(
    ("build", "estimator"), [("onnx", "scaled-forest"), ("sklearn", "hist-boosting")]
)
def test_golden_rows_pass_with_the_packages_own_libraries_alone(
    platform: Platform, registry: Registry, tmp_path: Path, build: str, estimator: str
) -> None:
    """What was left out of it is loaded by nothing."""
    version = built(version=f"5.0.0-{build}", estimator=estimator)
    assert version.manifest.needs.runtime == build
    registry.register(*version.files)
    made = package(ours("serving_app"), version="1", out=tmp_path, thin=False, work=ROOT / "build")
    with zipfile.ZipFile(made.paths[build]) as archive:
        archive.extractall(tmp_path / "app")
    pinned = f"5.0.0-{build}@sha256:{version.manifest.digest}"
    model = {"MODEL_NAME": "iris", "MODEL_VERSION": pinned, "MODEL_STORE": platform.storage}
    golden = version.manifest.golden
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", WORKER, str(tmp_path / "app")],
        input=json.dumps([list(row) for row in golden.inputs]),
        env={**platform.environment, **model},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert tuple(answer["labels"]) == golden.labels
    for got, expected in zip(answer["probabilities"], golden.probabilities or (), strict=True):
        assert got == pytest.approx(expected, rel=0, abs=golden.tolerance)


CONTROLLER = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/.python_packages/lib/site-packages"]
import azure.mgmt.web, function_app
print([f.get_function_name() for f in function_app.app.get_functions()])
"""


def test_the_controllers_package_holds_all_that_it_imports(tmp_path: Path) -> None:
    """Its triggers and Azure's management client come from it alone."""
    made = package(ours("controller"), version="1", out=tmp_path, thin=False, work=ROOT / "build")
    with zipfile.ZipFile(made.paths["any"]) as archive:
        archive.extractall(tmp_path / "app")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CONTROLLER, str(tmp_path / "app")],
        env={"GITSLOT_REPO": "/none", "GITSLOT_STORAGE": "https://store.example"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.strip() == "['timer', 'push', 'page']", done.stderr
