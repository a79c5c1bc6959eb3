"""A swap does to slots what Microsoft says it does."""

import json
import re
from functools import partial
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError

from tests.emulator.app_under_test import App, refused
from tests.platform import until

PREPARED = (
    "The slot cannot be changed because its configuration settings have been prepared for swap."
)
NOT_STARTED = "because the worker process for 'staging' slot could not be started."


def test_content_moves_and_moves_back(app: App) -> None:
    """A swap exchanges what both slots serve, settings and markers included; a second undoes it."""
    app.deploy("2")
    first = app.content("production"), app.content("staging")
    assert first[0] == app.name
    assert re.fullmatch(rf"{app.name}__[0-9a-f]{{4}}", first[1])
    app.swap()
    assert (app.serves("production"), app.serves("staging")) == ("2", "1")
    assert app.settings("production")["MODEL_VERSION"] == "2"
    assert (app.content("production"), app.content("staging")) == (first[1], first[0])
    app.swap()
    assert (app.serves("production"), app.serves("staging")) == ("1", "2")
    assert (app.content("production"), app.content("staging")) == first


def test_both_slots_tell_of_the_last_swap(app: App) -> None:
    """slotSwapStatus is null before the first swap and equal on both slots after it."""
    assert app.site("staging")["properties"]["slotSwapStatus"] is None
    app.swap()
    said = [app.site(s)["properties"]["slotSwapStatus"] for s in ("production", "staging")]
    assert said[0] == said[1]
    assert (said[0]["sourceSlotName"], said[0]["destinationSlotName"]) == ("staging", "Production")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said[0]["timestampUtc"])


def test_sticky_settings_stay(app: App) -> None:
    """A setting named sticky keeps its slot, also where only one slot has it; so does ~4."""
    app.stick("RING", "ONLY_HERE")
    app.set("production", {"RING": "users", "FUNCTIONS_EXTENSION_VERSION": "~4"})
    app.set(
        "staging",
        {"RING": "none", "ONLY_HERE": "1", "FUNCTIONS_EXTENSION_VERSION": "~5", "FREE": "yes"},
    )
    app.swap()
    production, staging = app.settings("production"), app.settings("staging")
    assert (production["RING"], staging["RING"]) == ("users", "none")
    assert "ONLY_HERE" not in production
    assert staging["ONLY_HERE"] == "1"
    assert production["FUNCTIONS_EXTENSION_VERSION"] == "~4"
    assert production["FREE"] == "yes"
    assert "FREE" not in staging


def test_sticky_settings_reach_the_processes(app: App) -> None:
    """Production's process runs with production's sticky value already when the route flips."""
    app.stick("RING")
    app.set("production", {"RING": "users"})
    app.set("staging", {"RING": "none"})
    app.swap()
    assert app.get("production", "/api/environment").json()["RING"] == "users"
    until(
        lambda: app.get("staging", "/api/environment").json().get("RING") == "none",
        "the old content got staging's value back",
    )


def test_process_does_not_learn_its_new_slot(app: App) -> None:
    """WEBSITE_SLOT_NAME stays what it was when the process started, as on Azure."""
    app.swap()
    assert app.get("production", "/api/environment").json()["WEBSITE_SLOT_NAME"] == "staging"


def test_warm_up_asks_the_path_as_site_warmup(app: App, tmp_path: Path) -> None:
    """The ping goes to WEBSITE_SWAP_WARMUP_PING_PATH with the agent SiteWarmup, before the flip."""
    seen = tmp_path / "seen"
    app.set("staging", {"SEEN": str(seen), "MODEL_VERSION": "2"})
    app.wait_serves("staging", "2")
    app.swap()
    lines = [json.loads(line) for line in seen.read_text().splitlines()]
    assert [line["version"] for line in lines if line["agent"] == "SiteWarmup"] == ["2"]


def test_any_status_is_warm_unless_listed(app: App) -> None:
    """Without WEBSITE_SWAP_WARMUP_PING_STATUSES a 500 counts as warm and is swapped in."""
    app.set("staging", {"HEALTH": "500", "WEBSITE_SWAP_WARMUP_PING_STATUSES": None})
    until(lambda: app.get("staging").status_code == 500, "staging answers 500")
    app.swap()
    assert app.get("production").status_code == 500


def test_unaccepted_ping_fails_and_puts_back(app: App) -> None:
    """A ping answered outside the list: 417, production untouched, staging's own settings back."""
    app.stick("RING")
    app.set("production", {"RING": "users"})
    app.set("staging", {"RING": "none", "HEALTH": "503"})
    until(lambda: app.get("staging").status_code == 503, "staging answers 503")
    before = app.content("production")
    answer = refused(app.swap)
    assert answer.status_code == 417
    assert answer.json()["Message"] == (
        f"Cannot swap site slots for site '{app.name}' because the 'staging' slot did not respond "
        "to http ping."
    )
    assert app.content("production") == before
    assert app.serves("production") == "1"
    assert app.settings("staging")["RING"] == "none"
    entries = app.history("swap-started", "swap-failed")
    assert [entry["operation"] for entry in entries] == ["swap-started", "swap-failed"]


