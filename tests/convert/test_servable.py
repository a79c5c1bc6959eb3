"""What cannot be served yet is refused by name, wherever in a model it is, before it is trained."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from gitslot.convert.convert import convert
from gitslot.convert.errors import TrainingError
from gitslot.convert.servable import check_fitted, check_kind
from training.data import load
from training.train import train


class Fails:
    """An estimator that must not be fitted, since what it holds is refused before."""

    def __init__(self, inner: object = None) -> None:
        self.inner = inner

    def fit(self, rows: object, labels: object) -> "Fails":
        """Fail."""
        raise AssertionError("was fitted")


class Hides:
    """An estimator that makes its inner one only when it is fitted."""

    def get_params(self, deep: bool = True) -> dict[str, object]:
        """Return no parameters, as cloning asks for them."""
        return {}

    def fit(self, rows: np.ndarray, labels: np.ndarray) -> "Hides":
        """Fit an inner estimator that no parameter names."""
        self.inner_ = OneVsRestClassifier(LogisticRegression()).fit(rows, labels)
        self.classes_ = self.inner_.classes_
        return self


HIST = HistGradientBoostingClassifier
FOREST = RandomForestClassifier
SUBCLASS = type("Subclass", (HIST,), {})
HOLDERS: dict[str, Callable[[ClassifierMixin], object]] = {
    "itself": lambda inner: inner,
    "pipeline": lambda inner: make_pipeline(StandardScaler(), inner),
    "pipeline in a pipeline": lambda inner: Pipeline([("a", make_pipeline(inner))]),
    "search": lambda inner: GridSearchCV(inner, {}),
    "candidate of a search": lambda inner: GridSearchCV(
        Pipeline([("model", FOREST())]), [{"model": [FOREST(), inner]}]
    ),
    "calibrated": CalibratedClassifierCV,
    "frozen": lambda inner: CalibratedClassifierCV(FrozenEstimator(inner)),
    "voting": lambda inner: VotingClassifier([("a", FOREST()), ("b", inner)]),
    "stacking": lambda inner: StackingClassifier([("a", inner)]),
    "last of a stack": lambda inner: StackingClassifier([("a", FOREST())], final_estimator=inner),
    "bagging": BaggingClassifier,
    "adaboost": AdaBoostClassifier,
    "selection of features": lambda inner: make_pipeline(SelectFromModel(inner), FOREST()),
    "somebody's own": Fails,
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("inner", [HIST(), OneVsRestClassifier(LogisticRegression())])
def test_it_is_found_anywhere_in_a_model(holder: str, inner: ClassifierMixin) -> None:
    """The refusal names the estimator, the model that holds it, the reason and another choice."""
    model = HOLDERS[holder](inner)
    with pytest.raises(TrainingError, match=r"is not served yet: .* another label; use ") as caught:
        check_kind(model)
    where = "" if model is inner else f" (in {type(model).__name__})"
    assert str(caught.value).startswith(f"{type(inner).__name__}{where} is not served yet")


@pytest.mark.parametrize("inner", [SUBCLASS(), HistGradientBoostingRegressor()])
def test_what_computes_alike_is_refused_alike(inner: object) -> None:
    """A subclass, and the regressor as a part of a classifier."""
    with pytest.raises(TrainingError, match="HistGradientBoosting"):
        check_kind(Fails(inner))


def test_it_is_refused_before_it_is_fitted() -> None:
    """No work is done on a model that cannot be registered."""
    with pytest.raises(TrainingError, match=r"HistGradientBoostingClassifier \(in Fails\)"):
        train(load("iris"), Fails(HIST()), 0)


def test_it_is_found_in_what_fitting_makes() -> None:
    """A part that no parameter names is found after the first fit, and by conversion alone."""
    data = load("iris")
    with pytest.raises(TrainingError, match=r"OneVsRestClassifier \(in Hides\)"):
        train(data, Hides(), 0)
    with pytest.raises(TrainingError, match=r"OneVsRestClassifier \(in Hides\)"):
        convert(Hides().fit(data.rows, data.labels), 4)
    with pytest.raises(TrainingError, match="HistGradientBoostingClassifier"):
        convert(make_pipeline(StandardScaler(), HIST()).fit(data.rows, data.labels), 4)


@pytest.mark.parametrize(
    "model",
    [
        GradientBoostingClassifier(n_estimators=3),
        make_pipeline(StandardScaler(), LogisticRegression()),
        VotingClassifier(
            [("a", FOREST(3)), ("b", make_pipeline(StandardScaler(), LogisticRegression()))],
            voting="soft",
        ),
        StackingClassifier([("a", FOREST(3))]),
        GridSearchCV(FOREST(3), {"max_depth": [2, None]}),
    ],
)
def test_others_pass_before_and_after_they_are_fitted(model: ClassifierMixin) -> None:
    """What can be served is not refused by what it holds."""
    data = load("wine")
    check_kind(model)
    check_fitted(model.fit(data.rows, data.labels))


def test_no_probabilities_are_refused_after_the_first_fit() -> None:
    """A classifier without predict_proba ends in one sentence, not in a traceback."""
    with pytest.raises(TrainingError, match="LinearSVC has no predict_proba, and golden rows need"):
        train(load("iris"), LinearSVC(), 0)


def test_a_model_that_holds_itself_is_no_endless_search() -> None:
    """Circles end."""
    model = Fails()
    model.inner = [model, {"again": model}]
    check_kind(model)
