"""
User-assigned identities, and which of them a slot has.

A slot also has an identity of its own unless it was created or updated without one. On Azure it is
the other way round; here a slot that nobody gave an identity would read no package.
"""

import re
from collections.abc import Mapping
from typing import Any

from emulator.arm.calls import Answer, Call, gateway, located, not_found, part, provider
from emulator.slots.azure import World
from emulator.slots.state import Slot, UserIdentity

Params = Mapping[str, str]
KIND = "Microsoft.ManagedIdentity/userAssignedIdentities"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}")
KINDS = frozenset({"systemassigned", "userassigned", "none"})


def identity_id(world: World, identity: UserIdentity) -> str:
    return (
        f"/subscriptions/{world.subscription}/resourceGroups/{world.group}"
        f"/providers/{KIND}/{identity.name}"
    )


def identity_put(world: World, call: Call, params: Params) -> Answer:
    """Create an identity, or show it: nothing of it can be changed here."""
    body = call.json()
    known = world.estate.identities.get(params["identity"].lower())
    if known is not None:
        return Answer(200, _body(world, known))
    location = located(body)
    if NAME.fullmatch(params["identity"]) is None:
        raise gateway(
            400, "InvalidResourceName", f"The identity name '{params['identity']}' is invalid."
        )
    identity = UserIdentity(params["identity"], location, world.new_id(), world.new_id())
    world.estate.put_identity(identity)
    return Answer(201, _body(world, identity))


def identity_get(world: World, _call: Call, params: Params) -> Answer:
    return Answer(200, _body(world, _known(world, params["identity"])))


def identities(world: World, _call: Call, _params: Params) -> Answer:
    value = [_body(world, identity) for identity in world.estate.identities.values()]
    return Answer(200, {"value": value})


def _body(world: World, identity: UserIdentity) -> dict[str, Any]:
    return {
        "id": identity_id(world, identity),
        "name": identity.name,
        "type": KIND,
        "location": identity.location,
        "tags": {},
        "properties": {
            "tenantId": world.tenant,
            "principalId": identity.principal,
            "clientId": identity.client,
        },
    }


def _known(world: World, name: str) -> UserIdentity:
    identity = world.estate.identities.get(name.lower())
    if identity is None:
        raise not_found(KIND, name, world.group)
    return identity


def given(world: World, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return the fields of Slot that *body* sets: its ``identity``, and who reads Key Vault.

    Raises RefusalError for an identity that is not there.
    """
    vault = part(body, "properties").get("keyVaultReferenceIdentity")
    reader = {"vault_reader": str(vault)} if vault else {}
    identity = part(body, "identity")
    if not identity.get("type"):
        return reader
    kinds = {kind.strip().lower() for kind in str(identity["type"]).split(",")}
    if not kinds <= KINDS:
        raise provider(400, "BadRequest", "The parameter identity.type has an invalid value.")
    names = []
    for resource, value in part(identity, "userAssignedIdentities").items():
        path = [part.lower() for part in str(resource).strip("/").split("/")]
        if len(path) != 8 or "/".join(path[5:7]) != KIND.lower() or path[3] != world.group.lower():
            raise _failed(resource)
        if path[7] not in world.estate.identities:
            raise _failed(resource)
        if value is not None:  # null takes it away
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


def shown(world: World, slot: Slot) -> Mapping[str, Any] | None:
    """Return the ``identity`` of *slot* in its JSON."""
    users = [world.estate.identities[name] for name in slot.identities]
    kinds = [
        *(["SystemAssigned"] if slot.system_identity else []),
        *(["UserAssigned"] if users else []),
    ]
    if not kinds:
        return None
    own = {"tenantId": world.tenant, "principalId": slot.principal} if slot.system_identity else {}
    assigned = {
        identity_id(world, user): {"principalId": user.principal, "clientId": user.client}
        for user in users
    }
    more = {"userAssignedIdentities": assigned} if users else {}
    return {"type": ", ".join(kinds), **own, **more}
