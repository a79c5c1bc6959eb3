"""
Who may do what: roles, and which principal has which role at which scope.

A role allows an action that one of its *actions* matches and none of its *not_actions*; `*` stands
for any text, and case does not count. A role at a scope holds for everything below it.
Source: https://learn.microsoft.com/azure/role-based-access-control/role-definitions
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache


@dataclass(frozen=True, slots=True)
class Role:
    """A role by its *id*, a GUID. A *custom* one was made here, for *scopes*."""

    id: str
    name: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    custom: bool = False
    scopes: tuple[str, ...] = ("/",)

    def allows(self, action: str, *, data: bool = False) -> bool:
        """Return whether the role allows *action*, as in `Microsoft.Web/sites/read`, or on data."""
        given = (*self.actions, *self.data_actions) if data else self.actions
        return _any(given, action) and not _any(self.not_actions, action)


@dataclass(frozen=True, slots=True)
class Assignment:
    """*principal* has the role *role* (an id) at *scope*, since *created* (unix seconds)."""

    id: str
    principal: str
    role: str
    scope: str
    created: float

    def covers(self, scope: str) -> bool:
        """Return whether the assignment holds at *scope*: there, or above it."""
        mine, asked = self.scope.lower().rstrip("/"), scope.lower().rstrip("/")
        return asked == mine or asked.startswith(f"{mine}/")


# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles: those that the way
# onto Azure names.
OWNER, CONTRIBUTOR = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"
READER, WRITER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers"  # READER, WRITER: of blobs
_WRITES = ("read", "write", "delete", "add/action", "move/action")
_NO_RIGHTS = ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write")
BUILT_IN = {
    role.id: role
    for role in (
        Role(OWNER, "Owner", ("*",)),
        Role(CONTRIBUTOR, "Contributor", ("*",), _NO_RIGHTS),
        Role("acdd72a7-3385-48ef-bd42-f606fba818ae", "Reader", ("*/read",)),
        Role(
            "de139f84-1756-47ae-9be6-808fbbe84772",
            "Website Contributor",
            ("Microsoft.Web/sites/*", "Microsoft.Web/serverFarms/join/action", "*/read"),
        ),
        Role(
            READER,
            "Storage Blob Data Reader",
            (f"{BLOBS}/read",),
            data_actions=(f"{BLOBS}/blobs/read",),
        ),
        Role(
            WRITER,
            "Storage Blob Data Contributor",
            (f"{BLOBS}/read", f"{BLOBS}/write", f"{BLOBS}/delete"),
            data_actions=tuple(f"{BLOBS}/blobs/{each}" for each in _WRITES),
        ),
        Role(
            "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
            "Storage Blob Data Owner",
            (f"{BLOBS}/*",),
            data_actions=(f"{BLOBS}/blobs/*",),
        ),
    )
}


@dataclass(slots=True)
class Rights:
    """
    Every role and assignment.

    *delay_s* is how long a new assignment is not known yet; without *storage* blobs ask for none.
    """

    roles: dict[str, Role] = field(default_factory=lambda: dict(BUILT_IN))
    assignments: dict[str, Assignment] = field(default_factory=dict)
    delay_s: float = 0.0
    storage: bool = True

    def roles_of(self, principal: str, now: float) -> Iterable[tuple[Role, Assignment]]:
        """Return the roles of *principal* that are known by *now*, with where they hold."""
        for each in self.assignments.values():
            if each.principal == principal and now - each.created >= self.delay_s:
                yield self.roles[each.role], each

    def allow(self, principal: str, action: str, scope: str, now: float) -> bool:
        """Return whether *principal* may do *action* at *scope*."""
        mine = self.roles_of(principal, now)
        return any(role.allows(action) and held.covers(scope) for role, held in mine)

    def allow_blobs(self, principal: str, action: str, scope: str, now: float) -> bool:
        """
        Return whether *principal* may do *action* with the blobs at *scope*.

        Only roles that name actions on data count: "Even though you are the account owner, you need
        explicit permissions to perform data operations", says
        https://learn.microsoft.com/azure/storage/blobs/storage-quickstart-blobs-cli.
        """
        return not self.storage or any(
            role.data_actions and role.allows(action, data=True) and held.covers(scope)
            for role, held in self.roles_of(principal, now)
        )


def blobs_scope(group: str, account: str, container: str = "") -> str:
    """Return the resource id of *account*, or of its *container*, in the group with that id."""
    place = f"{group}/providers/Microsoft.Storage/storageAccounts/{account}"
    return f"{place}/blobServices/default/containers/{container}" if container else place


def blob_action(method: str, container: str, blob: str, comp: str) -> str:
    """Return the action that *method* with the query *comp* on *blob* needs."""
    # https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
    verb = {"GET": "read", "HEAD": "read", "DELETE": "delete"}.get(method, "write")
    if container and (blob or comp == "list"):
        return f"{BLOBS}/blobs/{verb}"
    return f"{BLOBS if container or comp == 'list' else BLOBS.rpartition('/')[0]}/{verb}"


def _any(patterns: Iterable[str], action: str) -> bool:
    return any(_pattern(each).fullmatch(action) for each in patterns)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*"), re.IGNORECASE)
