"""
`gitslot.register` for a notebook or a training job, and what the command shares with it.

The registry is found as every command finds it, the model is proved on hostile rows, and the line
that releases it is printed.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitslot.cli.session import Session
from gitslot.errors import GitslotError
from gitslot.registry.card import proof
from gitslot.state.code import shortfall

if TYPE_CHECKING:
    from gitslot.convert.table import Data
    from gitslot.convert.version import Built
    from gitslot.registry.manifest import Source
    from gitslot.registry.registry import Registry

    Build = Callable[["Progress"], Built]

Progress = Callable[[str], None]


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
    from gitslot.convert.table import Data  # noqa: PLC0415 - scikit-learn is slow

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
    data: "Data",
    model: str,
    version: str,
    metrics: Mapping[str, float] | None = None,
    *,
    run: str = "",
) -> "Build":
    """Return what builds the fitted *estimator*, which the training *run* made."""

    def build(progress: Progress) -> "Built":
        from gitslot.convert.version import build_version, source_of  # noqa: PLC0415 - slow import

        source: Source = source_of(session.cwd, session.environ)
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


def registered(session: Session, model: str, version: str, build: "Build") -> "Built":
    """
    Build a version and register it; ask first whether it exists, because proving is long.

    Raises VersionExists, RegistryError, SettingsError, or NotRegistered.
    """
    from gitslot.convert.errors import TrainingError  # noqa: PLC0415 - scikit-learn is slow
    from gitslot.convert.version import check_names  # noqa: PLC0415 - scikit-learn is slow

    progress = progress_of(session)
    try:
        check_names(model, version)
        registry = session.registry_alone()
        registry.ensure_containers()
        registry.refuse_existing(model, version)
        built = build(progress)
        check_code(registry, built)
    except TrainingError as error:
        raise NotRegistered(str(error)) from error
    progress(f"registering at {registry.account_url}")
    registry.register(*built.files)
    return built


def check_code(registry: "Registry", built: "Built") -> None:
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


def _evaluation(estimator: Any, data: "Data", metrics: Mapping[str, float] | None) -> Any:
    from gitslot.convert.errors import TrainingError  # noqa: PLC0415 - scikit-learn is slow
    from gitslot.convert.evaluate import Evaluation, evaluate  # noqa: PLC0415
    from gitslot.convert.onnx_model import OnnxModel  # noqa: PLC0415

    if metrics is not None:
        return Evaluation({str(name): float(value) for name, value in metrics.items()})
    if data.labels is None or isinstance(estimator, OnnxModel):
        return Evaluation({"rows": float(len(data.rows))})
    try:
        return evaluate(estimator, data.rows, data.labels)
    except Exception as error:
        raise TrainingError(
            f"{type(estimator).__name__} cannot be evaluated on X and y: {error}"
        ) from error


def result_of(built: "Built") -> Registered:
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
        manifest.metrics,
    )


def print_done(session: Session, built: "Built") -> None:
    """Print what was registered, how it was proved, and the next command."""
    manifest = built.manifest
    print(
        f"registered {manifest.model} {manifest.version}  sha256:{manifest.digest[:12]}\n"
        f"  {proof(manifest.proof)}\n"
        f"  {len(manifest.golden)} golden rows; a process that serves it holds"
        f" {_mebibytes(built)} MiB\n"
        f"next: gitslot bump production {manifest.version}",
        file=session.out,
    )


def _mebibytes(built: "Built") -> int:
    memory = built.manifest.memory
    return round((memory.load + memory.answer) / 2**20) if memory else 0
