"""Blobs in memory, held equal to Azurite by one contract test that runs over both."""

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gitslot.errors import JournalError, JournalMoved
from gitslot.record.blobs import Leased, Listed

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass
class _Blob:
    data: bytes = b""
    lease: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    changed: datetime = _EPOCH
    etag: str = field(default_factory=lambda: uuid.uuid4().hex)


class MemoryBlobs:
    """
    One storage account in memory; *now* is the service's own clock.

    *lost* names operations whose next answer is lost: "append" and "store" fail after they took
    effect, "append-before" and "store-before" without effect.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self.kept: dict[str, _Blob] = {}  # all blobs, by their names
        self._guard = threading.Lock()
        self.lost: list[str] = []
        self.calls: list[str] = []

    def _may_lose(self, what: str) -> None:
        if what in self.lost:
            self.lost.remove(what)
            raise JournalError("storage did not answer")

    def names(self, prefix: str) -> list[str]:
        self.calls.append("names")
        return sorted(name for name in list(self.kept) if name.startswith(prefix))

    def listed(self, prefix: str) -> list[Listed]:
        self.calls.append("listed")
        found = (
            (name, blob) for name, blob in sorted(self.kept.items()) if name.startswith(prefix)
        )
        return [Listed(name, len(blob.data), blob.etag) for name, blob in found]

    def size(self, name: str) -> int | None:
        self.calls.append("size")
        blob = self.kept.get(name)
        return len(blob.data) if blob else None

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        self.calls.append("read")
        blob = self.kept.get(name)
        if blob is None:
            raise JournalError("storage refused to read the journal: BlobNotFound")
        return blob.data[offset:][:length]

    def append(self, name: str, data: bytes, position: int) -> None:
        self.calls.append("append")
        self._may_lose("append-before")
        with self._guard:
            blob = self.kept.setdefault(name, _Blob()) if position == 0 else self.kept.get(name)
            if blob is None:
                raise JournalError("storage refused to append to the journal: BlobNotFound")
            if len(blob.data) != position:
                raise JournalMoved("somebody else appended to the journal")
            blob.data, blob.etag = blob.data + data, uuid.uuid4().hex
        self._may_lose("append")

    def load(self, name: str) -> tuple[bytes, str] | None:
        self.calls.append("load")
        blob = self.kept.get(name)
        return (blob.data, blob.etag) if blob else None

    def store(self, name: str, data: bytes, etag: str) -> str:
        self.calls.append("store")
        self._may_lose("store-before")
        with self._guard:
            there = self.kept.get(name)
            if (there.etag if there else "") != etag:
                raise JournalMoved(f"somebody else wrote {name}")
            self.kept[name] = kept = _Blob(data)
        self._may_lose("store")
        return kept.etag

    def put(self, name: str, data: bytes) -> None:
        self.calls.append("put")
        self._may_lose("put")
        with self._guard:
            self.kept[name] = _Blob(data)

    def acquire(self, name: str) -> str | None:
        with self._guard:
            blob = self.kept.setdefault(name, _Blob(changed=self._now()))
            if blob.lease is not None:
                return None
            blob.lease = uuid.uuid4().hex
            return blob.lease

    def touch(self, name: str, lease: str, metadata: Mapping[str, str]) -> bool:
        with self._guard:
            blob = self.kept.get(name)
            if blob is None or blob.lease != lease:
                return False
            blob.metadata, blob.changed = dict(metadata), self._now()
            return True

    def look(self, name: str) -> Leased | None:
        blob = self.kept.get(name)
        if blob is None:
            return None
        return Leased(blob.lease is not None, dict(blob.metadata), blob.changed, self._now())

    def break_lease(self, name: str) -> None:
        if name in self.kept:
            self.kept[name].lease = None

    def release(self, name: str, lease: str) -> None:
        blob = self.kept.get(name)
        if blob is not None and blob.lease == lease:
            blob.lease = None

    # ------------------------------------------------------------ what only tests do

    def drop(self, name: str) -> None:
        """Delete *name*, as somebody with the storage explorer would."""
        del self.kept[name]

    def forge(self, name: str, data: bytes) -> None:
        """Set the bytes of *name*."""
        self.kept[name] = _Blob(data)
