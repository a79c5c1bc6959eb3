"""
User-assigned identities, and the identities of a slot.

A slot also has a system-assigned identity unless it was created or updated without one. On Azure
the default is none; here a slot without any identity could not read its package.
"""

import re
from collections.abc import Mapping
from typing import Any

from emulator.arm.calls import Answer, Call, gateway, invalid, located, not_found, part
from emulator.arm.handling import Params
from emulator.slots.azure import Azure
from emulator.slots.state import Slot, UserIdentity

KIND = "Microsoft.ManagedIdentity/userAssignedIdentities"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}")
KINDS = frozenset({"systemassigned", "userassigned", "none"})


def identity_id(azure: Azure, identity: UserIdentity) -> str:
    return f"{azure.scope}/providers/{KIND}/{identity.name}"


def identity_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Create an identity, or return the existing one, which cannot be changed here."""
    body = call.json()
    known = azure.store.identities.get(params["identity"].lower())
    if known is not None:
        return Answer(200, _body(azure, known))
    location = located(body)
    if NAME.fullmatch(params["identity"]) is None:
        message = f"The identity name '{params['identity']}' is invalid."
        raise gateway(400, "InvalidResourceName", message)
    identity = UserIdentity(params["identity"], location, azure.new_id(), azure.new_id())
    azure.store.put_identity(identity)
    return Answer(201, _body(azure, identity))


def identity_get(azure: Azure, _call: Call, params: Params) -> Answer:
    identity = azure.store.identities.get(params["identity"].lower())
    if identity is None:
        raise not_found(KIND, params["identity"], azure.group)
    return Answer(200, _body(azure, identity))


def identities(azure: Azure, _call: Call, _params: Params) -> Answer:
    value = [_body(azure, identity) for identity in azure.store.identities.values()]
    return Answer(200, {"value": value})


def _body(azure: Azure, identity: UserIdentity) -> dict[str, Any]:
    return {
        "id": identity_id(azure, identity),
        "name": identity.name,
        "type": KIND,
        "location": identity.location,
        "tags": {},
        "properties": {
            "tenantId": azure.tenant,
            "principalId": identity.principal,
            "clientId": identity.client,
        },
    }


def given(azure: Azure, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return the fields of Slot that *body* sets: its identities, and the one that reads Key Vault.

    Raises RefusalError for an identity that does not exist.
    """
    vault = part(body, "properties").get("keyVaultReferenceIdentity")
    reader = {"vault_reader": str(vault)} if vault else {}
    identity = part(body, "identity")
    if not identity.get("type"):
        return reader
    kinds = {kind.strip().lower() for kind in str(identity["type"]).split(",")}
    if not kinds <= KINDS:
        raise invalid("identity.type")
    names = []
    for resource, value in part(identity, "userAssignedIdentities").items():
        path = [part.lower() for part in str(resource).strip("/").split("/")]
        if len(path) != 8 or "/".join(path[5:7]) != KIND.lower() or path[3] != azure.group.lower():
            raise _failed(resource)
        if path[7] not in azure.store.identities:
            raise _failed(resource)
        if value is not None:  # null removes it
            names.append(path[7])
    users = tuple(names) if "userassigned" in kinds else ()
    return {"system_identity": "systemassigned" in kinds, "identities": users, **reader}


def _failed(resource: object) -> Exception:
    return gateway(
        400,
        "FailedIdentityOperation",
        "Identity operation failed with error 'Failed to perform resource identity operation. "
        f"Status: 'BadRequest'. Response: 'Resource '{resource}' was not found.'.'",
    )


def shown(azure: Azure, slot: Slot) -> Mapping[str, Any] | None:
    """Return the ``identity`` of *slot* in its JSON."""
    users = [azure.store.identities[name] for name in slot.identities]
    kinds = [
        *(["SystemAssigned"] if slot.system_identity else []),
        *(["UserAssigned"] if users else []),
    ]
    if not kinds:
        return None
    own = {"tenantId": azure.tenant, "principalId": slot.principal} if slot.system_identity else {}
    assigned = {
        identity_id(azure, user): {"principalId": user.principal, "clientId": user.client}
        for user in users
    }
    more = {"userAssignedIdentities": assigned} if users else {}
    return {"type": ", ".join(kinds), **own, **more}
