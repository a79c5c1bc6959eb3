"""
The serving app of a slot: its HTTP endpoints.

    POST /api/predict            JSON array of rows -> JSON array of labels
    POST /api/predict?proba=1    -> {"labels": [...], "probabilities": [[...]], "classes": [...]}
    GET  /api/model              the model's columns, classes, example and limits
    GET  /api/openapi.json       the same as OpenAPI
    GET  /api/health             the model that is served, with 200; else 503 and the reason
    /v2/...                      Open Inference Protocol (open_inference.py)

A row is an array by position or an object by name. Probabilities are rows x classes, in the order
of "classes". Bad rows get 400 with {"error", "row", "column"} (counted from 0, null if no single
cell is at fault), a body over the limit gets 413, and every request gets 503 with {"error",
"reason"} while there is no model. A body may be gzip.

Settings: MODEL_NAME, MODEL_VERSION (1.5.0 or 1.5.0@sha256:<64 hex>), MODEL_DEPLOY, MODEL_STORE
(account URL of the registry), MODEL_PREDICT_AUTH ("function", or "anonymous"). Health is always
anonymous, because the platform's warm-up ping carries no key.

Handlers are `async def`: they run on the worker's loop without a hop to a thread, which would be
most of the cost of a one-row request. Large bodies do go to a thread, so that others need not wait,
and so does scikit-learn, which takes much longer than that hop.
"""

import asyncio
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import azure.functions as func

if TYPE_CHECKING or __package__:
    from . import open_inference
    from .blame import BadRows
    from .body import asked_proba, check_query, encoding_of, plain
    from .describe import about, openapi
    from .limits import INLINE
    from .model import Model, numbers_json
    from .serving import Serving, read_stamp
else:  # the Functions worker puts this folder itself on sys.path
    import open_inference
    from blame import BadRows
    from body import asked_proba, check_query, encoding_of, plain
    from describe import about, openapi
    from limits import INLINE
    from model import Model, numbers_json
    from serving import Serving, read_stamp

serving = Serving(os.environ, read_stamp(Path(__file__).parent))
serving.start()

_auth = (
    func.AuthLevel.ANONYMOUS
    if os.environ.get("MODEL_PREDICT_AUTH", "").strip().lower() == "anonymous"
    else func.AuthLevel.FUNCTION
)
app = func.FunctionApp()


@app.route(route="api/predict", methods=["POST"], auth_level=_auth)
async def predict(req: func.HttpRequest) -> func.HttpResponse:
    """Return the labels of the rows, and on request their probabilities."""
    try:
        proba = bool(req.params) and asked_proba(req.params)
    except BadRows as bad:
        return _bad(bad)
    return await _answered(req, shares if proba else labels)


@app.route(route="api/model", methods=["GET"], auth_level=_auth)
async def model(req: func.HttpRequest) -> func.HttpResponse:
    """Return what the model takes and answers."""
    return _described(req, about)


@app.route(route="api/openapi.json", methods=["GET"], auth_level=_auth)
async def openapi_json(req: func.HttpRequest) -> func.HttpResponse:
    """Return what the model takes and answers, as OpenAPI."""
    return _described(req, openapi)


@app.route(route="api/health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """Return the model that is served, or the reason why there is none."""
    if "SiteWarmup" in req.headers.get("user-agent", ""):
        # A wrong status ends the swap at once, silence does not:
        # https://learn.microsoft.com/azure/app-service/deploy-staging-slots
        await asyncio.to_thread(serving.wait)
    return _json(503 if serving.model is None else 200, json.dumps(serving.health()))


@app.route(route="v2/{*path}", methods=["GET", "POST"], auth_level=_auth)
async def v2(req: func.HttpRequest) -> func.HttpResponse:
    """Answer a request of the Open Inference Protocol."""
    words = (req.route_params.get("path") or "").strip("/").split("/")
    if req.method == "GET" and words in (["health", "live"], ["health", "ready"]):
        alive = serving.model is not None or words[1] == "live"
        return _json(200 if alive else 503, json.dumps({words[1]: alive}))
    found = serving.model
    if found is None:
        return _error(503, serving.refusal.message, reason=serving.refusal.reason)
    if words[:2] != ["models", found.name]:
        return _error(404, f"there is no such path; the model is /v2/models/{found.name}")
    rest = words[2:]
    if rest[:1] == ["versions"]:
        if rest[1:2] != [found.version]:
            return _error(404, f"the version that is served is {found.version}")
        rest = rest[2:]
    match (req.method, rest):
        case ("GET", []):
            return _described(req, open_inference.metadata)
        case ("GET", ["ready"]):
            return _json(200, json.dumps({"ready": True}))
        case ("POST", ["infer"]):
            return await _answered(req, open_inference.infer)
    return _error(404, "there is no such path; infer is a POST, metadata and ready are a GET")


def labels(model: Model, body: bytes) -> str:
    """Return the JSON of the labels of the rows in *body*; raise BadRows."""
    return model.labels_json(model.reader.read(body))


def shares(model: Model, body: bytes) -> str:
    """Return the JSON of labels and probabilities of the rows in *body*; raise BadRows."""
    if not model.shape.probabilities:
        raise BadRows(f"the model is a {model.shape.kind} without probabilities: ask without proba")
    said, probabilities = model.answers(model.reader.read(body))
    assert probabilities is not None  # as the shape says
    return (
        f'{{"labels": {json.dumps(said)}, "probabilities": {numbers_json(probabilities)},'
        f' "classes": {json.dumps(model.shape.classes)}}}'
    )


async def _answered(
    req: func.HttpRequest, answer: Callable[[Model, bytes], str]
) -> func.HttpResponse:
    """Return what *answer* makes of the body, or what is wrong with it."""
    model = serving.model
    if model is None:
        return _error(503, serving.refusal.message, reason=serving.refusal.reason)
    try:
        body = plain(req.get_body())
        if len(body) <= INLINE and model.quick:
            return _json(200, answer(model, body))
        return _json(200, await asyncio.to_thread(partial(answer, model, body)))
    except BadRows as bad:
        if encoding := encoding_of(req.headers):
            return _error(415, f"Content-Encoding is {ascii(encoding)[:40]}, only gzip is read")
        return _bad(bad)


def _described(
    req: func.HttpRequest, describe: Callable[[Model], dict[str, Any]]
) -> func.HttpResponse:
    try:
        check_query(req.params)
    except BadRows as bad:
        return _bad(bad)
    if serving.model is None:
        return _error(503, serving.refusal.message, reason=serving.refusal.reason)
    return _json(200, json.dumps(describe(serving.model)))


def _json(status: int, text: str) -> func.HttpResponse:
    return func.HttpResponse(
        text, status_code=status, mimetype="application/json", headers=serving.headers
    )


def _bad(bad: BadRows) -> func.HttpResponse:
    return _error(bad.status, bad.message, row=bad.row, column=bad.column)


def _error(status: int, message: str, **more: Any) -> func.HttpResponse:
    return _json(status, json.dumps({"error": message, **more}))
