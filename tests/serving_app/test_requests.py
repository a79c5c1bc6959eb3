"""Requests of every form that people send: by name, typed, gzip, Open Inference."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from sklearn.linear_model import LinearRegression
from sklearn.svm import LinearSVC

from serving_app import function_app
from serving_app.columns import Shape
from serving_app.describe import openapi
from serving_app.limits import BODY, TEXT
from serving_app.model import Model
from serving_app.onnx_runtime import open_runtime
from serving_app.open_inference import metadata
from serving_app.refused import Refused
from serving_app.serving import Serving, Stamp
from tests.serving_app import served
from tests.serving_app.served import ask

PREDICT = "api/predict"
NAMES = [column.name for column in served.PEOPLE]
ROW = served.PEOPLE_ROWS[0]
NAMED = dict(zip(NAMES, ROW, strict=True))


def refused(model: Model, body: Any, **more: Any) -> dict[str, Any]:
    """Return the 400 that *body* gets."""
    status, answer = ask(model, PREDICT, body, **more)
    assert status == 400, answer
    found: dict[str, Any] = answer
    return found


def test_a_row_is_answered_by_position_and_by_name() -> None:
    """Arrays and objects, in any order of names, get the labels of the trained model."""
    expected = (200, ["no", "yes", "no", "yes"])
    assert ask(served.people(), PREDICT, served.PEOPLE_ROWS) == expected
    named = [dict(zip(NAMES, row, strict=True)) for row in served.PEOPLE_ROWS]
    assert ask(served.people(), PREDICT, named) == expected
    turned = [dict(reversed(row.items())) for row in named]
    assert ask(served.people(), PREDICT, turned) == expected


def test_what_pandas_writes_is_answered() -> None:
    """`to_json(orient="records")` of the frame is a body."""
    frame = pd.DataFrame(served.PEOPLE_ROWS, columns=NAMES)
    body = frame.to_json(orient="records").encode()
    assert ask(served.people(), PREDICT, body) == (200, ["no", "yes", "no", "yes"])


def test_an_answer_that_is_not_finite_is_refused() -> None:
    """A number that JSON cannot hold is a 400, never null or Infinity in a 200."""
    shape = Shape("regressor", served.PLANTS, (), False)
    model = served.by_sklearn(LinearRegression(), shape, served.PLANT_ROWS, [1e290, 1, 2, 3])
    assert refused(model, [[3e38, 1], [1, 2]])["error"].endswith("no finite answer for these rows")


def test_columns_in_another_order_answer_alike_by_name() -> None:
    """Numbers by name cannot be taken for each other."""
    rows = [{"width": width, "length": length} for length, width in served.PLANT_ROWS]
    assert ask(served.matrix(), PREDICT, rows) == (200, [10, 20, 10, 20])


@pytest.mark.parametrize(
    ("body", "says", "row", "column"),
    [
        ([{**NAMED, "siz": "s"}], 'row 0 names "siz"', 0, None),
        ([NAMED, {k: v for k, v in NAMED.items() if k != "fare"}], "row 1 lacks", 1, 2),
        ([NAMED, {**{k: v for k, v in NAMED.items() if k != "fare"}, "x": 1}], '"x"', 1, None),
        (b'[{"age": 1, "age": 2, "city": "x"}]', 'names "age" more than once', 0, None),
        ([NAMED, ROW], "row 1 is an array, must be an object", 1, None),
        ([ROW, NAMED], "row 1 is an object, must be an array", 1, None),
        ([{}], "row 0 lacks column 0 (age)", 0, 0),
        ([[*ROW[:4], 5]], "column 4 (size) is a number, must be text", 0, 4),
        ([ROW, ["31", *ROW[1:]]], "row 1, column 0 (age) is text, must be a number", 1, 0),
        ([[None, *ROW[1:]]], "(age) is null, must be a number: the model was trained", 0, 0),
        ([[*ROW[:3], 1, "s"]], "(member) is a number, must be true or false", 0, 3),
        ([[*ROW[:3], "true", "s"]], "(member) is text, must be true or false", 0, 3),
        (b'[[31, "Bern", NaN, true, "s"]]', "(fare) is NaN, which JSON does not have", 0, 2),
        ([[2**53 + 1, *ROW[1:]]], "(age) is beyond 2^53", 0, 0),
        (b'[[31, "\\ud800", 1, true, "s"]]', "(city) is text with half a character", 0, 1),
        (b'[[31, "a\\u0000b", 1, true, "s"]]', "(city) is text with a null character", 0, 1),
        ([[31, "x" * (TEXT + 1), 1, True, "s"]], f"at most {TEXT} are read", 0, 1),
        ([[31, ["Bern"], 1, True, "s"]], "(city) is an array, must be text", 0, 1),
        ([[31, {"a": "b"}, 1, True, "s"]], "(city) is an object, must be text", 0, 1),
    ],
)
def test_a_wrong_row_is_named(body: Any, says: str, row: int | None, column: int | None) -> None:
    """Missing, unknown, repeated names and cells of another type are refused by their place."""
    answer = refused(served.people(), body)
    assert says in answer["error"]
    assert (answer["row"], answer["column"]) == (row, column)


def test_null_is_a_missing_value_where_the_model_knows_one() -> None:
    """A gap is answered as scikit-learn answers NaN, and refused where none was trained."""
    status, labels = ask(served.gaps(), PREDICT, [[None, 1.0], [2.0, None], [5.0, 0.5]])
    assert (status, labels) == (200, [0.0, 1.0, 0.0])
    assert (
        "row 1, column 0 (length) is null" in refused(served.matrix(), [[1, 1], [None, 1]])["error"]
    )
    assert refused(served.gaps(), b"[[NaN, 1.0]]")["row"] == 0
    assert refused(served.gaps(), b'[["5", 1.0]]')["column"] == 0


@pytest.mark.parametrize(
    ("make", "rows", "labels"),
    [
        (served.people, served.PEOPLE_ROWS, '["no", "yes", "no", "yes"]'),
        (served.strict_people, served.PEOPLE_ROWS, "[false, true, false, true]"),
        (served.gaps, served.PLANT_ROWS, "[0.0, 1.0, 0.0, 1.0]"),
        (served.margins, served.PLANT_ROWS, "[0, 1, 0, 1]"),
        (served.matrix, served.PLANT_ROWS, "[10, 20, 10, 20]"),
        (served.typed, served.TYPED_ROWS, '["x", "y", "x", "y"]'),
    ],
)
def test_labels_are_of_the_type_that_was_trained(
    make: Callable[[], Model], rows: Any, labels: str
) -> None:
    """Text, whole numbers, true and false, 0.0 and 1.0 stay what they are."""
    status, found = ask(make(), PREDICT, rows)
    assert (status, json.dumps(found)) == (200, labels)
    if make().shape.probabilities:
        status, found = ask(make(), PREDICT, rows, query={"proba": "1"})
        assert (status, json.dumps(found["labels"])) == (200, labels)
        assert np.array(found["probabilities"]).shape == (4, len(found["classes"]))
        assert json.dumps(found["classes"]) == json.dumps(list(make().shape.classes))


def test_a_regressor_answers_numbers() -> None:
    """One number for each row; there are no probabilities to ask for."""
    status, numbers = ask(served.prices(), PREDICT, served.PLANT_ROWS)
    assert status == 200
    assert all(isinstance(number, float) for number in numbers)
    for model in (served.prices(), served.margins()):
        answer = refused(model, served.PLANT_ROWS, query={"proba": "1"})
        assert "without probabilities" in answer["error"]


def test_a_regressor_may_answer_several_numbers() -> None:
    """A list of them for each row, which the description and the tensors of V2 name."""
    status, rows = ask(served.pairs(), PREDICT, served.PLANT_ROWS)
    assert (status, np.array(rows).shape) == (200, (4, 2))
    schemas = openapi(served.pairs())["components"]["schemas"]
    assert schemas["Labels"]["items"]["maxItems"] == 2
    tensor = {"name": "rows", "datatype": "FP64", "shape": [4, 2], "data": served.PLANT_ROWS}
    label = infer(served.pairs(), tensor)[1]["outputs"][0]
    assert (label["shape"], label["data"]) == ([4, 2], np.array(rows).reshape(-1).tolist())
    assert metadata(served.pairs())["outputs"][0]["shape"] == [-1, 2]


def test_an_unknown_category_is_for_the_model_to_judge() -> None:
    """One model ignores it, another refuses it, and the refusal names the row and the category."""
    rows = [*served.PEOPLE_ROWS, [31, "Oslo", 7.5, True, "s"], ROW]
    assert ask(served.people(), PREDICT, rows)[0] == 200
    answer = refused(served.strict_people(), rows)
    assert answer["row"] == 4
    assert "Oslo" in answer["error"]


def test_typed_columns_are_answered_by_onnx() -> None:
    """One input for each column gives scikit-learn's own labels and probabilities."""
    model, graph, shape = served.typed_onnx()
    frame = pd.DataFrame(served.TYPED_ROWS, columns=["c0", "c1", "c2"])
    status, found = ask(served.typed(), PREDICT, served.TYPED_ROWS, query={"proba": "1"})
    assert (status, found["labels"]) == (200, model.predict(frame).tolist())
    assert np.allclose(found["probabilities"], model.predict_proba(frame), atol=1e-6)
    assert ask(served.typed(), PREDICT, [[1.0, "never seen", True]])[0] == 200
    with pytest.raises(Refused, match="does not fit its manifest"):
        open_runtime(graph, served.matrix().shape)
    assert open_runtime(graph, shape)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"proba": "1"}, 200),
        ({"proba": "0"}, 200),
        ({"code": "k", "clientId": "c"}, 200),
        ({"probs": "1"}, 400),
        ({"proba": "yes"}, 400),
        ({"proba": "1", "labels": "1"}, 400),
    ],
)
def test_a_parameter_that_nobody_reads_is_refused(query: dict[str, str], status: int) -> None:
    """A misspelled parameter is refused by name; those of Azure are accepted."""
    found, answer = ask(served.matrix(), PREDICT, served.PLANT_ROWS, query=query)
    assert found == status, answer
    if "probs" in query:
        assert "'probs'" in answer["error"]
        assert ask(served.matrix(), "api/model", query=query)[0] == 400


