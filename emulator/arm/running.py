"""What is asked of a slot that runs: restart, start, stop, its host's keys, its triggers."""

from collections.abc import Mapping
from dataclasses import replace

from emulator.arm.bodies import site_id
from emulator.arm.calls import Answer, Call, silent
from emulator.slots.azure import World
from emulator.slots.state import Site, Slot

Params = Mapping[str, str]


def restart(world: World, call: Call, params: Params) -> Answer:
    """Restart the slot's process; the old one answers until the new one is up."""
    site, slot = world.slot(params)
    world.changeable(site)
    world.note(call, "restart", site, slot.key)
    if slot.running:
        world.platform.restart(site.key, slot.key)
    return Answer(200)


def start(world: World, call: Call, params: Params) -> Answer:
    return _run(world, call, params, running=True)


def stop(world: World, call: Call, params: Params) -> Answer:
    return _run(world, call, params, running=False)


def _run(world: World, call: Call, params: Params, *, running: bool) -> Answer:
    site, slot = world.slot(params)
    world.changeable(site)
    site = site.with_slots(replace(slot, running=running, modified=world.now()))
    world.estate.put(site)
    world.note(call, "start" if running else "stop", site, slot.key)
    if running:
        world.platform.restart(site.key, slot.key)
    else:
        world.platform.stop(site.key, slot.key)
    return Answer(200)


def list_keys(world: World, _call: Call, params: Params) -> Answer:
    """Show the slot's host keys; ARM asks the running host, so a silent one is an error."""
    site, slot = _serving(world, params)
    return Answer(
        200,
        {
            "id": f"{site_id(world, site, slot)}/host/default",
            "masterKey": slot.keys.master,
            "functionKeys": {"default": slot.keys.function},
            "systemKeys": {},
        },
    )


def sync_triggers(world: World, _call: Call, params: Params) -> Answer:
    """Let the platform read the triggers again; 204, the only status that the SDK takes."""
    _serving(world, params)
    return Answer(204)


def _serving(world: World, params: Params) -> tuple[Site, Slot]:
    site, slot = world.slot(params)
    if not world.platform.serving(site.key, slot.key):
        raise silent()
    return site, slot
