"""A model that only scikit-learn answers exactly: its build comes and goes with it."""

from pathlib import Path
from typing import Any

import pytest
import requests

from gitslot.registry.function_apps import ours
from gitslot.registry.package import package
from gitslot.registry.registry import Registry
from gitslot.state.decision import Converged
from tests.platform import until
from tests.story.stage import Stage
from tests.training.versions import built

pytestmark = pytest.mark.long


def serves(stage: Stage) -> tuple[str, str]:
    """Return the version that production serves, and the build that answers."""
    url = stage.platform.slots()[stage.app, "production"]["http"]
    found: Any = requests.get(f"{url}/api/health", timeout=10).json()
    return found["version"], found["build"]


def test_a_model_brings_its_build_and_takes_it_back(stage: Stage, tmp_path: Path) -> None:
    """Nobody names it: a bump deploys the build with scikit-learn, a revert is one swap."""
    registry = Registry(stage.platform.storage, stage.platform.credential)
    made = package(ours("serving_app"), version=f"s-{stage.app}", out=tmp_path, thin=True)
    code = registry.register_package(made.package, made.zips())
    version = built(version="2.0.0", estimator="hist-boosting")
    registry.register(*version.files)
    for slot in ("production", "staging"):
        stage.change(slot, WEBSITE_RUN_FROM_PACKAGE=code.first.url)
    until(lambda: serves(stage) == ("1.4.0", "onnx"), "production runs the registered package")
    assert isinstance(stage.reconcile(), Converged)

    stage.repository.want("2.0.0")
    assert isinstance(stage.reconcile(), Converged)
    assert serves(stage) == ("2.0.0", "sklearn")
    swaps, writes = stage.swaps(), len(stage.writes())
    stage.repository.revert()
    assert isinstance(stage.reconcile(), Converged)
    assert serves(stage) == ("1.4.0", "onnx")
    assert (stage.swaps(), len(stage.writes())) == (swaps + 1, writes + 1)