def test_a_byte_order_mark_is_no_fault() -> None:
    """PowerShell and .NET put one before UTF-8."""
    for model, rows in ((served.matrix(), served.PLANT_ROWS), (served.people(), [NAMED])):
        body = json.dumps(rows).encode()
        assert ask(model, PREDICT, b"\xef\xbb\xbf" + body) == ask(model, PREDICT, body)


def test_gzip_is_inflated_by_the_app_and_bounded() -> None:
    """A gzip body is answered; a bomb, a cut one and another encoding are refused in words."""
    body = json.dumps(served.PLANT_ROWS).encode()
    headers = {"content-encoding": "gzip"}
    packed = gzip.compress(body)
    assert ask(served.matrix(), PREDICT, packed, headers=headers) == (200, [10, 20, 10, 20])
    bomb = gzip.compress(b" " * (BODY + 1))
    assert ask(served.matrix(), PREDICT, bomb, headers=headers)[0] == 413
    most = gzip.compress(body + b" " * (BODY - len(body)))
    assert ask(served.matrix(), PREDICT, most, headers=headers)[0] == 200
    assert "cut off" in refused(served.matrix(), packed[:-4])["error"]
    assert "goes on" in refused(served.matrix(), packed + packed)["error"]
    assert "is not" in refused(served.matrix(), b"\x1f\x8bxxxx")["error"]
    status, answer = ask(served.matrix(), PREDICT, b"\x1b\x00", headers={"content-encoding": "br"})
    assert (status, "'br'" in answer["error"]) == (415, True)


