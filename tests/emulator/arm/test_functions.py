"""ARM tells which functions a slot runs, by what its process said of itself."""

from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError

from tests.emulator.app_under_test import App, refused
from tests.platform import package, until

TRIGGERED = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="Items/{name}", methods=["GET"])
async def Item(req: func.HttpRequest) -> str:
    return "item"


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
async def clean(timer: func.TimerRequest) -> None:
    pass
"""
REFUSED = """
import azure.functions as func

app = func.FunctionApp()


@app.event_hub_message_trigger(arg_name="event", event_hub_name="hub", connection="HUB")
async def follow(event: func.EventHubEvent) -> None:
    pass
"""
HOST = '{"version": "2.0"}'


def triggers(app: App, slot: str) -> dict[str, tuple[str, bool]]:
    """Return each function's trigger, and whether it is switched off."""
    return {
        one.properties.href.rsplit("/", 1)[-1]: (
            one.properties.config["bindings"][0]["type"],
            one.properties.is_disabled,
        )
        for one in listed(app, slot)
    }


def listed(app: App, slot: str) -> list[Any]:
    if slot == "production":
        return list(app.web.list_functions(app.group, app.name))
    return list(app.web.list_instance_functions_slot(app.group, app.name, slot))


def run(app: App, slot: str, code: str) -> None:
    """Let *slot* run *code* instead of the probe."""
    url = app.platform.upload(package({"function_app.py": code, "host.json": HOST}))
    app.set(slot, {"WEBSITE_RUN_FROM_PACKAGE": url, "WEBSITE_SWAP_WARMUP_PING_STATUSES": None})


def test_functions_are_those_that_the_slot_runs(app: App) -> None:
    """
    Names, triggers, switches and addresses of each slot; what is switched off in one place is not
    in the other; after a swap the links lead to the slot that the code is in.
    """
    run(app, "staging", TRIGGERED)
    fine = {"Item": ("httpTrigger", False), "clean": ("timerTrigger", False)}
    until(lambda: triggers(app, "staging") == fine, "staging tells its functions")
    assert "health" in triggers(app, "production")
    app.stick("AzureWebJobs.clean.Disabled")
    app.set("staging", {"AzureWebJobs.clean.Disabled": "true"})
    off = {"Item": ("httpTrigger", False), "clean": ("timerTrigger", True)}
    until(lambda: triggers(app, "staging") == off, "staging has switched one off")
    one = app.web.get_instance_function_slot(app.group, app.name, "ITEM", "staging")
    host = app.site("staging")["properties"]["defaultHostName"]
    assert one.name == f"{app.name}/staging/Item"
    assert one.type == "Microsoft.Web/sites/slots/functions"
    assert one.id.endswith(f"/sites/{app.name}/slots/staging/functions/Item")
    assert one.properties.invoke_url_template == f"https://{host}/api/items/{{name}}"
    assert one.properties.language == "python"
    app.swap()
    until(lambda: triggers(app, "production") == fine, "production runs what staging ran")
    assert "health" in triggers(app, "staging")
    host = app.site("production")["properties"]["defaultHostName"]
    (item,) = [each for each in listed(app, "production") if each.name == f"{app.name}/Item"]
    assert item.type == "Microsoft.Web/sites/functions"
    assert item.properties.href == f"https://{host}/admin/functions/Item"


def test_what_this_host_refuses_is_listed_too(app: App) -> None:
    """On Azure it would run, so whoever asks what fires in a slot must see it."""
    run(app, "staging", REFUSED)
    told = {"follow": ("eventHubTrigger", False)}
    until(lambda: triggers(app, "staging") == told, "staging tells what it cannot run")


def test_unknown_functions_and_silent_slots(app: App) -> None:
    """404 for a function that is not there, 400 where no process answers."""
    with pytest.raises(ResourceNotFoundError):
        app.web.get_function(app.group, app.name, "none")
    app.web.stop_slot(app.group, app.name, "staging")
    answer = refused(lambda: listed(app, "staging"))
    assert answer.status_code == 400
    assert "from host runtime" in answer.text()
