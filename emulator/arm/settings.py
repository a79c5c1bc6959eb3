"""The app settings of a slot, the names of the sticky ones, and ``config/web``."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emulator.arm.bodies import etag, settings_body, slot_names_body
from emulator.arm.calls import Answer, Call, invalid, part, provider, unreadable
from emulator.arm.handling import (
    Params,
    changed,
    record,
    refuse_if_busy,
    refuse_if_prepared,
    site_of,
    slot_of,
)
from emulator.slots.azure import Azure

SETTING_NAME = re.compile(r"[A-Za-z0-9._]+")


def listed(given: Mapping[str, Any]) -> dict[str, str] | None:
    """Return ``siteConfig.appSettings``, given as a list of name and value; None if missing."""
    listed = part(given, "siteConfig").get("appSettings")
    if listed is None:
        return None
    try:
        return checked({item["name"]: item.get("value") for item in listed})
    except (TypeError, KeyError, AttributeError) as error:
        raise unreadable("appSettings") from error


def checked(given: Any) -> dict[str, str]:
    """
    Return *given* as app settings; raise RefusalError unless it maps names to text.

    A name on Linux has only letters, digits, periods and underscores (refused: a hyphen in
    Azure-Functions#1851, ``=`` in vscode-azureappservice#943, a colon in acmebot#254).
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(
        isinstance(name, str) and name and isinstance(value, str | None)
        for name, value in given.items()
    ):
        raise invalid("properties")
    for name in given:
        if SETTING_NAME.fullmatch(name) is None:
            raise provider(400, "BadRequest", f"AppSetting with name '{name}' is not allowed.")
    return {name: value or "" for name, value in given.items()}


def settings_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Replace all settings and restart the slot."""
    site, slot = slot_of(azure, params)
    settings = checked(call.json().get("properties"))
    refuse_if_busy(azure, site)
    refuse_if_prepared(slot)
    slot = replace(slot, settings=settings, modified=azure.now())
    site = changed(azure, call, "settings-put", site, slot, restart=slot.running)
    return Answer(200, settings_body(azure, site, slot), {"etag": etag(slot)})


def names_get(azure: Azure, _call: Call, params: Params) -> Answer:
    return Answer(200, slot_names_body(site_of(azure, params)))


def names_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Replace the lists of sticky names; nothing restarts."""
    site = site_of(azure, params)
    given = part(call.json(), "properties")
    refuse_if_busy(azure, site)
    site = replace(
        site,
        sticky=_names(given.get("appSettingNames")),
        sticky_connections=_names(given.get("connectionStringNames")),
        sticky_storage=_names(given.get("azureStorageConfigNames")),
    )
    azure.store.put(site)
    record(azure, call, "slotconfignames-put", site, "production")
    return Answer(200, slot_names_body(site))


def _names(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise invalid("properties")
    return tuple(given)
