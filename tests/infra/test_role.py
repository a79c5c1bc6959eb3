"""infra/role.json allows nothing that could change production but a swap."""

import json

from tests.infra.page import ROOT

ROLE = json.loads((ROOT / "infra" / "role.json").read_text(encoding="utf-8"))


def test_the_role_never_writes_production() -> None:
    """Nothing in it changes a site itself, only its slots; nothing is a wildcard."""
    writes = [a for a in ROLE["Actions"] if not a.lower().endswith(("/read", "list/action"))]
    changes = [a for a in writes if not a.endswith("/host/listkeys/action")]
    assert changes
    assert all(action.startswith("Microsoft.Web/sites/slots/") for action in changes)
    assert not any("*" in action for action in ROLE["Actions"])
    assert ROLE["DataActions"] == []
