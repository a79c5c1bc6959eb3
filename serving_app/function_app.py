"""
The serving app of a slot: three HTTP endpoints.

    POST /api/predict            JSON array of rows -> JSON array of labels
    POST /api/predict?proba=1    -> {"labels": [...], "probabilities": [[...]], "classes": [...]}
    GET  /api/health             the model that is served, with 200; else 503 and the reason

Probabilities are rows x classes, in the order of "classes". Bad rows get 400 with
{"error", "row", "column"} (counted from 0, null if no single cell is at fault), a body over the cap
gets 413, and every request gets 503 with {"error", "reason"} while there is no model.

Settings: MODEL_NAME, MODEL_VERSION (1.5.0 or 1.5.0@sha256:<64 hex>), MODEL_DEPLOY, MODEL_STORE
(account URL of the registry), MODEL_PREDICT_AUTH ("function", or "anonymous"). Health is always
anonymous, because the platform's warm-up ping carries no key.

Handlers are `async def`: they run on the worker's loop without a hop to a thread, which would be
most of the cost of a one-row request. Large bodies do go to a thread, so that others need not wait.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import azure.functions as func

if TYPE_CHECKING or __package__:
    from .limits import BODY, INLINE
    from .model import Model, finite_json
    from .rows import BadRows
    from .serving import Serving, read_build
else:  # the Functions worker puts this folder itself on sys.path
    from limits import BODY, INLINE
    from model import Model, finite_json
    from rows import BadRows
    from serving import Serving, read_build

serving = Serving(os.environ, code=read_build(Path(__file__).parent))
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
    model = serving.model
    if model is None:
        return _error(503, serving.refusal.message, reason=serving.refusal.reason)
    body = req.get_body()
    if len(body) > BODY:
        return _error(413, f"the body is {len(body)} bytes, at most {BODY} are read")
    proba = req.params.get("proba") == "1"
    try:
        if len(body) <= INLINE:
            return _json(200, answer(model, body, proba=proba))
        return _json(200, await asyncio.to_thread(answer, model, body, proba=proba))
    except BadRows as bad:
        return _error(400, bad.message, row=bad.row, column=bad.column)


@app.route(route="api/health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """Return the model that is served, or the reason why there is none."""
    return _json(503 if serving.model is None else 200, json.dumps(serving.health()))


def answer(model: "Model", body: bytes, *, proba: bool) -> str:
    """Return the JSON that answers the rows in *body*; raise BadRows."""
    if not proba:
        return model.labels_json(model.reader.read(body))
    if not model.shape.probabilities:
        raise BadRows(f"the model has no probabilities, it is a {model.shape.kind} without them")
    labels, probabilities = model.answers(model.reader.read(body))
    shares = [] if probabilities is None else probabilities.tolist()
    return finite_json({"labels": labels, "probabilities": shares, "classes": model.shape.classes})


def _json(status: int, text: str) -> func.HttpResponse:
    return func.HttpResponse(
        text, status_code=status, mimetype="application/json", headers=serving.headers
    )


def _error(status: int, message: str, **more: Any) -> func.HttpResponse:
    return _json(status, json.dumps({"error": message, **more}))
