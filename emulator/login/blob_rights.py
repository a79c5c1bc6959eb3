"""
Who may do what with blobs: the action of each request, and whether a caller's roles allow it.

A role counts here only if it allows an action on blobs: "Even though you are the account owner, you
need explicit permissions to perform data operations", says
https://learn.microsoft.com/azure/storage/blobs/storage-quickstart-blobs-cli. Actions:
https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
"""

from collections.abc import Mapping

from emulator.login.rights import BLOBS, Rights

_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "POST": "write", "DELETE": "delete"}


def action_of(method: str, container: str, blob: str, query: Mapping[str, str]) -> str:
    """Return the action that *method* on *blob* of *container* needs; "" where it names none."""
    verb = _VERBS.get(method, "write")
    if container and (blob or query.get("comp") == "list"):
        return f"{BLOBS}/blobs/{verb}"
    if container or query.get("comp") == "list":
        return f"{BLOBS}/{verb}"
    if query.get("comp") == "userdelegationkey":
        return f"{BLOBS.rpartition('/')[0]}/generateUserDelegationKey/action"
    return f"{BLOBS.rpartition('/')[0]}/{verb}"


def account_scope(group: str, account: str) -> str:
    """Return the resource id of *account* in the resource group with the id *group*."""
    return f"{group}/providers/Microsoft.Storage/storageAccounts/{account}"


def container_scope(group: str, account: str, container: str) -> str:
    """Return the resource id of *container*."""
    return f"{account_scope(group, account)}/blobServices/default/containers/{container}"


def may(rights: Rights, principal: str, action: str, scope: str, now: float) -> bool:
    """Return whether *principal* may do *action* with the blobs at *scope*."""
    return not rights.storage or any(
        role.data_actions and role.allows(action, data=True) and held.covers(scope)
        for role, held in rights.roles_of(principal, now)
    )
