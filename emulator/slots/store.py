"""
Plans, identities, sites and operations, stored in one file.

A change replaces a whole value at once, so a reader (the front door, another call) never sees half
a swap.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from emulator.login.rights import BUILT_IN, Assignment, Rights, Role
from emulator.machine.disk import read_json, write_json
from emulator.slots import state
from emulator.slots.state import (
    Failure,
    Keys,
    Operation,
    Plan,
    Site,
    Slot,
    SwapStatus,
    UserIdentity,
)

POLICY = "/immutabilitypolicies/default"  # of a container, below its resource id
KEPT_OPERATIONS = 200
KEPT_PAST = 100  # changes of a site, for stale reads


class Store:
    """Plans, sites and operations; every change is saved before the call returns."""

    def __init__(self, path: Path | None, now: Callable[[], float] = time.time) -> None:
        self.path = path
        self.now = now
        self._past: dict[str, deque[tuple[float, Site | None]]] = {}  # until when, what
        self.plans: dict[str, Plan] = {}
        self.identities: dict[str, UserIdentity] = {}
        self.sites: dict[str, Site] = {}
        self.operations: dict[str, Operation] = {}
        self.rights = Rights()
        self.storage: dict[str, Mapping[str, Any]] = {}  # by resource id, as ARM was given it

    def load(self) -> None:
        """Read what an earlier run saved."""
        kept = read_json(self.path) if self.path else None
        if kept is None:
            return
        self.plans = {key: Plan(**value) for key, value in kept["plans"].items()}
        users = kept.get("identities", {})  # none in older folders
        self.identities = {key: UserIdentity(**value) for key, value in users.items()}
        self.sites = {key: _site(value) for key, value in kept["sites"].items()}
        self.operations = {key: _operation(value) for key, value in kept["operations"].items()}
        own = kept.get("roles", ())
        self.rights.roles = {**BUILT_IN, **{role["id"]: _role(role) for role in own}}
        given = kept.get("assignments", ())
        self.storage = kept.get("storage", {})
        self.rights.assignments = {each["id"]: Assignment(**each) for each in given}

    def save(self) -> None:
        """Write everything to the file, for a restart after a kill."""
        if self.path is None:
            return
        kept = {
            "plans": {key: asdict(value) for key, value in self.plans.items()},
            "identities": {key: asdict(value) for key, value in self.identities.items()},
            "sites": {key: _plain(value) for key, value in self.sites.items()},
            "operations": {key: asdict(value) for key, value in self.operations.items()},
            "roles": [asdict(role) for role in self.rights.roles.values() if role.custom],
            "storage": self.storage,
            "assignments": [asdict(each) for each in self.rights.assignments.values()],
        }
        write_json(self.path, kept)

    def put_plan(self, plan: Plan) -> None:
        self.plans[plan.name.lower()] = plan
        self.save()

    def put_identity(self, identity: UserIdentity) -> None:
        self.identities[identity.name.lower()] = identity
        self.save()

    def put_storage(self, path: str, body: Mapping[str, Any]) -> None:
        self.storage[path.lower()] = body
        self.save()

    def put(self, site: Site) -> None:
        past = self._past.setdefault(site.key, deque(maxlen=KEPT_PAST))
        past.append((self.now(), self.sites.get(site.key)))
        self.sites[site.key] = site
        self.save()

    @contextmanager
    def rewound(self, key: str, moment: float) -> Iterator[None]:
        """Show the site *key* as it was at *moment* (unix seconds) inside the ``with`` block."""
        now = self.sites
        was = next((s for until, s in self._past.get(key, ()) if until > moment), now.get(key))
        self.sites = {k: site for k, site in now.items() if k != key}
        if was is not None:
            self.sites[key] = was
        try:
            yield
        finally:
            self.sites = now

    def change(self, key: str, function: Callable[[Site], Site]) -> Site:
        """Replace the site *key* with the result of *function* and return it."""
        site = function(self.sites[key])
        self.put(site)
        return site

    def remove(self, key: str) -> None:
        del self.sites[key]
        self.save()

    def put_operation(self, operation: Operation) -> None:
        self.operations[operation.id] = operation
        for old in list(self.operations)[:-KEPT_OPERATIONS]:
            del self.operations[old]
        self.save()

    def end_lost_operations(self, now: float) -> list[Operation]:
        """
        End the operations that a killed emulator left running, and return them as they ended.

        A swap whose content had moved is finished; otherwise the source gets its settings back.
        """
        ended = []
        for operation in [o for o in self.operations.values() if not o.ended]:
            failure = None if operation.flipped else unexpected(operation.site)
            last = replace(operation, ended=True, failure=failure)
            self.operations[operation.id] = last
            ended.append(last)
            if operation.site not in self.sites:
                continue
            site = self.sites[operation.site]
            site = state.mark(site, (operation.source, operation.target), None)
            if not operation.flipped and operation.source in site.slots:
                site = state.put_back(site, operation.source, now)
            self.sites[operation.site] = site
        if ended:
            self.save()
        return ended


def unexpected(site: str) -> Failure:
    """Return Azure's failure without a cause (azure-functions-host#8235)."""
    message = (
        f"There was an unexpected error swapping slots for site '{site}'. "
        "Please try to cancel your swap operation."
    )
    return Failure(500, "InternalServerError", message)


def _plain(site: Site) -> dict[str, Any]:
    slots = {}
    for key, slot in site.slots.items():
        aside = None if slot.set_aside is None else dict(slot.set_aside)
        plain = replace(slot, settings=dict(slot.settings), tags=dict(slot.tags), set_aside=aside)
        slots[key] = asdict(plain)
    return {**asdict(replace(site, slots={})), "slots": slots}


def _site(kept: Mapping[str, Any]) -> Site:
    names = ("sticky", "sticky_connections", "sticky_storage")
    lists = {name: None if kept[name] is None else tuple(kept[name]) for name in names}
    kept = dict(kept)
    https_only = kept.pop("https_only", False)  # of the site as a whole, in older folders
    tags = {state.PRODUCTION: kept.pop("tags", {})}  # likewise
    slots = {
        key: _slot({"https_only": https_only, "tags": tags.get(key, {}), **s})
        for key, s in kept["slots"].items()
    }
    return Site(**{**kept, **lists, "slots": slots})


def _slot(kept: Mapping[str, Any]) -> Slot:
    last = kept["last_swap"]
    return Slot(
        **{
            **kept,
            "keys": Keys(**kept["keys"]),
            "identities": tuple(kept.get("identities", ())),
            "last_swap": None if last is None else SwapStatus(**last),
        }
    )


def _role(kept: Mapping[str, Any]) -> Role:
    lists = ("actions", "not_actions", "data_actions", "scopes")
    return Role(**{**kept, **{name: tuple(kept[name]) for name in lists}})


def _operation(kept: Mapping[str, Any]) -> Operation:
    failure = kept["failure"]
    return Operation(**{**kept, "failure": None if failure is None else Failure(**failure)})
