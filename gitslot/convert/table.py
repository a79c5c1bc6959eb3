"""
The labelled table on which a model is trained and proved, and its rows as clients send them.

`Rows` is a matrix (rows x columns, float64, NaN where a value is missing) if all columns are
numbers, else a list of one array per column: float64 for numbers, objects for text (None where a
value is missing), bool, or objects with None, for true and false. The serving app reads the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gitslot.convert.errors import TrainingError
from gitslot.convert.served import NONE
from gitslot.registry.golden import FLOAT32_MAX, MAX_TEXT, Cell, Column, Label
from gitslot.registry.manifest import MAX_CATEGORIES, MAX_COLUMNS

Array: TypeAlias = NDArray[Any]
Rows: TypeAlias = Array | list[Array]
Labels: TypeAlias = Array


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """
    A labelled table: *rows* is an array or a DataFrame, *labels* one answer per row, or None.

    *features* names the columns of an array; a DataFrame has names of its own. *classes* names
    those of a plain ONNX file.
    """

    name: str
    rows: Any
    labels: Any = None
    features: tuple[str, ...] = ()
    classes: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """*rows* as clients send them, under *columns*; *frame* says that they came as a DataFrame."""

    columns: tuple[Column, ...]
    rows: Rows
    frame: bool

    def __len__(self) -> int:
        return count(self.rows)

    def fingerprint(self, labels: Labels | None) -> str:
        """Return the sha256 over names, values and *labels*; equal data has an equal one."""
        digest = hashlib.sha256()
        for name in (column.name for column in self.columns):
            digest.update(name.encode() + b"\0")
        for column in range(len(self.columns)):
            cells = cells_of(self.rows, column)
            numbers = cells.dtype == np.float64
            text = cells.astype("<f8").tobytes() if numbers else repr(cells.tolist()).encode()
            digest.update(text)
        if labels is not None:
            digest.update(repr(labels.tolist()).encode())
        return digest.hexdigest()


def count(rows: Rows) -> int:
    """Return how many rows there are."""
    return len(rows[0]) if isinstance(rows, list) else len(rows)


def take(rows: Rows, at: Array | slice) -> Rows:
    """Return the rows at the numbers *at*."""
    return [cells[at] for cells in rows] if isinstance(rows, list) else rows[at]


def cells_of(rows: Rows, column: int) -> Array:
    """Return the cells of *column*, as a view."""
    return rows[column] if isinstance(rows, list) else rows[:, column]


def joined(parts: Sequence[Rows]) -> Rows:
    """Return all rows of *parts*, in their order."""
    if isinstance(parts[0], list):
        return [np.concatenate(cells) for cells in zip(*parts, strict=True)]
    return np.concatenate([np.asarray(part) for part in parts])


def cells(rows: Rows, at: int) -> list[Cell]:
    """Return row *at* as JSON holds it: None where a value is missing."""
    found = (
        [column[at] for column in rows] if isinstance(rows, list) else np.asarray(rows)[at].tolist()
    )
    return [_cell(value) for value in found]


def read_table(given: Any, names: Sequence[str] = ()) -> Table:
    """
    Return the table *given* as a DataFrame or an array of rows x columns.

    *names* are those of an array's columns. Raises TrainingError, which names the column that
    clients could not send, and what to do.
    """
    if hasattr(given, "iloc") and hasattr(given, "columns"):
        listed = [_column(str(name), given[name]) for name in given.columns]
        return _table([column for column, _ in listed], [found for _, found in listed], frame=True)
    if hasattr(given, "tocsr"):
        raise TrainingError("X is sparse: pass X.toarray(), and train on that")
    array = np.asarray(given)
    if array.ndim != 2:
        raise TrainingError(
            f"X has {array.ndim} dimension(s), must be rows x columns: reshape an array with "
            "X.reshape(len(X), -1); put one text per row into a DataFrame with one column and name "
            "that in a ColumnTransformer"
        )
    names = names or [f"x{number}" for number in range(array.shape[1])]
    if len(names) != array.shape[1]:
        raise TrainingError(f"X has {array.shape[1]} columns, and {len(names)} names")
    if array.dtype.kind in "fiub":
        found = array.astype(np.float64)
        missing = np.isnan(found).any(axis=0)
        described = [
            Column(name, "number", "float64", bool(gap))
            for name, gap in zip(names, missing, strict=True)
        ]
        return _table(described, found, frame=False)
    listed = [_column(name, array[:, number]) for number, name in enumerate(names)]
    return _table([column for column, _ in listed], [found for _, found in listed], frame=False)


def _table(columns: list[Column], rows: Rows, *, frame: bool) -> Table:
    if not 1 <= len(columns) <= MAX_COLUMNS:
        raise TrainingError(f"X has {len(columns)} columns, must have 1 to {MAX_COLUMNS}")
    if not count(rows):
        raise TrainingError("X has no rows: pass the rows on which the model was trained")
    taken: set[str] = set()
    for number, column in enumerate(columns):
        if not 1 <= len(column.name) <= 200 or not column.name.isprintable():
            raise TrainingError(
                f"column {number} is named {ascii(column.name)[:60]}: clients send names, so it "
                "needs one of 1 to 200 printable characters"
            )
        if column.name in taken:
            raise TrainingError(f"two columns are named {column.name!r}: rename one of them")
        taken.add(column.name)
    if isinstance(rows, list) and all(column.type == "number" for column in columns):
        rows = np.column_stack(rows)
    for number, column in enumerate(columns):
        if column.type == "number":
            _check_numbers(column.name, cells_of(rows, number))
    return Table(tuple(columns), rows, frame)


def _check_numbers(name: str, found: Array) -> None:
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(np.abs(found) > FLOAT32_MAX)
    if len(wrong):
        raise TrainingError(
            f"column {name!r} is infinite or beyond float32 in row {wrong[0]}: JSON has no such "
            "number, so no client can send it; replace it before training"
        )


def _column(name: str, given: Any) -> tuple[Column, Array]:
    """Return one column and its cells, whatever numpy or pandas call its type."""
    dtype, categories = str(given.dtype), tuple[Label, ...]()
    if dtype == "category":
        categories = tuple(_label(name, value) for value in given.cat.categories.tolist())
        if len(categories) > MAX_CATEGORIES:
            raise TrainingError(f"column {name!r} has over {MAX_CATEGORIES} categories")
    values = given.tolist()
    gaps = [_is_gap(value) for value in values]
    present = [value for value, gap in zip(values, gaps, strict=True) if not gap]
    missing, kinds = any(gaps), {_kind(value) for value in present}
    if dtype == "object":
        dtype = _marked(name, {str(value) for value, gap in zip(values, gaps, strict=True) if gap})
    if not present:
        raise TrainingError(f"column {name!r} has no value: drop it before training")
    if len(kinds) != 1 or (kind := kinds.pop()) == "":
        shown = ", ".join(sorted({type(value).__name__ for value in present}))
        raise TrainingError(
            f"column {name!r} holds {shown}: clients send numbers, text, or true and false, one of "
            "them in each column; convert it before training (a date to a number of days, say)"
        )
    column = Column(name, kind, dtype, missing, categories)
    if kind == "number":
        pairs = zip(values, gaps, strict=True)
        return column, np.array([np.nan if gap else value for value, gap in pairs], np.float64)
    if kind == "text" and (long := max(map(len, present))) > MAX_TEXT:
        raise TrainingError(f"column {name!r} has a text of {long} characters, at most {MAX_TEXT}")
    if kind == "bool" and not missing:
        return column, np.array(values, np.bool_)
    found = np.empty(len(values), object)
    found[:] = [None if gap else value for value, gap in zip(values, gaps, strict=True)]
    return column, found


def _marked(name: str, marks: set[str]) -> str:
    """Return the dtype of a column of objects with gaps of *marks*, which a model tells apart."""
    if marks <= {"nan"}:
        return "object"
    if marks == {"None"}:
        return NONE
    raise TrainingError(
        f"column {name!r} marks missing values by {' and '.join(sorted(marks))}: clients send null"
        " for all of them; use one of None and NaN, and train again"
    )


def _is_gap(value: Any) -> bool:
    """Say whether *value* is None, NaN, or pandas' NA, which is not even comparable."""
    try:
        return value is None or bool(value != value)  # noqa: PLR0124 - true only for NaN
    except TypeError:
        return True


def _kind(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, int | float | np.integer | np.floating):
        return "number"
    return "text" if isinstance(value, str) else ""


def _label(name: str, value: Any) -> Label:
    if not isinstance(value, str | int | float | bool):
        raise TrainingError(
            f"column {name!r} has categories of {type(value).__name__}: only numbers and text are"
            " served"
        )
    return value


def _cell(value: Any) -> Cell:
    if _is_gap(value):
        return None
    plain: Cell = value.item() if isinstance(value, np.generic) else value
    return plain
