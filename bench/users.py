"""
Users of one address: each keeps a connection open and asks at a steady pace.

They run in a process of their own, so that nothing else that a bench does delays them.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

CONNECTIONS, PAUSE_S, LIMIT_S = 64, 0.2, 60.0


class Answer(NamedTuple):
    """What came when (s since 1970), *took* s after it was due to be asked; status 0: nothing."""

    at: float
    took: float
    status: int
    version: str
    digest: str
    body: bytes


@contextmanager
def asking(url: str, body: bytes) -> Iterator[list[Answer]]:
    """Let users ask *url* with *body*; the list has all their answers once they have ended."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_run, args=(url, body, theirs))
    process.start()
    theirs.close()
    found: list[Answer] = []
    try:
        yield found
        mine.send("end")
        found += mine.recv()
    finally:
        mine.close()  # which ends them, too
        process.join()


def _run(url: str, body: bytes, parent: "Connection[Any, Any]") -> None:
    parent.send(asyncio.run(_all(url, body, parent)))


async def _all(url: str, body: bytes, parent: "Connection[Any, Any]") -> list[Answer]:
    """Return what all users get until *parent* says something."""
    parts, over, found = urlsplit(url), asyncio.Event(), list[Answer]()
    head = f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    asyncio.get_running_loop().add_reader(parent.fileno(), over.set)
    request, begin, step = head.encode() + body, time.time() + 0.5, PAUSE_S / CONNECTIONS
    dues = (begin + number * step for number in range(CONNECTIONS))
    await asyncio.gather(*(_user(parts, request, due, over, found) for due in dues))
    return found


async def _user(
    parts: Any, request: bytes, due: float, over: asyncio.Event, found: list[Answer]
) -> None:
    stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while True:
        await asyncio.sleep(max(0.0, due - time.time()))
        try:
            async with asyncio.timeout(LIMIT_S):
                stream = stream or await asyncio.open_connection(parts.hostname, parts.port)
                stream[1].write(request)
                answer = await _read(stream[0])
        except (OSError, EOFError, TimeoutError) as error:
            answer = (0, "", "", repr(error).encode())
            if stream:
                stream[1].close()
            stream = None
        now = time.time()
        found.append(Answer(now, now - due, *answer))
        due = max(due + PAUSE_S, now)
        if over.is_set():
            return


async def _read(reader: asyncio.StreamReader) -> tuple[int, str, str, bytes]:
    """Return status, version, digest and body of the next answer."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    body = await reader.readexactly(int(fields.get("content-length", 0)))
    version, digest = (fields.get(f"x-model-{name}", "") for name in ("version", "digest"))
    return int(first.split()[1]), version, digest, body
