"""
Convert scikit-learn to ONNX, in the way that is exact for each family of estimators.

Measured against scikit-learn:

    trees, forests, boosting    float32 input: scikit-learn itself casts rows to float32, so the
                                splits are the same; double input is wrong for them
    linear models and the rest  float64 input: exact to about 1e-15; float32 is off by about 1e-7
    a scaler before trees       scaled in float64, then cast to float32, then the trees: this is the
                                order of scikit-learn. With the converter's own order, a row on
                                the far side of one split moves a probability by up to 4e-2

Every result is measured again, row by row, in gitslot/convert/parity.py.
"""

from dataclasses import dataclass
from typing import Any

import onnx
from onnx import TensorProto, compose, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.base import ClassifierMixin
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from gitslot.convert.errors import TrainingError
from gitslot.convert.servable import check_fitted

OPSETS = {"": 18, "ai.onnx.ml": 3}  # old enough for every ONNX Runtime on Python 3.11 to 3.13

_TREES = (
    DecisionTreeClassifier,
    ExtraTreeClassifier,
    RandomForestClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    BaggingClassifier,
)


@dataclass(frozen=True, slots=True)
class Converted:
    """An ONNX model: its bytes and the *dtype* of its input, "float32" or "float64"."""

    content: bytes
    dtype: str


def convert(estimator: ClassifierMixin, width: int) -> Converted:
    """
    Convert a fitted *estimator* of *width* features; raise TrainingError if that is impossible.

    The graph takes rows x features and gives labels and probabilities (rows x classes).
    """
    check_fitted(estimator)
    try:
        proto, dtype = _converted(estimator, width)
        onnx.checker.check_model(proto)
    except TrainingError:
        raise
    except Exception as error:  # skl2onnx and onnx raise classes without a common base
        raise TrainingError(
            f"{type(estimator).__name__} does not convert to ONNX: {type(error).__name__}: {error}"
        ) from error
    return Converted(proto.SerializeToString(deterministic=True), dtype)


def _converted(estimator: ClassifierMixin, width: int) -> tuple[Any, str]:
    final = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(final, _TREES):
        return _classifier(estimator, DoubleTensorType([None, width])), "float64"
    if not isinstance(estimator, Pipeline) or len(estimator.steps) == 1:
        return _classifier(final, FloatTensorType([None, width])), "float32"
    before = to_onnx(
        estimator[:-1],
        initial_types=[("rows", DoubleTensorType([None, width]))],
        target_opset=OPSETS,
    )
    trees = _classifier(final, FloatTensorType([None, final.n_features_in_]))
    return _joined(before, trees), "float64"


def _classifier(estimator: ClassifierMixin, rows: Any) -> Any:
    return to_onnx(
        estimator,
        initial_types=[("rows", rows)],
        options={"zipmap": False},  # probabilities as a matrix, not as a list of maps
        target_opset=OPSETS,
    )


def _joined(before: Any, trees: Any) -> Any:
    """Chain *before* (in doubles) and *trees* (in floats), with a cast between them."""
    prefixed = compose.add_prefix(before, "before_", rename_inputs=False)
    scaled = prefixed.graph.output[0]
    width = scaled.type.tensor_type.shape
    prefixed.graph.node.append(
        helper.make_node("Cast", [scaled.name], ["before_cast"], to=TensorProto.FLOAT)
    )
    cast = helper.make_tensor_value_info("before_cast", TensorProto.FLOAT, None)
    cast.type.tensor_type.shape.CopyFrom(width)
    del prefixed.graph.output[:]
    prefixed.graph.output.append(cast)
    version = max(prefixed.ir_version, trees.ir_version)
    prefixed.ir_version = trees.ir_version = version
    _same_opsets(prefixed, trees)
    renamed = compose.add_prefix(trees, "trees_", rename_outputs=False)
    return compose.merge_models(
        prefixed, renamed, io_map=[("before_cast", renamed.graph.input[0].name)]
    )


def _same_opsets(*protos: Any) -> None:
    """Declare the same operator sets in all of them, which merging requires."""
    for proto in protos:
        del proto.opset_import[:]
        proto.opset_import.extend(helper.make_opsetid(name, OPSETS[name]) for name in OPSETS)
