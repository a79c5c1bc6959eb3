"""
OneDeploy, which ARM passes on to the slot's Kudu, and the status of the newest deployment.

Body, statuses and headers: PushDeploymentController.cs of projectkudu/kudu, which deploys in the
background when ARM asks. Assumptions: a swap in progress refuses OneDeploy as it refuses every
write; the shape of Kudu's 409 in ARM; the moments of ``deploymentStatus``, whose names are those of
FetchDeploymentManager.cs and the SDK (DeploymentBuildStatus).
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from emulator.arm.bodies import child_body, listing, site_id
from emulator.arm.calls import Answer, Call, gateway, part, provider
from emulator.arm.handling import Params, refuse_if_busy, slot_of
from emulator.scm.results import FAILED, SUCCESS, ConflictError, unborn, word
from emulator.slots.azure import Azure
from emulator.slots.deployments import Push
from emulator.slots.packages import is_url
from emulator.slots.state import Site, Slot

VERSION = "2018-02-01"  # in the link that Kudu returns


def deploy(azure: Azure, call: Call, params: Params) -> Answer:
    """Start to deploy a zip from ``packageUri``: 202, and the address to poll."""
    site, slot = slot_of(azure, params)
    given = part(call.json(), "properties")
    url, kind = given.get("packageUri"), given.get("type")
    if not isinstance(kind, str) or kind.lower() != "zip":
        raise provider(400, "BadRequest", f"type='{kind or ''}' not recognized")
    if not isinstance(url, str) or not is_url(url):
        raise provider(400, "BadRequest", "Invalid Url in the JSON request")
    refuse_if_busy(azure, site)
    push = Push("OneDeploy", "OneDeploy", restart=given.get("restart") is not False)
    request = {"method": call.method, "path": call.path, "id": call.id, "status": 202}
    who = {"caller": call.caller.name, "request": request}
    assert azure.begin_deployment is not None
    try:
        begun = azure.begin_deployment(site, slot, url, push, who)
    except ConflictError as conflict:
        raise provider(409, "Conflict", str(conflict)) from conflict
    query = {"api-version": VERSION, "deployer": push.deployer, "time": word(azure.now())}
    latest = f"{site_id(azure, site, slot)}/deployments/latest?{urlencode(query)}"
    again = {"location": f"{azure.url}{latest}", "retry-after": str(azure.latency.retry_after_s)}
    body = child_body(azure, site, slot, "extensions", "onedeploy", unborn())
    return Answer(202, body, {**again, "scm-deployment-id": begun["id"]})


def statuses(azure: Azure, _call: Call, params: Params) -> Answer:
    """List the status of the newest deployment alone, because older ones are 404."""
    site, slot = slot_of(azure, params)
    newest = azure.deployments.of(site.key, slot.deployment_id)[:1]
    return listing([_status(azure, site, slot, one) for one in newest])


def status(azure: Azure, _call: Call, params: Params) -> Answer:
    """Return the status of the newest deployment; 404 for any other, as az comments."""
    site, slot = slot_of(azure, params)
    for one in azure.deployments.of(site.key, slot.deployment_id)[:1]:
        if one["id"] == params["deployment"]:
            return Answer(200, _status(azure, site, slot, one))
    raise gateway(404, "NotFound", f"Deployment '{params['deployment']}' not found.")


def _status(azure: Azure, site: Site, slot: Slot, one: Mapping[str, Any]) -> dict[str, Any]:
    state = azure.placement.state(site.key, slot.key)
    if one["status"] == FAILED:
        now, errors = "BuildFailed", [{"extendedCode": None, "message": one["status_text"]}]
    elif one["status"] == SUCCESS:
        now, errors = RUNTIME[state], None
    else:
        now, errors = "BuildInProgress", None
    properties = {
        "deploymentId": one["id"],
        "status": now,
        "numberOfInstancesInProgress": int(now == "RuntimeStarting"),
        "numberOfInstancesSuccessful": int(now == "RuntimeSuccessful"),
        "numberOfInstancesFailed": int(now == "RuntimeFailed"),
        "failedInstancesLogs": None,
        "errors": errors,
    }
    return child_body(azure, site, slot, "deploymentStatus", one["id"], properties)


RUNTIME = {
    "Starting": "RuntimeStarting",
    "Running": "RuntimeSuccessful",
    "Failed": "RuntimeFailed",
    "Stopped": "BuildSuccessful",
}
