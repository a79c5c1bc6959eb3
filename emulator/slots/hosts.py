"""
A running Functions host: started with a slot's settings, polled until it answers, drained, ended.

Its environment is the slot's and holds nothing of the emulator's own, as on Azure.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.machine.children import Child, Children, end
from emulator.machine.disk import write_text
from emulator.machine.ports import free
from emulator.slots.connection import Connections, LostError
from emulator.slots.packages import READER, PackageError, Packages, is_url
from emulator.slots.state import Keys
from emulator.slots.warm_starts import WarmStarts

HOST = (sys.executable, "-m", "emulator.functions_host")
ROOT = Path(__file__).resolve().parents[2]
PATH = "/usr/local/bin:/usr/bin:/bin"
DRAIN_S = 60.0  # longest wait for requests in flight before SIGTERM
GRACE_S = 35.0  # from SIGTERM to SIGKILL; the host gives its requests 30 s
POLL_S = 0.01
PORT_TAKEN = 1  # exit code of emulator.functions_host
PORT_TRIES = 5
STATUS, FUNCTIONS = "/admin/host/status", "/admin/functions"
LISTING_S = 5.0  # longest wait for the functions of a process that answers
INSIDE = ((b"host", b"localhost"),)  # no x-arr-log-id: not from outside
SELF = "https://localhost"  # how the links in answers to INSIDE begin


@dataclass(frozen=True, slots=True)
class Launch:
    """What a process is started with. It keeps all of it for life: as on Azure, even in a swap."""

    site: str
    slot: str  # WEBSITE_SLOT_NAME: "Production" or the slot's name
    host: str
    settings: Mapping[str, str]
    keys: Keys
    identity_header: str
    start_limit_s: float
    package: str = ""  # the uploaded one; runs if no URL is set

    @property
    def title(self) -> str:
        """Return the slot's name for files: ``app`` or ``app-staging``."""
        return self.site if self.slot == "Production" else f"{self.site}-{self.slot}"


class CannotStartError(Exception):
    """The process of a slot could not be started; the message is the reason."""


class PortTakenError(Exception):
    """Another program took the port that was free a moment ago."""


@dataclass(eq=False)
class Host:
    """
    A process that answers on *port*; ``inflight`` counts its unanswered requests.

    ``functions`` are those that it reported at its start, as FunctionMetadataResponse, links at
    SELF. On Azure too a host reports them when it starts (FunctionsSyncManager.cs of
    azure-functions-host).
    """

    process: Child
    launch: Launch
    port: int
    keys: Path
    inflight: int = 0
    leaving: bool = False
    functions: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        self._idle = asyncio.Event()
        self._idle.set()
        self.connections = Connections(self.port)

    def enter(self) -> None:
        self.inflight += 1
        self._idle.clear()

    def leave(self) -> None:
        self.inflight -= 1
        if self.inflight == 0:
            self._idle.set()

    def use_keys(self, keys: Keys) -> None:
        """Give the process the keys of the slot that it is in now; it reads the file again."""
        _write_keys(self.keys, keys)

    async def retire(self) -> None:
        """Wait until no request is in flight, then end the process."""
        self.leaving = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), DRAIN_S)
        self.connections.close()
        await end(self.process, GRACE_S)


