"""
Prove that the ONNX model answers as the scikit-learn model does; choose the golden rows.

The rows are what clients could send: the data itself, and variations of it: with noise, rounded to
few digits (often exactly on a split threshold), and drawn from a box around it. If there are more
than 20,000 rows of data, 20,000 are drawn from all of them, with every label among them.
scikit-learn gets the rows as they are; ONNX gets them through the code that will serve the model.

Every label must be equal. The worst difference of the probabilities is measured. The tolerance of
the golden rows is ten times that, at least 1e-6, because ONNX Runtime may add floats in another
order on another processor. A worst difference above 1e-4 is not rounding: the version is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin

from gitslot.convert.errors import ParityError
from gitslot.convert.table import Labels, Rows

MOST_DIFFERENCE = 1e-4  # of a probability
HEADROOM = 10
LEAST_TOLERANCE = 1e-6
GOLDEN_ROWS = 64
ROWS = 20_000  # most rows taken from the data, fewest rows in all
VARIED = 10_000  # fewest rows that vary the data

Answers: TypeAlias = Callable[[Rows], tuple[list[str | int], NDArray[np.float64]]]


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """Rows with scikit-learn's own answers: rows x features, labels, rows x classes."""

    inputs: Rows
    labels: list[str | int]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Parity:
    """How many *rows* were compared, the *worst* difference, the *tolerance* derived from it."""

    rows: int
    worst: float
    tolerance: float
    golden: Golden


def sample_rows(rows: Rows, seed: int, labels: Labels | None = None) -> Rows:
    """
    Return rows like those a client could send: the data itself, then rows that vary it.

    All of *rows* are used if there are at most 20,000. Otherwise 20,000 are drawn from all of them,
    in turn from each of the *labels*, so that a rare one is not missed. At least 10,000 more vary
    the data.
    """
    rng = np.random.default_rng(seed)
    spread = rows.std(axis=0) + 1e-9
    low, high = rows.min(axis=0) - spread, rows.max(axis=0) + spread
    each = -(-ROWS // 3)
    picked = rows[rng.integers(0, len(rows), 2 * each)]
    noisy = picked[:each] + rng.normal(0, 0.1, (each, rows.shape[1])) * spread
    rounded = picked[each:] + rng.normal(0, 0.3, (each, rows.shape[1])) * spread
    drawn = rng.uniform(low, high, (each, rows.shape[1]))
    steps = 10.0 ** np.clip(2 - np.floor(np.log10(spread)), 0, 6)  # a hundredth of the spread
    mixed = np.concatenate([noisy, np.round(rounded * steps) / steps, drawn])
    varied = rng.permutation(mixed)[: max(ROWS - len(rows), VARIED)]
    if len(rows) > ROWS:
        rows = rows[
            _in_turns(np.zeros(len(rows)) if labels is None else np.asarray(labels), rng)[:ROWS]
        ]
    return np.concatenate([rows, varied])


def _in_turns(labels: Labels, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return all row numbers in random order, with each label once before any label repeats."""
    order = rng.permutation(len(labels))
    _, number, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
    by_label = np.argsort(number, kind="stable")
    turn = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[by_label[np.argsort(turn, kind="stable")]]


def prove(
    estimator: ClassifierMixin,
    answers: Answers,
    data: Rows,
    *,
    seed: int,
    labels: Labels | None = None,
    progress: Callable[[str], None],
) -> Parity:
    """
    Compare *estimator* with *answers* (the model as served) on rows like *data*.

    *labels* are those of *data*; each is compared, however rare it is.
    Raises ParityError if one label differs, or a probability by more than 1e-4.
    """
    rows = sample_rows(data, seed, labels)
    progress(f"comparing {len(rows)} rows with scikit-learn")
    predicted, probabilities = estimator.predict(rows), estimator.predict_proba(rows)
    served_labels, served = answers(rows)
    wrong = np.flatnonzero(np.asarray(served_labels, dtype=predicted.dtype) != predicted)
    if len(wrong):
        at = int(wrong[0])
        raise ParityError(
            f"{len(wrong)} of {len(rows)} labels differ after conversion: row {rows[at].tolist()}"
            f" is {predicted[at]} in scikit-learn and {served_labels[at]} in ONNX"
        )
    worst = float(np.abs(probabilities - served).max())
    if not worst <= MOST_DIFFERENCE:
        raise ParityError(
            f"probabilities differ by {worst:.1e} after conversion, at most {MOST_DIFFERENCE:.0e}"
        )
    tolerance = tolerance_for(worst)
    chosen = choose_golden(predicted, probabilities, least_margin=2 * tolerance)
    golden = Golden(rows[chosen], predicted[chosen].tolist(), probabilities[chosen])
    return Parity(len(rows), worst, tolerance, golden)


def tolerance_for(worst: float) -> float:
    """Return the tolerance of golden rows for a measured *worst* difference, to two digits."""
    return max(LEAST_TOLERANCE, float(f"{worst * HEADROOM:.1e}"))


def choose_golden(
    labels: Labels, probabilities: NDArray[np.float64], *, least_margin: float
) -> NDArray[np.intp]:
    """
    Choose the golden rows: for every class the surest rows and those nearest to a boundary.

    Half are the closest calls that are still wider than *least_margin* (a closer one could tip on
    another processor), half are spread evenly over the rest. Returns up to 64 row numbers.
    """
    ordered = np.sort(probabilities, axis=1)
    margins = ordered[:, -1] - ordered[:, -2]
    firm = np.flatnonzero(margins > least_margin)
    classes = np.unique(labels[firm])
    chosen: dict[int, None] = {}
    for turn, label in enumerate(classes):
        share = (GOLDEN_ROWS - len(chosen)) // (len(classes) - turn)
        mine = firm[labels[firm] == label]
        by_margin = mine[np.argsort(margins[mine], kind="stable")]
        near = by_margin[: share // 2]
        rest = by_margin[share // 2 :]
        if len(rest):
            steps = np.linspace(0, len(rest) - 1, min(share - len(near), len(rest)))
            near = np.concatenate([near, rest[np.unique(steps.astype(int))]])
        chosen.update(dict.fromkeys(near.tolist()))
    for row in firm.tolist():  # fill up if a class had too few rows
        if len(chosen) >= GOLDEN_ROWS:
            break
        chosen.setdefault(row)
    return np.array(sorted(chosen), np.intp)
