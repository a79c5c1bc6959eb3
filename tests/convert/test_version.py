"""What is registered answers as scikit-learn does, in the first form that is exact."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import RegressorChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from gitslot.convert.convert import Candidate, NotConverted, candidates
from gitslot.convert.errors import ParityError, TrainingError
from gitslot.convert.hostile import Hostile
from gitslot.convert.memory import measure
from gitslot.convert.parity import MOST_DIFFERENCE, Reference, prove
from gitslot.convert.table import Table, read_table
from gitslot.registry.golden import Column
from gitslot.registry.manifest import Runtime
from tests.convert.models import title, two_colours
from tests.serving_app.test_model import load
from tests.training.versions import built
from tools.estimators import version_of
from training.data import NAMES as DATA

FORMS = {
    "forest": "ONNX float32",
    "extra-trees": "ONNX float32",
    "tree": "ONNX float32",
    "boosting": "ONNX float32",
    "logistic": "ONNX float64",
    "scaled-forest": "ONNX float64, last step float32",
    "neural": "ONNX float64",
}
IRIS = datasets.load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)


@pytest.mark.parametrize(("estimator", "form"), FORMS.items())
def test_the_first_exact_form_is_taken(estimator: str, form: str) -> None:
    """Each family has its own; 40,000 hostile rows are compared at least; then it is served."""
    version = built(estimator=estimator)
    assert title(version) == form
    assert load(version).digest == version.manifest.digest
    assert version.parity.rows >= 40_000
    assert version.parity.worst <= MOST_DIFFERENCE
    assert version.parity.worst <= version.parity.tolerance <= 1e-4


@pytest.mark.parametrize("data", DATA)
def test_every_data_set_is_served(data: str) -> None:
    """Text and number labels, 4 to 64 features: golden rows hold every class."""
    version = built(data=data)
    assert len(version.manifest.golden) == 64
    assert set(version.manifest.golden.labels) == set(version.manifest.classes)


def test_a_tie_is_broken_as_scikit_learn_breaks_it() -> None:
    """A forest of an even number of trees ties; only a form with the same labels is taken."""
    rows, labels = datasets.load_breast_cancer(return_X_y=True)
    forest = RandomForestClassifier(50, random_state=0).fit(rows, labels)
    assert title(version_of(forest, rows, labels)) == "scikit-learn"


@pytest.mark.parametrize("kind", [bool, float, str])
def test_labels_stay_what_they_are(kind: type) -> None:
    """True and false, 0.0 and 1.0, and text come back as such."""
    rows, labels = two_colours()
    given: Any = (labels > 0).astype(kind)
    version = version_of(TREE.fit(rows, given), rows, given)
    assert version.manifest.classes == tuple(sorted({kind(label > 0) for label in labels}))
    assert {type(label) for label in version.manifest.golden.labels} == {kind}


@pytest.mark.parametrize(
    ("make", "form"),
    [
        (LinearRegression, "ONNX float64"),
        (lambda: HistGradientBoostingRegressor(max_iter=5), "scikit-learn"),
    ],
)
def test_regressors_are_served(make: Callable[[], Any], form: str) -> None:
    """Their golden rows hold numbers, spread over what the model answers."""
    rows, labels = datasets.load_diabetes(return_X_y=True, as_frame=True)
    version = version_of(make().fit(rows, labels), rows, labels)
    assert title(version) == form
    assert (version.manifest.kind, version.manifest.classes) == ("regressor", ())
    golden = version.manifest.golden
    assert golden.probabilities is None
    assert np.ptp(np.array(golden.labels, np.float64)) > 0.8 * np.ptp(
        make().fit(rows, labels).predict(rows)
    )


@pytest.mark.parametrize("kind", [LinearRegression, lambda: RegressorChain(LinearRegression())])
def test_a_regressor_may_answer_several_numbers(kind: Callable[[], Any]) -> None:
    """Its golden rows hold as many for each row, in the order of the model."""
    rows, labels = datasets.load_diabetes(return_X_y=True)
    model = kind().fit(rows, np.column_stack([labels, -labels]))
    version = version_of(model, rows)
    assert version.manifest.outputs == 2
    golden = version.manifest.golden
    assert np.allclose(golden.labels, model.predict(np.array(golden.inputs, np.float64)))


def people(number: int = 300) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a table of numbers with gaps, text, true and false, and whether somebody left."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(number) < 0.1, np.nan, rng.integers(18, 80, number)),
            "plan": rng.choice(["basic", "plus", "pro"], number),
            "paid": rng.random(number) < 0.5,
            "calls": rng.integers(0, 9, number),
        }
    )
    return frame, np.where(frame["calls"] + 3 * frame["paid"] > 5, "left", "stayed")


def by_name(last: Any) -> Any:
    """Return a pipeline that names the columns it encodes."""
    encode = ColumnTransformer(
        [("plan", OneHotEncoder(handle_unknown="ignore"), ["plan"])], remainder="passthrough"
    )
    return make_pipeline(encode, last)


def test_columns_have_names_and_types() -> None:
    """Text, true and false, and numbers with gaps come from the DataFrame as they are."""
    frame, left = people()
    model = by_name(HistGradientBoostingClassifier(max_iter=5)).fit(frame, left)
    version = version_of(model, frame, left)
    assert [(c.name, c.type, c.missing) for c in version.manifest.columns] == [
        ("age", "number", True),
        ("plan", "text", False),
        ("paid", "bool", False),
        ("calls", "number", False),
    ]
    cells = [row[0] for row in version.manifest.golden.inputs]
    assert None in cells


def test_typed_columns_are_converted_where_that_is_exact() -> None:
    """A ColumnTransformer by name becomes a graph with one input a column."""
    frame, left = people()
    frame = frame.drop(columns=["paid"]).dropna()
    model = by_name(DecisionTreeClassifier(max_depth=4)).fit(frame, left[frame.index])
    assert title(version_of(model, frame, left[frame.index])).startswith("ONNX")


def test_names_of_numbers_are_enough_for_one_matrix() -> None:
    """A ColumnTransformer by name over numbers alone still takes rows of numbers."""
    rows, labels = datasets.load_wine(return_X_y=True, as_frame=True)
    scale = ColumnTransformer([("scaled", StandardScaler(), list(rows.columns[:5]))])
    model = make_pipeline(scale, LogisticRegression()).fit(rows, labels)
    version = version_of(model, rows, labels)
    assert title(version) == "ONNX float64"


@pytest.mark.parametrize(
    ("model", "rows", "why"),
    [
        (PCA(), IRIS[0], "has no predict: only classifiers and regressors are served"),
        (DecisionTreeClassifier, IRIS[0], r"is a class, .* pass DecisionTreeClassifier\(\).fit"),
        (KMeans(2), IRIS[0], "neither a classifier nor a regressor"),
        (DecisionTreeClassifier().fit(*IRIS), IRIS[0][:, :2], "does not answer the first row of X"),
        (TREE, IRIS[0].tolist()[0], "X has 1 dimension"),
        (TREE, np.array([["a", 1], [2, "b"]], object), "holds int, str: clients send numbers"),
        (TREE, [[np.inf, 1.0]], "infinite or beyond float32 in row 0"),
        (TREE, pd.DataFrame({"day": pd.to_datetime(["2026-01-01"])}), "a date to a number of days"),
        (TREE, pd.DataFrame({"gone": [None, None]}), "has no value: drop it"),
        (
            DecisionTreeClassifier().fit(IRIS[0], np.column_stack([IRIS[1], IRIS[1]])),
            IRIS[0],
            "answers several outputs: register one model for each",
        ),
        (
            LinearRegression().fit(IRIS[0], np.column_stack([IRIS[1]] * 65)),
            IRIS[0],
            "answers 65 numbers for a row, at most 64",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_what_no_form_can_serve_is_refused_in_words(model: Any, rows: Any, why: str) -> None:
    """The refusal names what is wrong and what to do, before any work."""
    with pytest.raises(TrainingError, match=why):
        version_of(model, rows)


def test_boosting_of_catboost_is_refused_with_what_to_use() -> None:
    """The refusal names the library and scikit-learn's own boosting."""
    booster = type("Booster", (DecisionTreeClassifier,), {"__module__": "catboost.core"})
    with pytest.raises(TrainingError, match=r"catboost is not served.* HistGradientBoosting"):
        version_of(booster().fit(*IRIS), IRIS[0])


