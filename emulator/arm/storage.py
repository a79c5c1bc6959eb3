"""
Storage in ARM: what the way onto Azure makes is kept as it was given, for `gitslot doctor`.

One account has blobs (platform.json says where); others are only written down. Shapes:
https://learn.microsoft.com/rest/api/storagerp/blob-containers, and .../blob-services
"""

from collections.abc import Mapping
from dataclasses import replace

from emulator.arm.calls import Answer, Call, gateway, part
from emulator.login.rights import blobs_scope
from emulator.slots.azure import Azure
from emulator.slots.store import POLICY

Params = Mapping[str, str]


def put(azure: Azure, call: Call, params: Params) -> Answer:
    """Create an account, a container or a policy, or set how long deleted blobs stay."""
    body, more = call.json(), {"etag": azure.new_id()}
    if call.path.lower().endswith(POLICY):
        body = {**body, "properties": {**part(body, "properties"), "state": "Unlocked"}}
    azure.store.put_storage(call.path, {**body, **more})
    return get(azure, call, params)


def get(azure: Azure, call: Call, _params: Params) -> Answer:
    kept, own = azure.store.storage, blobs_scope(azure.scope, azure.account)
    found = kept.get(call.path.lower(), {})
    words = call.path.split("/")
    if not found and words[-1] != "default" and call.path.lower() != own.lower():
        raise gateway(404, f"{words[-2].title()[:-1]}NotFound", f"There is no {call.path}.")
    properties = {"provisioningState": "Succeeded", **found.get("properties", {})}
    if words[-2].lower() == "storageaccounts":
        blobs = azure.blobs if words[-1] == azure.account else f"https://{words[-1]}.example"
        properties["primaryEndpoints"] = {"blob": f"{blobs}/"}
    elif words[-2].lower() == "containers":
        policy = kept.get(f"{call.path}{POLICY}".lower())
        properties |= {"hasImmutabilityPolicy": bool(policy), "immutabilityPolicy": policy}
    kind = "/".join(["Microsoft.Storage", *words[7::2]])
    body = {"location": azure.location, "id": call.path, "name": words[-1], "type": kind}
    return Answer(200, {**found, **body, "properties": properties})


def available(_azure: Azure, _call: Call, _params: Params) -> Answer:
    """Answer what `az` asks first: every name is free here."""
    return Answer(200, {"nameAvailable": True})


def accounts(azure: Azure, call: Call, params: Params) -> Answer:
    own = blobs_scope(azure.scope, azure.account)
    known = {own.lower(): own, **{k: k for k in azure.store.storage if k.count("/") == 8}}
    every = [get(azure, replace(call, path=path), params).body for path in known.values()]
    return Answer(200, {"value": every})
