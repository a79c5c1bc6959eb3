"""
A plain ONNX file as a model: what it answers is its own reference.

There is no estimator to compare with, so the proof is that the serving code answers hostile rows
twice alike, and golden rows hold what the file answered when it was registered.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from gitslot.convert.convert import renamed
from gitslot.convert.errors import TrainingError
from gitslot.convert.served import Refused, check_onnx, served, serving
from gitslot.convert.table import Table, count
from gitslot.registry.golden import Label

_DTYPES = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64"}
_NUMBERS = tuple(_DTYPES)


class OnnxModel:
    """A graph from *content*; *dtype* is the type of its numbers, *classes* are named by people."""

    def __init__(self, content: bytes, proto: Any) -> None:
        self.content = content
        self._proto = proto
        outputs = [found.type for found in proto.graph.output]
        if any(not kind.HasField("tensor_type") for kind in outputs):
            raise TrainingError(
                "the graph answers a list of maps: convert it again with options={'zipmap': False}"
            )
        kinds = [kind.tensor_type.elem_type for kind in outputs]
        inputs = [found.type.tensor_type.elem_type for found in proto.graph.input]
        if not kinds or not inputs or not set(inputs) <= {*_NUMBERS, onnx.TensorProto.STRING}:
            raise TrainingError("the graph must take floats, doubles or strings, and answer labels")
        self.is_regressor = len(kinds) == 1 and kinds[0] in _NUMBERS
        self.has_probabilities = not self.is_regressor and kinds[1:2] != [] and kinds[1] in _NUMBERS
        sizes = [dim.dim_value for dim in outputs[0].tensor_type.shape.dim] if outputs else []
        self.outputs = sizes[1] if self.is_regressor and sizes[1:] else 1
        numbers = [kind for kind in inputs if kind in _NUMBERS]
        self.dtype = _DTYPES[numbers[0]] if numbers else "float64"

    def _shape(self, table: Table, classes: tuple[Label, ...]) -> "served.Shape":
        """Return what goes in and out, for rows like *table*."""
        names = ("name", "type", "dtype", "missing", "categories")
        return served.Shape(
            kind="regressor" if self.is_regressor else "classifier",
            columns=tuple(
                served.Column(**{name: getattr(column, name) for name in names})
                for column in table.columns
            ),
            classes=classes,
            probabilities=self.has_probabilities,
            dtype=self.dtype,
            outputs=max(1, self.outputs),
        )

    def bound(self, table: Table, named: tuple[Label, ...]) -> "BoundModel":
        """
        Return the model with its classes: those *named*, or those that it answers on *table*.

        Raises TrainingError if it does not take such rows, or has classes that no row shows.
        """
        shape = self._shape(table, () if self.is_regressor else named or ("", "unknown"))
        content = self.content
        try:
            if len(self._proto.graph.input) > 1:
                content = renamed(self._proto, table).SerializeToString(deterministic=True)
            runtime = serving.open_runtime("onnx", content, shape)
            labels, probabilities = runtime.answers(table.rows)
        except Refused as refused:
            raise TrainingError(refused.message) from refused
        except Exception as error:
            raise TrainingError(f"the graph does not answer the sample: {error}") from error
        found = () if self.is_regressor else named or tuple(sorted(set(labels)))
        if probabilities is not None and probabilities.shape[1] != len(found):
            raise TrainingError(
                f"the graph has {probabilities.shape[1]} probabilities, and the sample shows"
                f" {len(found)} classes: name all in their order with --classes A,B,C"
            )
        return BoundModel(content, runtime, replace(shape, classes=found))


class BoundModel:
    """An ONNX model with the classes and columns that it serves, asked as an estimator is."""

    def __init__(self, content: bytes, runtime: "served.Runtime", shape: "served.Shape") -> None:
        self.content = content
        self.served = shape
        self._runtime = runtime

    def __repr__(self) -> str:
        return f"an ONNX file of {len(self.content)} bytes"

    def predict(self, rows: Any) -> NDArray[Any]:
        """Return a label or a number for each row."""
        labels = self._runtime.labels(rows)
        known = {label: label for label in self.served.classes}
        if not known:
            return np.array(labels)
        return np.array([known.get(label, label) for label in labels]).reshape(count(rows))

    def predict_proba(self, rows: Any) -> NDArray[Any]:
        """Return rows x classes."""
        return np.asarray(self._runtime.answers(rows)[1])


def open_onnx(content: bytes) -> OnnxModel:
    """Check and parse *content*; raise TrainingError."""
    try:
        check_onnx(content)
        return OnnxModel(content, onnx.load_from_string(content))
    except Refused as refused:
        raise TrainingError(refused.message) from refused
