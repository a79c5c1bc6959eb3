"""The storage account: its blob service, restarted when it ends, and its queue service."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from socket import socket

from emulator.machine import storage
from emulator.machine.certificates import Certificates
from emulator.machine.children import Children
from emulator.machine.queues import Queues

PAUSE_S = 0.5  # before the blob service is restarted


class Account:
    """Runs Azurite by *command* with its data and logs below *folder*."""

    def __init__(
        self,
        command: list[str],
        folder: Path,
        key: str,
        certificates: Certificates,
        children: Children,
    ) -> None:
        self.command = command
        self.folder = folder
        self.key = key
        self.certificates = certificates
        self.children = children
        self._queues = Queues(lambda port: self._run("queue", port))
        self._watch: asyncio.Task[None] | None = None

    async def start(self, port: int, queues: socket, crashed: Callable[[int | None], None]) -> None:
        """
        Serve blobs on *port* and queues on *queues*; return once blobs can be read.

        *crashed* gets the exit code whenever the blob service ends by itself. Raises StorageError.
        """
        await self._queues.serve(queues)
        process = await self._run("blob", port)
        self._watch = asyncio.create_task(self._restart(process, port, crashed))

    async def _restart(
        self,
        process: asyncio.subprocess.Process,
        port: int,
        crashed: Callable[[int | None], None],
    ) -> None:
        while True:
            await process.wait()
            self.children.discard(process)
            crashed(process.returncode)
            await asyncio.sleep(PAUSE_S)
            process = await self._run("blob", port)

    async def _run(self, service: storage.Service, port: int) -> asyncio.subprocess.Process:
        log = "azurite.log" if service == "blob" else f"azurite-{service}.log"
        return await storage.start(
            service,
            storage.command_of(service, self.command),
            folder=self.folder / "azurite",
            log=self.folder / "logs" / log,
            port=port,
            key=self.key,
            certificates=self.certificates,
            children=self.children,
        )

    async def stop_restarting(self) -> None:
        """Let the blob service end without being restarted."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch

    async def close(self) -> None:
        """Close the port of the queues; the services end with the other children."""
        await self._queues.close()
