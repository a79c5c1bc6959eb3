"""One platform for all clients of a test process, and `az` signed in to it."""

from collections.abc import Iterator

import pytest

from tests.clients.azure_cli import Az, installed
from tests.emulator.conftest import app, probe_url  # noqa: F401 - fixtures
from tests.platform import Platform, start_platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Run a platform without waits for every client."""
    with start_platform(tmp_path_factory.mktemp("platform") / "state") as running:
        yield running


@pytest.fixture(scope="session")
def az(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Az:
    """Sign `az` in as the person at the laptop."""
    found = Az(installed(), platform, tmp_path_factory.mktemp("azure-cli"))
    found.register()
    found.run("login", "--identity")
    return found
