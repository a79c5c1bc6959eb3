"""Predict with the model that came in the zip."""

import json
from pathlib import Path

import azure.functions as func
import joblib

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
kept = joblib.load(Path(__file__).with_name("model.joblib"))
headers = {"x-model-version": kept["version"]}


@app.route(route="health")
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Say which model is here."""
    return func.HttpResponse(kept["version"], headers=headers)


@app.route(route="predict", methods=["POST"])
def predict(req: func.HttpRequest) -> func.HttpResponse:
    """Answer rows with classes."""
    labels = kept["model"].predict(req.get_json()).tolist()
    return func.HttpResponse(json.dumps(labels), headers=headers)
