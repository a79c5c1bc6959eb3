"""The scikit-learn runtime: exact, and it loads no code that its list does not name."""

import contextlib
import copy
import functools
import importlib
import io
import json
import operator
import pkgutil
import random
import threading
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy
import skops.io
from joblib.externals.loky import reusable_executor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    BaggingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from gitslot.convert.skops_bytes import saved
from serving_app import skops_file
from serving_app.columns import Column, Shape, table_of
from serving_app.refused import Refused
from serving_app.sklearn_runtime import open_runtime
from serving_app.skops_file import LOADERS, check_skops, trusted
from tests.serving_app.served import PEOPLE, PEOPLE_ROWS
from tools.trusted import FILE, text


def frame(rows: list[list[Any]]) -> pd.DataFrame:
    """Return *rows* as people train on them."""
    made = pd.DataFrame(rows, columns=[column.name for column in PEOPLE])
    made["city"] = made["city"].astype(object).where(made["city"].notna(), np.nan)
    made["fare"] = made["fare"].astype("float64")
    made["size"] = pd.Categorical(made["size"], categories=["s", "m", "l"])
    return made


def people() -> Any:
    """Return a pipeline by names: text, missing values, true and false, a categorical."""
    known = OneHotEncoder(handle_unknown="ignore")
    steps = [("n", SimpleImputer(), ["fare", "age"]), ("c", known, ["city", "size", "member"])]
    return make_pipeline(ColumnTransformer(steps), LogisticRegression())


def refusal(artifact: bytes) -> str:
    """Return why *artifact* is not loaded."""
    with pytest.raises(Refused) as refused:
        check_skops(artifact)
    assert refused.value.reason == "FormatRefused"
    return refused.value.message


def test_columns_by_name_answer_as_in_scikit_learn() -> None:
    """Text, numbers, true and false, nulls and unknown categories give predict's own answers."""
    labels = np.array(["no", "yes", "no", "yes"])
    model = people().fit(frame(PEOPLE_ROWS), labels)
    shape = Shape("classifier", PEOPLE, ("no", "yes"), True, frame=True)
    runtime = open_runtime(skops.io.dumps(model), shape)
    asked: list[list[Any]] = [
        *PEOPLE_ROWS,
        [20, "Oslo", None, False, "s"],
        [99, None, 0.5, True, "l"],
    ]
    said, probabilities = runtime.answers(table_of(asked, shape))
    assert said == model.predict(frame(asked)).tolist() == runtime.labels(table_of(asked, shape))
    assert probabilities is not None
    assert np.array_equal(probabilities, model.predict_proba(frame(asked)))


def test_each_column_comes_as_it_was_trained() -> None:
    """The estimator sees the trained dtypes; a category that training did not see is kept."""
    seen: list[pd.DataFrame] = []

    class Looks:
        def predict(self, rows: pd.DataFrame) -> Any:
            seen.append(rows)
            return np.array(["no"] * len(rows))

    shape = Shape("classifier", PEOPLE, ("no", "yes"), False, frame=True)
    runtime = open_runtime(skops.io.dumps(LogisticRegression()), shape)
    runtime._estimator = Looks()
    runtime.labels(table_of([*PEOPLE_ROWS[:2], [1, "Bern", 2.0, True, "xl"]], shape))
    assert seen[0].dtypes.astype(str).tolist() == ["int64", "object", "float64", "bool", "category"]
    assert seen[0]["size"].tolist() == ["s", "l", "xl"]
    assert list(seen[0]["size"].cat.categories) == ["s", "m", "l", "xl"]


