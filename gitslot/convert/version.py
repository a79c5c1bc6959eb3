"""Build a version that can be registered from a fitted estimator: convert, prove, describe."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin

from gitslot.convert.convert import Converted, convert
from gitslot.convert.evaluate import Evaluation
from gitslot.convert.parity import Parity, prove
from gitslot.convert.register import check_serves, describe
from gitslot.convert.table import Data, Rows
from gitslot.registry.manifest import Manifest, parse_manifest

if TYPE_CHECKING:
    from serving_app import model as serving
else:
    from gitslot.convert._serving_app import model as serving


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A version ready to register: *raw* is its manifest.json, *artifact* its model."""

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
    estimator: ClassifierMixin,
    evaluation: Evaluation,
    seed: int,
    commit: str | None,
    created: datetime,
    progress: Callable[[str], None],
) -> Built:
    """
    Convert and prove the fitted *estimator* as *version* of *model*, and describe it.

    The same data, estimator, seed and libraries give the same artifact. Raises TrainingError, or
    ParityError if the converted model answers differently.
    """
    progress("converting to ONNX")
    converted = convert(estimator, len(data.features))
    parity = prove(
        estimator,
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
        estimator=estimator,
        evaluation=evaluation,
        converted=converted,
        parity=parity,
        commit=commit,
        created=created,
    )
    progress("loading it with the serving app")
    check_serves(raw, converted.content, model, version)
    return Built(
        manifest=parse_manifest(raw),
        raw=raw,
        artifact=converted.content,
        evaluation=evaluation,
        parity=parity,
    )


def served_answers(
    converted: Converted,
) -> Callable[[Rows], tuple[list[str | int], NDArray[np.float64]]]:
    """Return a function that asks *converted* with the serving app's session and casts."""
    session = serving.open_session(converted.content)
    name = session.get_inputs()[0].name

    def answers(rows: Rows) -> tuple[list[str | int], NDArray[np.float64]]:
        labels, probabilities = session.run(None, {name: rows.astype(converted.dtype)})
        return labels.tolist(), probabilities

    return answers
