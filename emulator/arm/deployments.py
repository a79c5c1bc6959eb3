"""What Kudu has deployed to a slot, as ARM shows it; who deploys writes into the ledger."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from emulator.arm.bodies import site_id, site_name, site_type
from emulator.arm.calls import Answer, Call, gateway
from emulator.slots.azure import World
from emulator.slots.state import Site, Slot

Params = Mapping[str, str]


def deployments(world: World, _call: Call, params: Params) -> Answer:
    """List the slot's deployments, newest first."""
    site, slot = world.slot(params)
    value = [_body(world, site, slot, one) for one in _known(world, site, slot)]
    return Answer(200, {"value": value, "nextLink": None, "id": None})


def deployment(world: World, call: Call, params: Params) -> Answer:
    """Show one deployment; ``latest`` is 202 until it has ended, as Kudu has it."""
    site, slot = world.slot(params)
    known = _known(world, site, slot)
    if params["deployment"].lower() == "latest" and known:
        body = _body(world, site, slot, known[0])
        if known[0]["complete"]:
            return Answer(200, body)
        again = {"location": f"{world.url}{call.path}?{urlencode(call.query)}"}
        return Answer(202, body, {**again, "retry-after": str(world.latency.retry_after_s)})
    for one in known:
        if one["id"] == params["deployment"]:
            return Answer(200, _body(world, site, slot, one))
    # The words are an assumption: Kudu's own 404 says as much.
    raise gateway(404, "NotFound", f"Deployment '{params['deployment']}' not found.")


def _known(world: World, site: Site, slot: Slot) -> Sequence[Mapping[str, Any]]:
    return world.deployments.of(site.key, slot.deployment_id)


def _body(world: World, site: Site, slot: Slot, one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{site_id(world, site, slot)}/deployments/{one['id']}",
        "name": f"{site_name(site, slot)}/{one['id']}",
        "type": f"{site_type(slot)}/deployments",
        "location": site.location,
        "properties": dict(one),
    }
