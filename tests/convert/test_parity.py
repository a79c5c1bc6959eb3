"""Conversion, parity and golden rows: what is registered answers as scikit-learn does."""

import numpy as np
import pytest
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from gitslot.convert.convert import convert
from gitslot.convert.errors import ParityError, TrainingError
from gitslot.convert.parity import (
    LEAST_TOLERANCE,
    MOST_DIFFERENCE,
    Answers,
    Parity,
    choose_golden,
    prove,
    sample_rows,
    tolerance_for,
)
from gitslot.convert.table import Labels, Rows
from gitslot.convert.version import served_answers
from tests.training.versions import built
from training.data import NAMES as DATA
from training.data import load
from training.pipeline import NAMES, build


def proved(
    estimator: ClassifierMixin, answers: Answers, rows: Rows, labels: Labels | None = None
) -> Parity:
    """Prove over the usual number of rows, without a word."""
    return prove(estimator, answers, rows, seed=0, labels=labels, progress=lambda text: None)


@pytest.mark.parametrize("estimator", [name for name in NAMES if name != "hist-boosting"])
def test_every_estimator_converts_faithfully(estimator: str) -> None:
    """Of 20,000 rows no label differs, and probabilities differ by rounding alone."""
    version = built(estimator=estimator)
    assert version.parity.rows == 20_000
    assert version.parity.worst < 1e-5
    assert version.parity.worst <= version.parity.tolerance <= 1e-4


@pytest.mark.parametrize("data", DATA)
def test_every_data_set_is_served(data: str) -> None:
    """Text and number labels, 4 to 64 features: each trains, proves and describes itself."""
    version = built(data=data, estimator="tree")
    assert 32 <= len(version.manifest.golden) <= 64
    assert set(version.manifest.golden.labels) == set(version.manifest.classes)
    assert version.manifest.metrics["accuracy"] > 0.8


def test_a_scaler_before_trees_keeps_the_order_of_casts() -> None:
    """Scaled in doubles and cast before the trees, a pipeline is as exact as its trees alone."""
    data = load("iris")
    trees = RandomForestClassifier(n_estimators=20, random_state=0)
    pipeline = make_pipeline(StandardScaler(), trees).fit(data.rows, data.labels)
    converted = convert(pipeline, 4)
    assert converted.dtype == "float64"
    parity = proved(pipeline, served_answers(converted), data.rows)
    assert parity.worst < 1e-6


def test_a_model_of_other_answers_is_refused() -> None:
    """A conversion that changes one label in 20,000 rows is refused, naming a row."""
    data = load("iris")
    forest = RandomForestClassifier(n_estimators=10, random_state=0).fit(data.rows, data.labels)
    other = RandomForestClassifier(n_estimators=10, random_state=1).fit(data.rows, data.labels)
    with pytest.raises(ParityError, match=r"labels differ after conversion: row \["):
        proved(forest, served_answers(convert(other, 4)), data.rows)


def test_probabilities_that_differ_by_more_than_rounding_are_refused() -> None:
    """Equal labels do not excuse other probabilities."""
    data = load("iris")
    forest = RandomForestClassifier(n_estimators=10, random_state=0).fit(data.rows, data.labels)
    answers = served_answers(convert(forest, 4))

    def shifted(rows: np.ndarray) -> tuple[list[str | int], np.ndarray]:
        labels, probabilities = answers(rows)
        return labels, probabilities + 2 * MOST_DIFFERENCE

    with pytest.raises(ParityError, match="probabilities differ"):
        proved(forest, shifted, data.rows)


@pytest.mark.parametrize("estimator", [RidgeClassifier(), LinearRegression()])
def test_an_estimator_without_probabilities_is_refused(estimator: object) -> None:
    """Golden rows need probabilities, and the refusal says so."""
    with pytest.raises(TrainingError, match="predict_proba"):
        convert(estimator, 4)


def sorted_export(counts: dict[str, int]) -> tuple[Rows, Labels]:
    """Return so many rows of each label, sorted by label, as an export of a database comes."""
    labels = np.repeat(list(counts), list(counts.values()))
    spread = np.random.default_rng(0).uniform(0, 8, (len(labels), 2))
    return np.repeat(np.arange(len(counts)), list(counts.values()))[:, None] * 10.0 + spread, labels


