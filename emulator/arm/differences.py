"""
How two slots differ, as a swap would see it.

The rules' names are those that the portal knows (Azure/azure-functions-ux, slots-diff.ts). Levels
and descriptions are assumptions: no recorded answer is public.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from emulator.arm.bodies import site_id, site_type
from emulator.arm.calls import Answer, Call
from emulator.arm.swaps import target_of
from emulator.slots.azure import World
from emulator.slots.state import OVERRIDE_DEFAULT_STICKY, Site, Slot, is_sticky

Params = Mapping[str, str]


def differences(world: World, call: Call, params: Params) -> Answer:
    """List the differences between the slot of the path and the ``targetSlot`` of the body."""
    site, slot = world.slot(params)
    target = target_of(call, site, slot)
    base = f"{site_id(world, site, slot)}/slotsdiffs"
    value = [
        {
            "id": f"{base}/{found['settingName']}",
            "name": found["settingName"],
            "type": f"{site_type(slot)}/slotsdiffs",
            "location": site.location,
            "properties": found,
        }
        for found in _all(site, slot, target)
    ]
    return Answer(200, {"value": value, "nextLink": None, "id": None})


def _all(site: Site, slot: Slot, target: Slot) -> Iterator[dict[str, Any]]:
    if slot.linux_fx != target.linux_fx:
        rule = "SettingsWillBeModifiedInDestination"
        yield _one("General", rule, "linuxFxVersion", slot.linux_fx, target.linux_fx)
    for name in sorted(slot.settings.keys() | target.settings.keys()):
        ours, theirs = slot.settings.get(name), target.settings.get(name)
        marked = is_sticky(name, site.sticky or (), {OVERRIDE_DEFAULT_STICKY: "0"})
        if not marked and is_sticky(name, (), slot.settings):
            continue  # stays by itself: nobody marked it, and no swap moves it
        if found := _rule(ours, theirs, sticky=marked):
            yield _one("AppSetting", found, name, ours, theirs)


def _rule(ours: str | None, theirs: str | None, *, sticky: bool) -> str | None:
    if sticky:
        if ours is None or theirs is None:
            return "SlotSettingsMissing"
        return "SlotSettingsSameValue" if ours == theirs else None
    if theirs is None:
        return "SettingsWillBeAddedToDestination"
    if ours is None:
        return "SettingsNotInSource"
    return None if ours == theirs else "SettingsWillBeModifiedInDestination"


TOLD = {
    "SlotSettingsMissing": (
        "Warning",
        "{kind} '{name}' is marked as slot specific but is not present in both slots.",
    ),
    "SlotSettingsSameValue": (
        "Warning",
        "{kind} '{name}' is marked as slot specific but has the same value in both slots.",
    ),
    "SettingsNotInSource": (
        "Warning",
        "{kind} '{name}' is not present in the source slot; it will be removed from the "
        "destination slot.",
    ),
    "SettingsWillBeAddedToDestination": (
        "Information",
        "{kind} '{name}' will be added to the destination slot.",
    ),
    "SettingsWillBeModifiedInDestination": (
        "Information",
        "{kind} '{name}' will be modified in the destination slot.",
    ),
}


def _one(kind: str, rule: str, name: str, ours: str | None, theirs: str | None) -> dict[str, Any]:
    level, text = TOLD[rule]
    return {
        "level": level,
        "settingType": kind,
        "diffRule": rule,
        "settingName": name,
        "valueInCurrentSlot": ours,
        "valueInTargetSlot": theirs,
        "description": text.format(kind=kind, name=name),
    }
