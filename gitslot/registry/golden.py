"""
Golden rows: inputs with the answers that the trained scikit-learn model gave.

They lie in a file of their own beside the manifest, which names it and its sha256.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gitslot.registry import strict

MAX_BYTES = 8 * 1024 * 1024  # of the file
ROWS = range(16, 257)  # how many a version has; a wide one has few
FLOAT32_MAX = 3.4028234663852886e38
MAX_TEXT = 1024  # characters of a cell

MAX_OUTPUTS = 64  # numbers that a regressor may answer for a row

Label: TypeAlias = str | int | float  # bool is an int
Answer: TypeAlias = Label | tuple[float, ...]
Cell: TypeAlias = str | float | bool | None


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column of the input.

    *type* is what a client sends: "number", "text" or "bool". *dtype* is what the estimator was
    trained with, as numpy or pandas name it. *missing* says whether null may be sent. *categories*
    are those of a pandas categorical, else empty.
    """

    name: str
    type: str
    dtype: str = "float64"
    missing: bool = False
    categories: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class GoldenRows:
    """
    Rows and the answers to them.

    *inputs* is rows x columns. *labels* has one per row: a class, a number, or a tuple of numbers.
    *probabilities* is rows x classes in the order of the manifest's classes, or None where the
    model has none.
    *tolerance* is the largest accepted difference of a probability, or of a regressor's number
    relative to it (at least to 1).
    """

    inputs: tuple[tuple[Cell, ...], ...]
    labels: tuple[Answer, ...]
    probabilities: tuple[tuple[float, ...], ...] | None
    tolerance: float

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, slots=True)
class GoldenFile:
    """The file of the golden rows: *size* in bytes, *sha256* of its content, number of *rows*."""

    name: str
    sha256: str
    size: int
    rows: int
    tolerance: float


def parse_golden(
    raw: bytes,
    tolerance: float,
    columns: Sequence[Column],
    classes: Sequence[Label],
    probabilities: bool,
    outputs: int = 1,
) -> GoldenRows:
    """Parse the file *raw*; raise ManifestInvalid, which names the place and the problem."""
    top = strict.load(raw, "golden", MAX_BYTES)
    found = strict.exact(top, "golden", "inputs", "labels", "probabilities")
    return read_golden(found, tolerance, columns, classes, probabilities, outputs)


def read_golden(
    found: dict[str, object],
    tolerance: float,
    columns: Sequence[Column],
    classes: Sequence[Label],
    probabilities: bool,
    outputs: int = 1,
) -> GoldenRows:
    """
    Read golden rows that fit *columns* and *classes* (none for a regressor).

    A regressor answers *outputs* numbers a row.
    """
    inputs = strict.items(found["inputs"], "golden.inputs", ROWS[0], ROWS[-1])
    rows = len(inputs)
    labels = strict.items(found["labels"], "golden.labels", rows, rows)
    if not probabilities and found["probabilities"] is not None:
        strict.refuse("golden.probabilities", "must be null, the model has none")
    return GoldenRows(
        inputs=tuple(cells(row, f"golden.inputs[{i}]", columns) for i, row in enumerate(inputs)),
        labels=tuple(
            _answer(v, f"golden.labels[{i}]", classes, outputs) for i, v in enumerate(labels)
        ),
        probabilities=_matrix(found["probabilities"], rows, len(classes))
        if probabilities
        else None,
        tolerance=tolerance,
    )


def label(value: object, where: str) -> Label:
    """Return *value*, a class: text, a whole number, true, false, or a finite number."""
    if isinstance(value, str):
        return strict.text(value, where)
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return strict.number(value, where, -FLOAT32_MAX, FLOAT32_MAX)
    return strict.integer(value, where, -(1 << 63), (1 << 63) - 1)


def _cell(value: object, where: str, column: Column) -> Cell:
    """Return *value*, which *column* takes."""
    if value is None:
        if not column.missing:
            strict.refuse(where, "is null, and the model was trained without missing values")
        return None
    if column.type == "number":
        return strict.number(value, where, -FLOAT32_MAX, FLOAT32_MAX)
    if column.type == "bool":
        return strict.boolean(value, where)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        strict.refuse(where, f"must be text of at most {MAX_TEXT} characters")
    return value


def cells(value: object, where: str, columns: Sequence[Column]) -> tuple[Cell, ...]:
    """Return *value*, a row of one cell for each of *columns*."""
    found = strict.items(value, where, len(columns), len(columns))
    return tuple(_cell(v, f"{where}[{j}]", columns[j]) for j, v in enumerate(found))


def _answer(value: object, where: str, classes: Sequence[Label], outputs: int) -> Answer:
    if outputs > 1:
        numbers = strict.items(value, where, outputs, outputs)
        return tuple(strict.number(each, where, -1e300, 1e300) for each in numbers)
    if not classes:
        return strict.number(value, where, -1e300, 1e300)
    found = label(value, where)
    if not any(found == known and type(found) is type(known) for known in classes):
        strict.refuse(where, f"is {strict.shown(found)}, which is not a class")
    return found


def _matrix(value: object, rows: int, width: int) -> tuple[tuple[float, ...], ...]:
    where = "golden.probabilities"
    found = strict.items(value, where, rows, rows)
    return tuple(_shares(shares, f"{where}[{i}]", width) for i, shares in enumerate(found))


def _shares(value: object, where: str, width: int) -> tuple[float, ...]:
    shares = strict.items(value, where, width, width)
    return tuple(strict.number(v, f"{where}[{j}]", 0.0, 1.0) for j, v in enumerate(shares))
