"""
`gitslot.register` for a notebook or a training job, and what the command shares with it.

The registry is found as every command finds it, the model is proved on hostile rows, and the line
that releases it is printed.
"""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from gitslot.cli.session import Session
from gitslot.convert.bring import bring
from gitslot.convert.errors import TrainingError
from gitslot.convert.evaluate import Evaluation, evaluate
from gitslot.convert.onnx_model import OnnxModel
from gitslot.convert.table import Data
from gitslot.convert.version import Built, build_version, check_names, source_of
from gitslot.errors import GitslotError
from gitslot.registry.card import proof
from gitslot.registry.registry import Registry
from gitslot.state.code import shortfall

Progress: TypeAlias = Callable[[str], None]
Build: TypeAlias = Callable[[Progress], Built]


class NotRegistered(GitslotError):
    """The model cannot be registered; the message has the problem and the fix."""

    reason = "NotRegistered"


@dataclass(frozen=True, slots=True)
class Registered:
    """
    A version in the registry.

    *pin* is what the file names to get these bytes alone. *form* is what answers ("ONNX float32",
    "scikit-learn"), proved on *rows* rows with the *worst* difference.
    """

    model: str
    version: str
    digest: str
    pin: str
    form: str
    rows: int
    worst: float
    metrics: Mapping[str, float]


def register(
    estimator: Any,
    X: Any,  # noqa: N803 - as in scikit-learn
    y: Any = None,
    *,
    model: str,
    version: str,
    metrics: Mapping[str, float] | None = None,
) -> Registered:
    """
    Register the fitted *estimator* as *version* of *model*, and print the line that releases it.

    *X* is the DataFrame or array that it was trained on: columns, types, missing values and the
    rows to prove with come from it. *y* are its answers; from them come the metrics, unless
    *metrics* are given (name to number, of rows that training did not see). Raises GitslotError,
    whose message has the problem and the fix; a version that exists is never overwritten.
    """
    before = dict(os.environ)  # a local platform's addresses are set for the time of this call
    try:
        session = Session(environ=os.environ, cwd=Path.cwd())
        data = Data(model, X, y)
        built = registered(
            session, model, version, building(session, estimator, data, model, version, metrics)
        )
    finally:
        os.environ.clear()
        os.environ.update(before)
    print_done(session, built)
    return result_of(built)


def building(
    session: Session,
    estimator: Any,
    data: Data,
    model: str,
    version: str,
    metrics: Mapping[str, float] | None = None,
    *,
    run: str = "",
) -> Build:
    """Return what builds the fitted *estimator*, which the training *run* made."""

    def build(progress: Progress) -> Built:
        source = source_of(session.cwd, session.environ)
        return build_version(
            model=model,
            version=version,
            data=data,
            estimator=estimator,
            evaluation=_evaluation(estimator, data, metrics),
            seed=0,
            source=replace(source, run=run or source.run),
            created=session.now(),
            progress=progress,
        )

    return build


def registered(session: Session, model: str, version: str, build: Build) -> Built:
    """
    Build a version and register it; ask first whether it exists, because proving is long.

    Raises VersionExists, RegistryError, SettingsError, or NotRegistered.
    """
    progress = progress_of(session)
    try:
        check_names(model, version)
        registry = session.registry_alone()
        registry.refuse_existing(model, version)
        built = build(progress)
        check_code(registry, built)
    except TrainingError as error:
        raise NotRegistered(str(error)) from error
    progress(f"registering at {registry.account_url}")
    registry.register(*built.files)
    return built


def brought(
    place: str, trust: str, sample: Path, target: str, name: str, classes: Sequence[str]
) -> tuple[Any, Data, str]:
    """
    Return the model at *place*, the rows of *sample*, and the run that trained it, or "".

    *trust* is the sha256 of a file that may run code, *target* the column of *sample* that has the
    answers, *name* that of the data, *classes* those of a plain ONNX file. Raises NotRegistered.
    """
    try:
        found = bring(place, trust)
        data = _sample(sample, target, name, found.model)
    except TrainingError as error:
        raise NotRegistered(str(error)) from error
    return found.model, replace(data, classes=tuple(map(_class, classes))), found.run


