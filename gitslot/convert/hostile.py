"""
Make hostile rows: what clients could send, where a converted model could answer differently.

They are the data itself (up to 200,000 rows, each label in turn), variations of its rows, and rows
on the model's own boundaries:

    noisy       every varied column moved a little, or drawn from a box around the data
    typed       values with one or two digits more than the data has: often exactly on a split
    slipped     one cell with a sentinel (-999, 9999, 0), an extreme, or a slipped unit
    gaps        missing values in the columns that had some in training
    unseen      categories that training never saw, and seen ones elsewhere
    boundaries  at and one step beside the splits of the model's trees, and beside the places where
                the answer changes on the way from one row to another

A column of few whole numbers is a code: it gets no number that it never had, and one of 0 and 1
alone (often one of several that belong together) stays as it is in the row.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gitslot.convert.table import Array, Labels, Rows, Table, cells_of, count, joined, take
from gitslot.registry.golden import FLOAT32_MAX

MOST_DATA = 200_000
LEAST = 40_000  # rows in all
BLOCK = 4_000  # fewest rows of each variation
CELLS = 10_000_000  # that are made at once
BOUNDARIES = 500  # searched for on the way from one row to another
STEPS = 40  # halve the way so often
THRESHOLDS = 4_000  # of the model's own splits
CODES = 20  # a column of at most so many whole numbers is a code
SENTINELS = (-999.0, -1.0, 0.0, 9999.0)
FACTORS = (10.0, 0.1, 1000.0, 0.001, -1.0)

Change = Callable[[Rows], NDArray[np.float64]]  # rows -> what the model answers, rows x any


@dataclass(frozen=True, slots=True, eq=False)
class _Numbers:
    """The numbers of one column: *values* seen, their *spread*, their *decimals*."""

    values: Array
    spread: float
    decimals: int
    code: bool
    fixed: bool


class Hostile:
    """Makes hostile rows like those of *table*; the same *seed* makes the same rows."""

    def __init__(self, table: Table, labels: Labels | None, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._columns = table.columns
        self._rows = _in_turns(table, labels, self._rng)
        self._numbers = {
            number: _describe(cells_of(self._rows, number), self._rng)
            for number, column in enumerate(table.columns)
            if column.type == "number"
        }
        self._varied = [number for number, found in self._numbers.items() if not found.code]
        self._text = [at for at, column in enumerate(table.columns) if column.type == "text"]

    def blocks(self) -> Iterable[Rows]:
        """Return the data, and then each kind of variation, in pieces that fit into memory."""
        piece = max(CELLS // len(self._columns), 100)
        for start in range(0, count(self._rows), piece):
            yield take(self._rows, slice(start, start + piece))
        kinds = list(self._kinds())
        number = max(BLOCK, -(-(LEAST - count(self._rows)) // max(len(kinds), 1)))
        for vary in kinds:
            for start in range(0, number, piece):
                yield vary(min(piece, number - start))

    def _kinds(self) -> Iterable[Callable[[int], Rows]]:
        if self._varied:
            yield from (self._noisy, self._boxed, self._typed)
        if any(not found.fixed for found in self._numbers.values()):
            yield self._slipped
        if any(column.missing for column in self._columns):
            yield self._gaps
        if self._text:
            yield from (self._swapped, self._unseen)
        else:
            yield self._picked

    def on_splits(self, splits: Iterable[tuple[int, float]]) -> Rows:
        """Return rows at and one step beside *splits*, in doubles and in floats."""
        known = sorted({split for split in splits if split[0] in self._varied})
        if len(known) > THRESHOLDS:
            picked = self._rng.choice(len(known), THRESHOLDS, replace=False)
            known = [known[number] for number in sorted(picked.tolist())]
        placed = [
            (column, value)
            for column, split in known
            if abs(split) < FLOAT32_MAX
            for value in _around(split)
        ]
        rows = self._picked(len(placed))
        for at, (column, value) in enumerate(placed):
            cells_of(rows, column)[at] = value
        return rows

    def on_boundaries(self, answer: Change) -> Rows:
        """
        Return rows on both sides of places where *answer* changes most.

        Half-way between two rows that differ in one column, the search goes to the half in which
        the answer changes more: to a step of the model, to the line between two labels. The two
        sides are 1e-12 of the way apart at the end. Closer to such a line, the rounding of
        scikit-learn's own sums decides on the label.
        """
        if not self._varied:
            return take(self._rows, slice(0, 0))
        low = self._picked(BOUNDARIES)
        other = self._picked(BOUNDARIES)
        high = take(low, np.arange(BOUNDARIES))
        chosen = self._rng.choice(self._varied, BOUNDARIES)
        at = np.arange(BOUNDARIES)
        start, end = _get(low, chosen, at), _get(other, chosen, at)
        end = np.where(np.isfinite(end) & np.isfinite(start), end, start)
        _set(high, chosen, at, end)
        left, right = answer(low), answer(high)
        for _ in range(STEPS):
            middle = start / 2 + end / 2
            between = (middle != start) & (middle != end)
            if not between.any():
                break
            rows = take(low, at)
            _set(rows, chosen, at, middle)
            found = answer(rows)
            nearer = np.abs(found - left).sum(axis=1) >= np.abs(right - found).sum(axis=1)
            end, right = _where(nearer & between, middle, found, end, right)
            start, left = _where(~nearer & between, middle, found, start, left)
        sides = []
        for value in (start, end):
            rows = take(low, at)
            _set(rows, chosen, at, value)
            sides.append(rows)
        return joined(sides)

    def _picked(self, number: int) -> Rows:
        """Return *number* rows of the data, as a copy."""
        return take(self._rows, self._rng.integers(0, count(self._rows), number))

    def _noisy(self, number: int) -> Rows:
        rows = self._picked(number)
        for column in self._varied:
            cells_of(rows, column)[:] += self._noise(number, column, 0.1)
        return rows

    def _boxed(self, number: int) -> Rows:
        rows = self._picked(number)
        for column in self._varied:
            known = self._numbers[column]
            cells = cells_of(rows, column)
            low, high = known.values.min() - known.spread, known.values.max() + known.spread
            cells[:] = np.where(np.isnan(cells), cells, self._rng.uniform(low, high, number))
        return rows

    def _typed(self, number: int) -> Rows:
        rows = self._picked(number)
        for column in self._varied:
            digits = self._numbers[column].decimals + self._rng.integers(0, 3, number)
            scale = 10.0 ** np.minimum(digits, 15)
            cells = cells_of(rows, column)
            cells[:] = np.round((cells + self._noise(number, column, 0.3)) * scale) / scale
        return rows

    def _slipped(self, number: int) -> Rows:
        """Change one cell of each row: a code to another one, a number to what nobody expects."""
        rows = self._picked(number)
        changed = [column for column, found in self._numbers.items() if not found.fixed]
        for column, at in _dealt(changed, number, self._rng):
            known, cells = self._numbers[column], cells_of(rows, column)
            if known.code:
                cells[at] = self._rng.choice(known.values, len(at))
                continue
            low, high = known.values.min(), known.values.max()
            far = 10 * (high - low) + 1
            odd = np.array([*SENTINELS, low - far, high + far, low, high])
            scaled = cells[at] * self._rng.choice(FACTORS, len(at))
            swapped = self._rng.random(len(at)) < 0.5
            found = np.where(swapped, scaled, self._rng.choice(odd, len(at)))
            cells[at] = np.clip(found, -FLOAT32_MAX, FLOAT32_MAX)
        return rows

    def _gaps(self, number: int) -> Rows:
        rows = self._picked(number)
        for column, described in enumerate(self._columns):
            if described.missing:
                cells = cells_of(rows, column)
                gone = self._rng.random(number) < 0.3
                cells[gone] = np.nan if described.type == "number" else None
        return rows

    def _swapped(self, number: int) -> Rows:
        rows = self._picked(number)
        other = self._picked(number)
        for column, at in _dealt(self._text, number, self._rng):
            cells_of(rows, column)[at] = cells_of(other, column)[at]
        return rows

    def _unseen(self, number: int) -> Rows:
        rows = self._picked(number)
        for column, at in _dealt(self._text, number, self._rng):
            cells = cells_of(rows, column)
            for row in at.tolist():
                seen = cells[row] or ""
                odd = ("", "unseen", f"{seen} ", seen.upper(), seen.lower(), f"{seen}\u00e9")
                cells[row] = odd[self._rng.integers(0, len(odd))]
        return rows

    def _noise(self, number: int, column: int, share: float) -> Array:
        return self._rng.normal(0, share, number) * self._numbers[column].spread


def _in_turns(table: Table, labels: Labels | None, rng: np.random.Generator) -> Rows:
    """Return the data; of more rows than are taken, each label once before any repeats."""
    if len(table) <= MOST_DATA:
        return table.rows
    order = rng.permutation(len(table))
    if labels is None:
        return take(table.rows, order[:MOST_DATA])
    _, number, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
    by_label = np.argsort(number, kind="stable")
    turn = np.arange(len(table)) - np.repeat(np.cumsum(counts) - counts, counts)
    return take(table.rows, order[by_label[np.argsort(turn, kind="stable")]][:MOST_DATA])


def _describe(cells: Array, rng: np.random.Generator) -> _Numbers:
    values = np.unique(cells[np.isfinite(cells)])
    whole = bool((values == np.round(values)).all())
    fixed = len(values) == 1 or set(values.tolist()) <= {0.0, 1.0}
    some = rng.choice(values, min(len(values), 1000))
    scale = 10.0 ** np.arange(16)
    exact = [bool(np.allclose(some * by, np.round(some * by), rtol=0, atol=1e-6)) for by in scale]
    return _Numbers(
        values=values,
        spread=float(values.std()) + 1e-9,
        decimals=exact.index(True) if True in exact else 15,
        code=fixed or (whole and len(values) <= CODES),
        fixed=fixed,
    )


def _around(split: float) -> tuple[float, ...]:
    """Return *split*, the doubles next to it, and the floats next to its float."""
    single = np.float32(split)
    beside = (np.nextafter(single, np.float32(way)) for way in (-np.inf, np.inf))
    doubles = (np.nextafter(split, way) for way in (-np.inf, np.inf))
    return (split, float(single), *map(float, beside), *map(float, doubles))


def _dealt(
    columns: list[int], number: int, rng: np.random.Generator
) -> Iterable[tuple[int, NDArray[np.intp]]]:
    """Deal the row numbers below *number* out to *columns*."""
    dealt = rng.integers(0, len(columns), number)
    return ((column, np.flatnonzero(dealt == at)) for at, column in enumerate(columns))


def _get(rows: Rows, columns: Array, at: Array) -> Array:
    if not isinstance(rows, list):
        return rows[at, columns]
    found = (rows[column][row] for row, column in zip(at, columns, strict=True))
    return np.fromiter(found, np.float64, len(at))


def _set(rows: Rows, columns: Array, at: Array, values: Array) -> None:
    if not isinstance(rows, list):
        rows[at, columns] = values
        return
    for row, column, value in zip(at, columns, values, strict=True):
        rows[column][row] = value


def _where(
    chosen: Array, value: Array, answer: Array, old_value: Array, old_answer: Array
) -> tuple[Array, Array]:
    return np.where(chosen, value, old_value), np.where(chosen[:, None], answer, old_answer)
