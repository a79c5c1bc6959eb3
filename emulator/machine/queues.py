"""
Queue Storage: Azurite's queue service, started by the first caller of the account's queue port.

A second node process takes as long as the rest of a start, and few apps have queues. So the
emulator opens the port at its start and starts the service at the first connection, and again at
the next one after the service has ended. It passes bytes; TLS ends at Azurite.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from emulator.machine.ports import free
from emulator.machine.storage import StorageError

CHUNK = 65536

type Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Queues:
    """Answers on a port; *start* runs the service on another one and returns once it answers."""

    def __init__(self, start: Callable[[int], Awaitable[asyncio.subprocess.Process]]) -> None:
        self._start = start
        self._starting = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self._server: asyncio.Server | None = None

    async def serve(self, listener: socket.socket) -> None:
        """Accept callers of *listener* from now on."""
        self._server = await asyncio.start_server(self._connected, sock=listener)

    async def close(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            self._server.close_clients()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, StorageError):  # the caller sees a closed connection
            try:
                behind = await asyncio.open_connection("127.0.0.1", await self._running())
                try:
                    await _join((reader, writer), behind)
                finally:
                    behind[1].close()
            finally:
                writer.close()

    async def _running(self) -> int:
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                port = free()
                self._process, self._port = await self._start(port), port
        return self._port


async def _join(one: Ends, other: Ends) -> None:
    """Pass bytes in both directions until either side ends."""
    ways = [asyncio.create_task(_pass(a[0], b[1])) for a, b in ((one, other), (other, one))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
