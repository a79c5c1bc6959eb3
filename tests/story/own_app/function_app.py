"""Somebody's own function app: it answers in its own way, and keeps the serving contract."""

import json
from typing import Any

import azure.functions as func
import numpy as np
import onnxruntime as ort
from gitslot_blueprint import Served  # type: ignore[import-not-found]  # copied beside it


def load(artifact: bytes, manifest: dict[str, Any]) -> tuple[ort.InferenceSession, list[Any]]:
    """Return the model and its classes."""
    return ort.InferenceSession(artifact), manifest["classes"]


served = Served(load)
app = func.FunctionApp()
app.register_functions(served.blueprint)


@app.route(route="predict", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def predict(req: func.HttpRequest) -> func.HttpResponse:
    """Answer rows with labels, and with `proba=1` with all that golden rows ask for."""
    headers = {**served.headers, "x-answered-by": "an app of its own"}
    if served.model is None:
        return func.HttpResponse(status_code=503, headers=headers)
    session, classes = served.model
    entry = session.get_inputs()[0]
    dtype = np.float32 if entry.type == "tensor(float)" else np.float64
    rows = np.array(req.get_json(), dtype)
    labels, probabilities = session.run(None, {entry.name: rows})
    body: Any = labels.tolist()
    if req.params.get("proba") == "1":
        body = {"labels": body, "probabilities": probabilities.tolist(), "classes": classes}
    return func.HttpResponse(json.dumps(body), headers=headers, mimetype="application/json")