@dataclass
class Launcher:
    """Starts hosts; every slot gets the variables of *environment*."""

    folder: Path
    packages: Packages
    children: Children
    environment: Mapping[str, str]
    _count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.warm_starts = WarmStarts(ROOT, self.folder, self._own_environment())

    async def start(self, launch: Launch) -> Host:
        """Start a process and return it once it answers; raise CannotStartError."""
        app = await self._app(launch)
        for _ in range(PORT_TRIES):
            try:
                return await self._start(launch, app)
            except PortTakenError:
                continue
        raise CannotStartError("no port is free")

    async def _start(self, launch: Launch, app: Path) -> Host:
        self._count += 1
        keys = self.folder / "keys" / f"{launch.title}-{self._count}.json"
        _write_keys(keys, launch.keys)
        port = free()
        try:
            process = await self._spawn(launch, app, port, keys)
        except BaseException:
            keys.unlink(missing_ok=True)
            raise
        self.children.add(process)
        host = Host(process, launch, port, keys)
        try:
            await self._answers(host)
            host.functions = await self._functions(host)
        except BaseException:
            # Superseded or failed: it has no requests to finish.
            host.connections.close()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            self.forget(host)
            raise
        return host

    def forget(self, host: Host) -> None:
        """Remove what was stored for *host*, which has ended."""
        self.children.discard(host.process)
        host.keys.unlink(missing_ok=True)

    async def _app(self, launch: Launch) -> Path:
        url = launch.settings.get("WEBSITE_RUN_FROM_PACKAGE", "")
        try:
            if is_url(url):
                named = launch.settings.get(READER, "")
                return await self.packages.unpacked(url, launch.identity_header, named)
            if launch.package:
                return self.packages.folder_of(launch.package)
        except PackageError as error:
            raise CannotStartError(str(error)) from error
        empty = self.folder / "empty"  # no code yet: a host without functions, as on Azure
        empty.mkdir(exist_ok=True)
        return empty

    async def _spawn(self, launch: Launch, app: Path, port: int, keys: Path) -> Child:
        timers = self.folder / "timers" / launch.title
        insights = self.folder / "logs" / f"{launch.title}.insights.jsonl"
        given = {"--app": app, "--port": port, "--keys": keys, "--timers": timers}
        given |= {"--insights": insights}
        words = [str(word) for item in given.items() for word in item]
        environment = self._environment(launch)
        with (self.folder / "logs" / f"{launch.title}.log").open("ab") as log:
            try:
                if self.warm_starts.fits(app, environment):
                    return await self.warm_starts.start(words, environment, log)
                return await asyncio.create_subprocess_exec(
                    *(*HOST, *words),
                    stdin=asyncio.subprocess.PIPE,  # the host ends when its input does
                    stdout=log,
                    stderr=log,
                    cwd=ROOT,
                    env=environment,
                )
            except (OSError, ValueError) as error:
                raise CannotStartError(f"process cannot be started: {error}") from error

    def _own_environment(self) -> Mapping[str, str]:
        return {"PATH": PATH, "HOME": str(self.folder / "home"), "LANG": "C.UTF-8"}

    def _environment(self, launch: Launch) -> Mapping[str, str]:
        given = launch.settings.items()
        usable = {k: v for k, v in given if k and "=" not in k and "\0" not in k + v}
        return {
            **self._own_environment(),
            **usable,
            **{f"APPSETTING_{k}": v for k, v in usable.items()},
            **self.environment,
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "WEBSITE_SITE_NAME": launch.site,
            "WEBSITE_SLOT_NAME": launch.slot,
            "WEBSITE_HOSTNAME": launch.host,
            "IDENTITY_HEADER": launch.identity_header,
        }

    async def _answers(self, host: Host) -> None:
        deadline = time.monotonic() + host.launch.start_limit_s
        while time.monotonic() < deadline:
            if host.process.returncode == PORT_TAKEN:
                raise PortTakenError
            if host.process.returncode is not None:
                raise CannotStartError(f"process ended with code {host.process.returncode}")
            with contextlib.suppress(OSError, LostError):
                if (await host.connections.ask("GET", STATUS, INSIDE)).status == 200:
                    return
            await asyncio.sleep(POLL_S)
        raise CannotStartError("process did not answer in time")

    async def _functions(self, host: Host) -> Sequence[Mapping[str, Any]]:
        """Return the functions that *host* reports, none if it does not answer."""
        key = (b"x-functions-key", host.launch.keys.master.encode())
        headers = (*INSIDE, (b"x-forwarded-proto", b"https"), key)
        with contextlib.suppress(OSError, LostError, ValueError):  # TimeoutError is an OSError
            async with asyncio.timeout(LISTING_S):
                reply = await host.connections.ask("GET", FUNCTIONS, headers)
            if reply.status == 200:
                return tuple(json.loads(reply.body))
        return ()


def _write_keys(path: Path, keys: Keys) -> None:
    content = {"masterKey": keys.master, "functionKeys": {"default": keys.function}}
    write_text(path, json.dumps(content))
