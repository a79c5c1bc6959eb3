"""Faults make lost answers, refusals and silence, with or without the effect behind them."""

import time

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.mgmt.web.models import CsmPublishingCredentialsPoliciesEntity, SitePatchResource

from tests.emulator.app_under_test import App, refused
from tests.platform import until

SWAP = {"targetSlot": "production", "preserveVnet": True}


def started(app: App) -> int:
    return len(app.history("swap-started"))


def test_sdk_defaults_swap_twice(app: App) -> None:
    """
    A 503 after the swap has happened makes the SDK send it again: green, and nothing changed.

    With hold the faulty answer is sent once the swap has ended. This is what the product is about;
    the emulator must let it happen.
    """
    app.deploy("2")
    app.platform.faults(
        {"operation": "slotsswap", "site": app.name, "when": "after", "status": 503, "hold": True}
    )
    app.swap()
    assert started(app) == 2
    assert app.serves("production") == "1"


def test_before_has_no_effect(app: App) -> None:
    """With when=before the operation does not begin, and *times* counts down."""
    app.platform.faults({"operation": "slotsswap", "status": 500, "times": 2})
    for _ in range(2):
        with pytest.raises(HttpResponseError):
            app.begin_swap(retry_total=0)
    assert started(app) == 0
    app.swap()
    assert started(app) == 1


def test_dropped_answer(app: App) -> None:
    """With drop the connection ends without an answer; the effect stays where it was after."""
    app.platform.faults({"operation": "appsettings-put", "when": "after", "drop": True})
    with pytest.raises((ServiceResponseError, ServiceRequestError)):
        app.web.update_application_settings_slot(
            app.group, app.name, "staging", {"properties": {"A": "1"}}, retry_total=0
        )
    assert app.settings("staging") == {"A": "1"}


def test_status_body_and_headers_are_given(app: App) -> None:
    """A fault answers with the status, body and headers it names, on the slot it names."""
    body = {"error": {"code": "TooManyRequests", "message": "slow down"}}
    app.platform.faults(
        {
            "operation": "appsettings-list",
            "slot": "staging",
            "status": 429,
            "body": body,
            "headers": {"Retry-After": "7"},
        }
    )
    app.web.list_application_settings(app.group, app.name, retry_total=0)
    where = (app.group, app.name, "staging")
    answer = refused(lambda: app.web.list_application_settings_slot(*where, retry_total=0))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json() == body


def test_front_can_fail_too(app: App) -> None:
    """503 from a slot's port, as people see it for some seconds after a swap."""
    rule = {"operation": "front", "site": app.name, "slot": "production", "times": 2}
    app.platform.faults({**rule, "status": 503})
    answers = [app.get("production").status_code for _ in range(3)]
    assert answers == [503, 503, 200]


def test_delay_alone_leaves_the_answer_whole(app: App) -> None:
    """ARM, a slot's port and the token endpoint are slow then, and nothing else."""
    names = ("site-get", "front", "token")
    app.platform.faults(*({"operation": name, "delay_s": 0.2} for name in names))
    began = time.monotonic()
    assert app.site("production")["name"] == app.name
    assert app.serves("production") == "1"
    assert app.platform.credential.get_token("https://storage.azure.com/.default").token
    assert time.monotonic() - began >= 0.6


def test_busy_site_refuses_changes(app: App) -> None:
    """While a swap runs every change on either slot is 409, in Azure's words; reading goes on."""
    app.platform.admin_put("/transitions", {"mode": "manual"})
    policy = CsmPublishingCredentialsPoliciesEntity({"properties": {"allow": True}})
    https = SitePatchResource({"properties": {"httpsOnly": True}})
    try:
        poller = app.begin_swap()
        for change in (
            lambda: app.set("staging", {"A": "1"}),
            lambda: app.set("production", {"A": "1"}),
            lambda: app.stick("A"),
            lambda: app.begin_swap(retry_total=0),
            app.reset,
            lambda: app.web.restart(app.group, app.name),
            lambda: app.web.stop_slot(app.group, app.name, "staging"),
            lambda: app.web.update(app.group, app.name, https),
            lambda: app.web.update_scm_allowed_slot(app.group, app.name, "staging", policy),
            lambda: app.web.delete_slot(app.group, app.name, "staging"),
        ):
            said = refused(change)
            assert said.status_code == 409
        running = app.site("staging")["properties"]["inProgressOperationId"]
        assert running
        assert app.site("production")["properties"]["inProgressOperationId"] == running
        assert said.json()["Code"] == "Conflict"
        assert said.json()["Message"].startswith(
            "Cannot modify this site because another operation is in progress. Details: "
            f"Id: {running}, OperationName: SwapSiteSlots, CreatedTime: "
        )
        assert f"SiteName: {app.name}, SlotName: staging, " in said.json()["Message"]
        app.platform.admin_put("/transitions", {"mode": "timed"})
        poller.result()
        assert app.site("staging")["properties"]["inProgressOperationId"] is None
        assert started(app) == 1
    finally:
        app.platform.admin_put("/transitions", {"mode": "timed"})


def test_poll_answers_as_azure_does(app: App) -> None:
    """202, nothing in it, a new Location and Retry-After; then 200 with the source slot's site."""
    platform = app.platform
    platform.admin_put("/latency", {"name": "zero", "swap_end_s": 0.8, "retry_after_s": 15})
    try:
        begun = app.ask("POST", "/slots/staging/slotsswap", json=SWAP)
        assert (begun.status_code, begun.content) == (202, b"")
        assert begun.headers["Retry-After"] == "15"
        assert "Azure-AsyncOperation" not in begun.headers
        running = platform.ask("GET", begun.headers["Location"])
        assert (running.status_code, running.content) == (202, b"")
        assert running.headers["Location"] != begun.headers["Location"]
        where = running.headers["Location"]
        final = until(
            lambda: [a for a in [platform.ask("GET", where)] if a.status_code == 200],
            "the swap ends",
        )
        assert final[0].json()["name"] == f"{app.name}/staging"
        assert "Location" not in final[0].headers
        bare = requests.get(begun.headers["Location"], verify=platform.ca, timeout=30)
        assert bare.status_code == 401
    finally:
        platform.admin_put("/latency", "zero")
