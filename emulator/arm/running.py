"""Restart, start and stop a slot; its host's keys; its triggers."""

from dataclasses import replace

from emulator.arm.bodies import site_id
from emulator.arm.calls import Answer, Call, silent
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
    functions = {"default": slot.keys.function}
    keys = {"masterKey": slot.keys.master, "functionKeys": functions, "systemKeys": {}}
    return Answer(200, {"id": f"{site_id(azure, site, slot)}/host/default", **keys})


def sync_triggers(azure: Azure, _call: Call, params: Params) -> Answer:
    """Make the platform read the triggers again; 204, the only status that the SDK accepts."""
    _serving(azure, params)
    return Answer(204)


def _serving(azure: Azure, params: Params) -> tuple[Site, Slot]:
    site, slot = slot_of(azure, params)
    if not azure.placement.serving(site.key, slot.key):
        raise silent()
    return site, slot
