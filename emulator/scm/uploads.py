"""Uploads: zip deploy, OneDeploy, and the check of a package without deploying it."""

import json
from collections.abc import AsyncIterator

from aiohttp import hdrs, web

from emulator.scm.calls import Call, Scm, body
from emulator.scm.results import FAILED, ConflictError, word
from emulator.slots.deployments import Push
from emulator.slots.packages import PackageError, is_url

ARTIFACTS = ("war", "jar", "ear", "lib", "static", "startup", "script", "zip")


async def zip_deploy(scm: Scm, call: Call) -> web.Response:
    """Deploy a zip; ``clean`` is ignored, because nothing but uploads writes files."""
    push = Push(
        deployer=call.query.get("deployer") or "Push-Deployer",
        message=call.query.get("message") or "Created via a push deployment",
        author=call.query.get("author") or "N/A",
        author_email=call.query.get("authoremail") or "N/A",
        asynchronous=call.flag("isasync"),
    )
    return await _push(scm, call, push)


async def publish(scm: Scm, call: Call) -> web.Response:
    """Deploy a zip as OneDeploy does; other types of artifact are refused."""
    kind = call.query.get("type", "")
    if kind.lower() not in ARTIFACTS:
        return web.Response(status=400, text=f"type='{kind}' not recognized")
    if kind.lower() != "zip":
        return web.Response(status=400, text=f"Artifact type '{kind}' not supported")
    push = Push(
        deployer="OneDeploy",
        message="OneDeploy",
        restart=call.flag("restart", otherwise=True),
        asynchronous=call.flag("async"),
    )
    return await _push(scm, call, push)


async def validate(scm: Scm, call: Call) -> web.Response:
    """Return whether the package can be unpacked; nothing is deployed. The words are ours."""
    try:
        await scm.deployer.packages.add(body(call.request))
    except PackageError as error:
        return web.json_response({"result": "Failure", "message": str(error)}, status=400)
    return web.json_response({"result": "Success"})


async def _push(scm: Scm, call: Call, push: Push) -> web.Response:
    request = call.request
    source: AsyncIterator[bytes] | str = body(request)
    if request.content_type == "application/json":
        url = _package_uri(await request.read())
        if url is None:
            return web.Response(status=400, text="Request body does not contain packageUri")
        source = url
    answer = 202 if push.asynchronous else 200
    made = {"method": request.method, "path": request.path, "id": "", "status": answer}
    who = {"caller": call.who, "request": made}
    try:
        done = await scm.deployer.deploy(call.site, call.slot, source, push, who)
    except ConflictError as conflict:
        return web.Response(status=409, text=str(conflict))
    except PackageError as error:
        return web.Response(status=400, text=str(error))
    headers = {"scm-deployment-id": done["id"]}
    if push.asynchronous:
        time = word(scm.azure.now())
        latest = f"/api/deployments/latest?deployer={push.deployer}&time={time}"
        headers[hdrs.LOCATION] = call.url(latest)
        headers[hdrs.RETRY_AFTER] = str(scm.azure.latency.retry_after_s)
        return web.Response(status=202, headers=headers)
    status = 500 if done["status"] == FAILED else 200
    return web.Response(status=status, headers=headers, text=done["status_text"])


def _package_uri(given: bytes) -> str | None:
    """Return ``packageUri``, at the top or below ``properties``; None if it is no URL."""
    try:
        value = json.loads(given)
        url = value.get("properties", value)["packageUri"]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return url if isinstance(url, str) and is_url(url) else None
