"""`azure-identity`, as it comes, gets tokens that ARM and blob storage take."""

from collections.abc import Mapping

import jwt
import pytest
from azure.core.credentials import TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from azure.mgmt.web import WebSiteManagementClient
from azure.storage.blob import BlobServiceClient

from tests.emulator.login.by_environment import ask
from tests.platform import Platform

pytestmark = pytest.mark.clients


def principal(platform: Platform) -> Mapping[str, str]:
    known: Mapping[str, str] = platform.facts["service_principal"]
    return known


def credential(platform: Platform, **changed: str) -> ClientSecretCredential:
    """Return Microsoft's class with the platform's authority; *changed* spoils some of it."""
    given = {"tenant_id": "adfs", **principal(platform), **changed}
    return ClientSecretCredential(
        given["tenant_id"],
        given["client_id"],
        given["client_secret"],
        authority=platform.facts["authority"],
        disable_instance_discovery=True,
        connection_verify=platform.ca,
    )


def apps(platform: Platform, who: TokenCredential) -> list[str | None]:
    arm, scopes = platform.arm, [f"{platform.arm}/.default"]
    web = WebSiteManagementClient(
        who, platform.subscription, arm, credential_scopes=scopes, connection_verify=platform.ca
    )
    return [app.name for app in web.web_apps.list()]


@pytest.mark.parametrize("tenant", ["adfs", "own"])
def test_client_secret_opens_arm_and_blobs(platform: Platform, tenant: str) -> None:
    """By either address of the authority; the token names the application."""
    who = credential(platform, tenant_id=platform.facts["tenant"] if tenant == "own" else tenant)
    assert apps(platform, who) is not None
    blobs = BlobServiceClient(platform.storage, credential=who, connection_verify=platform.ca)
    container = blobs.get_container_client(f"secret-{tenant}")
    container.create_container()
    container.upload_blob("x", b"1")
    assert container.download_blob("x").readall() == b"1"
    claims = jwt.decode(
        who.get_token(f"{platform.arm}/.default").token, options={"verify_signature": False}
    )
    assert claims["appid"] == principal(platform)["client_id"]


@pytest.mark.parametrize(
    ("changed", "scope", "code"),
    [
        ({"client_secret": "wrong"}, None, "AADSTS7000215"),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, None, "AADSTS700016"),
        (
            {"tenant_id": "00000000-0000-0000-0000-000000000000"},
            None,
            "Unable to get authority configuration",
        ),
        ({}, "https://example.com/.default", "AADSTS500011"),
    ],
)
def test_refusals_are_entras(
    platform: Platform, changed: dict[str, str], scope: str | None, code: str
) -> None:
    """A wrong secret, application, tenant or resource is refused by Entra's code."""
    with pytest.raises(ClientAuthenticationError, match=code):
        credential(platform, **changed).get_token(scope or f"{platform.arm}/.default")


@pytest.mark.parametrize("kind", ["managed", "default"])
def test_managed_identity(platform: Platform, kind: str) -> None:
    """The environment of a slot is all that the class and the default chain need."""
    assert ask(platform, kind, platform.environment)


def test_default_chain_takes_a_secret_of_the_environment(platform: Platform) -> None:
    """AZURE_CLIENT_ID and its kin come first in the chain, and name the caller."""
    known = principal(platform)
    trusted = ("AZURE_SUBSCRIPTION_ID", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    environment = {
        **{name: platform.environment[name] for name in trusted},
        "AZURE_AUTHORITY_HOST": platform.facts["authority"],
        "AZURE_TENANT_ID": "adfs",
        "AZURE_CLIENT_ID": known["client_id"],
        "AZURE_CLIENT_SECRET": known["client_secret"],
    }
    before = platform.admin_get("/requests")["by_caller"].get("deployer", 0)
    assert ask(platform, "default", environment)
    assert platform.admin_get("/requests")["by_caller"]["deployer"] == before + 1
