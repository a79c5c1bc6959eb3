"""
Parse the rows of a request: bytes of JSON into a table for the model.

A row is an array with one cell for each column, in their order, or an object that names each column
once, in any order. A cell is what its column takes: a number, text, true or false; null only where
the model was trained with missing values.

ONNX accepts NaN, infinity and numbers beyond float32, which scikit-learn refuses. So they are
refused here, and so is everything that numpy would silently turn into something else. Arrays of
numbers have a fast way: orjson, and checks of a whole batch at once. Only if something is wrong, a
slow way looks for the first cell at fault.

Rows and columns are counted from 0, as in the JSON that was sent.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

if TYPE_CHECKING or __package__:
    from .blame import TAKES, BadRows, Literal, Repeated, blame, most, wrong_text
    from .columns import Column, Shape, Table, array_of
else:  # the Functions worker puts this folder itself on sys.path
    from blame import TAKES, BadRows, Literal, Repeated, blame, most, wrong_text
    from columns import Column, Shape, Table, array_of

FEW = 4  # up to so many rows are checked one by one
_BOM = b"\xef\xbb\xbf"  # PowerShell and .NET put it first; a parser may ignore it (RFC 8259)
_NUMBERS = frozenset((int, float, type(None)))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = Repeated(found)
    seen: set[str] = set()
    repeated.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # add returns None, which goes on
    return repeated


_decode = json.JSONDecoder(parse_constant=Literal).decode
_decode_objects = json.JSONDecoder(parse_constant=Literal, object_pairs_hook=_object).decode


def decode(body: bytes) -> Any:
    """Return the JSON in *body*; raise BadRows."""
    try:
        text = body.removeprefix(_BOM).decode()
        return _decode_objects(text) if b"{" in body else _decode(text)
    except (ValueError, RecursionError):
        raise BadRows("the body is not JSON: send an array of rows, [[1.0, 2.0], ...]") from None


class Reader:
    """
    Reads rows of *shape*.

    Arrays of numbers are made as *dtype*, which must hold every accepted number: float32 or
    float64.
    """

    def __init__(self, shape: Shape, dtype: Any = np.float64) -> None:
        self._columns = shape.columns
        self._names = tuple(column.name for column in shape.columns)
        self._width = len(self._names)
        self._dtype = dtype
        self._numbers = shape.numbers
        mosts = [most(column) for column in shape.columns]
        self._most, self._mosts = min(mosts), np.array(mosts)
        self._full = [j for j, column in enumerate(shape.columns) if not column.missing]
        pick = itemgetter(*self._names)
        self._pick = pick if self._width > 1 else lambda row: (pick(row),)

    def read(self, body: bytes) -> Table:
        """
        Return the rows in *body*.

        Raises BadRows naming the first row and column at fault, or what is wrong with the whole.
        """
        # In JSON only text, true, false, null and objects have these letters; numbers have e and E.
        if not self._numbers or b'"' in body or b"u" in body or b"l" in body:
            if rows := self._named(body):
                with suppress(BadRows):  # the slow way, which sees each name, says what is wrong
                    return self.table(rows)
            return self.table(decode(body))
        try:
            rows = orjson.loads(body)
        except ValueError:
            rows = decode(body)  # with a byte order mark or an infinite number, or not JSON at all
        try:
            if len(rows) <= FEW:
                if self._few_within(rows):
                    return np.array(rows, self._dtype)
            elif set(map(len, rows)) == {self._width}:
                cells = np.fromiter(chain.from_iterable(rows), np.float64)
                if self._within(cells):
                    return cells.astype(self._dtype, copy=False).reshape(len(rows), -1)
        except (ValueError, TypeError, OverflowError):
            pass  # not numbers, or rows of different widths: the slow way finds the place
        return self.table(rows)

    def _named(self, body: bytes) -> Any:
        """
        Return the rows of *body* if it has no more names than rows of numbers need, else None.

        A repeated name, which decoding hides, would be one more.
        """
        if not self._numbers or b"{" not in body or b"\\" in body:
            return None
        try:
            rows = orjson.loads(body)
        except ValueError:
            return None
        fits = isinstance(rows, list) and body.count(b'"') == 2 * self._width * len(rows)
        return rows if fits else None

    def table(self, rows: Any) -> Table:
        """Return *rows*, decoded JSON, as a table; raise BadRows as `read` does."""
        try:
            cells = rows
            if isinstance(rows[0], dict):
                if {len(row) for row in rows} != {self._width} or not self._plain(rows):
                    blame(rows, self._columns)
                cells = [self._pick(row) for row in rows]
            elif {type(row) for row in rows} != {list} or {len(row) for row in rows} != {
                self._width
            }:
                blame(rows, self._columns)
            if self._numbers:
                return self._matrix(cells)
            return [
                self._array(found, column)
                for found, column in zip(zip(*cells, strict=True), self._columns, strict=True)
            ]
        except (ValueError, TypeError, KeyError, IndexError, OverflowError):
            return blame(rows, self._columns)

    def _matrix(self, cells: Sequence[Sequence[Any]]) -> NDArray[Any]:
        """Return *cells* of numbers; raise ValueError or OverflowError if one is wrong."""
        kinds = set(map(type, chain.from_iterable(cells)))
        if not kinds <= _NUMBERS:
            raise ValueError("not all are numbers")
        array = np.array(cells, np.float64)  # None becomes NaN
        gaps = type(None) in kinds and np.isnan(array[:, self._full]).any()
        if gaps or (np.abs(array) > self._mosts).any():
            raise ValueError("a number is missing or too large")
        return array.astype(self._dtype, copy=False)

    @staticmethod
    def _plain(rows: Sequence[Any]) -> bool:
        return {type(row) for row in rows} == {dict}

    @staticmethod
    def _array(cells: Sequence[Any], column: Column) -> NDArray[Any]:
        """Return *cells* of *column*; raise ValueError or OverflowError if one is wrong."""
        kinds = set(map(type, cells))
        if column.missing:
            kinds.discard(type(None))
        if not kinds <= TAKES[column.type]:
            raise ValueError(column.name)
        if column.type == "text" and any(wrong_text(cell) for cell in cells if cell is not None):
            raise ValueError(column.name)
        array = array_of(cells, column)
        if column.type == "number" and (np.abs(array) > most(column)).any():
            raise ValueError(column.name)
        return array

    def _few_within(self, rows: Any) -> bool:
        """Check a few rows one by one: a loop over a few floats is faster than numpy."""
        width, most = self._width, self._most
        for row in rows:
            if len(row) != width:
                return False
            for cell in row:
                if not -most <= cell <= most:
                    return False
        return len(rows) > 0

    def _within(self, array: NDArray[np.float64]) -> bool:
        """Say whether all are small enough, by one comparison, which NaN fails too."""
        return bool(np.abs(array).max() <= self._most)
