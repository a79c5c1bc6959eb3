"""
Roles in ARM: the action that a call needs, whether its caller has it, and the calls of `az role`.

A call without the right gets 403 AuthorizationFailed before the resource provider sees it (shape:
https://learn.microsoft.com/azure/role-based-access-control/troubleshooting). Lists of a whole
subscription leave out what the caller may not read.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from emulator.arm.calls import Answer, Call, gateway, part, unreadable
from emulator.login.identity import Caller
from emulator.login.rights import Assignment, Role
from emulator.slots.azure import Azure

Params = Mapping[str, str]
AUTHORIZATION = "/providers/Microsoft.Authorization"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Names of the one resource of a kind: they are no part of an action.
_INSTANCES = {
    "config": {"appsettings", "slotconfignames", "web", "publishingcredentials"},
    "host": {"default"},
    "blobServices": {"default"},
    "immutabilityPolicies": {"default"},
    "extensions": {"onedeploy"},
    "basicPublishingCredentialsPolicies": {"scm"},
}
_VERBS = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}


def action_of(method: str, template: str) -> str:
    """
    Return the action that *method* on the path *template* needs.

    They follow from the path, as `az provider operation show` lists them: POST
    `sites/{site}/config/appsettings/list` is `Microsoft.Web/sites/config/list/action`.
    """
    _, typed, below = template.rpartition("/providers/")
    words = below.split("/") if typed else ["Microsoft.Resources", *below.split("/")[1:]]
    kept = [words[0]]
    for above, word in pairwise(words):
        if not word.startswith("{") and word.lower() not in _INSTANCES.get(above, ()):
            kept.append(word)
    return "/".join([*kept, "action" if method == "POST" else _VERBS[method]])


def authorize(azure: Azure, caller: Caller, action: str, scope: str) -> None:
    """Raise RefusalError unless *caller* may do *action* at *scope*."""
    if not action or azure.store.rights.allow(caller.principal, action, scope, azure.now()):
        return
    message = (
        f"The client '{caller.client or caller.principal}' with object id '{caller.principal}' does"
        f" not have authorization to perform action '{action}' over scope '{scope}' or the scope is"
        " invalid. If access was recently granted, please refresh your credentials."
    )
    raise gateway(403, "AuthorizationFailed", message)


def may_read(azure: Azure, caller: Caller, id_: str) -> bool:
    """Return whether *caller* is shown the resource *id_* in a list."""
    words = id_.strip("/").split("/")
    kinds = words[words.index("providers") + 1 :]
    action = "/".join([kinds[0], *kinds[1::2], "read"])
    return azure.store.rights.allow(caller.principal, action, id_, azure.now())


# ---------------------------------------------------------------- az role


def definitions(azure: Azure, call: Call, _params: Params) -> Answer:
    """List roles, by name where the filter asks for one."""
    asked = re.search(r"roleName eq '([^']*)'", call.query.get("$filter", ""))
    found = [
        role
        for role in azure.store.rights.roles.values()
        if asked is None or role.name.lower() == asked[1].lower()
    ]
    return Answer(200, {"value": [_role(azure, role) for role in found]})


def definition_get(azure: Azure, _call: Call, params: Params) -> Answer:
    role = azure.store.rights.roles.get(params["role"].lower())
    if role is None:
        message = f"The specified role definition with ID '{params['role']}' does not exist."
        raise gateway(404, "RoleDefinitionDoesNotExist", message)
    return Answer(200, _role(azure, role))


def definition_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Create a role of one's own, or change it."""
    given, id_ = part(call.json(), "properties"), params["role"].lower()
    name, scopes = given.get("roleName"), given.get("assignableScopes")
    permissions = given.get("permissions")
    if not _GUID.fullmatch(id_) or not isinstance(name, str) or not name:
        raise unreadable("roleName")
    if not isinstance(scopes, list) or not scopes or not isinstance(permissions, list):
        raise unreadable("assignableScopes, permissions")
    rights = azure.store.rights
    if any(each.name.lower() == name.lower() and each.id != id_ for each in rights.roles.values()):
        message = (
            f"A custom role with the same name already exists in this directory: '{name}'. Use a"
            " different name."
        )
        raise gateway(409, "RoleDefinitionWithSameNameExists", message)
    allowed = part({"permissions": permissions[0]} if permissions else {}, "permissions")
    keys = ("actions", "notActions", "dataActions")
    actions, not_actions, data = (tuple(allowed.get(key) or ()) for key in keys)
    role = Role(id_, name, actions, not_actions, data, custom=True, scopes=tuple(scopes))
    rights.roles[id_] = role
    azure.store.save()
    return Answer(201, _role(azure, role))


