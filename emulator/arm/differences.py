"""
The differences of two slots that matter to a swap.

The rules' names are those of the portal (Azure/azure-functions-ux, slots-diff.ts). Levels and
descriptions are assumptions: no recorded answer is public.
"""

from collections.abc import Iterator
from typing import Any

from emulator.arm.bodies import child_body, listing
from emulator.arm.calls import Answer, Call
from emulator.arm.handling import Params, slot_of
from emulator.arm.swaps import target_of
from emulator.slots.azure import Azure
from emulator.slots.state import OVERRIDE_DEFAULT_STICKY, Site, Slot, is_sticky


def differences(azure: Azure, call: Call, params: Params) -> Answer:
    """List the differences between the slot of the path and the ``targetSlot`` of the body."""
    site, slot = slot_of(azure, params)
    target = target_of(call, site, slot)
    found = {one["settingName"]: one for one in _all(site, slot, target)}
    return listing(
        [child_body(azure, site, slot, "slotsdiffs", *item, item[0]) for item in found.items()]
    )


def _all(site: Site, slot: Slot, target: Slot) -> Iterator[dict[str, Any]]:
    if slot.linux_fx != target.linux_fx:
        rule = "SettingsWillBeModifiedInDestination"
        yield _one("General", rule, "linuxFxVersion", slot.linux_fx, target.linux_fx)
    for name in sorted(slot.settings.keys() | target.settings.keys()):
        ours, theirs = slot.settings.get(name), target.settings.get(name)
        marked = is_sticky(name, site.sticky or (), {OVERRIDE_DEFAULT_STICKY: "0"})
        if not marked and is_sticky(name, (), slot.settings):
            continue  # sticky by default: not marked, and no swap moves it
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


MARKED = "is marked as slot specific but"
# Level, and what it says about a setting.
RULES = {
    "SlotSettingsMissing": ("Warning", f"{MARKED} is not present in both slots."),
    "SlotSettingsSameValue": ("Warning", f"{MARKED} has the same value in both slots."),
    "SettingsNotInSource": (
        "Warning",
        "is not present in the source slot; it will be removed from the destination slot.",
    ),
    "SettingsWillBeAddedToDestination": ("Information", "will be added to the destination slot."),
    "SettingsWillBeModifiedInDestination": (
        "Information",
        "will be modified in the destination slot.",
    ),
}


def _one(kind: str, rule: str, name: str, ours: str | None, theirs: str | None) -> dict[str, Any]:
    level, text = RULES[rule]
    return {
        "level": level,
        "settingType": kind,
        "diffRule": rule,
        "settingName": name,
        "valueInCurrentSlot": ours,
        "valueInTargetSlot": theirs,
        "description": f"{kind} '{name}' {text}",
    }
