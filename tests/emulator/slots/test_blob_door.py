"""Blobs ask for a role on their container, and a policy keeps them as they are."""

import uuid
from typing import Any

import jwt
import pytest
import requests
from azure.core.exceptions import HttpResponseError

from emulator.login.rights import READER, WRITER
from tests.platform import Platform

ROLES = "/providers/Microsoft.Authorization"
ACCOUNT = "/providers/Microsoft.Storage/storageAccounts/gitslot"
REFUSED = "AuthorizationPermissionMismatch"


def _code(error: Any) -> str:
    return str(error.response.headers["x-ms-error-code"])


def give(platform: Platform, me: str, role: str, below: str = "") -> str:
    """Give the person a role on the account or on what is *below* it; return its path."""
    made = platform.below(f"{ACCOUNT}{below}{ROLES}/roleAssignments/{uuid.uuid4()}")
    role = f"/subscriptions/{platform.subscription}{ROLES}/roleDefinitions/{role}"
    body = {"properties": {"roleDefinitionId": role, "principalId": me}}
    assert platform.ask("PUT", made, json=body).status_code == 201
    return made


def test_a_role_on_a_container_is_for_that_container(platform: Platform) -> None:
    """The subscription's Owner needs one too; it creates no container, and is not known at once."""
    bearer = platform.bearer()["Authorization"].removeprefix("Bearer ")
    me = jwt.decode(bearer, options={"verify_signature": False})["oid"]
    name, other = (f"roles-{uuid.uuid4().hex[:8]}" for _ in range(2))
    below = f"/blobServices/default/containers/{name}"
    container, blobs = platform.blobs.get_container_client(name), f"{ACCOUNT}{ROLES}"
    container.create_container()
    container.upload_blob("x", b"1")

    def code(ask: Any, *given: Any) -> str:
        try:
            ask(*given)
        except HttpResponseError as error:
            return f"{error.status_code} {_code(error)}"
        return ""

    def download() -> None:
        container.download_blob("x").readall()

    platform.ask("DELETE", platform.below(f"{blobs}/roleAssignments/{me}-blobs"))
    platform.admin_put("/rights", {"storage": True})
    try:
        assert code(download) == f"403 {REFUSED}"
        reads = give(platform, me, READER, below)
        assert code(download) == ""
        assert code(container.upload_blob, "y", b"2") == f"403 {REFUSED}"
        platform.ask("DELETE", reads)
        platform.admin_put("/rights", {"storage": True, "delay_s": 3600})
        give(platform, me, WRITER, below)
        assert code(container.upload_blob, "y", b"2") == f"403 {REFUSED}"
        platform.admin_put("/rights", {"storage": True})
        assert code(container.upload_blob, "y", b"2") == ""
        assert code(platform.blobs.create_container, other) == f"403 {REFUSED}"
        container.delete_container()
        assert code(container.create_container) == f"403 {REFUSED}"
        platform.admin_put("/assumptions", {"container-create": False})
        assert code(container.create_container) == ""
    finally:
        platform.admin_put("/assumptions", {"container-create": True})
        platform.admin_put("/rights", {"storage": False})
        give(platform, me, WRITER)


def test_only_a_token_opens(platform: Platform) -> None:
    """No key, no SAS, nobody without a name: with Azure's codes."""
    for given, query, status, code in (
        ("", "", 401, "NoAuthenticationInformation"),
        ("Bearer x", "", 401, "NoAuthenticationInformation"),
        ("SharedKey gitslot:x", "", 403, "KeyBasedAuthenticationNotPermitted"),
        ("", "?sv=2024-11-04&sig=x", 403, "KeyBasedAuthenticationNotPermitted"),
    ):
        url, headers = f"{platform.storage}/code/x{query}", {"Authorization": given}
        answer = requests.get(url, headers=headers, verify=platform.ca, timeout=30)
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (status, code)
        assert f"<Code>{code}</Code>" in answer.text


def test_a_policy_keeps_blobs_as_they_are(platform: Platform) -> None:
    """New blobs come in; none that is there changes or goes; ARM made the container."""
    name = f"kept-{uuid.uuid4().hex[:8]}"
    place = platform.below(f"{ACCOUNT}/blobServices/default/containers/{name}")
    days = {"properties": {"immutabilityPeriodSinceCreationInDays": 30}}
    platform.ask("PUT", place, json={"properties": {}})
    platform.ask("PUT", f"{place}/immutabilityPolicies/default", json=days)
    container = platform.blobs.get_container_client(name)
    container.upload_blob("x", b"1")
    container.get_blob_client("x").acquire_lease(15)
    for change in (
        lambda: container.upload_blob("x", b"2", overwrite=True),
        lambda: container.upload_blob("x", b"2"),
        lambda: container.get_blob_client("x").set_blob_metadata({"a": "b"}),
        lambda: container.delete_blob("x"),
        container.delete_container,
    ):
        with pytest.raises(HttpResponseError) as refused:
            change()
        assert _code(refused.value) == "BlobImmutableDueToPolicy"
    assert container.download_blob("x").readall() == b"1"
    assert container.get_container_properties().has_immutability_policy
