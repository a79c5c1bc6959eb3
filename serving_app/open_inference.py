"""
Open Inference Protocol, version 2, over REST: a thin adapter to the same rows and answers.

    GET  /v2/health/live, /v2/health/ready        200; ready is 503 while nothing is served
    GET  /v2/models/NAME[/versions/V]             its tensors
    GET  /v2/models/NAME[/versions/V]/ready       200
    POST /v2/models/NAME[/versions/V]/infer       one tensor for each column, by name, or one matrix

Tensors are JSON, flat or nested. A tensor for each column has shape [rows] or [rows, 1]; a matrix
of rows x columns is there for models of numbers.
https://github.com/open-inference/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from .blame import BadRows, Repeated
    from .columns import Column
    from .model import Model, finite_json
    from .rows import decode
else:  # the Functions worker puts this folder itself on sys.path
    from blame import BadRows, Repeated
    from columns import Column
    from model import Model, finite_json
    from rows import decode

MATRIX = "rows"  # the name of the one tensor of a model of numbers
_NUMBERS = ("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8")
_TAKES = {
    "number": (*_NUMBERS, "UINT64", "UINT32", "UINT16", "UINT8"),
    "text": ("BYTES",),
    "bool": ("BOOL",),
}


def metadata(model: Model) -> dict[str, Any]:
    """Return the tensors that *model* takes and gives."""
    shape = model.shape
    if shape.numbers:
        inputs = [{"name": MATRIX, "datatype": "FP64", "shape": [-1, len(shape.columns)]}]
    else:
        inputs = [
            {"name": column.name, "datatype": _TAKES[column.type][0], "shape": [-1, 1]}
            for column in shape.columns
        ]
    outputs = [{"name": "label", "datatype": _datatype(model), "shape": [-1, *_several(model)]}]
    if shape.probabilities:
        width = len(shape.classes)
        outputs.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, width]})
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": model.manifest.runtime,
        "inputs": inputs,
        "outputs": outputs,
    }


def infer(model: Model, body: bytes) -> str:
    """Return the JSON that answers the tensors in *body*; raise BadRows."""
    asked = decode(body)
    if not isinstance(asked, dict) or isinstance(asked, Repeated):
        raise BadRows("the body must be an object that names inputs, once")
    table = model.reader.table(rows_of(asked.get("inputs"), model.shape.columns))
    outputs = _wanted(asked.get("outputs"), model)
    probabilities = None
    if "probabilities" in outputs:
        labels, probabilities = model.answers(table)
    else:
        labels = model.labels(table)
    several = _several(model)
    flat = [number for row in labels for number in row] if several else labels
    size = [len(labels), *several]
    made = {"label": {"datatype": _datatype(model), "shape": size, "data": flat}}
    if probabilities is not None:
        shares = {"datatype": "FP64", "shape": list(probabilities.shape)}
        made["probabilities"] = {**shares, "data": probabilities.reshape(-1).tolist()}
    answer = {"model_name": model.name, "model_version": model.version}
    if isinstance(asked.get("id"), str):
        answer["id"] = asked["id"]
    return finite_json({**answer, "outputs": [{"name": name, **made[name]} for name in outputs]})


def rows_of(inputs: Any, columns: Sequence[Column]) -> list[Any]:
    """Return the rows, by position, that the tensors *inputs* hold; raise BadRows."""
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        raise BadRows("inputs must be an array of tensors")
    if any(isinstance(each, Repeated) for each in inputs):
        raise BadRows("a tensor has a key twice")
    known = {column.name: column for column in columns}
    names = [each.get("name") for each in inputs]
    strange = [name for name in names if not isinstance(name, str) or name not in known]
    if len(inputs) == len(strange) == 1 and all(column.type == "number" for column in columns):
        cells, rows = _cells(inputs[0], Column(MATRIX), len(columns))
        width = len(columns)
        return [cells[i * width : (i + 1) * width] for i in range(rows)]
    if strange:
        raise BadRows(f"tensor {ascii(strange[0])[:80]} is no column of the model")
    found: dict[str, list[Any]] = {}
    for name, each in zip(names, inputs, strict=True):
        if name in found:
            raise BadRows(f"tensor {ascii(name)[:80]} is there twice")
        found[name] = _cells(each, known[name], 1)[0]
    for name in known:
        if name not in found:
            raise BadRows(f"tensor {ascii(name)[:80]} is missing")
    if len({len(cells) for cells in found.values()}) != 1:
        raise BadRows("the tensors have different numbers of rows")
    return [list(row) for row in zip(*(found[name] for name in known), strict=True)]


def _cells(tensor: Mapping[str, Any], column: Column, width: int) -> tuple[list[Any], int]:
    """Return the cells of *tensor*, row by row, and how many rows it has."""
    name = ascii(column.name)[:80]
    shape, data = tensor.get("shape"), tensor.get("data")
    if tensor.get("datatype") not in _TAKES[column.type]:
        takes = _TAKES[column.type][0]
        raise BadRows(
            f"tensor {name} has datatype {ascii(tensor.get('datatype'))[:40]}, must be {takes}"
        )
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise BadRows(f"tensor {name} has no shape")
    if shape[1:] != [width] and not (width == 1 and len(shape) == 1):
        raise BadRows(f"tensor {name} has shape {shape[:3]}, must be rows x {width}")
    if not isinstance(data, list):
        raise BadRows(f"tensor {name} has no data: send it as JSON")
    cells = data
    if any(isinstance(row, list) for row in data):
        cells = [cell for row in data for cell in (row if isinstance(row, list) else [row])]
    if len(cells) != shape[0] * width:
        raise BadRows(f"tensor {name} has {len(cells)} values, its shape says {shape[0] * width}")
    return cells, shape[0]


def _wanted(outputs: Any, model: Model) -> list[str]:
    """Return the names of the outputs that the request asks for: all, if it names none."""
    given = ["label", "probabilities"] if model.shape.probabilities else ["label"]
    if outputs is None or outputs == []:
        return given
    if not isinstance(outputs, list) or not all(isinstance(each, dict) for each in outputs):
        raise BadRows("outputs must be an array of objects with a name")
    names = [each.get("name") for each in outputs]
    for name in names:
        if name not in given:
            raise BadRows(f"output {ascii(name)[:80]} is not one of {', '.join(given)}")
    return list(dict.fromkeys(names))


def _several(model: Model) -> list[int]:
    """Return what follows the number of rows in the shape of `label`."""
    return [model.shape.outputs] if model.shape.outputs > 1 else []


def _datatype(model: Model) -> str:
    kinds = {type(label) for label in model.shape.classes}
    names = {str: "BYTES", bool: "BOOL", int: "INT64"}
    return names.get(kinds.pop(), "FP64") if len(kinds) == 1 else "FP64"
