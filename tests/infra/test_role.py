"""infra/role.json allows nothing that could change production but a swap."""

import json
import re

from reliability.cloud import OBSERVER
from tests.infra.page import PAGE, ROOT

TEXT = (ROOT / "infra" / "role.json").read_text(encoding="utf-8")
ROLE = json.loads(TEXT)


def test_the_role_never_writes_production() -> None:
    """Nothing in it changes a site itself, only its slots; nothing is a wildcard."""
    writes = [a for a in ROLE["Actions"] if not a.lower().endswith(("/read", "list/action"))]
    changes = [a for a in writes if not a.endswith("/host/listkeys/action")]
    assert changes
    assert all(action.startswith("Microsoft.Web/sites/slots/") for action in changes)
    assert not any("*" in action for action in ROLE["Actions"])
    assert ROLE["DataActions"] == []


def test_without_the_lines_that_write_it_is_an_observers() -> None:
    """As docs/run/azure.md makes it of the file."""
    (left_out,) = re.findall(r"grep -vE '(.*)' infra/role.json", PAGE.read_text(encoding="utf-8"))
    kept = "\n".join(line for line in TEXT.splitlines() if not re.search(left_out, line))
    assert tuple(json.loads(kept)["Actions"]) == OBSERVER.actions