def definition_delete(azure: Azure, _call: Call, params: Params) -> Answer:
    rights, id_ = azure.store.rights, params["role"].lower()
    if any(each.role == id_ for each in rights.assignments.values()):
        message = "There are existing role assignments referencing role definition."
        raise gateway(400, "RoleDefinitionHasAssignments", message)
    role = rights.roles.get(id_)
    if role is None or not role.custom:
        return Answer(204)
    del rights.roles[id_]
    azure.store.save()
    return Answer(200, _role(azure, role))


def assignments(azure: Azure, call: Call, params: Params) -> Answer:
    """List assignments at the scope and above; the filter may ask for one principal."""
    asked = re.search(r"(?:principalId eq|assignedTo\()\s*'([^']*)'", call.query.get("$filter", ""))
    found = [
        each
        for each in azure.store.rights.assignments.values()
        if (each.covers(params["scope"]) or each.scope.lower().startswith(params["scope"].lower()))
        and (asked is None or each.principal == asked[1])
    ]
    return Answer(200, {"value": [_assignment(azure, each) for each in found]})


def assignment_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Give a principal a role at the scope."""
    given, id_ = part(call.json(), "properties"), params["assignment"].lower()
    role = str(given.get("roleDefinitionId", "")).lower().rpartition("/")[2]
    principal, rights = str(given.get("principalId", "")), azure.store.rights
    if not _GUID.fullmatch(id_) or not principal:
        raise unreadable("principalId")
    if role not in rights.roles:
        message = f"The specified role definition with ID '{role}' does not exist."
        raise gateway(400, "RoleDefinitionDoesNotExist", message)
    made = Assignment(id_, principal, role, params["scope"], azure.now())
    for each in rights.assignments.values():
        same = (each.principal, each.role) == (principal, role)
        if same and each.scope.lower() == made.scope.lower():
            message = f"The role assignment already exists. The ID of the conflict is {each.id}."
            raise gateway(409, "RoleAssignmentExists", message)
    rights.assignments[id_] = made
    azure.store.save()
    return Answer(201, _assignment(azure, made))


def assignment_delete(azure: Azure, _call: Call, params: Params) -> Answer:
    made = azure.store.rights.assignments.pop(params["assignment"].lower(), None)
    azure.store.save()
    return Answer(204) if made is None else Answer(200, _assignment(azure, made))


def _role(azure: Azure, role: Role) -> dict[str, Any]:
    place = f"/subscriptions/{azure.subscription}{AUTHORIZATION}/roleDefinitions/{role.id}"
    permission = {
        "actions": list(role.actions),
        "notActions": list(role.not_actions),
        "dataActions": list(role.data_actions),
        "notDataActions": [],
    }
    properties = {
        "roleName": role.name,
        "type": "CustomRole" if role.custom else "BuiltInRole",
        "description": "",
        "assignableScopes": list(role.scopes),
        "permissions": [permission],
    }
    kind = "Microsoft.Authorization/roleDefinitions"
    return {"id": place, "name": role.id, "type": kind, "properties": properties}


def _assignment(azure: Azure, made: Assignment) -> dict[str, Any]:
    roles = f"/subscriptions/{azure.subscription}{AUTHORIZATION}/roleDefinitions"
    return {
        "id": f"{made.scope}{AUTHORIZATION}/roleAssignments/{made.id}",
        "name": made.id,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": f"{roles}/{made.role}",
            "principalId": made.principal,
            "principalType": "ServicePrincipal",
            "scope": made.scope,
        },
    }
