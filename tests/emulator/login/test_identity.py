"""Callers prove who they are as on Azure, and Azure's own credential classes do it for them."""

import jwt
import pytest
import requests

from tests.emulator.login import by_environment
from tests.platform import Platform


def ask(platform: Platform, header: str | None, **query: str) -> requests.Response:
    headers = {} if header is None else {"X-IDENTITY-HEADER": header}
    query = {"api-version": "2019-08-01", **query}
    return requests.get(
        platform.facts["identity_endpoint"], params=query, headers=headers, timeout=30
    )


def test_azures_credentials_work_as_they_come(platform: Platform) -> None:
    """Azure's default credential reaches ARM and blobs by its environment alone."""
    assert by_environment.ask(platform, "default", platform.environment)


def test_token_names_its_holder(platform: Platform) -> None:
    """Claims: the asked resource, this tenant's issuer, times, and who holds the header."""
    answer = ask(
        platform, platform.facts["identity_header"], resource="https://storage.azure.com"
    ).json()
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert answer["token_type"] == "Bearer"
    assert claims["aud"] == answer["resource"] == "https://storage.azure.com"
    assert claims["iss"] == f"https://sts.windows.net/{platform.facts['tenant']}/"
    assert claims["nbf"] <= claims["iat"] < claims["exp"] == int(answer["expires_on"])
    assert claims["oid"] == claims["appid"] == answer["client_id"]


@pytest.mark.parametrize(
    ("header", "query", "status"),
    [
        (None, {"resource": "https://storage.azure.com"}, 400),
        ("wrong", {"resource": "https://storage.azure.com"}, 401),
        ("own", {"resource": "https://example.com"}, 400),
        ("own", {"resource": "https://storage.azure.com", "api-version": "2017-09-01"}, 400),
        ("own", {"resource": "https://storage.azure.com", "client_id": "other"}, 400),
    ],
)
def test_no_token_for_the_wrong_question(
    platform: Platform, header: str | None, query: dict[str, str], status: int
) -> None:
    """No header, a wrong one, an unknown resource, api-version or identity: no token."""
    given = platform.facts["identity_header"] if header == "own" else header
    answer = ask(platform, given, **query)
    assert answer.status_code == status
    assert "access_token" not in answer.text


def test_other_names_for_loopback_are_refused(platform: Platform) -> None:
    """A request addressed to another host name gets nothing, so no web page can ask."""
    for path in ("/history", "/msi/token"):
        answer = requests.get(
            f"{platform.admin}{path}", headers={"Host": "evil.example"}, timeout=30
        )
        assert answer.status_code == 403


def test_history_names_the_caller(platform: Platform) -> None:
    """What the laptop's identity does stands under its name, with request and effect."""
    before = platform.admin_get("/requests")["by_operation"].get("site-put", 0)
    platform.create_app("seen", {"MODEL_VERSION": "7"}, slots=())
    entry = platform.history("site-put")[-1]
    assert (entry["caller"], entry["site"], entry["slot"]) == ("laptop", "seen", "production")
    assert entry["production"] == {"MODEL_VERSION": "7", "deploymentId": "seen"}
    assert (entry["request"]["method"], entry["request"]["status"]) == ("PUT", 200)
    assert platform.admin_get(f"/history?since={entry['seq'] - 1}")[0] == entry
    assert platform.admin_get("/requests")["by_operation"]["site-put"] == before + 1