def test_the_model_says_what_it_takes() -> None:
    """Columns with types, classes, an example that is answered, and the limits."""
    status, about = ask(served.people(), "api/model")
    assert status == 200
    assert about["columns"][1] == {"name": "city", "type": "text", "missing": True}
    assert about["columns"][4]["categories"] == ["s", "m", "l"]
    assert (about["classes"], about["kind"]) == (["no", "yes"], "classifier")
    assert about["limits"]["body_bytes"] == BODY
    assert ask(served.people(), PREDICT, [about["example"]])[0] == 200
    assert ask(None, "api/model")[0] == 503


@pytest.mark.parametrize("make", served.MODELS)
def test_openapi_describes_what_is_answered(make: Callable[[], Model]) -> None:
    """Its schemas take the example and refuse what the app refuses."""
    status, document = ask(make(), "api/openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    predict = document["paths"]["/api/predict"]["post"]
    content = predict["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": document["components"]}
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for example in content["examples"].values():
        assert validator.is_valid(example["value"])
        assert ask(make(), PREDICT, example["value"])[0] == 200
    wrongs: list[Any] = [[], [[]], [{}], [["x"] * 9], {"a": 1}]
    for wrong in wrongs:
        assert not validator.is_valid(wrong)
        assert ask(make(), PREDICT, wrong)[0] == 400
    answer = ask(make(), PREDICT, content["examples"]["by name"]["value"])[1]
    labels = {"$ref": "#/components/schemas/Labels", "components": document["components"]}
    assert Draft202012Validator(labels).is_valid(answer)


def tensor(name: str, kind: str, data: list[Any], shape: list[int] | None = None) -> dict[str, Any]:
    """Return one tensor of the Open Inference Protocol."""
    return {"name": name, "datatype": kind, "shape": shape or [len(data)], "data": data}


def infer(model: Model, *inputs: dict[str, Any], **more: Any) -> tuple[int, Any]:
    """Ask *model* by Open Inference."""
    return ask(model, "v2/models/m/infer", {"inputs": list(inputs), **more})


def test_open_inference_answers_as_predict_does() -> None:
    """A matrix, flat or nested, and one tensor for each column give the same labels."""
    flat = [cell for row in served.PLANT_ROWS for cell in row]
    lengths, widths = (list(cells) for cells in zip(*served.PLANT_ROWS, strict=True))
    for inputs in (
        [tensor("rows", "FP64", flat, [4, 2])],
        [tensor("rows", "FP32", served.PLANT_ROWS, [4, 2])],
        [tensor("width", "FP64", widths), tensor("length", "FP64", lengths, [4, 1])],
    ):
        status, answer = infer(served.matrix(), *inputs, id="7")
        assert status == 200, answer
        assert (answer["id"], answer["model_name"], answer["model_version"]) == ("7", "m", "2.0.0")
        label, shares = answer["outputs"]
        assert (label["name"], label["datatype"], label["data"]) == (
            "label",
            "INT64",
            [10, 20, 10, 20],
        )
        assert (shares["shape"], len(shares["data"])) == ([4, 2], 8)
    status, answer = infer(served.matrix(), inputs[0], inputs[1], outputs=[{"name": "label"}])
    assert [output["name"] for output in answer["outputs"]] == ["label"]


def test_open_inference_takes_typed_columns() -> None:
    """BYTES, BOOL and numbers, by name; null where the model knows a gap."""
    kinds = ("INT64", "BYTES", "FP64", "BOOL", "BYTES")
    cells = zip(*served.PEOPLE_ROWS, strict=True)
    inputs = [tensor(n, k, list(c)) for n, k, c in zip(NAMES, kinds, cells, strict=True)]
    status, answer = infer(served.people(), *inputs)
    assert (status, answer["outputs"][0]["data"]) == (200, ["no", "yes", "no", "yes"])
    status, answer = infer(served.prices(), tensor("rows", "FP64", [1, 2], [1, 2]))
    assert (status, answer["outputs"][0]["datatype"]) == (200, "FP64")


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([tensor("length", "FP64", [1])], "'width' is missing"),
        ([tensor("length", "FP64", [1])] * 2, "'length' is there twice"),
        ([tensor("length", "FP64", [1]), tensor("w", "FP64", [1])], "'w' is no column"),
        ([tensor("length", "FP64", [1]), tensor("width", "FP64", [1, 2])], "different numbers"),
        ([tensor("rows", "BYTES", [1, 2], [1, 2])], "datatype 'BYTES', must be FP64"),
        ([tensor("rows", "FP64", [1, 2, 3], [1, 2])], "3 values, its shape says 2"),
        ([tensor("rows", "FP64", [1, 2, 3], [1, 3])], "must be rows x 2"),
        ([tensor("rows", "FP64", [1, "2"], [1, 2])], "column 1 (width) is text"),
        ([tensor("rows", "FP64", [], [0, 2])], "empty"),
        ([{"name": "rows", "datatype": "FP64", "shape": [1, 2]}], "no data"),
        ([{"name": "rows", "datatype": "FP64", "data": [1, 2]}], "no shape"),
        ([{"name": "rows", "datatype": "FP64", "shape": [-1, 2], "data": []}], "no shape"),
        ([tensor("w", "FP64", [1, 2], [1, 2]), tensor("x", "FP64", [1])], "'w' is no column"),
        ([7], "inputs must be an array"),
        ([], "'length' is missing"),
    ],
)
def test_a_wrong_tensor_is_named(inputs: list[Any], says: str) -> None:
    """What is wrong with a tensor is refused in words, by its name."""
    status, answer = ask(served.matrix(), "v2/models/m/infer", {"inputs": inputs})
    assert (status, says in answer["error"]) == (400, True), answer


