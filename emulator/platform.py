"""The whole platform of one state folder: started, described in platform.json, ended."""

import asyncio
import base64
import fcntl
import os
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import aiohttp
from aiohttp import web

from emulator.admin import Admin
from emulator.arm.app import ArmApp
from emulator.arm.bodies import site_id, site_name
from emulator.arm.gateway import Gateway
from emulator.arm.identities import identity_id
from emulator.arm.spoiling import Spoiler
from emulator.login.entra import Entra, ServicePrincipal
from emulator.login.identity import STORAGE, Caller, Identity, new_signing_key
from emulator.login.rights import CONTRIBUTOR, OWNER, WRITER, Assignment, blobs_scope
from emulator.machine import storage
from emulator.machine.account import Account
from emulator.machine.certificates import certificates
from emulator.machine.children import Children
from emulator.machine.disk import read_json, write_json
from emulator.machine.ports import free, listen, number
from emulator.machine.serving import serve
from emulator.scm.app import Kudu
from emulator.scm.calls import Scm
from emulator.scm.deployer import Deployer
from emulator.seen.faults import Faults
from emulator.seen.history import History
from emulator.seen.latency import Latency
from emulator.slots.azure import Azure
from emulator.slots.blob_door import BlobDoor
from emulator.slots.deployments import Deployments
from emulator.slots.hosts import Launcher
from emulator.slots.packages import Packages, reader
from emulator.slots.placement import Placement
from emulator.slots.state import Site, Slot
from emulator.slots.store import Store

GROUP = "gitslot-local"
LOCATION = "France Central"
LAPTOP = "laptop"
DEPLOYER = "deployer"
GRACE_S = 5.0
FOLDERS = ("azurite", "logs", "keys", "home", "timers", "packages")


