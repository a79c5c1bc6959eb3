"""Evaluate a fitted estimator on rows whose answers are known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)

from gitslot.registry.golden import Label


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """
    The quality of the model: *metrics* by name.

    *confusion* counts true class x predicted class, both in the order of *classes*; a regressor has
    none.
    """

    metrics: Mapping[str, float]
    classes: tuple[Label, ...] = ()
    confusion: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))


def evaluate(estimator: Any, rows: Any, labels: Any) -> Evaluation:
    """Return metrics (and confusion) of *estimator* on *rows*, whose true *labels* are known."""
    predicted = estimator.predict(rows)
    number = {"rows": float(len(predicted))}
    if not is_classifier(estimator):
        found = {
            "r2": r2_score(labels, predicted),
            "mean_absolute_error": mean_absolute_error(labels, predicted),
            "root_mean_squared_error": root_mean_squared_error(labels, predicted),
        }
        return Evaluation(_rounded(found) | number)
    found = {
        "accuracy": accuracy_score(labels, predicted),
        "f1_macro": f1_score(labels, predicted, average="macro"),
    }
    if hasattr(estimator, "predict_proba"):
        chances = estimator.predict_proba(rows)
        found["log_loss"] = log_loss(labels, chances, labels=estimator.classes_)
    return Evaluation(
        metrics=_rounded(found) | number,
        classes=tuple(estimator.classes_.tolist()),
        confusion=confusion_matrix(labels, predicted, labels=estimator.classes_),
    )


def _rounded(found: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 6) for name, value in found.items() if np.isfinite(value)}