def test_failed_swap_locks_settings_until_reset(app: App) -> None:
    """After a failed swap both slots refuse settings with 409, until resetSlotConfig."""
    app.set("staging", {"HEALTH": "503"})
    with pytest.raises(HttpResponseError):
        app.swap()
    assert app.site("staging")["properties"]["targetSwapSlot"] == "Production"
    for side in ("production", "staging"):
        answer = refused(partial(app.set, side, {"X": "1"}))
        assert (answer.status_code, answer.json()["Message"]) == (409, PREPARED)
    app.reset()
    assert app.site("staging")["properties"]["targetSwapSlot"] is None
    for side in ("production", "staging"):
        app.set(side, {"X": "1"})


def test_worker_that_cannot_start_fails_the_swap(app: App) -> None:
    """A process that dies at its start with production's settings: 400, in Azure's words."""
    app.stick("CRASH_AT_START")
    app.set("production", {"CRASH_AT_START": ""})
    app.web.list_application_settings(app.group, app.name)
    app.deploy("2")
    app.set("staging", {"CRASH_AT_START": "yes"})
    until(lambda: app.get("staging").status_code == 503, "staging is down")
    app.stick()
    answer = refused(app.swap)
    assert answer.status_code == 400
    assert NOT_STARTED in answer.json()["Message"]
    assert app.serves("production") == "1"


def test_platform_failures_can_be_planted(app: App) -> None:
    """The platform's own failures end a swap with the messages that people have met."""
    for planted, status, words in (
        ("swap-allocation", 400, "Please retry the swap operation."),
        ("swap-initialization", 400, "took too long or failed"),
        ("swap-unexpected", 500, "There was an unexpected error swapping slots"),
    ):
        app.platform.faults({"operation": planted, "site": app.name})
        answer = refused(lambda: app.begin_swap(retry_total=0).result())
        assert answer.status_code == status
        assert words in answer.json()["Message"]
    assert app.content("production") == app.name


def test_platform_may_take_a_swap_back(app: App) -> None:
    """A planted revert moves the content back after the swap was reported as done."""
    app.deploy("2")
    app.platform.faults({"operation": "swap-revert", "site": app.name, "delay_s": 0.2})
    app.swap()
    until(lambda: app.history("swap-reverted"), "the platform reverts")
    assert app.content("production") == app.name
    assert app.serves("production") == "1"


def test_preview_applies_settings_and_completes(app: App) -> None:
    """A preview applies production's sticky settings and locks both; a swap completes it."""
    app.stick("RING")
    app.set("production", {"RING": "users"})
    app.set("staging", {"RING": "none", "MODEL_VERSION": "2"})
    app.preview()
    assert app.settings("staging")["RING"] == "users"
    with pytest.raises(ResourceExistsError):
        app.set("production", {"X": "1"})
    app.wait_serves("staging", "2")
    app.swap()
    rings = [app.settings(slot)["RING"] for slot in ("production", "staging")]
    assert rings == ["users", "none"]
    assert app.serves("production") == "2"


def test_swap_right_after_a_preview_waits_for_its_process(app: App) -> None:
    """Production never gets the process that ran before the preview's settings."""
    app.stick("RING")
    app.set("production", {"RING": "users"})
    app.preview()
    app.swap()
    assert app.get("production", "/api/environment").json()["RING"] == "users"


def test_swap_after_a_preview_that_cannot_start_fails(app: App) -> None:
    """A process that dies at its start with the preview's settings is not swapped in: 400."""
    app.stick("CRASH_AT_START")
    app.set("production", {"CRASH_AT_START": "yes"})
    app.preview()
    answer = refused(app.swap)
    assert (answer.status_code, NOT_STARTED in answer.json()["Message"]) == (400, True)
    assert app.content("production") == app.name


def test_preview_is_cancelled_from_production(app: App) -> None:
    """resetSlotConfig on slots/production, as az sends it, gives staging its settings back."""
    app.stick("RING")
    app.set("production", {"RING": "users"})
    app.set("staging", {"RING": "none"})
    app.preview()
    app.web.reset_slot_configuration_slot(app.group, app.name, "production")
    assert app.settings("staging")["RING"] == "none"
    app.set("staging", {"X": "1"})
    assert [e["operation"] for e in app.history("swap-reset")] == ["swap-reset"]


def test_stopped_slot_is_not_swapped(app: App) -> None:
    """Both slots must run."""
    app.web.stop_slot(app.group, app.name, "staging")
    with pytest.raises(ResourceExistsError):
        app.swap()
    assert app.get("staging").status_code == 403
    app.web.start_slot(app.group, app.name, "staging")
    app.swap()


def test_from_production_to_staging(app: App) -> None:
    """slotsswap on the site has production as its source; the poll answers production's site."""
    app.deploy("2")
    app.web.begin_swap_slot_with_production(
        app.group, app.name, {"targetSlot": "staging", "preserveVnet": True}
    ).result()
    assert app.serves("production") == "2"
