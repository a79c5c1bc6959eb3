"""
Build a version that can be registered from a fitted estimator: convert, prove, describe.

At the end the serving code loads the same bytes. So every registered version loads and answers its
own golden rows.
"""

import hashlib
import json
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin

from gitslot.convert.convert import Converted, convert
from gitslot.convert.errors import TrainingError, UnknownName
from gitslot.convert.evaluate import Evaluation
from gitslot.convert.parity import Parity, prove
from gitslot.convert.table import Data, Rows
from gitslot.registry.manifest import MAX_BYTES, Manifest, is_name, parse_manifest
from gitslot.registry.registry import artifact_name

if TYPE_CHECKING:
    from serving_app import model as serving
    from serving_app.manifest import parse_manifest as parse_served
    from serving_app.onnx_runtime import open_session
    from serving_app.refused import Refused
else:
    from gitslot.convert._serving_app import model as serving
    from gitslot.convert._serving_app.manifest import parse_manifest as parse_served
    from gitslot.convert._serving_app.onnx_runtime import open_session
    from gitslot.convert._serving_app.refused import Refused

LIBRARIES = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy")


def check_names(model: str, version: str) -> None:
    """Raise UnknownName unless *model* and *version* can be names in the registry."""
    for what, text in (("model", model), ("version", version)):
        if not is_name(text):
            raise UnknownName(
                f"{text!r} cannot name a {what}: 1 to 64 letters, digits, '.', '_' or '-',"
                " and no dot at the end"
            )


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
    answers, labels = served_answers(converted), data.labels
    parity = prove(estimator, answers, data.rows, seed=seed, labels=labels, progress=progress)
    sha256 = hashlib.sha256(converted.content).hexdigest()
    golden = parity.golden
    described = {
        "format": 1,
        "model": model,
        "version": version,
        "artifact": {
            "name": artifact_name(sha256, "onnx"),
            "sha256": sha256,
            "size": len(converted.content),
            "format": "onnx",
        },
        "input": {
            "dtype": converted.dtype,
            "features": [{"name": name, "type": "number"} for name in data.features],
        },
        "classes": list(evaluation.classes),
        "golden": {
            "inputs": golden.inputs.tolist(),
            "labels": golden.labels,
            "probabilities": golden.probabilities.tolist(),
            "tolerance": parity.tolerance,
        },
        "metrics": dict(evaluation.metrics),
        "estimator": _one_line(estimator),
        "data": {"name": data.name, "rows": len(data.rows), "sha256": data.fingerprint},
        "libraries": {
            "python": platform.python_version(),
            **{name: library_version(name) for name in LIBRARIES},
        },
        "source": {"commit": commit},
        "created": created.astimezone(UTC).isoformat(timespec="seconds"),
    }
    raw = (json.dumps(described, indent=1, allow_nan=False) + "\n").encode()
    if len(raw) > MAX_BYTES:
        raise TrainingError(f"the manifest is {len(raw)} bytes, at most {MAX_BYTES} are read")
    progress("loading it with the serving app")
    _check_serves(raw, converted.content, model, version)
    return Built(parse_manifest(raw), raw, converted.content, evaluation, parity)


def served_answers(
    converted: Converted,
) -> Callable[[Rows], tuple[list[str | int], NDArray[np.float64]]]:
    """Return a function that asks *converted* with the serving app's session and casts."""
    session = open_session(converted.content)
    name = session.get_inputs()[0].name

    def answers(rows: Rows) -> tuple[list[str | int], NDArray[np.float64]]:
        labels, probabilities = session.run(None, {name: rows.astype(converted.dtype)})
        return labels.tolist(), probabilities

    return answers


def _check_serves(manifest: bytes, artifact: bytes, model: str, version: str) -> None:
    """Load the version with the serving code; raise TrainingError if that refuses it."""
    wanted = serving.Wanted(model, version, hashlib.sha256(manifest).hexdigest())
    try:
        serving.load_bytes(artifact, parse_served(manifest, model, version), wanted)
    except Refused as refused:
        raise TrainingError(
            f"the serving app would refuse it: {refused.reason}: {refused.message}"
        ) from refused


def source_commit(folder: Path) -> str | None:
    """Return the full id of the commit checked out in *folder*, or None outside Git."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def _one_line(estimator: object) -> str:
    """Describe *estimator* in one printable line of at most 200 characters."""
    text = " ".join(repr(estimator).split())
    return text if len(text) <= 200 else text[:197] + "..."
