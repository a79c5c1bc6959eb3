"""Models of manifest format 2, loaded as the app loads them, and asked as the worker asks."""

import asyncio
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import azure.functions as func
import numpy as np
import pandas as pd
import skops.io
from skl2onnx import to_onnx
from skl2onnx.common.data_types import BooleanTensorType, DoubleTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from serving_app import function_app
from serving_app.columns import Column, Shape, table_of
from serving_app.model import Model, Wanted, load
from serving_app.sklearn_runtime import as_trained

PEOPLE = (
    Column("age", "number", "int64"),
    Column("city", "text", "object", missing=True),
    Column("fare", "number", "float64", missing=True),
    Column("member", "bool", "bool"),
    Column("size", "text", "category", categories=("s", "m", "l")),
)
PEOPLE_ROWS: list[list[Any]] = [
    [31, "Bern", 7.5, True, "s"],
    [44, "Rom", None, False, "l"],
    [18, None, 1.25, True, "m"],
    [60, "Wien", 9.0, False, "l"],
]
PLANTS = (Column("length"), Column("width"))
PLANT_ROWS: list[list[Any]] = [[5.0, 0.5], [1.0, 0.25], [6.0, 1.5], [0.5, 0.5]]
TYPED = (Column("c0"), Column("c1", "text", "object"), Column("c2", "bool", "bool"))
TYPED_ROWS: list[list[Any]] = [
    [5.0, "a", True],
    [1.0, "b", False],
    [6.0, "a", False],
    [0.5, "c", True],
]


def blobs(
    artifact: bytes, form: str, runtime: Mapping[str, object], shape: Shape, golden: dict[str, Any]
) -> tuple[dict[str, bytes], str]:
    """Return what the registry holds for version 2.0.0 of model m, and its digest."""
    raw = json.dumps(golden).encode()

    def described(name: str, content: bytes) -> dict[str, object]:
        sha256 = hashlib.sha256(content).hexdigest()
        return {"name": name, "sha256": sha256, "size": len(content)}

    columns = [asdict(column) for column in shape.columns]
    manifest = {
        "format": 2,
        "model": "m",
        "version": "2.0.0",
        "contract": 2,
        "artifact": {**described(f"model-0.{form}", artifact), "format": form},
        "runtime": runtime,
        "kind": shape.kind,
        "columns": columns,
        "classes": list(shape.classes),
        "probabilities": shape.probabilities,
        "outputs": shape.outputs,
        "golden": {**described("golden-0.json", raw), "rows": 1, "tolerance": 1e-6},
        "example": golden["inputs"][0],
    }
    top = json.dumps(manifest).encode()
    found = {"manifest.json": top, f"model-0.{form}": artifact, "golden-0.json": raw}
    return (
        {f"m/2.0.0/{name}": content for name, content in found.items()},
        hashlib.sha256(top).hexdigest(),
    )


def loaded(stored: Mapping[str, bytes], digest: str, build: str = "") -> Model:
    """Load version 2.0.0 of m from *stored*."""
    return load(Wanted("m", "2.0.0", digest), lambda path, cap: stored[path][: cap + 1], build)


def by_sklearn(estimator: Any, shape: Shape, rows: list[list[Any]], answers: list[Any]) -> Model:
    """Train *estimator* and load it with the scikit-learn runtime."""
    return loaded(*stored_by_sklearn(estimator, shape, rows, answers))


def stored_by_sklearn(
    estimator: Any, shape: Shape, rows: list[list[Any]], answers: list[Any]
) -> tuple[dict[str, bytes], str]:
    """Train *estimator*, and return what the registry would hold."""
    given = as_trained(table_of(rows, shape), shape)
    estimator.fit(given, answers)
    golden = {
        "inputs": rows,
        "labels": estimator.predict(given).tolist(),
        "probabilities": estimator.predict_proba(given).tolist() if shape.probabilities else None,
    }
    runtime = {"name": "sklearn", "sklearn": "1.9", "frame": shape.frame}
    return blobs(skops.io.dumps(estimator), "skops", runtime, shape, golden)


@functools.cache
def people() -> Model:
    """Return a classifier of text, numbers with gaps, true and false, and a categorical."""
    known = OneHotEncoder(handle_unknown="ignore")
    steps = [("n", SimpleImputer(), ["fare", "age"]), ("c", known, ["city", "size", "member"])]
    model = make_pipeline(ColumnTransformer(steps), LogisticRegression())
    shape = Shape("classifier", PEOPLE, ("no", "yes"), True, frame=True)
    return by_sklearn(model, shape, PEOPLE_ROWS, ["no", "yes", "no", "yes"])


@functools.cache
def strict_people() -> Model:
    """Return one that refuses unknown categories, which is the default of scikit-learn."""
    steps = [("c", OneHotEncoder(), ["city", "size"])]
    model = make_pipeline(ColumnTransformer(steps), LogisticRegression())
    shape = Shape("classifier", PEOPLE, (False, True), True, frame=True)
    return by_sklearn(model, shape, PEOPLE_ROWS, [False, True, False, True])


