"""``/api/settings``: app settings, which win over Kudu's own, which win over Kudu's defaults."""

import json
from collections.abc import Mapping

from aiohttp import web

from emulator.scm.calls import Call, Scm
from emulator.scm.deployer import IN_PROGRESS

# KuduLite's own (DeploymentSettingsManager).
DEFAULTS: Mapping[str, str] = {
    "deployment_branch": "master",
    "SCM_TRACE_LEVEL": "1",
    "SCM_COMMAND_IDLE_TIMEOUT": "60",
    "SCM_LOGSTREAM_TIMEOUT": "7200",
    "SCM_BUILD_ARGS": "",
    "SCM_GIT_USERNAME": "windowsazure",
    "SCM_GIT_EMAIL": "windowsazure",
    "ScmType": "None",
}


async def settings(scm: Scm, call: Call) -> web.Response:
    return web.json_response(_all(scm, call))


async def setting(scm: Scm, call: Call) -> web.Response:
    """Show one setting, as text."""
    known = {name.lower(): value for name, value in _all(scm, call).items()}
    if call.word.lower() not in known:
        return web.Response(status=404, text=f"'{call.word}' setting does not exist.")
    return web.Response(text=known[call.word.lower()])


async def put(scm: Scm, call: Call) -> web.Response:
    """Set ``{name: value, ...}`` or ``{"key": name, "value": value}``; app settings stay."""
    try:
        given = json.loads(await call.request.read())
    except ValueError:
        given = None
    if not isinstance(given, Mapping) or not given:
        return web.Response(status=400)
    if set(given) == {"key", "value"}:
        given = {str(given["key"]): given["value"]}
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in given.items()}
    return _change(scm, call, texts)


async def delete(scm: Scm, call: Call) -> web.Response:
    """Remove one of Kudu's own settings; 204 whether it existed or not."""
    return _change(scm, call, {call.word: None})


def _change(scm: Scm, call: Call, settings: Mapping[str, str | None]) -> web.Response:
    if scm.deployer.busy(call.site, call.slot):
        return web.Response(status=409, text=IN_PROGRESS)
    for name, value in settings.items():
        scm.azure.deployments.set(*call.key, name, value)
    return web.Response(status=204)


def _all(scm: Scm, call: Call) -> dict[str, str]:
    own = scm.azure.deployments.settings(*call.key)
    return {**DEFAULTS, **own, **call.slot.settings}
