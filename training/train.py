"""
Train a version: fit on one part of the data to evaluate, then on all of it to ship.

The library converts, proves and describes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import train_test_split

from gitslot.convert import version as versions
from gitslot.convert.errors import TrainingError
from gitslot.convert.evaluate import Evaluation, evaluate
from gitslot.convert.memory import measure as measure_memory
from gitslot.convert.servable import check_kind
from gitslot.convert.table import Data, read_table
from gitslot.convert.version import Built, Measure, check_names
from gitslot.registry.manifest import Source
from training.pipeline import build

HELD_OUT = 0.3  # share of the rows that are kept for the evaluation


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The fitted *estimator* to ship, and the *evaluation* of its twin on unseen rows."""

    estimator: Any
    evaluation: Evaluation


def train(data: Data, estimator: Any, seed: int) -> Trained:
    """
    Fit *estimator* on all of *data*, and evaluate a twin that was fitted on 70 % of it.

    Raises TrainingError if the estimator or the data cannot be served (before fitting), or if the
    data cannot be split or fitted.
    """
    check_kind(estimator)
    read_table(data.rows, data.features)
    labels = np.asarray(data.labels)
    try:
        fit_rows, unseen_rows, fit_labels, unseen_labels = train_test_split(
            data.rows,
            labels,
            test_size=HELD_OUT,
            random_state=seed,
            stratify=labels if is_classifier(estimator) else None,
        )
        twin = clone(estimator).fit(fit_rows, fit_labels)
        return Trained(
            estimator=estimator.fit(data.rows, labels),
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
    source: Source,
    created: datetime,
    progress: Callable[[str], None],
    measure: Measure = measure_memory,
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
        source=source,
        created=created,
        progress=progress,
        measure=measure,
    )
