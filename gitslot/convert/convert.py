"""
Turn a fitted estimator into the artifacts that could serve it, the fastest first.

    ONNX float32           exact for trees, forests, boosting: these cast to float32 themselves
    ONNX float64           exact to about 1e-15 for linear models and most others
    ONNX float64, last     a pipeline's last step in float32, what is before it in float64: that is
    step float32           the order of scikit-learn for a scaler before trees
    scikit-learn           the estimator itself, as a skops file

Nobody knows beforehand which of them is exact for an estimator; gitslot/convert/parity.py measures.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import onnx
from onnx import TensorProto, compose, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    StringTensorType,
)
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from gitslot.convert.boosters import INSTEAD, is_booster, library_of
from gitslot.convert.parts import parts
from gitslot.convert.skops_bytes import saved
from gitslot.convert.table import Table
from gitslot.registry.manifest import Runtime

# ONNX Runtime reports to Microsoft unless this is set before its import; see serving_app.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

OPSETS = {"": 18, "ai.onnx.ml": 3}  # old enough for every ONNX Runtime on Python 3.11 to 3.13
_NUMBERS = {"float32": FloatTensorType, "float64": DoubleTensorType}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One form of the model: its *title* for people, what answers with it, and its bytes."""

    title: str
    runtime: Runtime
    content: bytes


@dataclass(frozen=True, slots=True)
class NotConverted:
    """A form that cannot be made, and *why*."""

    title: str
    why: str


def candidates(estimator: Any, table: Table) -> Iterator[Candidate | NotConverted]:
    """Return the forms of the fitted *estimator* for rows like *table*, made one by one."""
    if not _onnx_takes(table):
        yield NotConverted("ONNX", "it has no missing text, and no missing true or false")
    else:
        for dtype in ("float32", "float64"):
            make = partial(_graph, estimator, table, dtype)
            yield _attempt(f"ONNX {dtype}", Runtime("onnx", dtype), make)
        if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
            title = "ONNX float64, last step float32"
            make = partial(_last_in_floats, estimator, table)
            yield _attempt(title, Runtime("onnx", "float64"), make)
    booster = next(filter(is_booster, parts(estimator)), None)
    if booster is not None:
        name = f"{type(booster).__name__} of {library_of(booster)}"
        yield NotConverted("scikit-learn", f"it does not answer for {name}: {INSTEAD}")
        return
    minor = ".".join(version("scikit-learn").split(".")[:2])
    runtime = Runtime("sklearn", sklearn=minor, frame=table.frame)
    yield _attempt("scikit-learn", runtime, lambda: saved(estimator))


def _attempt(title: str, runtime: Runtime, make: Callable[[], bytes]) -> Candidate | NotConverted:
    try:
        return Candidate(title, runtime, make())
    except Exception as error:  # noqa: BLE001 - skl2onnx, onnx and skops have no common base
        return NotConverted(title, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")


def _onnx_takes(table: Table) -> bool:
    return not any(column.missing and column.type != "number" for column in table.columns)


def _graph(estimator: Any, table: Table, dtype: str) -> bytes:
    return _bytes(_converted(estimator, table, _NUMBERS[dtype]))


def _last_in_floats(pipeline: Pipeline, table: Table) -> bytes:
    before = _converted(pipeline[:-1], table, DoubleTensorType)
    last = pipeline.steps[-1][1]
    floats = _onnx(last, [("rows", FloatTensorType([None, last.n_features_in_]))])
    return _bytes(_joined(before, floats))


def _bytes(proto: Any) -> bytes:
    onnx.checker.check_model(proto)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _converted(estimator: Any, table: Table, number: Any) -> Any:
    """Return the graph of *estimator*: one input `rows`, or c0, c1, ... if columns have types."""
    width = len(table.columns)
    if isinstance(table.rows, list):
        return renamed(_onnx(estimator, _by_name(table, number)), table)
    try:
        return _onnx(estimator, [("rows", number([None, width]))])
    except Exception:
        if not table.frame:
            raise
        return _split(_onnx(estimator, _by_name(table, number)), table, number)


def _by_name(table: Table, number: Any) -> list[tuple[str, Any]]:
    types = {"number": number, "text": StringTensorType, "bool": BooleanTensorType}
    return [(column.name, types[column.type]([None, 1])) for column in table.columns]


def _onnx(estimator: Any, inputs: list[tuple[str, Any]]) -> Any:
    # probabilities as a matrix, not as a list of maps
    named = is_classifier(estimator) and hasattr(estimator, "predict_proba")
    options = {"zipmap": False} if named else None
    return to_onnx(estimator, initial_types=inputs, options=options, target_opset=OPSETS)


def renamed(proto: Any, table: Table) -> Any:
    """Name the inputs c0, c1, ..., in the order of the columns, which the graph keeps."""
    if len(proto.graph.input) != len(table.columns):
        raise ValueError("the graph has not one input for each column")
    names = {given.name: f"c{number}" for number, given in enumerate(proto.graph.input)}
    if {output for node in proto.graph.node for output in node.output} & set(names.values()):
        raise ValueError("a value of the graph is named like an input")
    for node in proto.graph.node:
        for at, name in enumerate(node.input):
            node.input[at] = names.get(name, name)
    for given in proto.graph.input:
        given.name = names[given.name]
    return proto


def _split(proto: Any, table: Table, number: Any) -> Any:
    """Give *proto*, which has one input a column, one matrix `rows` in their place."""
    renamed(proto, table)
    names = [given.name for given in proto.graph.input]
    kind = proto.graph.input[0].type.tensor_type.elem_type
    rows = helper.make_tensor_value_info("rows", kind, [None, len(names)])
    node = helper.make_node("Split", ["rows"], names, axis=1, num_outputs=len(names))
    proto.graph.node.insert(0, node)
    del proto.graph.input[:]
    proto.graph.input.append(rows)
    return proto


def _joined(before: Any, last: Any) -> Any:
    """Chain *before* (in doubles) and *last* (in floats), with a cast between them."""
    prefixed = compose.add_prefix(before, "before_", rename_inputs=False)
    given = prefixed.graph.output[0]
    width = given.type.tensor_type.shape
    prefixed.graph.node.append(
        helper.make_node("Cast", [given.name], ["before_cast"], to=TensorProto.FLOAT)
    )
    cast = helper.make_tensor_value_info("before_cast", TensorProto.FLOAT, None)
    cast.type.tensor_type.shape.CopyFrom(width)
    del prefixed.graph.output[:]
    prefixed.graph.output.append(cast)
    version = max(prefixed.ir_version, last.ir_version)
    prefixed.ir_version = last.ir_version = version
    _same_opsets(prefixed, last)
    renamed = compose.add_prefix(last, "last_", rename_outputs=False)
    return compose.merge_models(
        prefixed, renamed, io_map=[("before_cast", renamed.graph.input[0].name)]
    )


def _same_opsets(*protos: Any) -> None:
    """Declare the same operator sets in all of them, which merging requires."""
    for proto in protos:
        del proto.opset_import[:]
        proto.opset_import.extend(helper.make_opsetid(name, OPSETS[name]) for name in OPSETS)
