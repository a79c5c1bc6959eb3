"""
The messages between a host and its worker processes: pickles, each preceded by its length.

Both ends are this program, and no other program has the pipes between them.
"""

import asyncio
import io
import pickle
import struct
from typing import Any, BinaryIO

_LENGTH = struct.Struct("!Q")


class _Pickler(pickle.Pickler):
    """Turn an app's subclasses of str and bytes, such as enumerations, into plain str and bytes."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, str):
            return str, (str.__str__(value),)
        if isinstance(value, bytes):
            return bytes, (bytes(memoryview(value)),)
        return NotImplemented


def pack(value: Any) -> bytes:
    body = io.BytesIO()
    _Pickler(body, protocol=5).dump(value)
    return _LENGTH.pack(body.tell()) + body.getvalue()


def read_from(stream: BinaryIO) -> Any:
    """Wait for the next value; raise `EOFError` if the other end is gone."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return pickle.loads(_exactly(stream, length))  # noqa: S301 - from our own process


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


async def read(reader: asyncio.StreamReader) -> Any:
    """Wait for the next value; raise `EOFError` if the other end is gone."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return pickle.loads(await reader.readexactly(length))  # noqa: S301 - from our own process
