"""
Which models are served, and how: a table made by registering all of them.

    python -m tools.estimators            write docs/believe/estimators.md (some minutes)
    python -m tools.estimators NAME ...   print the rows of these

Every classifier and regressor of scikit-learn's `all_estimators`, common pipelines, and others that
people bring. Each is fitted, proved as `gitslot register` does, and loaded as it is served; then it
is asked rows of another seed than those that chose its form.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import pandas as pd
import sklearn
import xgboost
from sklearn import (
    compose,
    decomposition,
    ensemble,
    feature_selection,
    impute,
    linear_model,
    model_selection,
    multiclass,
    naive_bayes,
    neighbors,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn.utils import all_estimators

from gitslot.convert.errors import TrainingError
from gitslot.convert.evaluate import Evaluation
from gitslot.convert.hostile import Hostile
from gitslot.convert.parity import Reference
from gitslot.convert.table import Data, read_table
from gitslot.convert.version import Built, build_version
from gitslot.registry.manifest import Memory, Source

if TYPE_CHECKING:
    from serving_app import manifest as served
    from serving_app import model as serving
else:
    from gitslot.convert._serving_app import manifest as served
    from gitslot.convert._serving_app import model as serving

PAGE = Path(__file__).resolve().parents[1] / "docs/believe/estimators.md"
ROWS = 240


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one model: *form* and *worst*, or *why* it was refused."""

    name: str
    form: str = ""
    worst: float = 0.0
    why: str = ""
    fault: str = ""  # a traceback, or another answer than scikit-learn's


@dataclass(frozen=True, slots=True)
class Case:
    """A model to make, and the data that fits it."""

    name: str
    make: Callable[[], Any]
    data: str


def cases() -> Iterator[Case]:
    """Return every model of the table."""
    for kind in ("classifier", "regressor"):
        for name, estimator in all_estimators(type_filter=kind):
            make = ARGUMENTS.get(name, estimator)
            yield Case(name, make, DATA.get(name, kind))
    for name, (make, data) in PIPELINES.items():
        yield Case(name, make, data)


def outcome(case: Case) -> Outcome:
    """Fit, register and ask the model of *case*."""
    rows, labels = DATASETS[case.data]()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator = case.make().fit(rows, labels)
            built = version_of(estimator, rows, labels)
            fault = _asked(estimator, rows, built)
    except TrainingError as error:
        return Outcome(case.name, why=" ".join(str(error).split()))
    except Exception as error:  # noqa: BLE001 - that is what the table looks for
        return Outcome(case.name, fault=f"{type(error).__name__}: {' '.join(str(error).split())}")
    return Outcome(case.name, built.parity.candidate.title, built.parity.worst, fault=fault)


