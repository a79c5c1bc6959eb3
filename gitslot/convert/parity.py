"""
Choose the first form of a model that answers as scikit-learn does, by asking it hostile rows.

scikit-learn gets each row in the form in which it was trained; a form of the model gets it through
the code that will serve it. Every label must be the one of `predict`. Probabilities, and numbers of
a regressor relative to their size, may differ by 1e-5 at most. The tolerance of the golden rows is
ten times the worst difference, at least 1e-6, because another processor may add floats in another
order.

Rows that scikit-learn itself refuses (an unknown category, say), or answers with NaN, are left out.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from gitslot.convert.convert import Candidate, NotConverted
from gitslot.convert.errors import ParityError, TrainingError
from gitslot.convert.onnx_model import BoundModel
from gitslot.convert.served import Refused, served, serving, sklearn_runtime
from gitslot.convert.table import Array, Rows, Table, cells, count, joined, take
from gitslot.registry.golden import MAX_BYTES, ROWS, Label

MOST_DIFFERENCE = 1e-5  # of a probability, or of a number relative to it
HEADROOM = 10
LEAST_TOLERANCE = 1e-6
GOLDEN_ROWS = 64  # or two for each class, up to 256
SMALLEST = 100  # rows that are asked at once before they are left out


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """*rows* with the answers of scikit-learn: *labels*, and rows x classes or None."""

    rows: Rows
    labels: Array
    probabilities: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True, eq=False)
class Parity:
    """
    What was proved: the *candidate* that is exact, on how many *rows*, its *worst* difference.

    *golden* are rows with scikit-learn's answers; *refused* the faster forms and why not.
    """

    candidate: Candidate
    rows: int
    worst: float
    tolerance: float
    golden: Answered
    refused: tuple[NotConverted, ...]


class Reference:
    """scikit-learn's own answers to rows as clients send them."""

    def __init__(
        self, estimator: Any, table: Table, classes: tuple[Label, ...], outputs: int = 1
    ) -> None:
        self._estimator = estimator
        self._width = () if outputs == 1 else (outputs,)
        self._as_trained: Callable[[Rows, served.Shape], Any] = sklearn_runtime.as_trained
        if isinstance(estimator, BoundModel):
            self._as_trained = lambda rows, shape: rows
            self.shape = estimator.served
            return
        self.shape = served.Shape(
            kind="classifier" if classes else "regressor",
            columns=tuple(served.Column(**asdict(column)) for column in table.columns),
            classes=classes,
            probabilities=bool(classes) and hasattr(estimator, "predict_proba"),
            frame=table.frame,
            outputs=outputs,
        )

    def first(self, table: Table) -> Array:
        """Return the answer to the first row of *table*, as scikit-learn gives it."""
        given = self._as_trained(take(table.rows, slice(0, 1)), self.shape)
        return np.asarray(self._estimator.predict(given))

    def answered(self, rows: Rows) -> Answered:
        """Return *rows* with their answers; raise what scikit-learn raises."""
        given = self._as_trained(rows, self.shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = np.asarray(self._estimator.predict(given))
            labels = found.reshape(count(rows), *self._width)
            if not self.shape.probabilities:
                return Answered(rows, labels, None)
            return Answered(rows, labels, np.asarray(self._estimator.predict_proba(given)))

    def spread(self, rows: Rows) -> NDArray[np.float64]:
        """
        Return what the model answers as numbers, rows x any: where it changes, so do they.

        Another label is a larger change than any of the probabilities.
        """
        found = self.answered(rows)
        if not self.shape.classes:
            return found.labels.astype(np.float64).reshape(count(rows), -1)
        labels = 10.0 * np.equal.outer(found.labels, np.array(self.shape.classes))
        return labels if found.probabilities is None else np.hstack([labels, found.probabilities])

    def usable(self, rows: Rows) -> Iterator[Answered]:
        """Return *rows* without those that scikit-learn refuses or answers with no number."""
        if not count(rows):
            return
        try:
            found = self.answered(rows)
        except Exception:  # noqa: BLE001 - any class, from any estimator
            if (half := count(rows) // 2) >= SMALLEST:
                yield from self.usable(take(rows, slice(0, half)))
                yield from self.usable(take(rows, slice(half, None)))
            return
        numbers = found.labels if not self.shape.classes else found.probabilities
        if numbers is None or np.isfinite(numbers).all():
            yield found
            return
        finite = np.isfinite(numbers.reshape(count(rows), -1)).all(axis=1)
        yield _picked(found, np.flatnonzero(finite))


def prove(
    candidates: Iterable[Candidate | NotConverted],
    reference: Reference,
    blocks: Callable[[], Iterable[Rows]],
    progress: Callable[[str], None],
) -> Parity:
    """
    Return the first of *candidates* that answers all of *blocks* as *reference* does.

    Raises ParityError, with the reason of each, if there is none.
    """
    with threadpool_limits(1):  # many small batches: threads would only wait for each other
        return _prove(candidates, reference, blocks, progress)


def _prove(
    candidates: Iterable[Candidate | NotConverted],
    reference: Reference,
    blocks: Callable[[], Iterable[Rows]],
    progress: Callable[[str], None],
) -> Parity:
    asked = [found for block in blocks() for found in reference.usable(block)]
    rows = sum(count(found.rows) for found in asked)
    if not rows:
        raise TrainingError("scikit-learn answers none of the rows: is X what it was trained on?")
    refused: list[NotConverted] = []
    for candidate in candidates:
        if isinstance(candidate, NotConverted):
            refused.append(candidate)
            continue
        progress(f"comparing {candidate.title} with scikit-learn on {rows} rows")
        try:
            worst = difference(open_candidate(candidate, reference.shape), asked, reference.shape)
        except (Refused, ParityError) as error:
            why = error.message if isinstance(error, Refused) else str(error)
            refused.append(NotConverted(candidate.title, why))
            continue
        tolerance = max(LEAST_TOLERANCE, float(f"{worst * HEADROOM:.1e}"))
        golden = _golden(asked, len(reference.shape.classes), 2 * tolerance)
        return Parity(candidate, rows, worst, tolerance, golden, tuple(refused))
    reasons = "".join(f"\n  {each.title}: {each.why}" for each in refused)
    raise ParityError(
        f"no form of the model answers exactly as it does itself:{reasons}\n  put an estimator or a"
        " transformer of scikit-learn in place of what the last line names, and train again"
    )


def open_candidate(candidate: Candidate, shape: "served.Shape") -> "served.Runtime":
    """Load *candidate* with the code that serves it; raise Refused."""
    runtime = candidate.runtime
    return serving.open_runtime(
        runtime.name, candidate.content, replace(shape, dtype=runtime.dtype)
    )


def difference(
    runtime: "served.Runtime", asked: Iterable[Answered], shape: "served.Shape"
) -> float:
    """Return the worst difference of *runtime* on *asked*; raise ParityError above 1e-5."""
    worst = 0.0
    for block in asked:
        try:
            labels, probabilities = runtime.answers(block.rows)
        except Exception as error:
            raise ParityError(f"it cannot answer: {type(error).__name__}") from error
        if shape.classes:
            _same_labels(labels, block)
        found, expected = probabilities, block.probabilities
        if not shape.classes:
            scale = np.maximum(1, np.abs(block.labels))
            found, expected = np.array(labels, np.float64), block.labels / scale
            found = found / scale if found.shape == scale.shape else found
        if expected is not None:
            if found is None or found.shape != expected.shape:
                raise ParityError("its probabilities are not those of the classes")
            worst = max(worst, float(np.abs(expected - found).max()))
        if not worst <= MOST_DIFFERENCE:
            what = "probabilities" if shape.classes else "numbers"
            raise ParityError(f"its {what} differ by {worst:.1e}, {MOST_DIFFERENCE:.0e} at most")
    return worst


def _same_labels(labels: list[Any], block: Answered) -> None:
    expected = block.labels.tolist()
    wrong = [at for at, label in enumerate(labels) if label != expected[at]]
    if wrong or len(labels) != len(expected):
        at = wrong[0] if wrong else 0
        raise ParityError(
            f"{len(wrong)} of {len(expected)} labels differ: {str(cells(block.rows, at))[:200]} is "
            f"{expected[at]} in scikit-learn and {labels[at]} there"
        )


def _picked(found: Answered, at: Array) -> Answered:
    probabilities = None if found.probabilities is None else found.probabilities[at]
    return Answered(take(found.rows, at), found.labels[at], probabilities)


def _golden(asked: list[Answered], classes: int, least_margin: float) -> Answered:
    """Return the golden rows: of every class (or level of a number) some of each block."""
    chances = [found.probabilities for found in asked if found.probabilities is not None]
    groups = np.concatenate([found.labels for found in asked])
    if not classes:
        groups = groups.reshape(len(groups), -1)[:, 0]  # of several numbers the first will do
        edges = np.quantile(groups, np.linspace(0, 1, 9)[1:-1])
        groups = np.searchsorted(edges, groups)
    widest = len(str(cells(asked[0].rows, 0))) + 40 * max(classes, 1)
    number = min(ROWS[-1], max(GOLDEN_ROWS, 2 * classes), MAX_BYTES // 2 // widest)
    probabilities = np.concatenate(chances) if chances else None
    chosen = choose_golden(groups, probabilities, max(ROWS[0], number), least_margin)
    starts = np.cumsum([0, *(count(found.rows) for found in asked)])
    parts = [
        _picked(found, mine - start)
        for found, start in zip(asked, starts, strict=False)
        if len(mine := chosen[(chosen >= start) & (chosen < start + count(found.rows))])
    ]
    return Answered(
        joined([part.rows for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.probabilities for part in parts if part.probabilities is not None])
        if chances
        else None,
    )


def choose_golden(
    groups: Array,
    probabilities: NDArray[np.float64] | None,
    number: int,
    least_margin: float,
) -> NDArray[np.intp]:
    """
    Choose *number* golden rows: for every group the surest rows and those nearest to a boundary.

    Half are the closest calls that are still wider than *least_margin* (a closer one could tip on
    another processor), half are spread evenly over the rest. Without probabilities they are spread
    over the rows, of which the last lie at the model's own splits.
    """
    margins = np.arange(1.0, len(groups) + 1)
    if probabilities is not None and probabilities.shape[1] > 1:
        ordered = np.sort(probabilities, axis=1)
        margins = ordered[:, -1] - ordered[:, -2]
    firm = np.flatnonzero(margins > least_margin)
    if len(firm) < number:
        firm = np.arange(len(groups))
    known = np.unique(groups[firm])
    chosen: dict[int, None] = {}
    for turn, group in enumerate(known):
        share = max(1, (number - len(chosen)) // (len(known) - turn))
        mine = firm[groups[firm] == group]
        by_margin = mine[np.argsort(margins[mine], kind="stable")]
        near, rest = by_margin[: share // 2], by_margin[share // 2 :]
        steps = np.linspace(0, max(len(rest) - 1, 0), min(share - len(near), len(rest)))
        chosen.update(dict.fromkeys([*near.tolist(), *rest[steps.astype(int)].tolist()]))
    for row in firm.tolist():  # where one group had fewer rows than its share
        if len(chosen) >= number:
            break
        chosen[row] = None
    return np.array(list(chosen)[: ROWS[-1]], np.intp)
