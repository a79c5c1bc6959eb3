"""User-assigned identities: a slot gets tokens for those that it was given, and for no other."""

import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.mgmt.web.models import Site

from tests.emulator.app_under_test import App
from tests.platform import Platform, until

KIND = "/providers/Microsoft.ManagedIdentity/userAssignedIdentities"


def create(platform: Platform, name: str) -> Mapping[str, Any]:
    """Create the identity *name* and return its JSON."""
    path = platform.below(f"{KIND}/{name}")
    answer = platform.ask("PUT", path, json={"location": "francecentral"})
    assert answer.status_code in (200, 201)
    found: Mapping[str, Any] = answer.json()
    return found


def assign(platform: Platform, app: str, slot: str, kind: str, *ids: str) -> Any:
    """Give *slot* the identities *ids*, as Microsoft's client does."""
    web, group = platform.web.web_apps, platform.group
    body = Site(
        {
            "location": "francecentral",
            "identity": {"type": kind, "userAssignedIdentities": {each: {} for each in ids}},
            "properties": {},
        }
    )
    if slot == "production":
        return web.begin_create_or_update(group, app, body).result().identity
    return web.begin_create_or_update_slot(group, app, slot, body).result().identity


def ask(platform: Platform, app: str, slot: str, **query: str) -> requests.Response:
    """Ask for a token as the process of *slot* would."""
    kept = json.loads((platform.state / "estate.json").read_text())
    return requests.get(
        platform.facts["identity_endpoint"],
        params={"resource": "https://storage.azure.com", "api-version": "2019-08-01", **query},
        headers={"X-IDENTITY-HEADER": kept["sites"][app]["slots"][slot]["identity_header"]},
        timeout=30,
    )


def test_a_slot_speaks_as_the_identity_that_it_names(platform: Platform) -> None:
    """Token and ARM's JSON name the same principal, on the slot that has it and on no other."""
    made = create(platform, "serving")
    client = made["properties"]["clientId"]
    assert create(platform, "Serving")["properties"] == made["properties"]
    platform.create_app("speaks")
    shown = assign(platform, "speaks", "production", "SystemAssigned, UserAssigned", made["id"])
    assert shown.user_assigned_identities[made["id"]].client_id == client
    answer = ask(platform, "speaks", "production", client_id=client)
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert (claims["appid"], claims["oid"]) == (client, made["properties"]["principalId"])
    assert claims["xms_mirid"] == made["id"]
    assert ask(platform, "speaks", "production", mi_res_id=made["id"]).ok
    assert ask(platform, "speaks", "production").ok
    assert ask(platform, "speaks", "staging", client_id=client).status_code == 400


def test_a_slot_without_an_identity_of_its_own_must_name_one(platform: Platform) -> None:
    """With user-assigned identities alone, a token is had by naming one, and not otherwise."""
    made = create(platform, "alone")
    platform.create_app("named", slots=())
    shown = assign(platform, "named", "production", "UserAssigned", made["id"])
    assert (shown.type, shown.principal_id) == ("UserAssigned", None)
    assert ask(platform, "named", "production").status_code == 400
    client = made["properties"]["clientId"]
    assert ask(platform, "named", "production", client_id=client).ok


def test_identities_stay_on_a_swap(platform: Platform) -> None:
    """Each slot has the user-assigned identities that it had, whatever content it serves."""
    ids = {slot: create(platform, f"of-{slot}")["id"] for slot in ("production", "staging")}
    platform.create_app("swaps")
    for slot, made in ids.items():
        assign(platform, "swaps", slot, "UserAssigned", made)
    app = App(platform, "swaps")
    before = app.content("production")
    app.swap()
    assert app.content("staging") == before
    for slot, made in ids.items():
        assert list(app.site(slot)["identity"]["userAssignedIdentities"]) == [made]


def test_the_package_is_read_as_the_identity_that_the_setting_names(app: App) -> None:
    """A slot starts where it has that identity, else it does not, and the history says why."""
    named = "WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID"
    made = create(app.platform, "reads")["id"]

    def cannot_start(slot: str, why: str) -> None:
        until(lambda: app.get(slot).status_code == 503, f"{slot} is down")
        failed = [e for e in app.history("process-failed") if e["slot"] == slot]
        assert why in failed[-1]["detail"]

    assign(app.platform, app.name, "staging", "UserAssigned", made)
    app.set("staging", {"MODEL_VERSION": "2"})
    cannot_start("staging", "no system-assigned identity")
    app.set("staging", {named: made.upper()})
    app.wait_serves("staging", "2")
    app.set("production", {named: made})
    cannot_start("production", "names an identity that the slot lacks")
    app.set("production", {named: "SystemAssigned"})
    app.wait_serves("production", "1")


def test_an_identity_that_is_not_there_cannot_be_assigned(platform: Platform) -> None:
    """ARM refuses it, and the slot stays as it was."""
    platform.create_app("refuses", slots=())
    missing = platform.below(f"{KIND}/none")
    with pytest.raises(HttpResponseError, match="FailedIdentityOperation"):
        assign(platform, "refuses", "production", "UserAssigned", missing)
    kept = platform.web.web_apps.get(platform.group, "refuses").identity
    assert kept is not None
    assert kept.type == "SystemAssigned"
    assert platform.ask("GET", missing).status_code == 404