def page(outcomes: list[Outcome]) -> str:
    """Return the page of *outcomes*."""
    served_ones = [found for found in outcomes if found.form]
    faults = [found for found in outcomes if found.fault]
    share = len(served_ones) / len(outcomes)
    lines = [
        "# Which models are served",
        "",
        f"Made by `python -m tools.estimators` with scikit-learn {sklearn.__version__}: every",
        "classifier and regressor of its `all_estimators()` with sensible arguments, common",
        "pipelines, and boosted trees of xgboost and lightgbm. Each is proved on at least 40,000",
        "hostile rows, then asked others as it is served. The form is the first that answers as",
        "the model itself does; *worst* is the largest difference of a probability, or of a number",
        "relative to its size, of all its models.",
        "",
        f"{len(served_ones)} of {len(outcomes)} are served ({share:.0%}),"
        f" {len(outcomes) - len(served_ones) - len(faults)} refused in words, {len(faults)} at"
        " fault.",
        "",
        "| served by | worst | models |",
        "|---|---|---|",
    ]
    for form in sorted({found.form for found in served_ones}):
        of_form = [found for found in served_ones if found.form == form]
        names = "; ".join(found.name for found in of_form)
        lines.append(f"| {form} | {max(found.worst for found in of_form):.0e} | {names} |")
    lines += ["", "| not served | because |", "|---|---|"]
    for found in outcomes:
        if not found.form or found.fault:
            lines.append(f"| {found.name} | {_cell(found.fault or found.why)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    short = text.partition("\n")[0].replace("|", "/")
    return short if len(short) <= 160 else short[:157] + "..."


def version_of(estimator: Any, rows: Any, labels: Any = None) -> Built:
    """Return a version of the fitted *estimator*, proved on hostile rows like *rows*."""
    return build_version(
        model="case",
        version="1",
        data=Data("case", rows, labels),
        estimator=estimator,
        evaluation=Evaluation({"rows": float(len(rows))}),
        seed=0,
        source=Source(),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        progress=lambda _: None,
        measure=lambda *_: Memory(1, 1),
    )


def _asked(estimator: Any, rows: Any, built: Built) -> str:
    """Return how the served model differs on rows of another seed, or nothing."""
    wanted = serving.Wanted("case", "1", sha256(built.raw).hexdigest())
    manifest = served.parse_manifest(built.raw, "case", "1")
    model = serving.load_bytes(built.artifact, manifest, wanted, built.golden)
    table = read_table(rows)
    outputs = built.manifest.outputs
    reference = Reference(estimator, table, built.manifest.classes, outputs)
    for block in Hostile(table, None, seed=1).blocks():
        for found in reference.usable(block):
            labels, _ = model.answers(found.rows)
            if built.manifest.classes:
                wrong = sum(a != b for a, b in zip(labels, found.labels.tolist(), strict=True))
            else:
                scale = np.maximum(1, np.abs(found.labels))
                off = np.abs(np.array(labels) - found.labels) / scale
                wrong = int((off > built.parity.tolerance).sum())
            if wrong:
                return f"{wrong} of {len(labels)} other rows are answered otherwise"
    return ""


def _numbers(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.round(rng.normal(5, 2, (ROWS, 4)), 1)


def _classes() -> tuple[Any, Any]:
    rows = _numbers()
    return rows, np.digitize(rows[:, 0] + rows[:, 1], [8.5, 11.5])


def _amounts() -> tuple[Any, Any]:
    rows = _numbers()
    return rows, 3 * rows[:, 0] - rows[:, 2] + np.sin(rows[:, 1])


def _positive() -> tuple[Any, Any]:
    rows, labels = _amounts()
    return rows, np.abs(labels) + 1


def _counts() -> tuple[Any, Any]:
    rows, labels = _classes()
    return np.clip(rows, 0, None).astype(int), labels


def _one_column() -> tuple[Any, Any]:
    rows, labels = _amounts()
    return rows[:, :1], labels


def _two_outputs() -> tuple[Any, Any]:
    rows, labels = _amounts()
    return rows, np.column_stack([labels, rows[:, 3]])


def _two_labels() -> tuple[Any, Any]:
    rows, labels = _classes()
    return rows, np.column_stack([labels > 0, labels > 1]).astype(int)


def _customers() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    rows, _ = _classes()
    frame = pd.DataFrame(rows, columns=["age", "spent", "calls", "visits"])
    frame["plan"] = rng.choice(["basic", "plus", "pro"], ROWS)
    frame["paid"] = rng.random(ROWS) < 0.5
    left = frame["spent"] + 2 * (frame["plan"] == "pro") + frame["paid"] > 6
    return frame, np.where(left, "left", "stayed")


def _gaps() -> tuple[Any, Any]:
    frame, labels = _customers()
    rng = np.random.default_rng(1)
    frame.loc[rng.random(ROWS) < 0.1, "age"] = np.nan
    frame.loc[rng.random(ROWS) < 0.1, "plan"] = None
    return frame, labels


def _number_gaps() -> tuple[Any, Any]:
    rows, labels = _classes()
    rows[np.random.default_rng(1).random(rows.shape) < 0.1] = np.nan
    return rows, labels


def _categories() -> tuple[Any, Any]:
    frame, labels = _customers()
    return frame.assign(plan=frame["plan"].astype("category")), labels


def _wide() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, ROWS)
    return rng.normal(labels[:, None], 2.0, (ROWS, 768)).astype(np.float32), labels


DATASETS: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "classifier": _classes,
    "regressor": _amounts,
    "positive": _positive,
    "counts": _counts,
    "one column": _one_column,
    "two outputs": _two_outputs,
    "two labels": _two_labels,
    "customers": _customers,
    "gaps": _gaps,
    "number gaps": _number_gaps,
    "categories": _categories,
    "wide": _wide,
}
DATA = {
    **dict.fromkeys(("CategoricalNB", "ComplementNB", "MultinomialNB"), "counts"),
    **dict.fromkeys(("GammaRegressor", "PoissonRegressor", "TweedieRegressor"), "positive"),
    "IsotonicRegression": "one column",
    **dict.fromkeys(
        (
            *("MultiOutputRegressor", "RegressorChain", "MultiTaskElasticNet", "MultiTaskLasso"),
            *("MultiTaskElasticNetCV", "MultiTaskLassoCV"),
        ),
        "two outputs",
    ),
    **dict.fromkeys(("MultiOutputClassifier", "ClassifierChain"), "two labels"),
}
_TREE, _LOGISTIC = tree.DecisionTreeClassifier, linear_model.LogisticRegression
_LINEAR = linear_model.Ridge
ARGUMENTS: Mapping[str, Callable[[], Any]] = {
    "CCA": lambda: sklearn.cross_decomposition.CCA(1),
    "PLSCanonical": lambda: sklearn.cross_decomposition.PLSCanonical(1),
    "PLSRegression": lambda: sklearn.cross_decomposition.PLSRegression(1),
    "ClassifierChain": lambda: sklearn.multioutput.ClassifierChain(_LOGISTIC()),
    "FixedThresholdClassifier": lambda: _binary(
        model_selection.FixedThresholdClassifier(_LOGISTIC())
    ),
    "MultiOutputClassifier": lambda: sklearn.multioutput.MultiOutputClassifier(_LOGISTIC()),
    "MultiOutputRegressor": lambda: sklearn.multioutput.MultiOutputRegressor(_LINEAR()),
    "OneVsOneClassifier": lambda: multiclass.OneVsOneClassifier(_LOGISTIC()),
    "OneVsRestClassifier": lambda: multiclass.OneVsRestClassifier(_LOGISTIC()),
    "OutputCodeClassifier": lambda: multiclass.OutputCodeClassifier(_LOGISTIC(), random_state=0),
    "RegressorChain": lambda: sklearn.multioutput.RegressorChain(_LINEAR()),
    "SelfTrainingClassifier": lambda: sklearn.semi_supervised.SelfTrainingClassifier(_LOGISTIC()),
    "StackingClassifier": lambda: ensemble.StackingClassifier(
        [("tree", _TREE(max_depth=3)), ("linear", _LOGISTIC())]
    ),
    "StackingRegressor": lambda: ensemble.StackingRegressor(
        [("tree", tree.DecisionTreeRegressor(max_depth=3)), ("linear", _LINEAR())]
    ),
    "TunedThresholdClassifierCV": lambda: _binary(
        model_selection.TunedThresholdClassifierCV(_LOGISTIC())
    ),
    "VotingClassifier": lambda: ensemble.VotingClassifier(
        [("tree", _TREE(max_depth=3)), ("linear", _LOGISTIC())], voting="soft"
    ),
    "VotingRegressor": lambda: ensemble.VotingRegressor(
        [("tree", tree.DecisionTreeRegressor(max_depth=3)), ("linear", _LINEAR())]
    ),
    "GridSearchCV": lambda: model_selection.GridSearchCV(_TREE(), {"max_depth": [2, 3]}),
    "RadiusNeighborsClassifier": lambda: neighbors.RadiusNeighborsClassifier(
        radius=5.0, outlier_label="most_frequent"
    ),
}


