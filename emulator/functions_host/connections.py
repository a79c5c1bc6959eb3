"""
Find a storage connection in the settings.

Which settings count: StorageClientProvider.cs of the WebJobs storage extensions in
github.com/Azure/azure-sdk-for-net and GetWebJobsConnectionStringSection in
github.com/Azure/azure-webjobs-sdk. Names are compared without case; `AzureWebJobs<NAME>` comes
before `<NAME>`, and `__accountName` before `__queueServiceUri`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.functions_host.errors import HostError

PREFIX = "AzureWebJobs"
DEFAULT = "Storage"


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection string, or else the URI of a queue service and the identity to use."""

    string: str = ""
    uri: str = ""
    client_id: str | None = None  # of a user-assigned identity; None is the slot's own


def find_connection(name: str, settings: Mapping[str, str]) -> Connection:
    """Return the connection *name* of *settings*; raise `HostError` naming the missing setting."""
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
        message = f"the connection '{name}' lacks {name}__queueServiceUri or {name}__accountName"
        raise HostError(message)
    if not uri.lower().startswith(("https://", "http://")):
        raise HostError(f"the connection '{name}' has an address that is not a URL: '{uri}'")
    credential = found.get("credential", "managedidentity")
    if credential.lower() != "managedidentity":
        message = f"this host lacks {name}__credential '{credential}', it has managedidentity"
        raise HostError(message)
    for lacking in ("clientsecret", "managedidentityresourceid"):
        if lacking in found:
            raise HostError(f"this host lacks {name}__{lacking}, it has {name}__clientId")
    return Connection(uri=uri, client_id=found.get("clientid"))
