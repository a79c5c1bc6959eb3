"""
OneDeploy as ARM passes it on to the slot's Kudu, and how the platform says that one went.

Body, statuses and headers: PushDeploymentController.cs of projectkudu/kudu, which deploys behind
the scenes whatever ARM asks for. That a swap in progress refuses it as it does every write, and the
shape of Kudu's 409 in ARM, are assumptions; so are the moments of ``deploymentStatus``, whose names
are FetchDeploymentManager.cs's and the SDK's (DeploymentBuildStatus).
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from emulator.arm.bodies import site_id, site_name, site_type
from emulator.arm.calls import Answer, Call, gateway, part, provider
from emulator.scm.results import FAILED, SUCCESS, ConflictError, Push, unborn, word
from emulator.slots.azure import World
from emulator.slots.state import Site, Slot

Params = Mapping[str, str]
VERSION = "2018-02-01"  # what Kudu writes into the link that it returns


def deploy(world: World, call: Call, params: Params) -> Answer:
    """Deploy a zip from ``packageUri``: 202, and where to ask for its end."""
    site, slot = world.slot(params)
    given = part(call.json(), "properties")
    url, kind = given.get("packageUri"), given.get("type")
    if not isinstance(kind, str) or kind.lower() != "zip":
        raise provider(400, "BadRequest", f"type='{kind or ''}' not recognized")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise provider(400, "BadRequest", "Invalid Url in the JSON request")
    world.changeable(site)
    push = Push("OneDeploy", "OneDeploy", restart=given.get("restart") is not False)
    request = {"method": call.method, "path": call.path, "id": call.id, "status": 202}
    who = {"caller": call.caller.name, "request": request}
    assert world.kudu is not None
    try:
        begun = world.kudu.begin(site, slot, url, push, who)
    except ConflictError as conflict:
        raise provider(409, "Conflict", str(conflict)) from conflict
    query = {"api-version": VERSION, "deployer": push.deployer, "time": word(world.now())}
    latest = f"{site_id(world, site, slot)}/deployments/latest?{urlencode(query)}"
    return Answer(
        202,
        _body(world, site, slot, "extensions", "onedeploy", unborn()),
        {
            "location": f"{world.url}{latest}",
            "retry-after": str(world.latency.retry_after_s),
            "scm-deployment-id": begun["id"],
        },
    )


def statuses(world: World, _call: Call, params: Params) -> Answer:
    """List how deployments went: of the newest alone, as older ones are 404."""
    site, slot = world.slot(params)
    newest = world.deployments.of(site.key, slot.deployment_id)[:1]
    value = [_status(world, site, slot, one) for one in newest]
    return Answer(200, {"value": value, "nextLink": None, "id": None})


def status(world: World, _call: Call, params: Params) -> Answer:
    """Tell how the newest deployment goes; 404 for any other, as az remarks."""
    site, slot = world.slot(params)
    for one in world.deployments.of(site.key, slot.deployment_id)[:1]:
        if one["id"] == params["deployment"]:
            return Answer(200, _status(world, site, slot, one))
    raise gateway(404, "NotFound", f"Deployment '{params['deployment']}' not found.")


def _status(world: World, site: Site, slot: Slot, one: Mapping[str, Any]) -> dict[str, Any]:
    state = world.platform.state(site.key, slot.key)
    if one["status"] == FAILED:
        now, errors = "BuildFailed", [{"extendedCode": None, "message": one["status_text"]}]
    elif one["status"] == SUCCESS:
        now, errors = RUNTIME[state], None
    else:
        now, errors = "BuildInProgress", None
    told = {
        "deploymentId": one["id"],
        "status": now,
        "numberOfInstancesInProgress": int(now == "RuntimeStarting"),
        "numberOfInstancesSuccessful": int(now == "RuntimeSuccessful"),
        "numberOfInstancesFailed": int(now == "RuntimeFailed"),
        "failedInstancesLogs": None,
        "errors": errors,
    }
    return _body(world, site, slot, "deploymentStatus", one["id"], told)


RUNTIME = {
    "Starting": "RuntimeStarting",
    "Running": "RuntimeSuccessful",
    "Failed": "RuntimeFailed",
    "Stopped": "BuildSuccessful",
}


def _body(
    world: World, site: Site, slot: Slot, kind: str, name: str, properties: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "id": f"{site_id(world, site, slot)}/{kind}/{name}",
        "name": f"{site_name(site, slot)}/{name}",
        "type": f"{site_type(slot)}/{kind}",
        "location": site.location,
        "properties": dict(properties),
    }
