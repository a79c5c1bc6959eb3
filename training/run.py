"""From a name to a registered version: load, train, convert, prove, describe, register."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from gitslot.convert.convert import Converted, convert
from gitslot.convert.evaluate import Evaluation
from gitslot.convert.parity import Parity, prove
from gitslot.convert.register import check_names, check_serves, describe
from gitslot.registry.manifest import Manifest, parse_manifest
from serving_app import model as serving
from training.data import Data, Rows
from training.pipeline import build
from training.train import train


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A version that is ready to register: *raw* is its manifest.json, *artifact* its model."""

    manifest: Manifest
    raw: bytes
    artifact: bytes
    evaluation: Evaluation
    parity: Parity


def build_version(
    *,
    model: str,
    version: str,
    data: Data,
    estimator: str,
    seed: int,
    commit: str | None,
    created: datetime,
    progress: Callable[[str], None],
) -> Built:
    """
    Train, convert and prove *version* of *model*; raise TrainingError or ParityError.

    The same data, estimator, seed and libraries give the same artifact.
    """
    check_names(model, version)
    progress(f"training {estimator} on {len(data.rows)} rows of {data.name}")
    trained = train(data, build(estimator, seed), seed)
    progress("converting to ONNX")
    converted = convert(trained.estimator, len(data.features))
    parity = prove(
        trained.estimator,
        served_answers(converted),
        data.rows,
        seed=seed,
        labels=data.labels,
        progress=progress,
    )
    raw = describe(
        model=model,
        version=version,
        data=data,
        trained=trained,
        converted=converted,
        parity=parity,
        commit=commit,
        created=created,
    )
    progress("loading it as the serving app will")
    check_serves(raw, converted.content, model, version)
    return Built(
        manifest=parse_manifest(raw),
        raw=raw,
        artifact=converted.content,
        evaluation=trained.evaluation,
        parity=parity,
    )


def served_answers(
    converted: Converted,
) -> Callable[[Rows], tuple[list[str | int], NDArray[np.float64]]]:
    """Return what asks *converted* as the serving app does, with its session and its casts."""
    session = serving.open_session(converted.content)
    name = session.get_inputs()[0].name

    def answers(rows: Rows) -> tuple[list[str | int], NDArray[np.float64]]:
        labels, probabilities = session.run(None, {name: rows.astype(converted.dtype)})
        return labels.tolist(), probabilities

    return answers
