"""
Train a version: fit on one part of the data to evaluate, then on all of it to ship.

The library converts, proves and describes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sklearn.base import ClassifierMixin, clone
from sklearn.model_selection import train_test_split

from gitslot.convert import version as versions
from gitslot.convert.errors import TrainingError
from gitslot.convert.evaluate import Evaluation, evaluate
from gitslot.convert.servable import check_fitted, check_kind
from gitslot.convert.table import Data
from gitslot.convert.version import Built, check_names
from training.pipeline import build

HELD_OUT = 0.3  # share of the rows that are kept for the evaluation


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The fitted *estimator* to ship, and the *evaluation* of its twin on unseen rows."""

    estimator: ClassifierMixin
    evaluation: Evaluation


def train(data: Data, estimator: ClassifierMixin, seed: int) -> Trained:
    """
    Fit *estimator* on all of *data*, and evaluate a twin that was fitted on 70 % of it.

    Raises TrainingError if the estimator cannot be served (before fitting if that shows
    then), or if the data cannot be split or fitted.
    """
    check_kind(estimator)
    try:
        fit_rows, unseen_rows, fit_labels, unseen_labels = train_test_split(
            data.rows, data.labels, test_size=HELD_OUT, random_state=seed, stratify=data.labels
        )
        twin = clone(estimator).fit(fit_rows, fit_labels)
        check_fitted(twin)
        return Trained(
            estimator=estimator.fit(data.rows, data.labels),
            evaluation=evaluate(twin, unseen_rows, unseen_labels),
        )
    except ValueError as error:
        raise TrainingError(f"cannot fit {type(estimator).__name__}: {error}") from error


def build_version(
    *,
    model: str,
    version: str,
    data: Data,
    estimator: str,
    seed: int,
    commit: str | None,
    created: datetime,
    progress: Callable[[str], None],
) -> Built:
    """Train *estimator* on *data* as *version* of *model*; raise TrainingError or ParityError."""
    check_names(model, version)
    progress(f"training {estimator} on {len(data.rows)} rows of {data.name}")
    trained = train(data, build(estimator, seed), seed)
    return versions.build_version(
        model=model,
        version=version,
        data=data,
        estimator=trained.estimator,
        evaluation=trained.evaluation,
        seed=seed,
        commit=commit,
        created=created,
        progress=progress,
    )
