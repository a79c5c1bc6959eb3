"""Function apps to run in slots."""

from tests.platform import package

PROBE = {
    "host.json": '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}',
    "requirements.txt": "azure-functions\n",
    "function_app.py": """
import asyncio
import json
import os
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
VERSION = os.environ.get("MODEL_VERSION", "")
if os.environ.get("CRASH_AT_START"):
    os._exit(3)


def answer(value, status=200):
    return func.HttpResponse(
        json.dumps(value), status_code=status, headers={"x-model-version": VERSION}
    )


@app.route(route="api/health")
async def health(req: func.HttpRequest) -> func.HttpResponse:
    seen = os.environ.get("SEEN")
    if seen:
        line = {"agent": req.headers.get("user-agent"), "version": VERSION}
        with Path(seen).open("a") as file:
            file.write(json.dumps(line) + "\\n")
    return answer({"version": VERSION, "pid": os.getpid()}, int(os.environ.get("HEALTH", "200")))


@app.route(route="api/environment")
async def environment(req: func.HttpRequest) -> func.HttpResponse:
    return answer(dict(os.environ))


@app.route(route="api/slow")
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.sleep(float(req.params["s"]))
    return answer({"version": VERSION})


@app.route(route="api/echo", methods=["POST"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    return answer({"size": len(req.get_body()), "headers": dict(req.headers), "url": req.url})


@app.route(route="api/crash")
async def crash(req: func.HttpRequest) -> func.HttpResponse:
    os._exit(1)


@app.route(route="api/keyed", auth_level=func.AuthLevel.FUNCTION)
async def keyed(req: func.HttpRequest) -> func.HttpResponse:
    return answer({})
""",
}


def probe(version: str) -> bytes:
    """Return the package of the probe app with *version* in its code, not in its settings."""
    code = PROBE["function_app.py"].replace('os.environ.get("MODEL_VERSION", "")', repr(version))
    return package({**PROBE, "function_app.py": code})
