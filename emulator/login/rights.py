"""
Who may do what: roles, and which principal has which role at which scope.

A role allows an action that one of its *actions* matches and none of its *not_actions*; `*` stands
for any text, and case does not count. A role at a scope holds for everything below it.
Source: https://learn.microsoft.com/azure/role-based-access-control/role-definitions
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field


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

    def allows(self, action: str) -> bool:
        """Return whether the role allows *action*, as in `Microsoft.Web/sites/read`."""
        return _any(self.actions, action) and not _any(self.not_actions, action)


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
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers"
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
            "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
            "Storage Blob Data Reader",
            (f"{_BLOBS}/read",),
            data_actions=(f"{_BLOBS}/blobs/read",),
        ),
        Role(
            "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
            "Storage Blob Data Contributor",
            (f"{_BLOBS}/read", f"{_BLOBS}/write", f"{_BLOBS}/delete"),
            data_actions=(f"{_BLOBS}/blobs/*",),
        ),
        Role(
            "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
            "Storage Blob Data Owner",
            (f"{_BLOBS}/*",),
            data_actions=(f"{_BLOBS}/blobs/*",),
        ),
    )
}


@dataclass(slots=True)
class Rights:
    """Every role and assignment; *delay_s* is how long a new assignment is not known yet."""

    roles: dict[str, Role] = field(default_factory=lambda: dict(BUILT_IN))
    assignments: dict[str, Assignment] = field(default_factory=dict)
    delay_s: float = 0.0

    def roles_of(self, principal: str, now: float) -> Iterable[tuple[Role, Assignment]]:
        """Return the roles of *principal* that are known by *now*, with where they hold."""
        for each in self.assignments.values():
            if each.principal == principal and now - each.created >= self.delay_s:
                yield self.roles[each.role], each

    def allow(self, principal: str, action: str, scope: str, now: float) -> bool:
        """Return whether *principal* may do *action* at *scope*."""
        mine = self.roles_of(principal, now)
        return any(role.allows(action) and held.covers(scope) for role, held in mine)


def _any(patterns: Iterable[str], action: str) -> bool:
    return any(_pattern(each).fullmatch(action) for each in patterns)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*"), re.IGNORECASE)
