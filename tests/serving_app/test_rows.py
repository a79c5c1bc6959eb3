"""Rows of a request: numbers in, or a sentence that names the row and the column."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_app.blame import BadRows
from serving_app.columns import Column, Shape
from serving_app.limits import NUMBER as FLOAT32_MAX
from serving_app.rows import Reader

NAMES = ("a", "b", "c")
SHAPE = Shape("classifier", tuple(Column(name) for name in NAMES), ("x", "y"), True)

# (what stands in one cell, what the refusal says)
BAD_CELLS = [
    ('"5.1"', "text"),
    ('""', "text"),
    ("true", "true or false"),
    ("false", "true or false"),
    ("null", "null"),
    ("[1]", "an array"),
    ("[]", "an array"),
    ("{}", "an object"),
    ('{"a": 1}', "an object"),
    ("NaN", "NaN"),
    ("Infinity", "Infinity, which JSON does not have"),
    ("-Infinity", "-Infinity, which JSON does not have"),
    ("1e39", "infinite or beyond float32"),
    ("-3.5e38", "infinite or beyond float32"),
    ("1e999", "infinite or beyond float32"),
    ("1" + "0" * 400, "infinite or beyond float32"),
]
BAD_BODIES = [
    (b"", "not JSON"),
    (b"[[1, 2, 3]", "not JSON"),
    (b"[[1, 2, 3],]", "not JSON"),
    (b"\xff\xfe[[1,2,3]]", "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (b"[[" + b"9" * 5000 + b", 1, 2]]", "not JSON"),
    (b"1", "a number"),
    (b'"rows"', "text"),
    (b"null", "null"),
    (b"true", "true or false"),
    (b"{}", "an object"),
    (b'{"rows": [[1, 2, 3]]}', "an object"),
    (b"[]", "empty"),
    (b"[1, 2, 3]", "row 0 is a number"),
    (b"[[]]", "row 0 has 0 columns"),
    (b"[[1, 2]]", "row 0 has 2 columns"),
    (b"[[1, 2, 3, 4]]", "row 0 has 4 columns"),
    (b"[[1, 2, 3], [1, 2]]", "row 1 has 2 columns"),
    (b"[[1, 2, 3], 4]", "row 1 is a number"),
    (b'[[1, 2, 3], "row"]', "row 1 is text"),
    (b"[[[1, 2, 3]]]", "row 0 has 1 columns"),
]


@pytest.mark.parametrize("rows", [1, 4, 5, 300])
@pytest.mark.parametrize(("cell", "says"), BAD_CELLS)
def test_a_bad_cell_is_named(rows: int, cell: str, says: str) -> None:
    """One bad cell among any number of rows is found, and named by row and column."""
    bad = rows - 1
    lines = ["[1.0, 2.0, 3.0]"] * rows
    lines[bad] = f"[1.0, {cell}, 3.0]"
    with pytest.raises(BadRows) as refused:
        Reader(SHAPE).read(f"[{', '.join(lines)}]".encode())
    assert (refused.value.row, refused.value.column) == (bad, 1)
    assert refused.value.message.startswith(f"row {bad}, column 1 (b) is {says}")


@pytest.mark.parametrize(("body", "says"), BAD_BODIES)
def test_a_body_that_is_no_rows_is_refused(body: bytes, says: str) -> None:
    """What is not an array of rows of the right width is refused in words that say so."""
    with pytest.raises(BadRows) as refused:
        Reader(SHAPE).read(body)
    assert says in refused.value.message


def _cells() -> st.SearchStrategy[float]:
    return st.floats(-FLOAT32_MAX, FLOAT32_MAX) | st.integers(-(2**80), 2**80)


@given(st.lists(st.lists(_cells(), min_size=3, max_size=3), min_size=1, max_size=8))
def test_good_rows_are_read_as_they_are(rows: list[list[float]]) -> None:
    """Every finite number within float32 is read as the number that was sent."""
    read = np.asarray(Reader(SHAPE).read(json.dumps(rows).encode()))
    assert read.tolist() == np.array(rows, np.float64).tolist()
    narrow = np.asarray(Reader(SHAPE, np.float32).read(json.dumps(rows).encode()))
    assert narrow.dtype == np.float32
    assert np.isfinite(narrow).all()


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@given(_anything)
def test_anything_else_is_refused(value: Any) -> None:
    """Only rows x features of finite numbers are read; everything else is refused, never wrong."""
    body = json.dumps(value).encode()
    if _good(value):
        assert np.asarray(Reader(SHAPE).read(body)).shape == (len(value), 3)
    else:
        with pytest.raises(BadRows):
            Reader(SHAPE).read(body)


def _good(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(row, list) and len(row) == 3 for row in value)
        and all(
            isinstance(cell, (int, float))
            and not isinstance(cell, bool)
            and math.isfinite(cell)
            and abs(cell) <= FLOAT32_MAX
            for row in value
            for cell in row
        )
    )


@given(st.binary(max_size=60))
def test_no_bytes_fail_in_another_way(body: bytes) -> None:
    """Any bytes at all end in rows or in the one refusal."""
    try:
        Reader(SHAPE).read(body)
    except BadRows as refused:
        assert refused.message


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('[{"a": 1, "b": 2, "c": 3, "a": 1}]', 'row 0 names "a" more than once'),
        ('[{"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2, "b": 2}]', 'row 1 names "b" more than once'),
        ('[{"a": 1, "b": 2, "c": 3, "\\u0061": 1}]', 'row 0 names "a" more than once'),
        ('[{"a": 1, "b": 2, "c": 3, "c": 3}, {"a": 1, "b": 2}]', 'row 0 names "c" more than once'),
        ('[{"a": 1, "b": 2, "c": "3"}]', "row 0, column 2 (c) is text"),
        ('[{"a": 1, "b": 2, "c": null}]', "row 0, column 2 (c) is null"),
        ('[{"a": 1, "b": 2, "c": NaN}]', "row 0, column 2 (c) is NaN"),
        ('[{"a": 1, "b": 2, "c": 1e39}]', "row 0, column 2 (c) is infinite"),
        ('[{"a": 1, "b": 2}]', "row 0 lacks column 2 (c)"),
        ('[{"a": 1, "b": 2, "d": 3}]', 'row 0 names "d"'),
        ('{"a": 1, "b": 2, "c": 3}', "the body is an object"),
    ],
)
def test_numbers_by_name_are_checked_as_well(body: str, says: str) -> None:
    """The fast way of named numbers refuses what the slow one does, repeated names too."""
    with pytest.raises(BadRows) as refused:
        Reader(SHAPE).read(body.encode())
    assert refused.value.message.startswith(says)


@given(st.lists(st.permutations(list(zip(NAMES, (1.0, -2.5, 3e8), strict=True))), min_size=1))
def test_numbers_by_name_are_read_in_any_order(rows: list[list[tuple[str, float]]]) -> None:
    """Every order of names gives the columns in the model's order."""
    body = json.dumps([dict(row) for row in rows]).encode()
    assert np.asarray(Reader(SHAPE).read(body)).tolist() == [[1.0, -2.5, 3e8]] * len(rows)
