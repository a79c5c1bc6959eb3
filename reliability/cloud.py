"""
The emulator in one process: its own gateway, handlers, swaps and workers on virtual time, with
sockets and operating-system processes left out, and a history that nothing of ours can edit.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from emulator.arm.gateway import Gateway
from emulator.assumptions import Assumed
from emulator.login.identity import Caller, Identity, new_signing_key
from emulator.login.rights import BLOBS, BUILT_IN, OWNER, Assignment, Role, blobs_scope
from emulator.seen.faults import Fault, Faults
from emulator.seen.history import History
from emulator.seen.latency import RECORDED
from emulator.slots.azure import Azure
from emulator.slots.placement import Placement
from emulator.slots.state import PRODUCTION, Keys, Operation, Plan, Site, Slot
from emulator.slots.store import Store
from gitslot.local import provision
from reliability import registered
from reliability.memory_blobs import MemoryBlobs
from reliability.processes import (
    Account,
    Behaviour,
    Loaded,
    ModelHost,
    ModelLauncher,
    Surroundings,
    load,
)
from reliability.virtual import VirtualLoop

APP = "app"
NEIGHBOUR = "neighbour"  # an app that the file does not list
GROUP = "group"
ARM = "https://arm.example"
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
TENANT = "22222222-2222-2222-2222-222222222222"
STAGING = "staging"
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATENCY = replace(RECORDED, name="virtual", call_s=0.0)
ASSUMED = Assumed()  # what every cloud begins with


_GIVEN = json.loads((Path(__file__).parents[1] / "infra/role.json").read_bytes())
ROLE = Role(  # infra/role.json: what a controller has on Azure, and nothing more
    "33333333-3333-3333-3333-333333333333", _GIVEN["Name"], tuple(_GIVEN["Actions"]), custom=True
)
BLOB_ROLES = [each[1:] for each in provision.BLOB_ROLES if each[0] == provision.CONTROLLER]

READS = ("/read", "list/action", "listkeys/action")
OBSERVER = replace(ROLE, actions=tuple(each for each in ROLE.actions if each.endswith(READS)))


@cache
def identity() -> Identity:
    """Return who signs tokens: one key a process, because making one takes a second."""
    return Identity(TENANT, new_signing_key(), START.timestamp)


@cache
def token(name: str) -> str:
    """Return a bearer token of the caller *name* for ARM."""
    return identity().mint(Caller(name, f"principal-{name}"), ARM)[0]


class GhostHistory(History):
    """The emulator's history, with the whole settings of both slots beside each change."""

    site: Callable[[], Site | None] = staticmethod(lambda: None)

    def record(self, operation: str, **fields: Any) -> None:
        site = fields.get("site")
        if site is not None and site.name == APP and operation in _WITH_SETTINGS:
            fields["settings"] = {key: dict(slot.settings) for key, slot in site.slots.items()}
        super().record(operation, **fields)

    def ghost(self, operation: str, **fields: Any) -> None:
        """Write down what the platform itself would not."""
        entry = {"seq": len(self.entries) + 1, "time": self.now(), "operation": operation, **fields}
        self.entries.append(entry)


_WITH_SETTINGS = ("swap-started", "swap-flipped", "settings-put", "swap-reverted", "begin")


class InProcessFabric(Placement):
    """The emulator's workers and swaps, without ports."""

    _port = 0

    def _open(self, site: str, slot: str, https: int, http: int) -> tuple[int, int]:
        del site, slot, https, http
        self._port += 2
        return self._port - 1, self._port


@dataclass
class Commit:
    """A commit of the watched branch, with the file's text or bytes."""

    name: str
    text: str | bytes
    wants: str | None  # the digest that production shall serve; None where the file is broken
    code: str | None = None
    reverts: str | None = None
    author: str = "sam"


