"""The one way in which everything here logs in."""

import logging

from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential

from gitslot.http.azure import AzureTransport
from gitslot.http.client import Http

_LOGIN_S = 10.0  # for each request of a login


def credential(http: Http | None = None, total_s: float = _LOGIN_S) -> TokenCredential:
    """
    Return what works here as on Azure: a managed identity, else the user's own login.

    Each of its requests takes *total_s* seconds at most.
    """
    logging.getLogger("azure").setLevel(logging.ERROR)
    return DefaultAzureCredential(
        exclude_interactive_browser_credential=True,
        exclude_broker_credential=True,
        transport=AzureTransport(http or Http(), total_s),
        retry_total=0,
        process_timeout=int(_LOGIN_S),
    )
