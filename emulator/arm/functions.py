"""
The functions that a slot runs, as its process told them when it started.

Names and types: what `az functionapp function list` prints in public transcripts. That a slot
without a process is an error as for keys, not what was known of it before, is an assumption.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from emulator.arm.bodies import site_id, site_name, site_type
from emulator.arm.calls import Answer, Call, provider, silent
from emulator.slots.azure import World
from emulator.slots.hosts import SELF
from emulator.slots.state import Site, Slot

Params = Mapping[str, str]


def functions(world: World, _call: Call, params: Params) -> Answer:
    """List the slot's functions; one that is switched off is among them."""
    site, slot = world.slot(params)
    value = [_body(world, site, slot, one) for one in _known(world, site, slot)]
    return Answer(200, {"value": value, "nextLink": None, "id": None})


def function(world: World, _call: Call, params: Params) -> Answer:
    """Show one function; the words of its 404 are an assumption."""
    site, slot = world.slot(params)
    for one in _known(world, site, slot):
        if one["name"].lower() == params["function"].lower():
            return Answer(200, _body(world, site, slot, one))
    raise provider(404, "NotFound", f"Function '{params['function']}' does not exist.")


def _known(world: World, site: Site, slot: Slot) -> Sequence[Mapping[str, Any]]:
    found = world.platform.functions(site.key, slot.key)
    if found is None:
        raise silent()
    return found


def _body(world: World, site: Site, slot: Slot, one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{site_id(world, site, slot)}/functions/{one['name']}",
        "name": f"{site_name(site, slot)}/{one['name']}",
        "type": f"{site_type(slot)}/functions",
        "location": site.location,
        "properties": {name: _here(slot, value) for name, value in one.items()},
    }


def _here(slot: Slot, value: Any) -> Any:
    """Let a link of the process lead to the slot that it is in now."""
    if isinstance(value, str) and value.startswith(f"{SELF}/"):
        return f"https://{slot.host}{value.removeprefix(SELF)}"
    return value
