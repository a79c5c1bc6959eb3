"""Refuse, in words and before any work, what no form of a model could answer for."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from gitslot.convert.boosters import INSTEAD, is_booster, library_of, teach
from gitslot.convert.errors import TrainingError
from gitslot.convert.parts import parts
from gitslot.registry.golden import MAX_OUTPUTS, Label
from gitslot.registry.manifest import MAX_CLASSES


def check_kind(estimator: Any) -> None:
    """Raise TrainingError unless *estimator*, fitted or not, is a classifier or a regressor."""
    if isinstance(estimator, type):
        name = estimator.__name__
        raise TrainingError(f"{name} is a class, not an estimator: pass {name}().fit(X, y)")
    name = type(estimator).__name__
    if not hasattr(estimator, "predict"):
        raise TrainingError(f"{name} has no predict: only classifiers and regressors are served")
    for part in parts(estimator):
        if library_of(part) == "catboost":
            raise TrainingError(f"{type(part).__name__} of catboost is not served: {INSTEAD}")
        if is_booster(part):
            teach(part)
    if not is_classifier(estimator) and not is_regressor(estimator):
        raise TrainingError(
            f"{name} is neither a classifier nor a regressor of scikit-learn: only those are served"
        )


def classes_of(estimator: Any) -> tuple[Label, ...]:
    """
    Return the classes of a fitted classifier, none for a regressor.

    Raises TrainingError for classes that JSON does not hold, and for several outputs.
    """
    name = type(estimator).__name__
    if not is_classifier(estimator):
        return ()
    found = getattr(estimator, "classes_", None)
    if isinstance(found, list):
        raise TrainingError(f"{name} answers several outputs: register one model for each of them")
    if found is None:
        raise TrainingError(f"{name} is not fitted, or has no classes_: fit it first")
    classes: list[Any] = np.asarray(found).tolist()
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise TrainingError(f"{name} knows {len(classes)} classes, must know 2 to {MAX_CLASSES}")
    if len({type(label) for label in classes}) != 1 or not isinstance(
        classes[0], str | int | float
    ):
        shown = ", ".join(sorted({type(label).__name__ for label in classes}))
        raise TrainingError(f"the classes are {shown}: train with text, numbers or true and false")
    for label in classes:
        if isinstance(label, str) and (not 1 <= len(label) <= 200 or not label.isprintable()):
            raise TrainingError(
                f"the class {ascii(label)[:60]} must be 1 to 200 printable characters"
            )
    return tuple(classes)


def outputs_of(estimator: Any, answer: Any) -> int:
    """Return how many numbers the *answer* to one row has; raise TrainingError if too many."""
    found = int(np.asarray(answer).size)
    name = type(estimator).__name__
    if found != 1 and is_classifier(estimator):
        raise TrainingError(f"{name} answers several outputs: register one model for each")
    if not 1 <= found <= MAX_OUTPUTS:
        raise TrainingError(
            f"{name} answers {found} numbers for a row, at most {MAX_OUTPUTS} are served"
        )
    return found