def test_a_sorted_export_is_compared_whole() -> None:
    """
    Of 60,005 rows sorted by label, each label is compared and in the golden rows.

    All five rows of a rare label at the end are compared, and 10,000 varied rows are as well.
    """
    rows, labels = sorted_export({"a": 35_000, "b": 25_000, "z": 5})
    tree = DecisionTreeClassifier(random_state=0).fit(rows, labels)
    sample = sample_rows(rows, 0, labels)
    data = set(map(tuple, rows.tolist()))
    kept = [row for row in map(tuple, sample.tolist()) if row in data]
    assert (len(kept), len(sample), len(set(kept))) == (20_000, 30_000, 20_000)
    assert set(map(tuple, rows[-5:].tolist())) <= set(kept)
    parity = proved(tree, served_answers(convert(tree, 2)), rows, labels)
    assert (parity.rows, set(parity.golden.labels)) == (30_000, {"a", "b", "z"})


def test_rows_are_drawn_from_the_whole_without_labels_too() -> None:
    """No part of long data is left out: each tenth of it has about its share of the sample."""
    rows = np.arange(100_000.0)[:, None]
    sample = sample_rows(rows, 0)[:20_000, 0]
    tenths = np.bincount((sample // 10_000).astype(int))
    assert len(np.unique(sample)) == 20_000
    assert tenths.min() > 1_800
    assert len(tenths) == 10


@pytest.mark.parametrize(("count", "compared"), [(150, 20_000), (15_000, 25_000), (20_000, 30_000)])
def test_short_data_is_compared_in_full_and_varied(count: int, compared: int) -> None:
    """Up to 20,000 rows all are compared, and at least 10,000 more that vary them."""
    rows = np.random.default_rng(0).uniform(0, 1, (count, 3))
    sample = sample_rows(rows, 0)
    assert len(sample) == compared
    assert (sample[:count] == rows).all()
    assert len(np.unique(sample[count:], axis=0)) > 9_000


def test_a_model_that_is_wrong_on_the_last_label_alone_is_refused() -> None:
    """A difference that only the end of a long sorted export shows is found."""
    rows, labels = sorted_export({"a": 35_000, "b": 25_000, "z": 5})
    tree = DecisionTreeClassifier(random_state=0).fit(rows, labels)
    answers = served_answers(convert(tree, 2))
    last = set(map(tuple, rows[-5:].tolist()))

    def wrong(asked: Rows) -> tuple[list[str | int], np.ndarray]:
        found, probabilities = answers(asked)
        known = zip(map(tuple, asked.tolist()), found, strict=True)
        return ["a" if row in last else one for row, one in known], probabilities

    with pytest.raises(ParityError, match="5 of 30000 labels differ"):
        proved(tree, wrong, rows, labels)


def test_the_same_seed_gives_the_same_artifact() -> None:
    """Training twice gives the same bytes, so the same version can be rebuilt and compared."""
    data = load("iris")
    one, two = (convert(build("forest", 3).fit(data.rows, data.labels), 4) for _ in range(2))
    assert (one, load("iris").fingerprint) == (two, data.fingerprint)


def test_golden_rows_are_firm_spread_and_near() -> None:
    """Golden rows hold every class and close calls, but none that rounding could tip."""
    data = load("iris")
    forest = build("forest", 0).fit(data.rows, data.labels)
    rows = sample_rows(data.rows, 0)
    probabilities = forest.predict_proba(rows)
    chosen = choose_golden(forest.predict(rows), probabilities, least_margin=1e-4)
    ordered = np.sort(probabilities[chosen], axis=1)
    margins = ordered[:, -1] - ordered[:, -2]
    assert len(set(chosen.tolist())) == 64
    assert margins.min() > 1e-4
    assert (margins < 0.1).sum() >= 16
    assert (margins > 0.9).sum() >= 8
    assert len(np.unique(forest.predict(rows[chosen]))) == 3


def test_tolerance_is_ten_times_the_worst_with_a_floor() -> None:
    """The rule that docs/use/manifest.schema.json states."""
    assert tolerance_for(0.0) == LEAST_TOLERANCE
    assert tolerance_for(6.56e-7) == pytest.approx(6.6e-6)
