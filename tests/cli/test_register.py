"""`gitslot.register` and `gitslot register`: a model from anywhere gets into the registry."""

import hashlib
import io
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import gitslot
from gitslot.cli.app import run
from gitslot.cli.notebook import NotRegistered, building, check_code
from gitslot.cli.session import Session
from gitslot.convert.errors import TrainingError
from gitslot.convert.table import Data
from gitslot.registry.registry import Registry
from gitslot.state.code import Build, Needs, Package
from tests.convert.models import two_colours
from tests.platform import Platform

FRAME = pd.DataFrame(two_colours()[0], columns=["red", "blue"])
LABELS = np.array(["low", "mid", "top"])[two_colours()[1]]
TREE = DecisionTreeClassifier(max_depth=4).fit(FRAME, LABELS)
FORM = "answers as the trained model does on"


class Runs:
    """What a pickle of it does when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.marker),))


Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(platform: Platform, registry: Registry, tmp_path: Path) -> Typed:
    """Return `gitslot` typed in a folder with a sample, against the platform's registry."""
    FRAME.assign(level=LABELS).to_csv(tmp_path / "sample.csv", index=False)

    def type_(*words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        environ = {"GITSLOT_STORAGE": platform.storage, "HOME": str(tmp_path)}
        session = Session(environ, tmp_path, out, err, open_registry=lambda _: registry)
        return run(words, session), out.getvalue(), err.getvalue()

    return type_


def of(file: str, model: str, *more: str) -> tuple[str, ...]:
    """Return the words that register *file* as version 1 of *model*."""
    sample = ("--sample", "sample.csv", "--target", "level")
    return ("register", "--from", file, *sample, "--model", model, "--version", "1", *more)


def test_a_notebook_registers_what_it_trained(
    platform: Platform,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One call: names and types come from X; it returns the pin, and prints what is next."""
    monkeypatch.chdir(tmp_path)
    for name, value in platform.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITSLOT_STORAGE", platform.storage)
    before = dict(os.environ)
    done = gitslot.register(TREE, FRAME, LABELS, model="notebook", version="1.0.0")
    manifest = registry.manifest("notebook", "1.0.0")
    assert done.pin == f"1.0.0@sha256:{manifest.digest}"
    assert [column.name for column in manifest.columns] == ["red", "blue"]
    assert (manifest.classes, done.form) == (("low", "mid", "top"), "ONNX float32")
    assert manifest.memory and manifest.memory.load > 10_000_000
    said = capsys.readouterr().out
    assert FORM in said and said.endswith("next: gitslot bump production 1.0.0\n")
    assert dict(os.environ) == before
    with pytest.raises(gitslot.errors.GitslotError, match="never overwritten"):
        gitslot.register(TREE, FRAME, model="notebook", version="1.0.0")


def test_a_skops_file_is_registered_and_its_card_is_shown(typed: Typed, tmp_path: Path) -> None:
    """Its card has metrics, data, estimator, libraries, who, digest, proof and memory."""
    skops.io.dump(TREE, tmp_path / "m.skops")
    code, out, err = typed(*of("m.skops", "skops", "-o", "json"))
    assert code == 0, err
    assert json.loads(out)["form"] == "ONNX float32"
    code, card, err = typed("models", "skops", "1")
    assert code == 0, err
    for words in (
        "DecisionTree",
        "accuracy",
        FORM,
        "MiB",
        "scikit-learn 1.",
        "red (number)",
    ):
        assert words in card


@pytest.mark.parametrize(
    "dump", [joblib.dump, lambda model, file: file.write_bytes(pickle.dumps(model))]
)
def test_a_pickle_is_read_with_its_sha256_alone(typed: Typed, tmp_path: Path, dump: Any) -> None:
    """Without it, or with another one, nothing of it runs; with it, it is a model as any other."""
    file, name = tmp_path / "m.joblib", f"pickled-{dump.__name__.strip('<>')}"
    marker = tmp_path / "ran"
    dump(Runs(marker), file)
    for words in ((), ("--trust-code", "0" * 64)):
        code, out, err = typed(*of("m.joblib", name, *words))
        assert (code, out, marker.exists()) == (2, "", False)
        assert "--trust-code SHA256" in err
    dump(TREE, file)
    trust = hashlib.sha256(file.read_bytes()).hexdigest()
    code, out, err = typed(*of("m.joblib", name, "--trust-code", trust))
    assert code == 0, err
    assert FORM in out


def test_a_plain_onnx_file_is_its_own_reference(
    typed: Typed, registry: Registry, tmp_path: Path
) -> None:
    """Its classes come from the sample; golden rows hold what it answers."""
    model = LogisticRegression().fit(FRAME.to_numpy(), LABELS)
    proto = to_onnx(model, FRAME.to_numpy(np.float32)[:1], options={"zipmap": False})
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    code, _, err = typed(*of("m.onnx", "onnx"))
    assert code == 0, err
    manifest = registry.manifest("onnx", "1")
    assert (manifest.classes, manifest.runtime.dtype) == (("low", "mid", "top"), "float32")
    assert set(manifest.golden.labels) == {"low", "mid", "top"}
    listed = to_onnx(model, FRAME.to_numpy(np.float32)[:1])
    (tmp_path / "map.onnx").write_bytes(listed.SerializeToString())
    code, _, err = typed(*of("map.onnx", "maps"))
    assert code == 2
    assert "options={'zipmap': False}" in err


def test_an_onnx_regressor_is_registered(typed: Typed, registry: Registry, tmp_path: Path) -> None:
    """A graph with one output of numbers is a regressor."""
    model = LinearRegression().fit(FRAME.to_numpy(), FRAME["red"] * 2)
    proto = to_onnx(model, FRAME.to_numpy(np.float64)[:1])
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    code, _, err = typed(*of("m.onnx", "onnx-numbers"))
    assert code == 0, err
    assert registry.manifest("onnx-numbers", "1").kind == "regressor"


def test_an_mlflow_model_is_read_from_its_folder(
    typed: Typed, registry: Registry, tmp_path: Path
) -> None:
    """MLmodel names the file, trusted by its sha256; the run goes into the manifest."""
    folder = tmp_path / "mlmodel"
    folder.mkdir()
    (folder / "model.pkl").write_bytes(pickle.dumps(TREE))
    (folder / "MLmodel").write_text(
        "run_id: 0af1\nflavors:\n  sklearn:\n    pickled_model: model.pkl\n", encoding="utf-8"
    )
    code, _, err = typed(*of("mlmodel", "mlflow"))
    assert (code, "model.pkl is not read" in err) == (2, True)
    trust = hashlib.sha256((folder / "model.pkl").read_bytes()).hexdigest()
    code, _, err = typed(*of("mlmodel", "mlflow", "--trust-code", trust))
    assert code == 0, err
    assert registry.manifest("mlflow", "1").source.run == "0af1"


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("m.skops", b"no zip", "not a skops file"),
        ("m.onnx", b"no graph", "not an ONNX file"),
        ("m.txt", b"", "none of .skops, .onnx"),
        ("gone.skops", None, "cannot read"),
        ("models:/churn/7", None, "needs mlflow in this environment"),
        ("MLmodel", b"flavors: {keras: {}}", "names no model of scikit-learn or ONNX"),
        ("MLmodel", b"flavors: {sklearn: {pickled_model: ../m.pkl}}", "outside its folder"),
    ],
)
def test_what_is_no_model_is_refused_in_words(
    typed: Typed, tmp_path: Path, file: str, content: bytes | None, why: str
) -> None:
    """The message says what is wrong with which file; there is no traceback."""
    if content is not None:
        (tmp_path / file).write_bytes(content)
    given = "." if file == "MLmodel" else file
    code, out, err = typed(*of(given, "refused"))
    assert (code, out) == (2, "")
    assert why in err
    assert "Traceback" not in err


def test_a_model_that_no_registered_code_could_serve_is_refused() -> None:
    """Of another minor version of scikit-learn than the packages: the fix is a line to type."""
    needs = Needs(2, "sklearn", "1.9")
    zipped = Build("a" * 64, 1, "serving_app", "b", "3.13")
    other = replace(zipped, sklearn="1.8")
    built: Any = SimpleNamespace(manifest=SimpleNamespace(needs=needs))

    def packages(*builds: Build) -> Any:
        found = [Package(str(n), 2, {"sklearn": build}) for n, build in enumerate(builds)]
        return SimpleNamespace(packages=lambda: found)

    check_code(packages(), built)
    check_code(packages(other, replace(zipped, sklearn="1.9")), built)
    with pytest.raises(NotRegistered, match=r"has scikit-learn 1.8.* --sklearn 1.9"):
        check_code(packages(other), built)


@pytest.mark.parametrize("value", ["high", None, float("nan")])
def test_a_metric_that_is_no_number_is_refused(value: Any) -> None:
    """The refusal names the metric; it comes before any proof."""
    data = Data("colours", FRAME, LABELS)
    build = building(Session(), TREE, data, "colours", "1", {"accuracy": value})
    with pytest.raises(TrainingError, match=r"metric 'accuracy' is .* must be a finite number"):
        build(lambda _: None)


def test_no_rows_at_all_are_refused_in_words() -> None:
    """What is no table is named as such, not met with a traceback."""
    build = building(Session(), TREE, Data("colours", None), "colours", "1")
    with pytest.raises(TrainingError, match="X has 0 dimension"):
        build(lambda _: None)


def test_a_sample_that_lacks_columns_is_refused(typed: Typed, tmp_path: Path) -> None:
    """The columns of the model are named where the sample does not have them."""
    skops.io.dump(TREE, tmp_path / "m.skops")
    FRAME[["red"]].assign(level=LABELS).to_csv(tmp_path / "sample.csv", index=False)
    code, _, err = typed(*of("m.skops", "lacks"))
    assert (code, "sample.csv lacks columns of the model: blue" in err) == (2, True)
