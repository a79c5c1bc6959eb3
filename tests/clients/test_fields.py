"""What the emulator sends is what Microsoft's models declare, name by name and type by type."""

import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from azure.core.serialization import is_generated_model
from azure.mgmt.web import models
from azure.mgmt.web.models import _models

from tests.emulator.app_under_test import App
from tests.platform import until

pytestmark = pytest.mark.clients

# What Kudu's own record has besides the nine fields of the SDK's DeploymentProperties.
KUDU = (
    *("id", "status_text", "progress", "received_time", "last_success_end_time", "complete"),
    *("is_temp", "is_readonly", "url", "log_url", "site_name", "provisioningState"),
)
PROXIES = (
    *("User", "CsmPublishingCredentialsPoliciesEntity", "SlotDifference", "FunctionEnvelope"),
    *("Deployment", "CsmDeploymentStatus"),
)
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
    "User.properties.name": "null",
    "User.properties.metadata": "null",
    "User.properties.isDeleted": "recorded",
    "HostKeys.id": "the host's resource id",
    "FunctionAppStack.properties.majorVersions.minorVersions.stackSettings.linuxRuntimeSettings"
    ".supportedFunctionsExtensionVersionsInfo": "recorded on functionAppStacks",
    "FunctionEnvelope.properties.name": "as the Functions host names it (FunctionMetadataResponse)",
    "FunctionEnvelope.properties.isDirect": "of the Functions host's answer",
    "FunctionEnvelope.properties.isProxy": "of the Functions host's answer",
    **{f"Deployment.properties.{name}": "of Kudu's DeployResult, passed on whole" for name in KUDU},
    **{f"{name}.location": "proxy resources have none in the models" for name in PROXIES},
    "List.id": "null beside nextLink, recorded on functionAppStacks",
}


STACKS = "functionAppStacks"


def ask(app: App, method: str, rest: str, body: Any = None) -> Any:
    """Return the JSON that ARM sends for a path below Microsoft.Web, of the group or of all."""
    path = f"/providers/Microsoft.Web/{rest}"
    path = path if rest == STACKS else app.platform.below(path)
    answer = app.platform.ask(method, path, json=body)
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


def in_list(answer: Mapping[str, Any], model: type, path: str) -> Iterator[str]:
    """Look at each of *answer*, and at what it has around them besides what the SDK reads."""
    assert answer["value"], f"no {path} to look at"
    yield from (f"List.{name}" for name in answer.keys() - {"value", "nextLink"})
    for one in answer["value"]:
        yield from strange(one, model, path)


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


def test_every_field_is_one_of_the_models(app: App, probe_url: str) -> None:
    """
    Each body, alone or in a list, after a swap and a deployment and with a difference to tell, has
    the models' fields and types; what only Azure's recorded answers have is named with its reason,
    and nothing is named in vain.
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
    bodies += [
        ("SlotConfigNamesResource", ask(app, "GET", f"{site}/config/slotConfigNames")),
        ("AppServicePlan", ask(app, "GET", f"serverfarms/{plan}")),
    ]
    differences = ask(app, "POST", f"{slot}/slotsdiffs", {"targetSlot": "production"})
    app.set("staging", {"WEBSITE_RUN_FROM_PACKAGE": "1"})
    begun = app.one_deploy("staging", probe_url)
    id_ = begun.headers["scm-deployment-id"]
    until(
        lambda: ask(app, "GET", f"{slot}/deployments/{id_}")["properties"]["complete"],
        "the deployment ends",
    )
    bodies += [
        ("Deployment", begun.json()),
        ("Deployment", ask(app, "GET", f"{slot}/deployments/{id_}")),
        ("CsmDeploymentStatus", ask(app, "GET", f"{slot}/deploymentStatus/{id_}")),
    ]
    lists = [
        ("SlotDifference", differences),
        ("Site", ask(app, "GET", "sites")),
        ("Site", ask(app, "GET", f"{site}/slots")),
        ("AppServicePlan", ask(app, "GET", "serverfarms")),
        ("FunctionEnvelope", ask(app, "GET", f"{site}/functions")),
        ("FunctionAppStack", ask(app, "GET", STACKS)),
        ("Deployment", ask(app, "GET", f"{slot}/deployments")),
        ("Deployment", ask(app, "GET", f"{slot}/extensions/onedeploy")),
        ("CsmDeploymentStatus", ask(app, "GET", f"{slot}/deploymentStatus")),
    ]
    found = {line for name, body in bodies for line in strange(body, getattr(models, name), name)}
    for name, answer in lists:
        found |= set(in_list(answer, getattr(models, name), name))
    assert found == set(RECORDED_ALONE)
