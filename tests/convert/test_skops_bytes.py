"""A fitted estimator becomes a file without functions that answering never calls."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import uniform
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.experimental import enable_iterative_imputer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer

from gitslot.convert.errors import ParityError
from gitslot.convert.skops_bytes import saved
from serving_app.columns import Column, Shape
from serving_app.refused import Refused
from serving_app.sklearn_runtime import open_runtime
from tests.convert.models import title
from tools.estimators import version_of

ROWS, LABELS = load_iris(return_X_y=True)
SHAPE = Shape("classifier", tuple(Column(f"x{i}") for i in range(4)), (0, 1, 2), True)
HIST = HistGradientBoostingClassifier(max_iter=3)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(SelectKBest(f_classif, k=2), HIST),
        GridSearchCV(HIST, {"max_depth": [2, 3]}, scoring="accuracy", cv=2),
        GridSearchCV(HIST, {"max_depth": [2]}, scoring=make_scorer(accuracy_score), cv=2),
        RandomizedSearchCV(HIST, {"l2_regularization": uniform(0, 1)}, n_iter=2, cv=2),
        make_pipeline(SplineTransformer(), HIST),
        make_pipeline(IterativeImputer(), HIST),
        GridSearchCV(HIST, {"max_depth": [2]}, scoring=["accuracy", "f1_macro"], refit="accuracy"),
    ],
    ids=["select", "search", "own scorer", "draws", "splines", "imputer", "two scorers"],
)
def test_what_only_fitting_calls_stands_in_the_file_by_name(model: Any) -> None:
    """Selections and searches answer as before, though their functions are not loaded."""
    model.fit(ROWS, LABELS)
    assert enable_iterative_imputer
    runtime = open_runtime(saved(model), SHAPE)
    assert runtime.labels(ROWS) == model.predict(ROWS).tolist()


def logarithm(rows: Any) -> Any:
    """Do what a user's own step does."""
    return np.log1p(rows)


@pytest.mark.parametrize(("function", "why"), [(logarithm, "logarithm"), (np.sort, "'str' object")])
def test_a_function_that_answering_calls_is_refused(function: Any, why: str) -> None:
    """One of the user's own by its name, one of a library because it cannot be called."""
    model = make_pipeline(FunctionTransformer(function), LogisticRegression(max_iter=500))
    model.fit(ROWS, LABELS)
    with pytest.raises((Refused, TypeError), match=why):
        open_runtime(saved(model), SHAPE).labels(ROWS)
    with pytest.raises(ParityError, match="no form"):
        version_of(model, ROWS, LABELS)


def test_histogram_boosting_encodes_categories_as_before() -> None:
    """Its categories, numbers, and true and false give its own answers."""
    frame = pd.DataFrame(
        {
            "plan": pd.Categorical(["a", "b", "c", "a"] * 30),
            "age": np.arange(120.0) % 37,
            "paid": [True, False, False] * 40,
        }
    )
    labels = np.where((frame["age"] > 17) ^ (frame["plan"] == "b"), "x", "y")
    model = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype")
    version = version_of(model.fit(frame, labels), frame, labels)
    assert title(version) == "scikit-learn"


def test_the_same_model_gives_the_same_bytes() -> None:
    """skops names parts by their address in memory; the file does not."""

    def made() -> bytes:
        return saved(RandomForestClassifier(5, random_state=0).fit(ROWS, LABELS))

    assert made() == made()
