"""An app for each test, which can be told to misbehave, on the platform of all tests."""

import itertools
from collections.abc import Iterator

import pytest

from tests.emulator.app_under_test import App
from tests.emulator.apps import PROBE
from tests.platform import Platform, package

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def probe_url(platform: Platform) -> str:
    """Upload the probe app; return its URL."""
    return platform.upload(package(PROBE))


@pytest.fixture
def app(platform: Platform, probe_url: str) -> Iterator[App]:
    """Create an app of the test's own, production and staging both serving version 1."""
    platform.faults()
    name = f"app-{next(NUMBERS)}"
    platform.create_app(
        name,
        {
            "WEBSITE_RUN_FROM_PACKAGE": probe_url,
            "MODEL_VERSION": "1",
            "FUNCTIONS_EXTENSION_VERSION": "~4",
            "WEBSITE_SWAP_WARMUP_PING_PATH": "/api/health",
            "WEBSITE_SWAP_WARMUP_PING_STATUSES": "200",
        },
    )
    made = App(platform, name)
    made.wait_serves("production", "1")
    made.wait_serves("staging", "1")
    yield made
    platform.faults()
    platform.web.web_apps.delete(platform.group, name)
