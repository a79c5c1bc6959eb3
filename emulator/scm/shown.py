"""Show deployments: the list, one of them, its log."""

from collections.abc import Mapping
from typing import Any

from aiohttp import hdrs, web

from emulator.scm.calls import Call, Scm
from emulator.scm.results import FAILED, SUCCESS

LATEST = "latest"


async def deployments(scm: Scm, call: Call) -> web.Response:
    """List the deployments of the slot's content, newest first."""
    known = scm.azure.deployments.of(*call.key)
    return web.json_response([_with_urls(call, one, one["id"]) for one in known])


async def deployment(scm: Scm, call: Call) -> web.Response:
    """Show one deployment; clients poll ``latest``, which is 202 until the deployment has ended."""
    one = _find(scm, call)
    if one is None:
        return web.Response(status=404, text=f"Deployment '{call.word}' not found.")
    if call.word.lower() == LATEST and one["status"] not in (FAILED, SUCCESS):
        headers = {hdrs.LOCATION: call.url(call.request.raw_path)}
        return web.json_response(one, status=202, headers=headers)
    return web.json_response(_with_urls(call, one, call.word))


async def log(scm: Scm, call: Call) -> web.Response:
    """Show the log of one deployment, oldest line first."""
    one = _find(scm, call)
    if one is None:
        return web.Response(status=404, text=f"No log found for '{call.word}'.")
    return web.json_response(scm.azure.deployments.log(one["id"]))


def _find(scm: Scm, call: Call) -> Mapping[str, Any] | None:
    known = scm.azure.deployments.of(*call.key)
    if call.word.lower() == LATEST:
        return known[0] if known else None
    return next((one for one in known if one["id"] == call.word), None)


def _with_urls(call: Call, one: Mapping[str, Any], word: str) -> Mapping[str, Any]:
    url = call.url(f"/api/deployments/{word}")
    return {**one, "url": url, "log_url": f"{url}/log"}
