"""
Find what the settings say of a storage connection, and make its client.

Which settings count: StorageClientProvider.cs of the WebJobs storage extensions in
github.com/Azure/azure-sdk-for-net and GetWebJobsConnectionStringSection in
github.com/Azure/azure-webjobs-sdk. Names compare without regard to case; `AzureWebJobs<NAME>` comes
before `<NAME>`; `__accountName` before `__queueServiceUri`.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.functions_host.errors import HostError

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueServiceClient

PREFIX = "AzureWebJobs"
DEFAULT = "Storage"


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection string, or else the URI of a queue service and who asks it."""

    string: str = ""
    uri: str = ""
    client_id: str | None = None  # of a user-assigned identity; None is the slot's own


def find_connection(name: str, settings: Mapping[str, str]) -> Connection:
    """Return what *settings* say of the connection *name*; raise `HostError` naming what lacks."""
    name = name.strip() or DEFAULT
    lowered = {key.lower().replace(":", "__"): value for key, value in settings.items()}
    for full in (PREFIX + name, name):
        start = f"{full.lower()}__"
        found = {k.removeprefix(start): v for k, v in lowered.items() if k.startswith(start)}
        string = lowered.get(full.lower())
        if string and string.strip():
            return Connection(string=string)
        if found or string is not None:
            return _identity_based(full, found)
    raise HostError(
        f"Storage account connection string '{PREFIX}{name}' does not exist. "
        "Make sure that it is a defined App Setting."
    )


def _identity_based(name: str, found: Mapping[str, str]) -> Connection:
    account, uri = found.get("accountname"), found.get("queueserviceuri", found.get("serviceuri"))
    if account:
        uri = f"https://{account}.queue.core.windows.net"
    if not uri:
        raise HostError(
            f"the connection '{name}' lacks {name}__queueServiceUri or {name}__accountName"
        )
    if not uri.lower().startswith(("https://", "http://")):
        raise HostError(f"the connection '{name}' has an address that is none: '{uri}'")
    credential = found.get("credential", "managedidentity")
    if credential.lower() != "managedidentity":
        raise HostError(
            f"this host lacks {name}__credential '{credential}', it has managedidentity"
        )
    for lacking in ("clientsecret", "managedidentityresourceid"):
        if lacking in found:
            raise HostError(f"this host lacks {name}__{lacking}, it has {name}__clientId")
    return Connection(uri=uri, client_id=found.get("clientid"))


def open_client(connection: Connection) -> "QueueServiceClient":
    """Return Microsoft's client; raise `HostError` for a string that it cannot use."""
    # Only here: an app without queues starts faster.
    from azure.identity.aio import ManagedIdentityCredential  # noqa: PLC0415 - see above
    from azure.storage.queue.aio import QueueServiceClient  # noqa: PLC0415 - see above

    # A laptop's storage is back at once or not at all; the client would first wait for 15 s.
    options: dict[str, Any] = {
        "initial_backoff": 1,
        "increment_base": 1,
        "random_jitter_range": 1,
        "logger": logging.getLogger("emulator.functions_host.client"),
    }
    try:
        if connection.string:
            return QueueServiceClient.from_connection_string(connection.string, **options)
        credential = ManagedIdentityCredential(client_id=connection.client_id)
        return QueueServiceClient(connection.uri, credential=credential, **options)
    except ValueError as error:
        raise HostError(f"the storage connection cannot be used: {error}") from error
