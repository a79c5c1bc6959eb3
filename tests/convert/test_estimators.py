"""The models that people bring: none is served with other answers, none ends in a traceback."""

import pytest

from tools.estimators import Outcome, cases, outcome, page

CASES = {case.name: case for case in cases()}
SAMPLE = (
    *("BaggingClassifier", "CategoricalNB", "FixedThresholdClassifier", "LinearSVC", "SVC"),
    *("ClassifierChain", "GammaRegressor", "IsotonicRegression", "PLSRegression"),
    *("OneVsRestClassifier", "StackingClassifier", "xgboost, gaps", "lightgbm, numbers"),
    *("target in logarithms", "columns by name, gaps imputed", "select, tree"),
)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_model_of_the_sample_is_served_exactly_or_refused_in_words(name: str) -> None:
    """Rows of another seed than those that chose its form get scikit-learn's answers too."""
    found = outcome(CASES[name])
    assert not found.fault
    assert bool(found.form) != bool(found.why)


@pytest.mark.long
def test_nearly_all_are_served_and_none_is_at_fault() -> None:
    """The whole table: at least 95 % are served."""
    outcomes = [outcome(case) for case in CASES.values()]
    assert [found for found in outcomes if found.fault] == []
    assert sum(bool(found.form) for found in outcomes) >= 0.95 * len(outcomes)


def test_the_page_counts_what_it_shows() -> None:
    """Served, refused and at fault add up; a refusal shows its first line."""
    found = [
        Outcome("A", "ONNX float32", 1e-7),
        Outcome("B", why="a | b has several outputs"),
        Outcome("C", fault="ValueError: no"),
    ]
    text = page(found)
    assert "1 of 3 are served (33%), 1 refused in words, 1 at fault" in text
    assert "| ONNX float32 | 1e-07 | A |" in text
    assert "| B | a / b has several outputs |" in text