@functools.cache
def gaps() -> Model:
    """Return a classifier of numbers that knows missing values, with labels 0.0 and 1.0."""
    columns = (Column("length", missing=True), Column("width", missing=True))
    shape = Shape("classifier", columns, (0.0, 1.0), True)
    rows: list[list[Any]] = [*PLANT_ROWS, [None, 1.0], [2.0, None]] * 5
    model = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=2)
    return by_sklearn(model, shape, rows, [0.0, 1.0, 0.0, 1.0, 0.0, 1.0] * 5)


@functools.cache
def margins() -> Model:
    """Return a classifier without probabilities."""
    shape = Shape("classifier", PLANTS, (0, 1), False)
    return by_sklearn(LinearSVC(), shape, PLANT_ROWS, [0, 1, 0, 1])


@functools.cache
def prices() -> Model:
    """Return a regressor."""
    shape = Shape("regressor", PLANTS, (), False)
    return by_sklearn(RandomForestRegressor(3, random_state=0), shape, PLANT_ROWS, [3, 1, 4, 1.5])


@functools.cache
def pairs() -> Model:
    """Return a regressor that answers two numbers for each row."""
    shape = Shape("regressor", PLANTS, (), False, outputs=2)
    answers = [[3, 0], [1, 1], [4, 2], [1.5, 3]]
    return by_sklearn(RandomForestRegressor(3, random_state=0), shape, PLANT_ROWS, answers)


@functools.cache
def typed_onnx() -> tuple[Any, bytes, Shape]:
    """Return a pipeline of typed columns, its graph with one input for each, and its shape."""
    frame = pd.DataFrame(TYPED_ROWS, columns=["c0", "c1", "c2"])
    steps = [("n", "passthrough", ["c0"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["c1"])]
    model = make_pipeline(ColumnTransformer(steps), LogisticRegression())
    model.fit(frame, ["x", "y", "x", "y"])
    types = [
        ("c0", DoubleTensorType([None, 1])),
        ("c1", StringTensorType([None, 1])),
        ("c2", BooleanTensorType([None, 1])),
    ]
    options = {id(model): {"zipmap": False}}
    graph = to_onnx(
        model, initial_types=types, options=options, target_opset={"": 18, "ai.onnx.ml": 3}
    )
    return model, graph.SerializeToString(), Shape("classifier", TYPED, ("x", "y"), True)


@functools.cache
def typed() -> Model:
    """Return the model of `typed_onnx`, loaded from its manifest."""
    model, graph, shape = typed_onnx()
    frame = pd.DataFrame(TYPED_ROWS, columns=["c0", "c1", "c2"])
    golden = {
        "inputs": TYPED_ROWS,
        "labels": model.predict(frame).tolist(),
        "probabilities": model.predict_proba(frame).tolist(),
    }
    return loaded(*blobs(graph, "onnx", {"name": "onnx", "dtype": "float64"}, shape, golden))


@functools.cache
def matrix() -> Model:
    """Return a classifier of numbers, answered by ONNX."""
    rows = np.array(PLANT_ROWS)
    model = LogisticRegression().fit(rows, [10, 20, 10, 20])
    options = {id(model): {"zipmap": False}}
    graph = to_onnx(model, rows, options=options, target_opset={"": 18, "ai.onnx.ml": 3})
    shape = Shape("classifier", PLANTS, (10, 20), True)
    labels, shares = model.predict(rows).tolist(), model.predict_proba(rows).tolist()
    golden = {"inputs": PLANT_ROWS, "labels": labels, "probabilities": shares}
    runtime = {"name": "onnx", "dtype": "float64"}
    return loaded(*blobs(graph.SerializeToString(), "onnx", runtime, shape, golden))


MODELS = (people, strict_people, gaps, margins, prices, typed, matrix)


def ask(model: Model | None, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
    """Return status and JSON of the app's answer at *path*: a POST if there is a *body*."""
    return asyncio.run(asked(model, path, body, **more))


async def asked(
    model: Model | None,
    path: str,
    body: Any = None,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    """Do what `ask` does, in a loop that runs already."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    handlers = {
        "api/predict": function_app.predict,
        "api/model": function_app.model,
        "api/openapi.json": function_app.openapi_json,
        "api/health": function_app.health,
    }
    rest = {"path": path.removeprefix("v2/")} if path.startswith("v2/") else {}
    request = func.HttpRequest(
        "GET" if body is None else "POST",
        f"http://slot/{path}",
        headers=headers or {},
        params=query or {},
        route_params=rest,
        body=b"" if body is None else raw,
    )
    function_app.serving.model = model
    handler: Any = handlers.get(path, function_app.v2)
    try:
        answer = await handler._function.get_user_function()(request)
    finally:
        function_app.serving.model = None
    return answer.status_code, json.loads(answer.get_body())
