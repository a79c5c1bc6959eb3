"""The deployments of a slot's Kudu, as ARM shows them."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from emulator.arm.bodies import child_body, listing
from emulator.arm.calls import Answer, Call, gateway
from emulator.arm.handling import Params, slot_of
from emulator.slots.azure import Azure
from emulator.slots.state import Site, Slot


def deployments(azure: Azure, _call: Call, params: Params) -> Answer:
    """List the slot's deployments, newest first."""
    site, slot = slot_of(azure, params)
    return listing([_body(azure, site, slot, one) for one in _known(azure, site, slot)])


def deployment(azure: Azure, call: Call, params: Params) -> Answer:
    """Show one deployment; ``latest`` is 202 until it has ended, as at Kudu."""
    site, slot = slot_of(azure, params)
    known = _known(azure, site, slot)
    if params["deployment"].lower() == "latest" and known:
        body = _body(azure, site, slot, known[0])
        if known[0]["complete"]:
            return Answer(200, body)
        again = {"location": f"{azure.url}{call.path}?{urlencode(call.query)}"}
        return Answer(202, body, {**again, "retry-after": str(azure.latency.retry_after_s)})
    for one in known:
        if one["id"] == params["deployment"]:
            return Answer(200, _body(azure, site, slot, one))
    # The message is an assumption, after Kudu's own 404.
    raise gateway(404, "NotFound", f"Deployment '{params['deployment']}' not found.")


def _known(azure: Azure, site: Site, slot: Slot) -> Sequence[Mapping[str, Any]]:
    return azure.deployments.of(site.key, slot.deployment_id)


def _body(azure: Azure, site: Site, slot: Slot, one: Mapping[str, Any]) -> dict[str, Any]:
    return child_body(azure, site, slot, "deployments", one["id"], one)
