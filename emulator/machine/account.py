"""The storage account: its blob service, restarted when it ends, and its queue service."""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from emulator.machine import storage
from emulator.machine.certificates import Certificates
from emulator.machine.children import Children
from emulator.machine.queues import Queues

START_LIMIT_S = 60.0
START_TRIES = 3  # another program may hold the port for a moment: it is found free, not reserved
PAUSE_S = 0.5  # before the blob service is restarted


@dataclass
class Account:
    """Runs Azurite for account *name* by *command*, with data and logs below *folder*."""

    name: str
    command: list[str]
    folder: Path
    key: str
    certificates: Certificates
    children: Children

    def __post_init__(self) -> None:
        self._queues = Queues(lambda port: self._run("queue", port))
        self._watch: asyncio.Task[None] | None = None

    async def start(self, port: int, queues: socket, crashed: Callable[[int | None], None]) -> None:
        """
        Serve blobs on *port* and queues on *queues*; return once blobs can be read.

        *crashed* gets the exit code whenever the blob service ends by itself. Raises StorageError.
        """
        await self._queues.serve(queues)
        process = await self._first(port)
        self._watch = asyncio.create_task(self._restart(process, port, crashed))

    async def _first(self, port: int) -> asyncio.subprocess.Process:
        for _ in range(1, START_TRIES):
            with contextlib.suppress(storage.StorageError):
                return await self._run("blob", port)
            await asyncio.sleep(PAUSE_S)
        return await self._run("blob", port)

    async def _restart(
        self, process: asyncio.subprocess.Process, port: int, crashed: Callable[[int | None], None]
    ) -> None:
        while True:
            await process.wait()
            self.children.discard(process)
            crashed(process.returncode)
            await asyncio.sleep(PAUSE_S)
            process = await self._run("blob", port)

    async def _run(self, service: storage.Service, port: int) -> asyncio.subprocess.Process:
        """Start Azurite's *service* on *port*; return once it answers."""
        log = self.folder / "logs" / f"azurite{'' if service == 'blob' else f'-{service}'}.log"
        certificates = self.certificates
        words = [
            *(sys.executable, "-S", str(Path(__file__).with_name("die_with_parent.py"))),
            *storage.command_of(service, self.command),
            *(f"--{service}Host=127.0.0.1", f"--{service}Port={port}", "--oauth=basic"),
            *(f"--cert={certificates.server}", f"--key={certificates.server_key}"),
            *(f"--location={self.folder / 'azurite'}", "--disableTelemetry"),
            *("--skipApiVersionCheck", "--silent"),
        ]
        pipe, environment = asyncio.subprocess.PIPE, storage.environment(self.name, self.key)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *words, stdin=pipe, stdout=output, stderr=output, env=environment
            )
        self.children.add(process)
        try:
            async with asyncio.timeout(START_LIMIT_S):
                await storage.answers(process, port, certificates.client_context(), log)
        except TimeoutError as error:
            message = f"azurite did not answer in {START_LIMIT_S:.0f} s"
            raise storage.StorageError(message) from error
        return process

    async def stop_restarting(self) -> None:
        """Let the blob service end without being restarted."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch

    async def close(self) -> None:
        """Close the port of the queues; the services end with the other children."""
        await self._queues.close()
