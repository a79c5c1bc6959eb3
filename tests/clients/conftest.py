"""One platform for all clients of a test process, and `az` signed in to it."""

from collections.abc import Iterator

import pytest

from emulator.arm.coverage import USED_BY
from tests.clients.azure_cli import Az, installed
from tests.emulator.conftest import app, probe_url  # noqa: F401 - fixtures
from tests.platform import Platform, start_platform

ALL_OF_THEM = {
    *("test_az.py", "test_azure_page.py", "test_fields.py", "test_identity.py", "test_web.py")
}


@pytest.fixture(scope="session")
def elsewhere() -> dict[str, set[str]]:
    """Collect what each client called on platforms that a test started for itself."""
    return {client: set() for client in USED_BY}


@pytest.fixture(scope="session")
def platform(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    elsewhere: dict[str, set[str]],
) -> Iterator[Platform]:
    """
    Run a platform without waits for every client; in the end, who called what is what the table of
    docs/believe/emulator.md says, and nothing unknown was asked for.
    """
    with start_platform(tmp_path_factory.mktemp("platform") / "state") as running:
        yield running
        seen = running.admin_get("/requests")["by_client"]
        for client, used in USED_BY.items():
            called = {*seen.get(client, ()), *elsewhere[client]}
            assert called <= used, f"{client} calls more than the table says"
            if whole(request):
                assert called == used, f"the table says more than {client} calls"
        assert running.admin_get("/coverage") == []


def whole(request: pytest.FixtureRequest) -> bool:
    """Tell whether this process runs all tests of the folder, none taken out."""
    config = request.config
    if hasattr(config, "workerinput") or config.option.keyword:
        return False
    if any("::" in word for word in config.args) or request.session.testsfailed:
        return False
    return {item.path.name for item in request.session.items} >= ALL_OF_THEM


@pytest.fixture(scope="session")
def az(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Az:
    """Sign `az` in as the person at the laptop."""
    found = Az(installed(), platform, tmp_path_factory.mktemp("azure-cli"))
    found.register()
    found.run("login", "--identity")
    return found
