"""
What a model takes and answers: its columns, its classes, and in which form a runtime gets them.

This is the part of a manifest that answering needs, so a model can be loaded and asked before its
manifest is written. Rows come as a *table*: one array of rows x columns if all columns are
numbers, NaN where one is missing; else a list with one array for each column: float64 with NaN,
text as objects with None, and bool (objects with None where one is missing).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Label: TypeAlias = str | int | float
Table: TypeAlias = NDArray[Any] | list[NDArray[Any]]
TYPES = ("number", "text", "bool")
NONE = "object, None"  # dtype of objects with None where one is missing; in "object" it is NaN


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column of the input.

    *type* is what a client sends: "number", "text" or "bool". *dtype* is what the estimator was
    trained with, as numpy or pandas name it. *missing* says whether null may be sent. *categories*
    are those of a pandas categorical, else empty.
    """

    name: str
    type: str = "number"
    dtype: str = "float64"
    missing: bool = False
    categories: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """
    What goes into a model and what comes out.

    *kind* is "classifier" or "regressor"; *classes* is the order of probabilities, empty for a
    regressor, which answers *outputs* numbers a row. *probabilities* says whether it has any.
    *dtype* ("float32" or "float64") is of the numbers of an ONNX graph. *frame* says that
    scikit-learn gets a DataFrame.
    """

    kind: str
    columns: tuple[Column, ...]
    classes: tuple[Label, ...]
    probabilities: bool
    dtype: str = "float64"
    frame: bool = False
    outputs: int = 1

    @property
    def numbers(self) -> bool:
        """Say whether all columns are numbers, so that a table is one array."""
        return all(column.type == "number" for column in self.columns)


class Runtime(Protocol):
    """A loaded model, which answers tables; what it raises is about the rows it was asked."""

    def labels(self, table: Table) -> list[Any]:
        """Return for each row a label, which equals one of the classes, or a number (or a list)."""
        ...

    def answers(self, table: Table) -> tuple[list[Any], NDArray[Any] | None]:
        """Return what `labels` does, and probabilities as rows x classes where it has any."""
        ...


def table_of(rows: Sequence[Sequence[Any]], shape: Shape) -> Table:
    """Return *rows* of checked cells as a table."""
    if shape.numbers:
        return np.array(rows, np.float64).reshape(len(rows), len(shape.columns))
    cells = list(zip(*rows, strict=True))
    return [array_of(cells[j], column) for j, column in enumerate(shape.columns)]


def array_of(cells: Sequence[Any], column: Column) -> NDArray[Any]:
    """Return checked *cells* of *column* as one array of a table."""
    if column.type == "number":
        return np.array(cells, np.float64)  # None becomes NaN
    if column.type == "bool" and None not in cells:
        return np.array(cells, np.bool_)
    array = np.empty(len(cells), object)
    array[:] = cells
    return array


def count(table: Table) -> int:
    """Return how many rows *table* has."""
    return len(table[0]) if isinstance(table, list) else len(table)


def slice_of(table: Table, first: int, after: int) -> Table:
    """Return the rows from *first* up to and without *after*."""
    if isinstance(table, list):
        return [array[first:after] for array in table]
    return table[first:after]
