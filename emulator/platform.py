"""Everything put together for one state folder: started, announced in platform.json, ended."""

import asyncio
import base64
import contextlib
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
from emulator.machine import storage
from emulator.machine.certificates import certificates
from emulator.machine.children import Children
from emulator.machine.disk import read_json, write_json
from emulator.machine.ports import free, listen, number
from emulator.machine.queues import Queues
from emulator.scm.calls import Scm
from emulator.scm.deployer import Deployer
from emulator.seen.faults import Faults
from emulator.seen.history import History
from emulator.seen.latency import Latency
from emulator.slots.azure import World
from emulator.slots.deployments import Deployments
from emulator.slots.hosts import HOST, Launcher
from emulator.slots.packages import Packages, reader
from emulator.slots.placement import Fabric
from emulator.slots.state import Site, Slot
from emulator.slots.store import Estate

GROUP = "gitslot-local"
LOCATION = "France Central"
LAPTOP = "laptop"
DEPLOYER = "deployer"
GRACE_S = 5.0
FOLDERS = ("azurite", "logs", "keys", "home", "timers", "packages")


class AlreadyRunningError(Exception):
    """Another emulator has the state folder."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. *host_command* starts a slot's process."""

    state: Path
    latency: Latency
    azurite: str | None = None
    host_command: tuple[str, ...] = HOST


