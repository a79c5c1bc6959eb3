"""
Say what is wrong with a request: in a sentence, with the row and the column.

This is the slow way, for requests that are refused. It looks at the rows one by one and stops at
the first fault. Rows and columns are counted from 0, as in the JSON that was sent.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING or __package__:
    from .columns import Column
    from .limits import NUMBER, TEXT
else:  # the Functions worker puts this folder itself on sys.path
    from columns import Column
    from limits import NUMBER, TEXT

WHOLE = float(2**53 - 1)  # beyond it a float64 does not hold each whole number
TAKES: Mapping[str, frozenset[type]] = {
    "number": frozenset((int, float)),
    "text": frozenset((str,)),
    "bool": frozenset((bool,)),
}
_WORDS = {"number": "a number", "text": "text", "bool": "true or false"}
_KINDS: Mapping[type, str] = {
    **{type(None): "null", bool: "true or false", str: "text"},
    **{list: "an array", tuple: "an array", dict: "an object"},
}


class BadRows(Exception):
    """
    The request cannot be answered.

    *row* and *column* are set if one cell is at fault; *status* is that of the HTTP answer.
    """

    def __init__(
        self, message: str, row: int | None = None, column: int | None = None, *, status: int = 400
    ) -> None:
        super().__init__(message)
        self.message, self.row, self.column, self.status = message, row, column, status


class Literal:
    """NaN, Infinity or -Infinity, which Python reads though JSON has none of them."""

    def __init__(self, text: str) -> None:
        self.text = text


class Repeated(dict[str, Any]):
    """An object that names *key* more than once."""

    key = ""


def blame(rows: Any, columns: Sequence[Column]) -> NoReturn:
    """Raise BadRows for the first fault in *rows*, decoded JSON, of a model of *columns*."""
    if not isinstance(rows, list):
        hint = ", without a name around it" if isinstance(rows, dict) else ""
        raise BadRows(f"the body is {_kind(rows)}, must be an array of rows{hint}")
    if not rows:
        raise BadRows("the array of rows is empty")
    form = dict if isinstance(rows[0], dict) else list
    for i, row in enumerate(rows):
        if not isinstance(row, form):
            must = "an object as the first is" if form is dict else "an array of cells"
            raise BadRows(f"row {i} is {_kind(row)}, must be {must}", i)
        if isinstance(row, dict):
            _blame_names(row, i, columns)
            row = [row[column.name] for column in columns]  # noqa: PLW2901 - by position from here
        elif len(row) != len(columns):
            raise BadRows(f"row {i} has {len(row)} columns, must have {len(columns)}", i)
        for j, (cell, column) in enumerate(zip(row, columns, strict=True)):
            if wrong := _wrong(cell, column):
                raise BadRows(f"row {i}, column {j} ({column.name}) is {wrong}", i, j)
    raise BadRows("the rows cannot be read")


def _blame_names(row: dict[str, Any], i: int, columns: Sequence[Column]) -> None:
    if isinstance(row, Repeated):
        raise BadRows(f"row {i} names {_quoted(row.key)} more than once", i)
    known = {column.name for column in columns}
    for key in row:
        if key not in known:
            raise BadRows(f"row {i} names {_quoted(key)}, which is no column of the model", i)
    for j, column in enumerate(columns):
        if column.name not in row:
            raise BadRows(f"row {i} lacks column {j} ({column.name})", i, j)


def most(column: Column) -> float:
    """Return the largest number that *column* takes, either sign."""
    return WHOLE if column.dtype.lower() in ("int64", "uint64") else NUMBER


def _wrong(cell: Any, column: Column) -> str:
    if cell is None and column.missing:
        return ""
    if isinstance(cell, Literal):
        hint = ": send null where a value is missing" if column.missing else ""
        return f"{cell.text}, which JSON does not have{hint}"
    if type(cell) not in TAKES[column.type]:
        hint = ": the model was trained without missing values" if cell is None else ""
        return f"{_kind(cell)}, must be {_WORDS[column.type]}{hint}"
    if column.type == "text":
        return wrong_text(cell)
    if column.type == "number" and not -NUMBER <= cell <= NUMBER:
        return "infinite or beyond float32"
    if column.type == "number" and abs(cell) > most(column):
        return "beyond 2^53, where whole numbers are not exact: train on it as text"
    return ""


def wrong_text(cell: str) -> str:
    if len(cell) > TEXT:
        return f"text of {len(cell)} characters, at most {TEXT} are read"
    if not cell.isascii() and any("\ud800" <= letter <= "\udfff" for letter in cell):
        return "text with half a character (a lone surrogate)"
    return "text with a null character" if "\0" in cell else ""


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "an object" if isinstance(value, dict) else "a number")


def _quoted(key: str) -> str:
    return json.dumps(key if len(key) <= 80 else key[:77] + "...")