def test_many_rows_are_answered_in_blocks_on_one_thread() -> None:
    """Blocks give the answers of the whole, and n_jobs starts neither threads nor processes."""
    rows = np.random.default_rng(0).normal(size=(3000, 2))
    model = BaggingClassifier(n_estimators=4, random_state=0)
    model.fit(rows[:50], np.arange(50) % 2)
    shape = Shape("classifier", (Column("a"), Column("b")), (0, 1), True)
    expected, shares = model.predict(rows).tolist(), model.predict_proba(rows)
    model.n_jobs = 2  # which would start processes
    runtime = open_runtime(skops.io.dumps(model), shape)
    before = threading.active_count()
    found, probabilities = runtime.answers(rows)
    assert (found, runtime.labels(rows)) == (expected, expected)
    assert np.array_equal(np.asarray(probabilities), shares)
    assert (threading.active_count(), reusable_executor._executor) == (before, None)


def test_the_list_is_what_its_command_writes() -> None:
    """trusted.txt is not edited by hand."""
    assert FILE.read_text(encoding="utf-8") == text()


def test_the_list_holds_classes_and_ufuncs_alone() -> None:
    """No name of the list is a function that a client's row could reach."""
    for name in trusted():
        module, _, attribute = name.rpartition(".")
        found = getattr(importlib.import_module(module), attribute)
        assert isinstance(found, type | np.ufunc), name
        assert not (isinstance(found, type) and issubclass(found, functools.partial)), name


@functools.cache
def calling() -> dict[str, Any]:
    """Return the tree of a transformer that calls a ufunc with each row."""
    good = zipfile.ZipFile(io.BytesIO(skops.io.dumps(FunctionTransformer(np.log1p))))
    schema: dict[str, Any] = json.loads(good.read("schema.json"))
    assert schema["content"]["content"]["func"]["__loader__"] == "FunctionNode"
    return schema


def named(loader: str, module: str, name: str) -> bytes:
    """Return a skops file in which scikit-learn would call *name* with each row."""
    schema = copy.deepcopy(calling())
    words = {"__class__": name, "__module__": module, "__loader__": loader}
    schema["content"]["content"]["func"].update(words)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    return made.getvalue()


def public() -> Iterator[tuple[str, str, Any]]:
    """Yield every public callable of numpy and scipy by each public name that it has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for package in (np, scipy):
            folders = pkgutil.walk_packages(package.__path__, f"{package.__name__}.", str)
            for module_name in (package.__name__, *(found.name for found in folders)):
                if any(part.startswith("_") for part in module_name.split(".")) or (
                    ".tests" in module_name or ".conftest" in module_name
                ):
                    continue
                try:
                    module = importlib.import_module(module_name)
                    names = sorted(dir(module))
                except ImportError:
                    continue
                for name in names:
                    found = getattr(module, name, None)
                    if callable(found):
                        yield module_name, name, found


def test_no_other_function_of_numpy_and_scipy_loads() -> None:
    """Every public callable of numpy and scipy that is not in the list is refused by its name."""
    schema = copy.deepcopy(calling())
    assert skops_file.names_of(schema) <= trusted()
    count = 0
    for module, name, found in public():
        full = f"{module}.{name}"
        if full in trusted():
            assert isinstance(found, type | np.ufunc), full
            continue
        count += 1
        schema["content"]["content"]["func"].update({"__class__": name, "__module__": module})
        with pytest.raises(Refused) as refused:
            skops_file.names_of(schema)
        assert full[:90] in refused.value.message
    assert count > 2000


@pytest.mark.parametrize("loader", ["MethodNode", "PartialNode", "OperatorFuncNode", "CachedNode"])
def test_no_loader_binds_a_method_or_arguments(loader: str) -> None:
    """Loaders that make a call of trusted parts are refused, whatever they name."""
    assert loader not in LOADERS
    assert loader in refusal(named(loader, "numpy", "log1p"))


@pytest.mark.parametrize(
    "function",
    [
        np.vectorize(np.testing.rundocs),
        functools.partial(np.load, allow_pickle=True),
        operator.methodcaller("tolist"),
        LogisticRegression().fit,
        np.testing.rundocs,
        np.load,
    ],
    ids=lambda function: type(function).__name__,
)
def test_a_function_of_a_row_is_refused(function: Any) -> None:
    """A transformer that calls anything but a ufunc is refused before skops reads it."""
    assert "artifact is refused" in refusal(skops.io.dumps(FunctionTransformer(function)))


def test_ufuncs_load() -> None:
    """A transformer of a ufunc is served."""
    model = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression())
    model.fit([[0.0], [9.0]], [0, 1])
    shape = Shape("classifier", (Column("a"),), (0, 1), True)
    assert open_runtime(skops.io.dumps(model), shape).labels(np.array([[8.0]])) == [1]


def test_a_vectorizer_that_reads_files_is_refused() -> None:
    """A client's text is text, never the name of a file to read."""
    assert "reads files" in refusal(skops.io.dumps(CountVectorizer(input="filename")))
    check_skops(skops.io.dumps(make_pipeline(CountVectorizer(), MultinomialNB())))


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip that unpacks to more than the limit is refused, also within a sparse matrix."""
    monkeypatch.setattr(skops_file, "UNPACKED", 1024 * 1024)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", bytes(1024 * 1024 + 1))
    assert len(inner.getvalue()) < 2048
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("1.npz", inner.getvalue())
        archive.writestr("schema.json", "{}")
    assert "unpacks to more than" in refusal(inner.getvalue())
    assert "unpacks to more than" in refusal(outer.getvalue())


def test_a_tree_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON takes ten times its size in memory, so its limit is a lower one."""
    monkeypatch.setattr(skops_file, "SCHEMA", 100)
    assert "larger than 100 bytes" in refusal(skops.io.dumps(LogisticRegression()))


