"""
Measure how large a pack of Git objects gets when unpacked, without unpacking it.

With deflate and deltas a few kilobytes become gigabytes, and dulwich keeps each object in memory.
So each object is inflated piece by piece and discarded; only its size is counted.

Format: https://git-scm.com/docs/gitformat-pack.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from gitslot.errors import PackTooLarge

MAX_OBJECTS = 1_000_000
MAX_OBJECT = 32 * 1024 * 1024  # bytes; commits and trees are far smaller
_OFS_DELTA, _REF_DELTA = 6, 7
_PIECE = 64 * 1024


def check_pack(file: BinaryIO, size: int, cap: int) -> None:
    """
    Read the pack of *size* bytes at the start of *file*.

    Raises PackTooLarge if there are too many objects, one is too large, or all together exceed
    *cap* bytes; ValueError if it is not a pack.
    """
    file.seek(0)
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"PACK":
        raise ValueError("not a pack")
    count = struct.unpack(">I", head[8:])[0]
    if count > MAX_OBJECTS:
        raise _too_large(f"{count:,} objects")
    _check_sum(file, size)
    file.seek(12)
    reader = _Pieces(file, size - 12)
    total = 0
    for _ in range(count):
        kind, declared = reader.header()
        if kind == _OFS_DELTA:
            while reader.byte() & 0x80:
                pass
        if kind == _REF_DELTA:
            for _ in range(20):
                reader.byte()
        total += _within(declared, cap - total)
        start = reader.inflate(declared)
        if kind in (_OFS_DELTA, _REF_DELTA):
            total += _within(_delta_result(start), cap - total)


def _check_sum(file: BinaryIO, size: int) -> None:
    """Read the pack of *size* bytes; raise ValueError if its checksum is not that of its bytes."""
    file.seek(0)
    found = hashlib.sha1(usedforsecurity=False)
    left = size - found.digest_size
    while left > 0 and (piece := file.read(min(_PIECE, left))):
        found.update(piece)
        left -= len(piece)
    if left or file.read() != found.digest():
        raise ValueError("the pack's checksum is wrong")


def _within(size: int, left: int) -> int:
    if size > min(left, MAX_OBJECT):
        raise _too_large("more than is read")
    return size


def _too_large(what: str) -> PackTooLarge:
    return PackTooLarge(f"the answer of Git unpacks to {what}")


def _delta_result(start: bytes) -> int:
    """Return the size of a delta's result: the second of the two numbers at its start."""
    rest = iter(start)
    _number(rest)
    return _number(rest)


def _number(data: Iterator[int], value: int = 0, shift: int = 0) -> int:
    """Read a number of seven bits a byte, the lowest first, on top of *value*."""
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift > 63:
            raise ValueError("a size is too long")
        if not byte & 0x80:
            return value
    raise ValueError("a delta is cut short")


class _Pieces:
    """Read a pack from start to end in pieces; raise ValueError if it is broken."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file, self._left = file, left
        self._buffer, self._at = b"", 0

    def _more(self) -> None:
        self._buffer, self._at = self._file.read(min(_PIECE, self._left)), 0
        self._left -= len(self._buffer)
        if not self._buffer:
            raise ValueError("the pack is cut short")

    def byte(self) -> int:
        if self._at >= len(self._buffer):
            self._more()
        self._at += 1
        return self._buffer[self._at - 1]

    def header(self) -> tuple[int, int]:
        """Return type and size of the next object."""
        byte = self.byte()
        rest = iter(self.byte, None) if byte & 0x80 else iter((0,))
        return byte >> 4 & 7, _number(rest, byte & 15, 4)

    def inflate(self, declared: int) -> bytes:
        """Skip an object of *declared* bytes; return its first bytes."""
        inflater = zlib.decompressobj()
        start, made = b"", 0  # the first 32 bytes hold both numbers of a delta
        while not inflater.eof:
            if self._at >= len(self._buffer) and not inflater.unconsumed_tail:
                self._more()
            data = inflater.unconsumed_tail or self._buffer[self._at :]
            if not inflater.unconsumed_tail:
                self._at = len(self._buffer)
            try:
                piece = inflater.decompress(data, _PIECE)
            except zlib.error as error:
                raise ValueError("an object cannot be inflated") from error
            start += piece[: 32 - len(start)]
            made += len(piece)
            if made > declared:
                raise ValueError("an object is larger than it says")
        self._at = len(self._buffer) - len(inflater.unused_data)
        if made != declared:
            raise ValueError("an object is smaller than it says")
        return start