class Platform:
    """Azure for one laptop: ``start`` until it answers, ``stop`` until everything has ended."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folder = options.state.resolve()
        self.file = self.folder / "platform.json"
        self._lock: IO[str] | None = None
        self._runners: list[web.ServerRunner] = []
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> dict[str, Any]:
        """Start everything and return what platform.json says; AlreadyRunningError if it does."""
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
        seed["ports"]["storage"] = free(seed["ports"]["storage"])
        azurite = asyncio.create_task(self._storage(words, seed, certs))
        arm, door = listen(seed["ports"]["arm"]), listen(seed["ports"]["admin"])
        queues = listen(seed["ports"].get("queues", 0))
        seed["ports"].update(arm=number(arm), admin=number(door), queues=number(queues))
        self._queues = Queues(lambda port: self._azurite("queue", port, words, seed, certs))
        await self._queues.serve(queues)
        write_json(folder / "seed.json", seed)

        self.identity = Identity(seed["tenant"], seed["signing_key"], time.time)
        self.laptop = Caller(LAPTOP, seed["laptop"])
        self.seed = seed
        account = f"https://127.0.0.1:{{}}/{storage.ACCOUNT}"
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
        launcher = Launcher(folder, packages, self.children, environment, self.options.host_command)
        rules = Faults()
        self.fabric = Fabric(launcher, rules, certs.server_context())
        self.world = World(
            estate=Estate(folder / "estate.json"),
            history=History(folder / "history.jsonl", time.time),
            platform=self.fabric,
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
        )
        self.fabric.world = self.world
        self.world.kudu = deployer = Deployer(self.world, packages)
        self.fabric.scm = Scm(self.world, self.identity, rules, deployer)
        self._load()
        self.fabric.open_all()
        gateway = Gateway(self.world, self.identity)
        app = ArmApp(Spoiler(gateway, rules, self.fabric.ended), self._entra())
        await self._serve(app, arm, certs.server_context())
        await self._serve(
            Admin(gateway, self.fabric, self.identity, rules, self._caller_of), door, None
        )
        await azurite
        self.fabric.start_all()
        facts = {
            "pid": os.getpid(),
            "arm": self.world.url,
            "admin": f"http://127.0.0.1:{number(door)}",
            "identity_endpoint": identity_endpoint,
            "identity_header": seed["identity_header"],
            "ca": str(certs.ca),
            "ca_bundle": str(certs.bundle),
            "storage": storage_url,
            "queues": account.format(number(queues)),
            "subscription": seed["subscription"],
            "tenant": seed["tenant"],
            "resource_group": GROUP,
            "location": LOCATION,
            "authority": self.world.url,
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
        """Return what stays the same over restarts, made on the first."""
        kept: dict[str, Any] | None = read_json(self.folder / "seed.json")
        principal = {"client_id": str(uuid.uuid4()), "client_secret": secrets.token_urlsafe(30)}
        if kept is not None:
            return {"service_principal": principal, **kept}
        return {
            "service_principal": principal,
            "tenant": str(uuid.uuid4()),
            "subscription": str(uuid.uuid4()),
            "laptop": str(uuid.uuid4()),
            "instance": secrets.token_hex(32),
            "identity_header": secrets.token_urlsafe(30),
            "storage_key": base64.b64encode(secrets.token_bytes(64)).decode(),
            "signing_key": new_signing_key(),
            "ports": {"arm": 0, "admin": 0, "storage": 0},
        }

    def _entra(self) -> Entra:
        """Return who gives tokens for a secret: to one service principal, the deployer."""
        known = self.seed["service_principal"]
        caller = Caller(DEPLOYER, known["client_id"])
        principals = {known["client_id"]: ServicePrincipal(caller, known["client_secret"])}
        return Entra(self.identity, self.world.url, principals)

    def _load(self) -> None:
        self.world.estate.load()
        self.world.history.load()
        self.world.deployments.load()
        for operation in self.world.estate.end_lost_operations(time.time()):
            self.world.history.record(
                "swap-failed" if operation.failure else "swap-finished",
                site=self.world.estate.sites.get(operation.site),
                slot=operation.source,
                caller=operation.caller,
                operation_id=operation.id,
                message="the platform was stopped meanwhile",
            )

    async def _storage(self, words: list[str], seed: dict[str, Any], certs: Any) -> None:
        """Start Azurite, and again whenever it ends by itself."""
        port = seed["ports"]["storage"]
        first = await self._azurite("blob", port, words, seed, certs)

        async def watch(process: asyncio.subprocess.Process) -> None:
            while True:
                await process.wait()
                self.children.discard(process)
                self.world.history.record("storage-crashed", detail=str(process.returncode))
                await asyncio.sleep(0.5)
                process = await self._azurite("blob", port, words, seed, certs)

        self._watch = asyncio.create_task(watch(first))

    async def _azurite(
        self,
        service: storage.Service,
        port: int,
        words: list[str],
        seed: dict[str, Any],
        certs: Any,
    ) -> asyncio.subprocess.Process:
        log = "azurite.log" if service == "blob" else f"azurite-{service}.log"
        return await storage.start(
            service,
            storage.command_of(service, words),
            folder=self.folder / "azurite",
            log=self.folder / "logs" / log,
            port=port,
            key=seed["storage_key"],
            certificates=certs,
            children=self.children,
        )

    async def _serve(self, handler: Any, listener: Any, context: Any) -> None:
        server = web.Server(handler, access_log=None, keepalive_timeout=240.0)
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=context, backlog=512).start()
        self._runners.append(runner)

    def _caller_of(self, header: str) -> Caller | None:
        """Name who holds the identity header: the person at the laptop, or a slot."""
        if secrets.compare_digest(header.encode(), self.seed["identity_header"].encode()):
            return self.laptop
        for site in self.world.estate.sites.values():
            for slot in site.slots.values():
                if secrets.compare_digest(header.encode(), slot.identity_header.encode()):
                    return self._holder(site, slot)
        return None

    def _holder(self, site: Site, slot: Slot) -> Caller:
        """Return who a slot is, with the user-assigned identities that it may ask for."""
        users = [self.world.estate.identities[name] for name in slot.identities]
        return Caller(
            site_name(site, slot),
            slot.principal,
            site_id(self.world, site, slot),
            others=tuple(
                Caller(user.name, user.principal, identity_id(self.world, user), user.client)
                for user in users
            ),
            system=slot.system_identity,
        )

    def _storage_token(self, header: str, named: str) -> str:
        return self.identity.mint(reader(self._caller_of(header), named), STORAGE)[0]

    async def stop(self) -> None:
        """End every child, close every port, take platform.json away; nothing of another's."""
        if self._lock is None:
            return
        self.file.unlink(missing_ok=True)
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        if hasattr(self, "fabric"):
            await self.fabric.close(GRACE_S)
        if hasattr(self, "_queues"):
            await self._queues.close()
        for runner in self._runners:
            await runner.cleanup()
        if hasattr(self, "children"):
            await self.children.end_all(GRACE_S)
        if hasattr(self, "session"):
            await self.session.close()
        self._lock.close()
