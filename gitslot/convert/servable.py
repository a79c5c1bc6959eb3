"""
Refuse estimators that would be served with other answers than scikit-learn's.

The search covers everything that the model holds: steps of a pipeline, members of a vote or a
stack, candidates of a search, parts that exist only after fitting. Comparing rows is not enough,
because the rows on which such a model differs may not be among those compared.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.multiclass import OneVsRestClassifier

from gitslot.convert.errors import TrainingError

_HIST_BOOSTING = (
    "it compares numbers in 64 bits and its converted form does so in 32, so a row close to a split"
    " can get another label; use GradientBoosting or RandomForest instead"
)
_ONE_VS_REST = (
    "it chooses the class by scores and its converted form by probabilities, which can be equal"
    " where scores differ, so a row can get another label; use a classifier that takes several"
    " classes by itself instead, such as LogisticRegression or RandomForestClassifier"
)
_REFUSED: Mapping[type, str] = {
    HistGradientBoostingClassifier: _HIST_BOOSTING,
    HistGradientBoostingRegressor: _HIST_BOOSTING,  # which can be a part of a classifier
    OneVsRestClassifier: _ONE_VS_REST,
}


def check_kind(estimator: object) -> None:
    """Raise TrainingError if *estimator*, fitted or not, is or contains a refused kind."""
    for part in _parts(estimator):
        for kind, why in _REFUSED.items():
            if isinstance(part, kind):
                where = "" if part is estimator else f" (in {type(estimator).__name__})"
                raise TrainingError(f"{kind.__name__}{where} is not served yet: {why}")


def check_fitted(estimator: object) -> None:
    """Raise TrainingError unless the fitted *estimator* can be served and has probabilities."""
    check_kind(estimator)
    if not hasattr(estimator, "predict_proba"):
        raise TrainingError(
            f"{type(estimator).__name__} has no predict_proba, and golden rows need probabilities"
        )


def _parts(whole: object) -> Iterator[object]:
    """Return *whole* and every object in it, at any depth, each once."""
    seen: dict[int, object] = {}  # keeps the objects alive, so that no id is reused
    left = [whole]
    while left:
        part = left.pop()
        if id(part) not in seen:
            seen[id(part)] = part
            yield part
            left.extend(_held(part))


def _held(part: Any) -> Iterable[object]:
    if isinstance(part, str | bytes | type | ModuleType | FunctionType):
        return ()
    if isinstance(part, Mapping):
        return part.values()
    if isinstance(part, list | tuple | set | frozenset):
        return part
    if isinstance(part, np.ndarray):
        return part.flat if part.dtype == object else ()
    return getattr(part, "__dict__", {}).values()