class AlreadyRunningError(Exception):
    """Another emulator uses the state folder."""


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments of the command line."""

    state: Path
    latency: Latency
    azurite: str | None = None
    account: str = storage.ACCOUNT


class Platform:
    """Azure for one laptop: answers once ``start`` returns, until ``stop``."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folder = options.state.resolve()
        self.file = self.folder / "platform.json"
        self._lock: IO[str] | None = None
        self._runners: list[web.ServerRunner] = []

    async def start(self) -> dict[str, Any]:
        """
        Start everything and return the content of platform.json.

        Raises AlreadyRunningError if an emulator runs on the folder, StorageError without Azurite.
        """
        folder = self.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take()
        self.file.unlink(missing_ok=True)
        for name in FOLDERS:
            (folder / name).mkdir(exist_ok=True, mode=0o700)
        for stale in (folder / "keys").iterdir():
            stale.unlink()
        self.children = Children(folder / "children.json")
        await asyncio.to_thread(self.children.end_leftovers)
        words = storage.command(self.options.azurite, Path.cwd())
        certs = certificates(folder, datetime.now(UTC))
        seed = self._seed()
        azurite_port, blobs = free(), listen(free(seed["ports"]["storage"]))
        arm, door = listen(seed["ports"]["arm"]), listen(seed["ports"]["admin"])
        queues = listen(seed["ports"].get("queues", 0))
        seed["ports"].update(arm=number(arm), admin=number(door), queues=number(queues))
        seed["ports"]["storage"] = number(blobs)
        write_json(folder / "seed.json", seed)
        self.account = Account(
            self.options.account, words, folder, seed["storage_key"], certs, self.children
        )
        azurite = asyncio.create_task(
            self.account.start(azurite_port, queues, self._storage_crashed)
        )

        self.identity = Identity(seed["tenant"], seed["signing_key"], time.time)
        self.laptop = Caller(LAPTOP, seed["laptop"])
        self.seed = seed
        account = f"https://127.0.0.1:{{}}/{self.options.account}"
        storage_url = account.format(seed["ports"]["storage"])
        identity_endpoint = f"http://127.0.0.1:{number(door)}/msi/token"
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=certs.client_context()),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60),
        )
        packages = Packages(folder / "packages", self.session, storage_url, self._storage_token)
        environment = {
            "IDENTITY_ENDPOINT": identity_endpoint,
            "REQUESTS_CA_BUNDLE": str(certs.bundle),
            "SSL_CERT_FILE": str(certs.bundle),
            "WEBSITE_INSTANCE_ID": seed["instance"],
        }
        launcher = Launcher(folder, packages, self.children, environment)
        rules = Faults()
        self.placement = Placement(launcher, rules, certs.server_context())
        self.azure = Azure(
            store=Store(folder / "estate.json"),
            history=History(folder / "history.jsonl", time.time),
            placement=self.placement,
            now=time.time,
            new_id=lambda: str(uuid.uuid4()),
            new_secret=lambda: secrets.token_urlsafe(30),
            url=f"https://localhost:{number(arm)}",
            subscription=seed["subscription"],
            tenant=seed["tenant"],
            group=GROUP,
            location=LOCATION,
            latency=self.options.latency,
            deployments=Deployments(folder / "deployments.json"),
            account=self.options.account,
            blobs=storage_url,
        )
        self.placement.azure = self.azure
        self.deployer = Deployer(self.azure, packages)
        self.azure.begin_deployment = self.deployer.begin
        scm = Scm(self.azure, self.identity, rules, self.deployer)
        self.placement.kudu = lambda site, slot: Kudu(site, slot, scm)
        self._load()
        self.placement.open_all()
        gateway = Gateway(self.azure, self.identity)
        app = ArmApp(Spoiler(gateway, rules, self.placement.ended), self._entra())
        admin = Admin(gateway, self.placement, self.identity, rules, self._caller_of)
        for handler, where in ((app, (arm, certs.server_context())), (admin, (door, None))):
            self._runners.append(await serve(handler, where, shutdown_s=1.0))
        await azurite
        self.door = BlobDoor(self.azure, self.identity, azurite_port, certs.client_context())
        await self.door.open((blobs, certs.server_context()))
        self.placement.start_all()
        facts = {
            "pid": os.getpid(),
            "arm": self.azure.url,
            "admin": f"http://127.0.0.1:{number(door)}",
            "identity_endpoint": identity_endpoint,
            "ca": str(certs.ca),
            "ca_bundle": str(certs.bundle),
            "storage": storage_url,
            "queues": account.format(number(queues)),
            **{name: seed[name] for name in ("identity_header", "subscription", "tenant")},
            "resource_group": GROUP,
            "location": LOCATION,
            "authority": self.azure.url,
            "service_principal": seed["service_principal"],
        }
        write_json(self.file, facts)
        return facts

    def _take(self) -> None:
        lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise AlreadyRunningError(f"an emulator already runs on {self.folder}") from error
        self._lock = lock

    def _seed(self) -> dict[str, Any]:
        """Return the values that stay the same over restarts; make them at the first start."""
        kept: dict[str, Any] | None = read_json(self.folder / "seed.json")
        principal = {"client_id": str(uuid.uuid4()), "client_secret": secrets.token_urlsafe(30)}
        if kept is not None:
            return {"service_principal": principal, **kept}
        return {
            "service_principal": principal,
            **{name: str(uuid.uuid4()) for name in ("tenant", "subscription", "laptop")},
            "instance": secrets.token_hex(32),
            "identity_header": secrets.token_urlsafe(30),
            "storage_key": base64.b64encode(secrets.token_bytes(64)).decode(),
            "signing_key": new_signing_key(),
            "ports": {"arm": 0, "admin": 0, "storage": 0},
        }

    def _entra(self) -> Entra:
        known = self.seed["service_principal"]
        caller = Caller(DEPLOYER, known["client_id"])
        principals = {known["client_id"]: ServicePrincipal(caller, known["client_secret"])}
        return Entra(self.identity, self.azure.url, principals)

    def _load(self) -> None:
        self.azure.store.load()
        self.azure.history.load()
        self.azure.deployments.load()
        subscription = f"/subscriptions/{self.azure.subscription}"
        given = self.azure.store.rights.assignments
        for role, principal in (
            (OWNER, self.seed["laptop"]),
            (CONTRIBUTOR, self.seed["service_principal"]["client_id"]),
        ):
            given.setdefault(principal, Assignment(principal, principal, role, subscription, 0.0))
            data = f"{principal}-blobs"  # no right in ARM gives one to data
            account = blobs_scope(self.azure.scope, self.azure.account)
            given.setdefault(data, Assignment(data, principal, WRITER, account, 0.0))
        for operation in self.azure.store.end_lost_operations(time.time()):
            self.azure.history.record(
                "swap-failed" if operation.failure else "swap-finished",
                site=self.azure.store.sites.get(operation.site),
                slot=operation.source,
                caller=operation.caller,
                operation_id=operation.id,
                message="the platform was stopped meanwhile",
            )

    def _storage_crashed(self, code: int | None) -> None:
        self.azure.history.record("storage-crashed", detail=str(code))

    def _caller_of(self, header: str) -> Caller | None:
        """Return the holder of the identity header: the person at the laptop, or a slot."""
        if secrets.compare_digest(header.encode(), self.seed["identity_header"].encode()):
            return self.laptop
        for site in self.azure.store.sites.values():
            for slot in site.slots.values():
                if secrets.compare_digest(header.encode(), slot.identity_header.encode()):
                    return self._holder(site, slot)
        return None

    def _holder(self, site: Site, slot: Slot) -> Caller:
        """Return the slot as a caller, with the user-assigned identities that it may use."""
        users = [self.azure.store.identities[name] for name in slot.identities]
        return Caller(
            site_name(site, slot),
            slot.principal,
            site_id(self.azure, site, slot),
            others=tuple(
                Caller(user.name, user.principal, identity_id(self.azure, user), user.client)
                for user in users
            ),
            system=slot.system_identity,
        )

    def _storage_token(self, header: str, named: str) -> str:
        return self.identity.mint(reader(self._caller_of(header), named), STORAGE)[0]

    async def stop(self) -> None:
        """End every child, close every port and remove platform.json, if this one runs at all."""
        if self._lock is None:
            return
        self.file.unlink(missing_ok=True)
        if hasattr(self, "account"):
            await self.account.stop_restarting()
        if hasattr(self, "deployer"):
            await self.deployer.close()
        if hasattr(self, "placement"):
            await self.placement.close(GRACE_S)
        if hasattr(self, "account"):
            await self.account.close()
        if hasattr(self, "door"):
            await self.door.close()
        for runner in self._runners:
            await runner.cleanup()
        if hasattr(self, "children"):
            await self.children.end_all(GRACE_S)
        if hasattr(self, "placement"):
            await self.placement.launcher.warm_starts.close()
        if hasattr(self, "session"):
            await self.session.close()
        self._lock.close()
