"""
Storage accounts in ARM: what the way onto Azure makes, and what `gitslot doctor` reads of it.

One account has blobs (platform.json says where); others are only written down. Shapes:
https://learn.microsoft.com/rest/api/storagerp/blob-containers and
https://learn.microsoft.com/rest/api/storagerp/blob-services
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emulator.arm.calls import Answer, Call, gateway, invalid, part
from emulator.login.blob_rights import account_scope, container_scope
from emulator.slots.azure import Azure
from emulator.slots.state import Container

Params = Mapping[str, str]
KIND = "Microsoft.Storage/storageAccounts"


def account_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Create an account; only its name is kept."""
    call.json()
    azure.store.put_account(params["account"].lower())
    return Answer(200, _account(azure, params["account"].lower()))


def available(azure: Azure, call: Call, _params: Params) -> Answer:
    """Tell whether a name is free."""
    taken = str(call.json().get("name", "")).lower() in (azure.account, *azure.store.accounts)
    more = {"reason": "AlreadyExists", "message": "The name is taken."} if taken else {}
    return Answer(200, {"nameAvailable": not taken, **more})


def account_get(azure: Azure, _call: Call, params: Params) -> Answer:
    return Answer(200, _account(azure, _known(azure, params)))


def accounts(azure: Azure, _call: Call, _params: Params) -> Answer:
    names = dict.fromkeys((azure.account, *azure.store.accounts))
    return Answer(200, {"value": [_account(azure, name) for name in names]})


def service_get(azure: Azure, _call: Call, params: Params) -> Answer:
    account = _known(azure, params)
    return Answer(200, _service(azure, account, azure.store.accounts.get(account, {})))


def service_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Keep how long deleted blobs and containers stay."""
    given = part(call.json(), "properties")
    names = ("deleteRetentionPolicy", "containerDeleteRetentionPolicy")
    kept = {name: given[name] for name in names if isinstance(given.get(name), dict)}
    account = _known(azure, params)
    azure.store.put_account(account, kept)
    return Answer(200, _service(azure, account, kept))


def container_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Create a container; the door makes it in the blob service when it is first asked for."""
    call.json()
    name = params["container"]
    there = name in azure.store.containers
    if _known(azure, params) == azure.account and not there:
        azure.store.put_container(name, Container())
    return Answer(200 if there else 201, _container(azure, params, Container()))


def container_get(azure: Azure, _call: Call, params: Params) -> Answer:
    return Answer(200, _container(azure, params, _found(azure, params)))


def policy_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Put a container under an unlocked time-based policy."""
    days = part(call.json(), "properties").get("immutabilityPeriodSinceCreationInDays")
    if not isinstance(days, int) or not 1 <= days <= 146_000:
        raise invalid("immutabilityPeriodSinceCreationInDays")
    made = replace(_found(azure, params), days=days)
    azure.store.put_container(params["container"], made)
    body = _policy(made)
    id_ = container_scope(azure.scope, azure.account, params["container"])
    return Answer(200, {"id": f"{id_}/immutabilityPolicies/default", "name": "default", **body})


def _known(azure: Azure, params: Params) -> str:
    name = params["account"].lower()
    if name != azure.account and name not in azure.store.accounts:
        message = f"The Resource '{KIND}/{name}' under resource group '{azure.group}' was not found"
        raise gateway(404, "ResourceNotFound", f"{message}.")
    return name


def _found(azure: Azure, params: Params) -> Container:
    found = azure.store.containers.get(params["container"])
    if _known(azure, params) != azure.account or found is None:
        raise gateway(404, "ContainerNotFound", "The specified container does not exist.")
    return found


def _account(azure: Azure, name: str) -> dict[str, Any]:
    blobs = azure.blobs if name == azure.account else f"https://{name}.blob.core.windows.net"
    properties = {
        "provisioningState": "Succeeded",
        "primaryEndpoints": {"blob": f"{blobs}/"},
        "allowSharedKeyAccess": False,
    }
    sku = {"name": "Standard_LRS", "tier": "Standard"}
    more = {"location": azure.location, "kind": "StorageV2", "sku": sku, "properties": properties}
    return {"id": account_scope(azure.scope, name), "name": name, "type": KIND, **more}


def _service(azure: Azure, account: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    off = {"enabled": False}
    properties = {"deleteRetentionPolicy": off, "containerDeleteRetentionPolicy": off, **kept}
    id_ = f"{account_scope(azure.scope, account)}/blobServices/default"
    return {"id": id_, "name": "default", "type": f"{KIND}/blobServices", "properties": properties}


def _container(azure: Azure, params: Params, found: Container) -> dict[str, Any]:
    id_ = container_scope(azure.scope, params["account"], params["container"])
    properties = {"publicAccess": "None", "hasImmutabilityPolicy": bool(found.days)}
    if found.days:
        properties["immutabilityPolicy"] = _policy(found)
    kind = f"{KIND}/blobServices/containers"
    return {"id": id_, "name": params["container"], "type": kind, "properties": properties}


def _policy(found: Container) -> dict[str, Any]:
    days = found.days
    return {
        "properties": {"immutabilityPeriodSinceCreationInDays": days, "state": "Unlocked"},
        "etag": f'"{days:x}"',
    }
