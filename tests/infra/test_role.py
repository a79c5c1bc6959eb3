"""infra/role.json allows what the controller calls, and nothing else."""

import ast
import inspect
import json
from typing import Any

import pytest
from azure.core.pipeline.transport import HttpTransport
from azure.mgmt.web import WebSiteManagementClient
from azure.mgmt.web.models import CsmSlotEntity, StringDictionary

from tests.edges.azure.arm import Credential
from tests.infra.page import ROOT

ROLE = json.loads((ROOT / "infra" / "role.json").read_text(encoding="utf-8"))
# Calls whose path is not the SDK's: the poll of a swap goes where ARM's Location points.
# https://learn.microsoft.com/azure/role-based-access-control/permissions/web-and-mobile
POLLED = "Microsoft.Web/sites/slots/operationresults/read"
# GET /subscriptions and /subscriptions/{id}/resources show to anybody what they may read.
_VERBS = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete", "POST": "action"}
_VALUES: dict[str, Any] = {
    "resource_group_name": "group",
    "name": "app",
    "slot": "staging",
    "app_settings": StringDictionary(properties={}),
    "slot_swap_entity": CsmSlotEntity(target_slot="production", preserve_vnet=True),
}


class _Seen(Exception):
    """The request that the SDK was about to send."""

    def __init__(self, method: str, url: str) -> None:
        super().__init__(method, url)
        self.method, self.url = method, url


class _Catch(HttpTransport[Any, Any]):
    def send(self, request: Any, **_: Any) -> Any:
        raise _Seen(request.method, request.url)

    def __exit__(self, *_: object) -> None:
        pass

    open = close = __exit__


def _called() -> set[str]:
    """Name the SDK's operations that gitslot/edges/azure/arm.py calls: `web.something(...)`."""
    tree = ast.parse((ROOT / "gitslot" / "edges" / "azure" / "arm.py").read_text(encoding="utf-8"))
    return {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "web"
    }


def _action(operation: str) -> str:
    """
    Return the action of Azure's access control that *operation* of the SDK needs.

    Names of resources are left out of the path, the method gives the verb, and of a POST the last
    word says what is done: .../config/appsettings/list is config/list/action.
    """
    where = "https://arm.example"
    client = WebSiteManagementClient(Credential(), "sub", base_url=where, transport=_Catch())
    method = getattr(client.web_apps, operation)
    wanted = inspect.signature(method).parameters
    with pytest.raises(_Seen) as caught:
        method(**{name: value for name, value in _VALUES.items() if name in wanted})
    path = caught.value.url.partition("?")[0].split("/providers/")[1].split("/")
    provider, types = path[0], path[1:]
    verb = _VERBS[caught.value.method]
    done = [types.pop()] if verb == "action" else []
    return "/".join([provider, *types[::2], *done, verb])


def test_the_role_allows_exactly_what_is_called() -> None:
    """No call of the controller lacks its action, and no action is there without a call."""
    assert len(_called()) > 8
    needed = {_action(operation) for operation in _called()} | {POLLED}
    allowed = {action.lower() for action in ROLE["Actions"]}
    assert allowed == {action.lower() for action in needed}


def test_the_role_never_writes_production() -> None:
    """Nothing in it changes a site itself, only its slots; nothing is a wildcard."""
    writes = [a for a in ROLE["Actions"] if not a.lower().endswith(("/read", "list/action"))]
    changes = [a for a in writes if not a.endswith("/host/listkeys/action")]
    assert changes
    assert all(action.startswith("Microsoft.Web/sites/slots/") for action in changes)
    assert not any("*" in action for action in ROLE["Actions"])
    assert ROLE["DataActions"] == []
