"""What several tests of the controller talk to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edges.azure.arm import Arm
from tests.servers import serving


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arm]:
    """Return a server in ARM's place, which this process trusts."""
    arm = Arm()
    with serving(tmp_path, arm.respond) as address:
        arm.address = address
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
        yield arm