@dataclass
class Repository:
    """The watched branch. *down* is the SourceError that every look-up raises."""

    history: GhostHistory
    commits: list[Commit] = field(default_factory=list)
    down: Exception | None = None
    rewritten: bool = False
    author: str = "sam"

    def push(
        self,
        text: str | bytes,
        wants: str | None,
        *,
        code: str | None = None,
        reverts: str | None = None,
    ) -> Commit:
        """Add a commit."""
        name = f"{len(self.commits) + 1:07x}".ljust(40, "0")
        commit = Commit(name, text, wants, code, reverts, self.author)
        self.commits.append(commit)
        self.history.ghost("git-commit", commit=name, wants=wants, code=code, text=text)
        return commit

    def want(self, version: str, *, more: str = "", slots: str = "", code: str = "") -> Commit:
        """Commit that production shall serve *version*."""
        value = f"{{version: {version}, code: {code}}}" if code else version
        text = f"app: {APP}\nmodel: iris\n{more}slots:\n  production: {value}\n{slots}"
        return self.push(text, registered.digest(version), code=code or None)


class Cloud(Surroundings):
    """One subscription with an app of two slots and a neighbour, a storage account and Git."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.history = GhostHistory(None, self._unix)
        self.faults = Faults()
        self.account = Account()
        self.behaviour = Behaviour()
        self.load: Callable[[Account, str, str, str], Loaded] = load
        self.fabric = InProcessFabric(
            ModelLauncher(self),  # type: ignore[arg-type]  # the same by shape
            self.faults,
            None,  # type: ignore[arg-type]  # no TLS without sockets
        )
        self.ids = 0
        self.world = Azure(
            store=Store(None),
            history=self.history,
            placement=self.fabric,
            now=self._unix,
            new_id=self.new_id,
            new_secret=self.new_id,
            url=ARM,
            subscription=SUBSCRIPTION,
            tenant=TENANT,
            group=GROUP,
            location="France Central",
            latency=LATENCY,
            assumed=replace(ASSUMED, reversed=set(ASSUMED.reversed)),
        )
        self.fabric.azure = self.world
        self.gateway = Gateway(self.world, identity())
        self.git = Repository(self.history)
        self.blobs = MemoryBlobs(self.now)
        self.world.store.rights.roles[ROLE.id] = ROLE
        self.world.store.plans["plan"] = Plan(
            "plan", "France Central", "EP1", "ElasticPremium", "elastic"
        )

    # ------------------------------------------------------------ time and ids

    def seconds(self) -> float:
        """Return the virtual seconds since the start."""
        return self.loop.time()

    def _unix(self) -> float:
        return START.timestamp() + self.loop.time()

    def now(self) -> datetime:
        """Return the platform's time."""
        return START + timedelta(seconds=self.loop.time())

    def new_id(self) -> str:
        """Return an id that no other call returns; ids differ in their first digits."""
        self.ids += 1
        return f"{self.ids:032x}"[::-1]

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.loop.advance(seconds)

    def at(self, seconds: float, what: Callable[[], object]) -> None:
        """Do *what* in so many seconds, whatever else happens then."""
        self.loop.call_at(self.loop.time() + seconds, what)

    # ------------------------------------------------------------ the app

    def build(self, production: Mapping[str, str], staging: Mapping[str, str]) -> None:
        """Make the app and its neighbour, both slots started and warm."""
        for name in (APP, NEIGHBOUR):
            slots = {
                PRODUCTION: self._slot("Production", name, production, 443),
                STAGING: self._slot(STAGING, f"{name}__1", staging, 444),
            }
            if name == NEIGHBOUR:
                slots = {k: replace(s, https_port=s.https_port + 10) for k, s in slots.items()}
            plan = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
            plan += "/providers/Microsoft.Web/serverfarms/plan"
            site = Site(name, "France Central", "functionapp,linux", plan, slots)
            self.world.store.sites[site.key] = site
        with self.loop.current():
            for key in (PRODUCTION, STAGING):
                self.fabric.restart_now(APP, key)
        self.wait(30)
        self.history.record("begin", site=self.site)

    def _slot(self, name: str, content: str, settings: Mapping[str, str], port: int) -> Slot:
        ident = self.new_id()
        return Slot(
            name=name,
            deployment_id=content,
            settings=dict(settings),
            keys=Keys(f"master-{ident}", f"function-{ident}"),
            identity_header=ident,
            principal=ident,
            https_port=port,
            http_port=port,
            modified=self._unix(),
        )

    def register(self, *versions: str) -> None:
        """Put *versions* into the registry."""
        for version in versions:
            self.account.blobs |= registered.version_blobs(version)

    @property
    def site(self) -> Site:
        """Return the app as it is now."""
        return self.world.store.sites[APP]

    def create(self, slot: str) -> int:
        """Create *slot* by hand, as a copy of production's settings; return ARM's status."""
        plan = {"location": self.site.location, "properties": {"serverFarmId": self.site.plan}}
        status = self.post("person", f"/slots/{slot}", json.dumps(plan).encode(), "PUT")
        self.wait(30)
        return status

    def change(self, slot: str, **values: str | None) -> int:
        """
        Change settings of *slot* by hand, as the portal does; None takes one away.

        Returns the status of ARM's answer, which is 409 while an operation runs.
        """
        kept = {**self.site.slots[slot].settings, **values}
        body = {"properties": {k: v for k, v in kept.items() if v is not None}}
        rest = "" if slot == PRODUCTION else f"/slots/{slot}"
        return self.post("person", f"{rest}/config/appsettings", json.dumps(body).encode(), "PUT")

    def host(self, slot: str, connection: int = 0) -> ModelHost | None:
        """Return the process that answers for *slot* on the *connection* of that number."""
        found: Any = self.fabric.reached(APP, self.site.slots[slot], connection).serving
        return found  # type: ignore[no-any-return]

    def proved(self, host: ModelHost, digest: str, deploy: str) -> None:
        """Write down that the process *host* has answered every golden row."""
        for slot in self.site.slots:
            if self.host(slot) is host:
                self.history.ghost("proved", slot=slot, digest=digest, deploy=deploy)

    # ------------------------------------------------------------ rights

    def entitle(self, name: str, role: Role = ROLE) -> None:
        """Give the caller *name* a role in the group: by default the controller's own, no more."""
        given = {name: (role.id, self.world.scope)}
        if role is ROLE:
            given |= {f"{name} {blobs}": (id_, self._blobs(blobs)) for blobs, id_ in BLOB_ROLES}
        for id_, (role_id, scope) in given.items():
            held = Assignment(id_, f"principal-{name}", role_id, scope, 0.0)
            self.world.store.rights.assignments.setdefault(id_, held)

    def _blobs(self, container: str) -> str:
        return blobs_scope(self.world.scope, self.world.account, container)

    def may(self, name: str, verb: str, container: str) -> bool:
        """Return whether the roles of the caller *name* let it read, or write, a blob there."""
        action, scope = f"{BLOBS}/blobs/{verb}", self._blobs(container)
        rights = self.world.store.rights
        return rights.allow_blobs(f"principal-{name}", action, scope, self._unix())

    # ------------------------------------------------------------ what people do

    def swap_by_hand(self) -> int:
        """Swap as somebody at the portal would; it runs like any other. Returns ARM's status."""
        return self.post("person", f"/slots/{STAGING}/slotsswap", b'{"targetSlot": "production"}')

    def post(self, who: str, rest: str, body: bytes = b"", method: str = "POST") -> int:
        """Send a request about the app as *who* and return its status."""
        path = f"{self.world.scope}/providers/Microsoft.Web/sites/{APP}{rest}"
        self.entitle(who, BUILT_IN[OWNER])
        with self.loop.current():
            answer = self.gateway.answer(
                method,
                path,
                {"api-version": "2024-11-01"},
                {"authorization": f"Bearer {token(who)}", "x-ms-client-request-id": who},
                body,
            )
        return answer.status

    def plant(self, operation: str, delay_s: float = 0.0) -> None:
        """Make the platform fail the next swap as *operation* says."""
        self.faults.rules.append(Fault(operation, delay_s=delay_s))

    def operation(self) -> Operation | None:
        """Return the operation under way."""
        return next((o for o in self.world.store.operations.values() if not o.ended), None)

    def serves(self, slot: str = PRODUCTION) -> str:
        """Return the version that *slot* really serves, or ""."""
        host = self.host(slot)
        if host is None:
            return ""
        status, _, named = host.answer("GET", "/api/health", None, {})
        return named["x-model-version"] if status == 200 else ""

    def end(self) -> None:
        """Stop everything."""
        self.loop.end()
