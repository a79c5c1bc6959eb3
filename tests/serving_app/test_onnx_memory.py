"""A small ONNX file that asks for gigabytes takes none: before it is loaded, and after."""

import resource
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from serving_app.columns import Column, Shape
from serving_app.limits import CONSTANT
from serving_app.onnx_file import check_onnx
from serving_app.onnx_runtime import open_runtime
from serving_app.refused import Refused
from tests.serving_app import served

HUGE = 1 << 28
NODE = helper.make_node
REGRESSOR = Shape("regressor", (Column("x"),), (), False, "float32")


def graph(*nodes: Any, **constants: Any) -> bytes:
    """Return a model whose *nodes* make `y` of `rows` and the *constants*."""
    return bytes(
        helper.make_model(
            helper.make_graph(
                nodes,
                "g",
                [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 1])],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                [numpy_helper.from_array(np.array(v), name) for name, v in constants.items()],
            ),
            opset_imports=[helper.make_opsetid("", 18)],
            ir_version=9,
        ).SerializeToString()
    )


def unpacked(content: bytes) -> bytes:
    """Return the same model with its integers as fields, not as raw bytes."""
    model = onnx.load_from_string(content)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.INT64:
            tensor.int64_data.extend(numpy_helper.to_array(tensor).reshape(-1).tolist())
            tensor.ClearField("raw_data")
    return bytes(model.SerializeToString())


LAST = NODE("ReduceSum", ["big"], ["y"], keepdims=0)
FILLED = graph(NODE("ConstantOfShape", ["s"], ["big"]), LAST, s=[HUGE])
BOMBS = {
    "ConstantOfShape": FILLED,
    "unpacked": unpacked(FILLED),
    "two axes": graph(NODE("ConstantOfShape", ["s"], ["big"]), LAST, s=[1 << 14, 1 << 14]),
    "Expand": graph(NODE("Expand", ["rows", "s"], ["big"]), LAST, s=[HUGE]),
    "Tile": graph(NODE("Tile", ["rows", "s"], ["big"]), LAST, s=[1, HUGE]),
    "Range": graph(NODE("Range", ["a", "s", "d"], ["big"]), LAST, a=0, s=HUGE, d=1),
    "EyeLike": graph(NODE("EyeLike", ["e"], ["big"]), LAST, e=np.full((1,), HUGE)),
    "Pad": graph(NODE("Pad", ["rows", "s"], ["big"]), LAST, s=[0, 0, 0, HUGE]),
    "OneHot": graph(
        NODE("Cast", ["rows"], ["i"], to=TensorProto.INT64),
        NODE("OneHot", ["i", "s", "v"], ["big"]),
        LAST,
        s=HUGE,
        v=np.array([0.0, 1.0], np.float32),
    ),
    "Resize": graph(
        NODE("Resize", ["rows", "", "", "s"], ["big"], mode="nearest"), LAST, s=[1, HUGE]
    ),
    "a Constant": graph(
        NODE("Constant", [], ["s"], value=numpy_helper.from_array(np.array([HUGE]))),
        NODE("ConstantOfShape", ["s"], ["big"]),
        LAST,
    ),
    "a Constant of integers": graph(
        NODE("Constant", [], ["s"], value_ints=[HUGE]),
        NODE("ConstantOfShape", ["s"], ["big"]),
        LAST,
    ),
}
LINE = np.ones((1 << 14,), np.float32)
COMPUTED = {
    "a computed size": graph(
        NODE("Mul", ["a", "a"], ["s"]), NODE("Expand", ["rows", "s"], ["big"]), LAST, a=[1 << 14]
    ),
    "a constant of a computed size": graph(
        NODE("Mul", ["a", "a"], ["s"]), NODE("ConstantOfShape", ["s"], ["big"]), LAST, a=[1 << 14]
    ),
    "a broadcast": graph(
        NODE("Add", ["a", "b"], ["big"]), LAST, a=LINE.reshape(-1, 1), b=LINE.reshape(1, -1)
    ),
    "a chain of doublings": graph(
        NODE("Concat", ["rows", "rows"], ["d1"], axis=0),
        *(NODE("Concat", [f"d{i}", f"d{i}"], [f"d{i + 1}"], axis=0) for i in range(1, 30)),
        NODE("ReduceSum", ["d30"], ["y"], keepdims=0),
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_a_constant_expands_to_is_bounded(name: str) -> None:
    """A file of a few hundred bytes that asks for a gigabyte is refused before it is loaded."""
    assert len(BOMBS[name]) < 320
    with pytest.raises(Refused, match="values of a constant") as refused:
        check_onnx(BOMBS[name])
    assert refused.value.reason == "FormatRefused"


@pytest.mark.parametrize("name", COMPUTED)
def test_what_is_computed_is_bounded_too(name: str) -> None:
    """Loading computes nothing, and an answer that would take a gigabyte is refused."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    runtime = open_runtime(COMPUTED[name], REGRESSOR)
    with pytest.raises(Exception, match="Available memory"):
        runtime.labels(np.ones((1, 1), np.float32))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400 * 1024  # KiB


def test_constants_of_use_are_let_through() -> None:
    """Sizes that models have are no bombs, and neither are large labels."""
    small = graph(NODE("ConstantOfShape", ["s"], ["big"]), LAST, s=[CONSTANT])
    assert open_runtime(small, REGRESSOR)
    labels = graph(NODE("Gather", ["l", "i"], ["big"]), LAST, l=[10**9, 10**9 + 1], i=[0])
    check_onnx(labels)


def test_too_many_rows_are_told() -> None:
    """Rows that need more memory than there is are refused as such, not by one of them."""
    wide = graph(
        NODE("Expand", ["rows", "s"], ["big"]),
        NODE("ReduceSum", ["big", "a"], ["y"], keepdims=0),
        s=[1, 1 << 16],
        a=[1],
    )
    golden = {"inputs": [[1.0]], "labels": [65536.0], "probabilities": None}
    runtime = {"name": "onnx", "dtype": "float32"}
    model = served.loaded(*served.blobs(wide, "onnx", runtime, REGRESSOR, golden))
    assert served.ask(model, "api/predict", [[2.0]] * 100)[0] == 200
    status, answer = served.ask(model, "api/predict", [[2.0]] * 5000)
    assert (status, answer["row"]) == (400, None)
    assert "so many rows" in answer["error"]
