"""Evaluate a fitted estimator on unseen rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from gitslot.convert.table import Labels, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """
    The quality of the model: *metrics* by name, and *confusion* as true class x predicted class.

    *classes* gives the order of both axes.
    """

    metrics: Mapping[str, float]
    classes: tuple[str | int, ...]
    confusion: NDArray[np.int64]


def evaluate(estimator: ClassifierMixin, rows: Rows, labels: Labels) -> Evaluation:
    """Return metrics and confusion of *estimator* on *rows*, whose true *labels* are known."""
    predicted = estimator.predict(rows)
    return Evaluation(
        metrics={
            "accuracy": round(float(accuracy_score(labels, predicted)), 6),
            "f1_macro": round(float(f1_score(labels, predicted, average="macro")), 6),
            "log_loss": round(
                float(log_loss(labels, estimator.predict_proba(rows), labels=estimator.classes_)), 6
            ),
            "rows": float(len(rows)),
        },
        classes=tuple(estimator.classes_.tolist()),
        confusion=confusion_matrix(labels, predicted, labels=estimator.classes_),
    )
