"""Restart, start and stop a slot; its host's keys; its triggers."""

from dataclasses import replace

from emulator.arm.bodies import site_id
from emulator.arm.calls import Answer, Call, invalid, part, silent
from emulator.arm.handling import Params, changed, record, refuse_if_busy, slot_of
from emulator.slots.azure import Azure
from emulator.slots.state import Site, Slot


def restart(azure: Azure, call: Call, params: Params) -> Answer:
    """Restart the slot's process; the old one answers until the new one is up."""
    site, slot = slot_of(azure, params)
    refuse_if_busy(azure, site)
    record(azure, call, "restart", site, slot.key)
    if slot.running:
        azure.placement.restart(site.key, slot.key)
    return Answer(200)


def run(azure: Azure, call: Call, params: Params, *, running: bool) -> Answer:
    site, slot = slot_of(azure, params)
    refuse_if_busy(azure, site)
    slot = replace(slot, running=running, modified=azure.now())
    changed(azure, call, "start" if running else "stop", site, slot, restart=running)
    if not running:
        azure.placement.stop(site.key, slot.key)
    return Answer(200)


def list_keys(azure: Azure, _call: Call, params: Params) -> Answer:
    """Show the slot's host keys; ARM asks the running host, so a host that is down is an error."""
    site, slot = _serving(azure, params)
    found = azure.placement.keys(site.key, slot.key)
    functions = {"default": found.function}
    keys = {"masterKey": found.master, "functionKeys": functions, "systemKeys": {}}
    return Answer(200, {"id": f"{site_id(azure, site, slot)}/host/default", **keys})


def key_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Set the slot's default function key, the one that there is; other names are refused."""
    site, slot = _serving(azure, params)
    value = part(call.json(), "properties").get("value") or azure.new_secret()
    if params["key"].lower() != "default" or not isinstance(value, str):
        raise invalid("keyName", params["key"])
    changed(azure, call, "key-put", site, replace(slot, keys=replace(slot.keys, function=value)))
    azure.placement.keys_moved(site.key, site.slots)
    return Answer(201, {"name": "default", "properties": {"name": "default", "value": value}})


def sync_triggers(azure: Azure, _call: Call, params: Params) -> Answer:
    """Make the platform read the triggers again; 204, the only status that the SDK accepts."""
    _serving(azure, params)
    return Answer(204)


def _serving(azure: Azure, params: Params) -> tuple[Site, Slot]:
    site, slot = slot_of(azure, params)
    if not azure.placement.serving(site.key, slot.key):
        raise silent()
    return site, slot
