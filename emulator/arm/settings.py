"""App settings of a slot, the names of those that stay with their slot, and ``config/web``."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emulator.arm.bodies import etag, settings_body, slot_names_body, web_config_body
from emulator.arm.calls import Answer, Call, gateway, part, provider
from emulator.slots.azure import World

Params = Mapping[str, str]
SETTING_NAME = re.compile(r"[A-Za-z0-9._]+")


def listed(given: Mapping[str, Any]) -> dict[str, str] | None:
    """Read ``siteConfig.appSettings``, a list of name and value; None where it is not there."""
    listed = part(given, "siteConfig").get("appSettings")
    if listed is None:
        return None
    try:
        pairs = {item["name"]: item.get("value") for item in listed}
    except (TypeError, KeyError, AttributeError) as error:
        raise gateway(
            400,
            "InvalidRequestContent",
            "The request content was invalid and could not be deserialized: 'appSettings'.",
        ) from error
    return checked(pairs)


def checked(given: Any) -> dict[str, str]:
    """
    Return *given* as app settings; raise RefusalError unless it maps names to text.

    A name on Linux has letters, digits, periods and underscores (Azure-Functions#1851,
    vscode-azureappservice#943, acmebot#254: a hyphen, ``=`` and a colon).
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(
        isinstance(name, str) and name and isinstance(value, str | None)
        for name, value in given.items()
    ):
        raise provider(400, "BadRequest", "The parameter properties has an invalid value.")
    for name in given:
        if SETTING_NAME.fullmatch(name) is None:
            raise provider(400, "BadRequest", f"AppSetting with name '{name}' is not allowed.")
    return {name: value or "" for name, value in given.items()}


def settings_list(world: World, _call: Call, params: Params) -> Answer:
    """List the settings; a POST, because they may be secret."""
    return Answer(200, settings_body(world, *world.slot(params)))


def settings_put(world: World, call: Call, params: Params) -> Answer:
    """Replace the whole dictionary and restart the slot."""
    site, slot = world.slot(params)
    settings = checked(call.json().get("properties"))
    world.changeable(site)
    world.unprepared(slot)
    slot = replace(slot, settings=settings, modified=world.now())
    site = site.with_slots(slot)
    world.estate.put(site)
    world.note(call, "settings-put", site, slot.key)
    if slot.running:
        world.platform.restart(site.key, slot.key)
    return Answer(200, settings_body(world, site, slot), {"etag": etag(slot)})


def names_get(world: World, _call: Call, params: Params) -> Answer:
    return Answer(200, slot_names_body(world.site(params)))


def names_put(world: World, call: Call, params: Params) -> Answer:
    """Replace the lists of sticky names; nothing restarts."""
    site = world.site(params)
    given = part(call.json(), "properties")
    world.changeable(site)
    site = replace(
        site,
        sticky=_names(given.get("appSettingNames")),
        sticky_connections=_names(given.get("connectionStringNames")),
        sticky_storage=_names(given.get("azureStorageConfigNames")),
    )
    world.estate.put(site)
    world.note(call, "slotconfignames-put", site, "production")
    return Answer(200, slot_names_body(site))


def _names(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise provider(400, "BadRequest", "The parameter properties has an invalid value.")
    return tuple(given)


def web_config(world: World, _call: Call, params: Params) -> Answer:
    return Answer(200, web_config_body(world, *world.slot(params)))
