"""One platform for all stories that a worker plays, and on it an app for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitslot.state.decision import Converged
from tests.platform import Platform, start_platform
from tests.story.stage import Stage, set_stage


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Run a platform without waits; a story that changes more of it than its app has its own."""
    with start_platform(tmp_path_factory.mktemp("platform") / "state") as running:
        yield running


@pytest.fixture
def stage(platform: Platform, tmp_path: Path) -> Iterator[Stage]:
    """Set a stage on which production serves 1.4.0, as the newest commit says; staging 1.5.0."""
    with set_stage(platform, tmp_path, serves=("1.4.0", "1.5.0")) as found:
        yield found


@pytest.fixture
def settled(stage: Stage) -> Stage:
    """Let production serve 1.4.0 by the file's newest commit."""
    stage.repository.want("1.4.0")
    assert isinstance(stage.reconcile(), Converged)
    return stage