def test_no_change_of_a_file_fails_in_another_way() -> None:
    """Bytes that are replaced, dropped or doubled anywhere are refused, or still a model."""
    good = bytearray(saved(people().fit(frame(PEOPLE_ROWS), ["no", "yes", "no", "yes"])))
    dice = random.Random(0)
    shape = Shape("classifier", PEOPLE, ("no", "yes"), True, frame=True)
    for _ in range(100):
        first = dice.randrange(len(good))
        after = first + dice.choice((0, 1, 8))
        middle = dice.choice((b"", bytes(good[first:after]) * 2, dice.randbytes(3)))
        with contextlib.suppress(Refused):
            open_runtime(bytes(good[:first] + middle + good[after:]), shape)


def test_no_change_of_a_tree_fails_in_another_way() -> None:
    """Nodes that are dropped, moved or replaced are refused, or still a model."""
    good = zipfile.ZipFile(
        io.BytesIO(saved(people().fit(frame(PEOPLE_ROWS), ["no", "yes", "no", "yes"])))
    )
    tree, dice = json.loads(good.read("schema.json")), random.Random(1)
    shape = Shape("classifier", PEOPLE, ("no", "yes"), True, frame=True)
    for _ in range(100):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for name in good.namelist():
                archive.writestr(name, good.read(name))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the name is there twice, and the last one counts
                archive.writestr("schema.json", json.dumps(mutated(tree, dice)))
        with contextlib.suppress(Refused):
            open_runtime(made.getvalue(), shape)


def mutated(node: Any, dice: random.Random) -> Any:
    """Return *node* with one part changed, at any depth."""
    if isinstance(node, dict) and node and dice.random() < 0.95:
        key = dice.choice(list(node))
        how = dice.random()
        if how < 0.85:
            return {**node, key: mutated(node[key], dice)}
        return {k: v for k, v in node.items() if k != key}
    if isinstance(node, list) and node and dice.random() < 0.95:
        at = dice.randrange(len(node))
        return [*node[:at], mutated(node[at], dice), *node[at + 1 :]]
    strange: tuple[Any, ...]
    strange = (None, 0, -1, "", "numpy", "ListNode", "ObjectNode", [], {}, 10**30, "dict", True)
    return dice.choice(strange)


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04", b"\x80\x04\x95pickle", b"{}" * 50])
def test_other_bytes_are_refused(raw: bytes) -> None:
    """What is no skops file is refused in words."""
    assert "not a skops file" in refusal(raw)
