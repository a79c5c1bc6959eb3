"""pipx and uv, installed once."""

import pytest

from tests.install.tools import Tools, make_tools


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """Return pipx and uv, and where they install gitslot from."""
    return make_tools(tmp_path_factory.mktemp("tools"))
