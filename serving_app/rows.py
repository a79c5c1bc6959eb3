"""
Parse the rows of a request: bytes of JSON into an array for the model.

ONNX accepts NaN, infinity and numbers beyond float32, which scikit-learn refuses. So they are
refused here, and so is everything that numpy would silently turn into a number: text, true, null.
The fast way checks a whole batch at once. Only if it finds a problem, the slow way looks for the
first cell at fault.

Rows and columns are counted from 0, as in the JSON that was sent.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

FLOAT32_MAX = float(np.finfo(np.float32).max)
_KINDS: Mapping[type, str] = {
    **{type(None): "null", bool: "true or false", str: "text"},
    **{list: "an array", dict: "an object"},
}
FEW = 4  # up to so many rows are checked one by one

_decode = json.JSONDecoder().decode


class BadRows(Exception):
    """The rows cannot be answered; *row* and *column* are set if one cell is at fault."""

    def __init__(self, message: str, row: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.message, self.row, self.column = message, row, column


def read_rows(body: bytes, features: Sequence[str], dtype: Any = np.float64) -> NDArray[Any]:
    """
    Return the rows in *body*, a JSON array of rows of one number per feature, as rows x features.

    The array is of *dtype*, which must hold every accepted number: float32 or float64.

    Raises BadRows naming the first row and column at fault, or what is wrong with the whole.
    """
    try:
        rows = _decode(body.decode())
    except (ValueError, RecursionError):
        raise BadRows("the body is not JSON: send an array of rows, [[1.0, 2.0], ...]") from None
    # In JSON only text, true, false, null and objects have these letters; numbers have e and E.
    if b'"' in body or b"u" in body or b"l" in body:
        _blame(rows, features)
    try:
        if len(rows) <= FEW:
            if _few_within(rows, len(features)):
                return np.array(rows, dtype)
        else:
            array = np.array(rows, np.float64)
            if array.ndim == 2 and array.shape[1] == len(features) and _within(array):
                return array.astype(dtype, copy=False)
    except (ValueError, TypeError, OverflowError):
        pass  # not numbers, or rows of different widths: the slow way finds the place
    return _blame(rows, features)


def _few_within(rows: Any, width: int) -> bool:
    """Do the same for a few rows: a loop over a few floats is faster than numpy."""
    for row in rows:
        if len(row) != width:
            return False
        for cell in row:
            if not -FLOAT32_MAX <= cell <= FLOAT32_MAX:
                return False
    return len(rows) > 0


def _within(array: NDArray[np.float64]) -> bool:
    """Say whether all are finite and within float32, by one comparison, which NaN fails too."""
    return bool(np.abs(array).max() <= FLOAT32_MAX)


def _blame(rows: Any, features: Sequence[str]) -> NoReturn:
    """Raise BadRows for the first fault in *rows*."""
    if not isinstance(rows, list):
        raise BadRows(f"the body is {_kind(rows)}, must be an array of rows")
    if not rows:
        raise BadRows("the array of rows is empty")
    for i, row in enumerate(rows):
        if not isinstance(row, list):
            raise BadRows(f"row {i} is {_kind(row)}, must be an array of numbers", i)
        if len(row) != len(features):
            raise BadRows(f"row {i} has {len(row)} columns, must have {len(features)}", i)
        for j, cell in enumerate(row):
            if wrong := _wrong(cell):
                raise BadRows(f"row {i}, column {j} ({features[j]}) is {wrong}", i, j)
    raise BadRows("the rows cannot be read as numbers")


def _wrong(cell: Any) -> str:
    if isinstance(cell, bool) or not isinstance(cell, (int, float)):
        return f"{_kind(cell)}, must be a number"
    if cell != cell:  # noqa: PLR0124 - true only for NaN
        return "NaN, must be a number"
    if not -FLOAT32_MAX <= cell <= FLOAT32_MAX:
        return "infinite or beyond float32"
    return ""


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a number")