class _Binary:
    """Makes the labels of *inner* two, which is all that it takes."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def fit(self, rows: Any, labels: Any) -> Any:
        return self.inner.fit(rows, labels > 1)


def _binary(inner: Any) -> Any:
    return _Binary(inner)


def _by_name(last: Any, *, impute_gaps: bool = False) -> Any:
    encoder = preprocessing.OneHotEncoder(handle_unknown="ignore")
    text: Any = encoder
    numbers: Any = preprocessing.StandardScaler()
    if impute_gaps:
        text = pipeline.make_pipeline(impute.SimpleImputer(strategy="most_frequent"), encoder)
        numbers = pipeline.make_pipeline(impute.SimpleImputer(strategy="median"), numbers)
    columns = compose.ColumnTransformer(
        [("text", text, ["plan"]), ("numbers", numbers, ["age", "spent", "calls", "visits"])],
        remainder="passthrough",
    )
    return pipeline.make_pipeline(columns, last)


_scaled = preprocessing.StandardScaler
_forest = ensemble.RandomForestClassifier
_hist = ensemble.HistGradientBoostingClassifier
PIPELINES: Mapping[str, tuple[Callable[[], Any], str]] = {
    "scaler, logistic": (lambda: pipeline.make_pipeline(_scaled(), _LOGISTIC()), "classifier"),
    "scaler, forest": (lambda: pipeline.make_pipeline(_scaled(), _forest(20)), "classifier"),
    "scaler, SVC": (lambda: pipeline.make_pipeline(_scaled(), svm.SVC()), "classifier"),
    "PCA, logistic": (
        lambda: pipeline.make_pipeline(decomposition.PCA(2), _LOGISTIC()),
        "classifier",
    ),
    "select, tree": (
        lambda: pipeline.make_pipeline(feature_selection.SelectKBest(k=2), _TREE()),
        "classifier",
    ),
    "polynomial, ridge": (
        lambda: pipeline.make_pipeline(preprocessing.PolynomialFeatures(2), _LINEAR()),
        "regressor",
    ),
    "bins, naive Bayes": (
        lambda: pipeline.make_pipeline(
            preprocessing.KBinsDiscretizer(5, encode="ordinal"), naive_bayes.GaussianNB()
        ),
        "classifier",
    ),
    "target in logarithms": (
        lambda: compose.TransformedTargetRegressor(_LINEAR(), func=np.log1p, inverse_func=np.expm1),
        "positive",
    ),
    "grid search, tree": (ARGUMENTS["GridSearchCV"], "classifier"),
    "columns by name, forest": (lambda: _by_name(_forest(20)), "customers"),
    "columns by name, logistic": (lambda: _by_name(_LOGISTIC()), "customers"),
    "columns by name, gaps imputed": (lambda: _by_name(_LOGISTIC(), impute_gaps=True), "gaps"),
    "gaps, histogram boosting": (lambda: _hist(max_iter=20), "number gaps"),
    "gaps imputed, forest": (
        lambda: pipeline.make_pipeline(impute.SimpleImputer(), _forest(20)),
        "number gaps",
    ),
    "categories, histogram boosting": (
        lambda: _hist(max_iter=20, categorical_features="from_dtype"),
        "categories",
    ),
    "768 embeddings, logistic": (lambda: _LOGISTIC(max_iter=200), "wide"),
    "768 embeddings, neighbours": (neighbors.KNeighborsClassifier, "wide"),
    "xgboost": (lambda: xgboost.XGBClassifier(n_estimators=20), "classifier"),
    "xgboost, numbers": (lambda: xgboost.XGBRegressor(n_estimators=20), "regressor"),
    "xgboost, gaps": (lambda: xgboost.XGBClassifier(n_estimators=20), "number gaps"),
    "scaler, xgboost": (
        lambda: pipeline.make_pipeline(_scaled(), xgboost.XGBClassifier(n_estimators=20)),
        "classifier",
    ),
    "lightgbm": (lambda: lightgbm.LGBMClassifier(n_estimators=20, verbose=-1), "classifier"),
    "lightgbm, numbers": (
        lambda: lightgbm.LGBMRegressor(n_estimators=20, verbose=-1),
        "regressor",
    ),
    "two outputs, forest": (lambda: ensemble.RandomForestRegressor(10), "two outputs"),
}


def main(names: list[str]) -> int:
    """Print the rows of *names*, or write the page of all; return 1 if one is at fault."""
    chosen = [case for case in cases() if not names or case.name in names]
    outcomes = []
    for case in chosen:
        found = outcome(case)
        outcomes.append(found)
        text = found.fault or found.why or f"{found.form}, worst {found.worst:.0e}"
        print(f"{found.name:34} {text[:110]}", flush=True)
    if not names:
        PAGE.write_text(page(outcomes), encoding="utf-8")
    return int(any(found.fault for found in outcomes))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