def test_a_booster_without_its_converter_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """onnxmltools is asked for only by who brings such a model."""
    monkeypatch.setitem(sys.modules, "onnxmltools", None)
    for name in [name for name in sys.modules if name.startswith("onnxmltools.")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(TrainingError, match="pip install onnxmltools, or use HistGradientBoosting"):
        version_of(XGBClassifier(n_estimators=2).fit(*IRIS), IRIS[0])


def proved(made: Any, reference: Any, table: Table, classes: tuple[Any, ...]) -> Any:
    """Prove the forms of *made* against *reference*."""
    forms = candidates(made, table)
    hostile = Hostile(table, None, 0)
    judge = Reference(reference, table, classes)
    return prove(forms, judge, hostile.blocks, lambda _: None)


def test_forms_of_another_model_are_refused_with_each_reason() -> None:
    """No form answers as the reference does: the error has a line for each, and names a row."""
    rows, labels = IRIS
    one, other = (RandomForestClassifier(10, random_state=s).fit(rows, labels) for s in (0, 1))
    with pytest.raises(ParityError, match=r"ONNX float32: .* labels differ: \[") as caught:
        proved(other, one, read_table(rows), (0, 1, 2))
    assert "scikit-learn: " in str(caught.value)


def test_probabilities_that_differ_are_refused() -> None:
    """Equal labels do not excuse other probabilities."""
    rows, labels = IRIS
    model = LogisticRegression(max_iter=500).fit(rows, labels)

    class Surer:
        """The same labels, surer of them."""

        def predict(self, given: Any) -> Any:
            return model.predict(given)

        def predict_proba(self, given: Any) -> Any:
            sharper = model.predict_proba(given) ** 1.1
            return sharper / sharper.sum(axis=1, keepdims=True)

    with pytest.raises(ParityError, match="its probabilities differ by"):
        proved(model, Surer(), read_table(rows), (0, 1, 2))


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Building twice gives the same files, so the same version can be rebuilt and compared."""
    rows, labels = IRIS
    first, second = (
        version_of(RandomForestClassifier(5, random_state=0).fit(rows, labels), rows, labels)
        for _ in range(2)
    )
    assert (first.artifact, first.golden) == (second.artifact, second.golden)


def test_a_form_that_cannot_be_made_says_why() -> None:
    """What the converter raises becomes one line; scikit-learn is tried after it."""
    rows, labels = IRIS
    model = GridSearchCV(LinearSVC(), {"C": [1.0]}, cv=2).fit(rows, labels)
    forms = list(candidates(model, read_table(rows)))
    assert isinstance(forms[-1], Candidate)
    assert forms[-1].runtime.name == "sklearn"
    assert all(form.why for form in forms if isinstance(form, NotConverted))


def test_memory_is_measured_in_a_process_of_its_own() -> None:
    """A process with the model loaded holds tens of megabytes, and the model's size more."""
    small, large = built(), built(estimator="forest")
    row = np.array(small.manifest.golden.inputs[:1])
    shape = Reference(TREE.fit(*IRIS), read_table(IRIS[0]), (0, 1, 2)).shape
    runtime: Runtime = large.manifest.runtime
    assert runtime.dtype == "float32"
    needs = measure(small.artifact, "onnx", _floats(shape), row)
    assert 10_000_000 < needs.load < 500_000_000
    assert 0 <= needs.answer < 100_000_000


def _floats(shape: Any) -> Any:
    return replace(shape, dtype="float32", classes=("setosa", "versicolor", "virginica"))


def test_columns_are_described_as_pandas_holds_them() -> None:
    """Categories keep their order; a nullable type says that it may be missing."""
    frame = pd.DataFrame(
        {
            "size": pd.Categorical(["s", "m", None], categories=["s", "m", "l"], ordered=True),
            "count": pd.array([1, None, 3], dtype="Int64"),
        }
    )
    assert read_table(frame).columns == (
        Column("size", "text", "category", True, ("s", "m", "l")),
        Column("count", "number", "Int64", True),
    )


@pytest.mark.parametrize("mark", [None, np.nan], ids=["None", "NaN"])
def test_a_gap_reaches_the_model_by_the_mark_that_it_was_trained_with(mark: Any) -> None:
    """An encoder tells None from NaN, and a client's null is the one that training saw."""
    frame = pd.DataFrame({"plan": pd.Series(["a", mark, "b", mark] * 25, dtype=object)})
    labels = np.array(["x", "gap", "x", "gap"] * 25)
    known = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["plan"])])
    model = make_pipeline(known, LogisticRegression()).fit(frame, labels)
    version = version_of(model, frame, labels)
    golden = version.manifest.golden
    answers = dict(zip((row[0] for row in golden.inputs), golden.labels, strict=True))
    assert (answers[None], answers["a"]) == ("gap", "x")


def test_two_marks_of_a_gap_in_one_column_are_refused() -> None:
    """JSON has one null: a model that tells two kinds of gaps apart cannot be served."""
    frame = pd.DataFrame({"plan": pd.Series(["a", None, "b", np.nan], dtype=object)})
    with pytest.raises(TrainingError, match="marks missing values by None and nan"):
        read_table(frame)


def test_rows_that_clients_cannot_send_alike_are_refused() -> None:
    """A model that answers X otherwise than the same rows as JSON is refused, with the row."""

    class Sees(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
        def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            whole = [type(value) is int for value in X["age"]]
            return np.where(whole, "whole", "not")

    frame = pd.DataFrame({"age": pd.Series([1, 2, 3, 4] * 10, dtype=object)})
    model = Sees().fit(frame, ["whole", "not"] * 20)
    with pytest.raises(TrainingError, match="row 0 of X is whole for the model, and not if a"):
        version_of(model, frame, np.array(["whole", "not"] * 20))
