"""
The functions that a slot runs, as its process reported them when it started.

Names and types: what `az functionapp function list` prints in public transcripts. Assumption: a
slot without a process is an error, as for its keys; the functions of an earlier process are not
shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from emulator.arm.bodies import child_body, listing
from emulator.arm.calls import Answer, Call, provider, silent
from emulator.arm.handling import Params, slot_of
from emulator.slots.azure import Azure
from emulator.slots.hosts import SELF
from emulator.slots.state import Site, Slot


def functions(azure: Azure, _call: Call, params: Params) -> Answer:
    """List the slot's functions, disabled ones too."""
    site, slot = slot_of(azure, params)
    return listing([_body(azure, site, slot, one) for one in _known(azure, site, slot)])


def function(azure: Azure, _call: Call, params: Params) -> Answer:
    """Show one function; the message of its 404 is an assumption."""
    site, slot = slot_of(azure, params)
    for one in _known(azure, site, slot):
        if one["name"].lower() == params["function"].lower():
            return Answer(200, _body(azure, site, slot, one))
    raise provider(404, "NotFound", f"Function '{params['function']}' does not exist.")


def _known(azure: Azure, site: Site, slot: Slot) -> Sequence[Mapping[str, Any]]:
    found = azure.placement.functions(site.key, slot.key)
    if found is None:
        raise silent()
    return found


def _body(azure: Azure, site: Site, slot: Slot, one: Mapping[str, Any]) -> dict[str, Any]:
    properties = {name: _here(slot, value) for name, value in one.items()}
    return child_body(azure, site, slot, "functions", one["name"], properties)


def _here(slot: Slot, value: Any) -> Any:
    """Return *value*, a link of the process rewritten to the slot that it is in now."""
    if isinstance(value, str) and value.startswith(f"{SELF}/"):
        return f"https://{slot.host}{value.removeprefix(SELF)}"
    return value