def test_open_inference_describes_the_model() -> None:
    """Metadata, readiness and the paths of a version; other models and paths are 404."""
    model = served.people()
    status, about = ask(model, "v2/models/m")
    assert (status, about["versions"]) == (200, ["2.0.0"])
    assert [one["datatype"] for one in about["inputs"]] == [
        "FP64",
        "BYTES",
        "FP64",
        "BOOL",
        "BYTES",
    ]
    assert ask(served.matrix(), "v2/models/m")[1]["inputs"][0]["shape"] == [-1, 2]
    assert ask(model, "v2/models/m/versions/2.0.0")[1] == about
    assert ask(model, "v2/models/m/versions/2.0.0/ready") == (200, {"ready": True})
    assert ask(model, "v2/health/ready") == (200, {"ready": True})
    assert ask(None, "v2/health/ready")[0] == 503
    assert ask(None, "v2/health/live")[0] == 200
    assert ask(None, "v2/models/m")[0] == 503
    for path in ("v2/models/n", "v2/models/m/versions/1", "v2/models", "v2/x", "v2/models/m/infer"):
        assert ask(model, path)[0] == 404, path


def test_a_package_of_the_other_build_refuses_the_model() -> None:
    """The reason names the build that the model needs."""
    stored, digest = served.stored_by_sklearn(
        LinearSVC(), served.margins().shape, served.PLANT_ROWS, [0, 1, 0, 1]
    )
    with pytest.raises(Refused, match="needs the build sklearn") as refusal:
        served.loaded(stored, digest, build="onnx")
    assert refusal.value.reason == "RuntimeMissing"
    manifest = json.loads(stored["m/2.0.0/manifest.json"])
    manifest["runtime"]["sklearn"] = "1.2"
    stored["m/2.0.0/manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(Refused, match=r"needs scikit-learn 1\.2, this package has 1\."):
        served.loaded(stored, "")


@pytest.mark.parametrize("name", ["golden-0.json", "model-0.skops"])
def test_other_bytes_than_the_manifest_names_are_not_read(name: str) -> None:
    """The golden rows are pinned as the artifact is."""
    stored, digest = served.stored_by_sklearn(
        LinearSVC(), served.margins().shape, served.PLANT_ROWS, [0, 1, 0, 1]
    )
    good = stored[f"m/2.0.0/{name}"]
    for bad in (good[:-1] + bytes([good[-1] ^ 1]), good[:-1], good + b" "):
        stored[f"m/2.0.0/{name}"] = bad
        with pytest.raises(Refused) as refusal:
            served.loaded(stored, digest)
        assert refusal.value.reason == "DigestMismatch"


def test_the_platforms_ping_waits_until_loading_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong status would end the swap; everybody else learns at once that it is loading."""
    slow = Serving({}, Stamp("source", ""))
    monkeypatch.setattr(function_app, "serving", slow)

    async def reasons() -> list[str]:
        one, other = ({"User-Agent": agent} for agent in ("SiteWarmup", "curl"))
        ping = asyncio.ensure_future(served.asked(None, "api/health", headers=one))
        found = [await served.asked(None, "api/health", headers=other)]
        slow.start()
        return [body["reason"] for _, body in (*found, await ping)]

    assert asyncio.run(reasons()) == ["Loading", "NoModel"]
