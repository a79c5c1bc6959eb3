"""
The few blob operations that the journal and the lock stand on, over azure-storage-blob.

Nothing is retried here: a lost answer is raised, and the caller looks again before it acts again.
All requests go out through our HTTP client.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobClient, BlobLeaseClient, BlobServiceClient

from gitslot.errors import JournalError, JournalMoved
from gitslot.http.azure import STORAGE, AzureTransport, in_container, refusal, why
from gitslot.http.client import Http

CONTAINER = "gitslot"
_TOTAL_S = 30.0  # a request reads 4 MB at most
_GONE = (404, 409, 412)  # what is not there, or not ours, any more


@dataclass(frozen=True, slots=True)
class Leased:
    """A blob's lease as the storage service sees it; both times are of the service's own clock."""

    held: bool
    metadata: Mapping[str, str]
    changed: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """A blob in a list: its length in bytes, and the *etag* that every write changes."""

    name: str
    size: int
    etag: str


class Blobs(Protocol):
    """What the journal and the lock need of a storage account; `AzureBlobs` says what each does."""

    def names(self, prefix: str) -> list[str]: ...
    def listed(self, prefix: str) -> list[Listed]: ...
    def size(self, name: str) -> int | None: ...
    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes: ...
    def append(self, name: str, data: bytes, position: int) -> None: ...
    def load(self, name: str) -> tuple[bytes, str] | None: ...
    def store(self, name: str, data: bytes, etag: str) -> str: ...
    def put(self, name: str, data: bytes) -> None: ...
    def acquire(self, name: str) -> str | None: ...
    def touch(self, name: str, lease: str, metadata: Mapping[str, str]) -> bool: ...
    def look(self, name: str) -> Leased | None: ...
    def break_lease(self, name: str) -> None: ...
    def release(self, name: str, lease: str) -> None: ...


@contextmanager
def _translated(what: str, moved: Collection[int] = ()) -> Iterator[None]:
    """Raise a JournalError for an error of storage; JournalMoved for a status in *moved*."""
    try:
        yield
    except HttpResponseError as error:
        if error.status_code in moved:
            raise JournalMoved(f"somebody else was first to {what}") from error
        raise JournalError(f"storage refused to {what}: {refusal(error)}") from error
    except AzureError as error:
        cause = no_answer.cause if (no_answer := why(error)) else type(error).__name__
        raise JournalError(f"storage did not answer to {what}: {cause}") from error


class AzureBlobs:
    """
    `Blobs` over one storage account; *account_url* as in GITSLOT_STORAGE.

    A request takes *total_s* seconds at most.
    """

    def __init__(
        self,
        account_url: str,
        credential: TokenCredential,
        http: Http | None = None,
        total_s: float = _TOTAL_S,
    ) -> None:
        transport = AzureTransport(http or Http(), total_s)
        self._service = BlobServiceClient(account_url, credential, transport=transport, **STORAGE)
        self._container = self._service.get_container_client(CONTAINER)

    def _blob(self, name: str) -> BlobClient:
        return self._container.get_blob_client(name)

    def names(self, prefix: str) -> list[str]:
        """Return the names that start with *prefix*, sorted; a missing container holds none."""
        return [each.name for each in self.listed(prefix)]

    def listed(self, prefix: str) -> list[Listed]:
        """Return the blobs that `names` names, with what the list says of each."""
        with _translated("list the journal"):
            try:
                found = self._container.list_blobs(name_starts_with=prefix)
                return [Listed(str(each.name), each.size, str(each.etag)) for each in found]
            except ResourceNotFoundError:
                return []

    def size(self, name: str) -> int | None:
        """Return the bytes of a blob, or None where there is none."""
        with _translated("look at the journal"):
            try:
                return self._blob(name).get_blob_properties().size
            except ResourceNotFoundError:
                return None

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return the bytes of *name* from *offset* on, *length* of them where that is given."""
        with _translated("read the journal"):
            start = offset if length else offset or None
            return self._blob(name).download_blob(offset=start, length=length).readall()

    def append(self, name: str, data: bytes, position: int) -> None:
        """Append at *position* exactly, or raise JournalMoved; position 0 makes the blob."""
        blob = self._blob(name)
        with _translated("append to the journal", moved=(412,)):
            if position == 0:
                # It may be there from a writer that got no further: the position still decides.
                with suppress(ResourceExistsError):
                    in_container(
                        self._container,
                        lambda: blob.create_append_blob(match_condition=MatchConditions.IfMissing),
                    )
            blob.append_block(data, length=len(data), appendpos_condition=position)

    def load(self, name: str) -> tuple[bytes, str] | None:
        """Return the bytes of *name* and their etag, or None where there is no such blob."""
        with _translated(f"read {name}"):
            try:
                found = self._blob(name).download_blob()
            except ResourceNotFoundError:
                return None
            return found.readall(), str(found.properties.etag)

    def store(self, name: str, data: bytes, etag: str) -> str:
        """Replace what has *etag* ("": there is none) and return the new one, or JournalMoved."""
        condition: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}
        if etag:
            condition = {"match_condition": MatchConditions.IfNotModified, "etag": etag}
        with _translated(f"write {name}", moved=_GONE):
            return str(self._upload(name, data, **condition)["etag"])

    def put(self, name: str, data: bytes) -> None:
        """Write *name*, whatever it holds."""
        with _translated(f"write {name}"):
            self._upload(name, data)

    def _upload(self, name: str, data: bytes, **condition: Any) -> Any:
        blob = self._blob(name)
        return in_container(
            self._container, lambda: blob.upload_blob(data, overwrite=True, **condition)
        )

    def acquire(self, name: str) -> str | None:
        """Take an infinite lease and return its id, or None while somebody holds it."""
        for _ in range(2):
            with suppress(JournalMoved), _translated("take the lock", moved=(409,)):
                try:
                    return str(self._blob(name).acquire_lease(lease_duration=-1).id)
                except ResourceNotFoundError:
                    self._make_lock(name)
                    continue
            return None
        return None

    def _make_lock(self, name: str) -> None:
        with suppress(ResourceExistsError):
            self._upload(name, b"", match_condition=MatchConditions.IfMissing)

    def touch(self, name: str, lease: str, metadata: Mapping[str, str]) -> bool:
        """Write *metadata* under *lease*; False if the lease is not ours any more."""
        with suppress(JournalMoved), _translated("renew the lock", moved=_GONE):
            self._blob(name).set_blob_metadata(dict(metadata), lease=lease)
            return True
        return False

    def look(self, name: str) -> Leased | None:
        """Return the lease's state, or None where the blob does not exist."""
        dates: list[str] = []

        def keep_date(response: Any) -> None:
            dates.append(response.http_response.headers.get("Date", ""))

        with _translated("look at the lock"):
            try:
                found = self._blob(name).get_blob_properties(raw_response_hook=keep_date)
            except ResourceNotFoundError:
                return None
        now = parsedate_to_datetime(dates[0]) if dates and dates[0] else datetime.now(UTC)
        return Leased(
            held=found.lease.state == "leased",
            metadata=dict(found.metadata or {}),
            changed=found.last_modified,
            now=now,
        )

    def break_lease(self, name: str) -> None:
        """End whoever's lease at once."""
        with suppress(JournalMoved), _translated("break the lock", moved=(409,)):  # not leased
            BlobLeaseClient(self._blob(name)).break_lease(lease_break_period=0)

    def release(self, name: str, lease: str) -> None:
        """Give *lease* back; no error where it is gone already."""
        with suppress(JournalMoved), _translated("release the lock", moved=_GONE):
            BlobLeaseClient(self._blob(name), lease).release()