def _sample(file: Path, target: str, name: str, model: Any) -> Data:
    """Read the rows of *file*; without names of columns in the model they become an array."""
    readers: dict[str, Callable[[Path], Any]] = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if file.suffix not in readers:
        raise TrainingError(f"{file.name} is neither .csv nor .parquet")
    try:
        frame = readers[file.suffix](file)
    except (OSError, ValueError, ImportError) as error:
        raise TrainingError(f"cannot read {file.name}: {error}") from error
    labels = None
    if target:
        if target not in frame.columns:
            raise TrainingError(
                f"{file.name} has no column {target!r}: it has {list(frame.columns)}"
            )
        labels = frame.pop(target).to_numpy()
    if hasattr(model, "feature_names_in_"):
        missing = [column for column in model.feature_names_in_ if column not in frame.columns]
        if missing:
            raise TrainingError(f"{file.name} lacks columns of the model: {', '.join(missing)}")
        return Data(name, frame[list(model.feature_names_in_)], labels)
    return Data(name, frame.to_numpy(), labels, tuple(map(str, frame.columns)))


def _class(text: str) -> str | int:
    return int(text) if text.lstrip("-").isdecimal() else text


def check_code(registry: Registry, built: Built) -> None:
    """
    Raise NotRegistered if there are serving packages, and none could serve *built*.

    Without any, the slots run code that the registry does not know, which the controller checks.
    """
    packages, needs = registry.packages(), built.manifest.needs
    lacks = [shortfall(package, needs) for package in packages]
    if not packages or None in lacks:
        return
    newest = lacks[0]
    assert newest is not None
    what, step = newest
    raise NotRegistered(f"no serving package could serve it: {what}; {step.clause}")


def progress_of(session: Session) -> Progress:
    """Return what prints a line of progress, with the seconds since now."""
    started = time.monotonic()

    def progress(text: str) -> None:
        session.print_err(f"{time.monotonic() - started:5.1f}s  {text}")

    return progress


def _evaluation(estimator: Any, data: Data, metrics: Mapping[str, float] | None) -> Any:
    if metrics:
        return Evaluation({name: _metric(name, value) for name, value in metrics.items()})
    if data.labels is None or isinstance(estimator, OnnxModel):
        return Evaluation({"rows": float(len(data.rows)) if hasattr(data.rows, "__len__") else 0.0})
    try:
        return evaluate(estimator, data.rows, data.labels)
    except Exception as error:
        raise TrainingError(
            f"{type(estimator).__name__} cannot be evaluated on X and y: {error}"
        ) from error


def _metric(name: str, value: Any) -> float:
    try:
        if not math.isfinite(number := float(value)):
            raise ValueError
    except (TypeError, ValueError) as error:
        raise TrainingError(f"metric {name!r} is {value!r}, must be a finite number") from error
    return number


def result_of(built: Built) -> Registered:
    """Return what callers of `register` get."""
    manifest, parity = built.manifest, built.parity
    return Registered(
        manifest.model,
        manifest.version,
        manifest.digest,
        f"{manifest.version}@sha256:{manifest.digest}",
        parity.candidate.title,
        parity.rows,
        parity.worst,
        dict(manifest.metrics),
    )


def print_done(session: Session, built: Built) -> None:
    """Print what was registered, how it was proved, and the next command."""
    manifest = built.manifest
    print(
        f"registered {manifest.model} {manifest.version}  sha256:{manifest.digest[:12]}\n"
        f"  {proof(manifest.proof)}\n"
        f"  {len(manifest.golden)} golden rows; a process that serves it holds"
        f" {manifest.needs.memory / 2**20:.0f} MiB\n"
        f"next: gitslot bump production {manifest.version}",
        file=session.out,
    )
