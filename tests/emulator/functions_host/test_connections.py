"""Which settings make a storage connection."""

import pytest

from emulator.functions_host.connections import Connection, find_connection
from emulator.functions_host.errors import HostError
from emulator.functions_host.queues import open_client


@pytest.mark.parametrize(
    ("name", "settings", "found"),
    [
        ("", {"AzureWebJobsStorage": "x"}, Connection(string="x")),
        ("AzureWebJobsStorage", {"AzureWebJobsStorage": "x"}, Connection(string="x")),
        ("Jobs", {"Jobs": "x", "AzureWebJobsJobs": "y"}, Connection(string="y")),
        ("jobs", {"JOBS__QUEUESERVICEURI": "https://u"}, Connection(uri="https://u")),
        (
            "Jobs",
            {"Jobs__serviceUri": "u", "Jobs__queueServiceUri": "https://v"},
            Connection(uri="https://v"),
        ),
        (
            "Jobs",
            {"Jobs__accountName": "gitslot", "Jobs__queueServiceUri": "https://u"},
            Connection(uri="https://gitslot.queue.core.windows.net"),
        ),
        (
            "Jobs",
            {
                "Jobs:queueServiceUri": "https://u",
                "Jobs__credential": "ManagedIdentity",
                "Jobs__clientId": "i",
            },
            Connection(uri="https://u", client_id="i"),
        ),
    ],
)
def test_a_connection_is_found(name: str, settings: dict[str, str], found: Connection) -> None:
    """Prefixed names come first, the default is the host's own storage, case is no matter."""
    assert find_connection(name, settings) == found


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "Storage account connection string 'AzureWebJobsJobs' does not exist"),
        ({"Jobs": ""}, "the connection 'Jobs' lacks Jobs__queueServiceUri or Jobs__accountName"),
        ({"Jobs__blobServiceUri": "https://u"}, "lacks Jobs__queueServiceUri or Jobs__accountName"),
        (
            {"Jobs__serviceUri": "here"},
            "the connection 'Jobs' has an address that is not a URL: 'here'",
        ),
        (
            {"Jobs__queueServiceUri": "https://u", "Jobs__credential": "workloadidentity"},
            "this host lacks Jobs__credential 'workloadidentity', it has managedidentity",
        ),
        (
            {"Jobs__queueServiceUri": "https://u", "Jobs__clientSecret": "s"},
            "this host lacks Jobs__clientsecret, it has Jobs__clientId",
        ),
    ],
)
def test_what_lacks_is_named(settings: dict[str, str], says: str) -> None:
    """The refusal says which setting to make."""
    with pytest.raises(HostError) as refusal:
        find_connection("Jobs", settings)
    assert says in str(refusal.value)


def test_a_string_that_the_client_cannot_use_is_refused() -> None:
    """What Microsoft's client does not take is a refusal of the app."""
    with pytest.raises(HostError) as refusal:
        open_client(Connection(string="nonsense"))
    assert "the storage connection cannot be used" in str(refusal.value)
