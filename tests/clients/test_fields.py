"""What the emulator sends is what Microsoft's models declare, name by name and type by type."""

import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
import requests
from azure.core.serialization import is_generated_model
from azure.mgmt.web import models
from azure.mgmt.web.models import _models

from tests.emulator.slots import App

pytestmark = pytest.mark.clients

# Fields that Azure sends, as recorded in Azure/azure-cli (test_functionapp_slot_swap), and that no
# model of the SDK declares.
RECORDED_ALONE = {
    "Site.properties.name": "the slot in brackets",
    "Site.properties.webSpace": "the stamp's name for region and group",
    "Site.properties.adminEnabled": "switch of the platform's own",
    "Site.properties.deploymentId": "moves with the content: tells a lost swap from none",
    "Site.properties.slotName": "always null",
    "Site.properties.buildVersion": "the declarative swap's side of the slot",
    "Site.properties.targetBuildVersion": "the declarative swap's side of the site",
    "Site.properties.hostNameSslStates.ipBasedSslState": "beside sslState, of the older offer",
    "AppServicePlan.properties.name": "again",
    "StringDictionary.location": "recorded on config/appsettings",
    "SlotConfigNamesResource.location": "recorded on config/slotConfigNames",
    "SiteConfigResource.location": "recorded on config/web",
    "User.location": "proxy resources have none in the models",
    "User.properties.name": "null",
    "User.properties.metadata": "null",
    "User.properties.isDeleted": "recorded",
    "CsmPublishingCredentialsPoliciesEntity.location": "proxy resources have none in the models",
    "SlotDifference.location": "proxy resources have none in the models",
    "HostKeys.id": "the host's resource id",
    "FunctionEnvelope.location": "proxy resources have none in the models",
    "FunctionEnvelope.properties.name": "as the Functions host names it (FunctionMetadataResponse)",
    "FunctionEnvelope.properties.isDirect": "of the Functions host's answer",
    "FunctionEnvelope.properties.isProxy": "of the Functions host's answer",
}


def ask(app: App, method: str, rest: str, body: Any = None) -> Any:
    """Return the JSON that ARM sends for a path below the site."""
    platform = app.platform
    token = platform.credential.get_token(f"{platform.arm}/.default").token
    web = f"{platform.arm}/subscriptions/{platform.subscription}/resourceGroups/{app.group}"
    answer = requests.request(
        method,
        f"{web}/providers/Microsoft.Web/{rest}?api-version=2025-05-01",
        headers={"Authorization": f"Bearer {token}"},
        verify=platform.ca,
        json=body,
        timeout=30,
    )
    answer.raise_for_status()
    return answer.json()


def strange(value: Any, declared: Any, path: str) -> Iterator[str]:
    """Name each field of *value* that *declared* has not, or has with another type."""
    if value is None or declared is Any:
        return
    if get_origin(declared) in (Union, types.UnionType):
        kinds = [one for one in get_args(declared) if one is not type(None)]
        found = [list(strange(value, one, path)) for one in kinds]
        if all(found):
            yield from min(found, key=len)
    elif get_origin(declared) is list:
        if not isinstance(value, list):
            yield f"{path}: no list"
            return
        for one in value:
            yield from strange(one, get_args(declared)[0], path)
    elif get_origin(declared) is dict:
        if not isinstance(value, Mapping):
            yield f"{path}: no object"
            return
        for one in value.values():
            yield from strange(one, get_args(declared)[1], path)
    elif isinstance(declared, type) and is_generated_model(declared):
        if not isinstance(value, Mapping):
            yield f"{path}: no object"
            return
        yield from in_model(value, declared, path)
    elif not fits(value, declared):
        yield f"{path}: {value!r} is no {declared}"


def in_model(value: Mapping[str, Any], model: type, path: str) -> Iterator[str]:
    fields = model({})._attr_to_rest_field
    hints = get_type_hints(model, globalns={**vars(_models), "_models": models})
    known = {field._rest_name: hints[name] for name, field in fields.items()}
    for name, inner in value.items():
        if name not in known:
            yield f"{path}.{name}"
        else:
            yield from strange(inner, known[name], f"{path}.{name}")


def fits(value: Any, declared: Any) -> bool:
    if declared is datetime:
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    if declared is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if declared is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(declared, type) and issubclass(declared, str):
        return isinstance(value, str)
    return isinstance(declared, type) and isinstance(value, declared)


def test_every_field_is_one_of_the_models(app: App) -> None:
    """
    Each body, after a swap and with a difference to tell, has the models' fields and types; what
    only Azure's recorded answers have is named with its reason, and nothing is named in vain.
    """
    app.swap()
    app.stick("A")
    app.set("staging", {"A": "1", "B": "2"})
    site, slot = f"sites/{app.name}", f"sites/{app.name}/slots/staging"
    bodies: list[tuple[str, Any]] = []
    for one in (site, slot):
        bodies += [
            ("Site", ask(app, "GET", one)),
            ("StringDictionary", ask(app, "POST", f"{one}/config/appsettings/list")),
            ("SiteConfigResource", ask(app, "GET", f"{one}/config/web")),
            ("HostKeys", ask(app, "POST", f"{one}/host/default/listkeys")),
            ("FunctionEnvelope", ask(app, "GET", f"{one}/functions/health")),
            ("User", ask(app, "POST", f"{one}/config/publishingcredentials/list")),
            (
                "CsmPublishingCredentialsPoliciesEntity",
                ask(app, "GET", f"{one}/basicPublishingCredentialsPolicies/scm"),
            ),
        ]
    plan = app.web.get(app.group, app.name).properties.server_farm_id.rpartition("/")[2]
    differences = ask(app, "POST", f"{slot}/slotsdiffs", {"targetSlot": "production"})["value"]
    assert differences
    bodies += [
        ("SlotConfigNamesResource", ask(app, "GET", f"{site}/config/slotConfigNames")),
        ("AppServicePlan", ask(app, "GET", f"serverfarms/{plan}")),
        *(("SlotDifference", one) for one in differences),
    ]
    found = {line for name, body in bodies for line in strange(body, getattr(models, name), name)}
    assert found == set(RECORDED_ALONE)
