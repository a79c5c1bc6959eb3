"""One local platform for the tests of the registry, with a fresh registry for each of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitslot.registry.registry import Registry
from tests.platform import Platform, start_platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Return a running platform that ends with the tests."""
    with start_platform(tmp_path_factory.mktemp("platform") / "state") as running:
        yield running


@pytest.fixture
def registry(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return the registry of the platform, as the laptop user."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(platform.facts["ca_bundle"]))
    found = Registry(platform.storage, platform.credential)
    found.ensure_containers()
    return found


@pytest.fixture
def version(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a version that no other test registers."""
    return f"9.{abs(hash((request.node.nodeid, str(tmp_path)))) % 10**12}"
