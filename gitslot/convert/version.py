"""
Build a version that can be registered from a fitted estimator: convert, prove, describe.

At the end the serving code loads the same bytes. So every registered version loads and answers its
own golden rows.
"""

import getpass
import hashlib
import json
import platform
import subprocess
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

import numpy as np

from gitslot.convert import memory
from gitslot.convert.convert import Candidate, NotConverted, candidates
from gitslot.convert.errors import TrainingError, UnknownName
from gitslot.convert.evaluate import Evaluation
from gitslot.convert.hostile import Hostile
from gitslot.convert.onnx_model import BoundModel, OnnxModel
from gitslot.convert.parity import Answered, Parity, Reference, prove
from gitslot.convert.parts import thresholds
from gitslot.convert.servable import check_kind, classes_of, outputs_of
from gitslot.convert.served import Refused, Shape, served_manifest, serving
from gitslot.convert.table import Data, Rows, Table, cells, count, read_table, take
from gitslot.registry.golden import Column, Label
from gitslot.registry.manifest import (
    CONTRACT,
    FORMAT,
    MAX_ARTIFACT_BYTES,
    MAX_BYTES,
    Manifest,
    Memory,
    Runtime,
    Source,
    is_name,
    parse_manifest,
    with_golden,
)
from gitslot.registry.registry import artifact_name, golden_name

LIBRARIES = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy", "skops")

Measure = Callable[[bytes, str, Shape, Rows], Memory]


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
    golden: bytes
    evaluation: Evaluation
    parity: Parity

    @property
    def files(self) -> tuple[bytes, bytes, bytes]:
        """Return what the registry stores: manifest, artifact, golden rows."""
        return self.raw, self.artifact, self.golden


def build_version(
    *,
    model: str,
    version: str,
    data: Data,
    estimator: Any,
    evaluation: Evaluation,
    seed: int,
    source: Source,
    created: datetime,
    progress: Callable[[str], None],
    measure: Measure = memory.measure,
) -> Built:
    """
    Convert and prove the fitted *estimator* as *version* of *model*, and describe it.

    The same data, estimator, seed and libraries give the same artifact. Raises TrainingError, or
    ParityError if no form of the model answers exactly.
    """
    check_names(model, version)
    table = read_table(data.rows, data.features or _names(estimator))
    if isinstance(estimator, OnnxModel):
        estimator = estimator.bound(table, data.classes)
        classes = estimator.served.classes
    else:
        check_kind(estimator)
        classes = classes_of(estimator)
    labels = None if data.labels is None else np.asarray(data.labels)
    reference = Reference(estimator, table, classes, _outputs(estimator, table, classes))
    if not isinstance(estimator, BoundModel):
        _check_own(estimator, reference, data.rows, table)
    hostile = Hostile(table, labels if classes else None, seed)

    def blocks() -> Iterable[Rows]:
        yield from hostile.blocks()
        yield hostile.on_splits(thresholds(estimator))
        with suppress(Exception):  # scikit-learn refuses a row on the way: the others are enough
            yield hostile.on_boundaries(reference.spread)

    parity = prove(_forms(estimator, table), reference, blocks, progress)
    candidate, golden = parity.candidate, _golden(parity.golden)
    if len(candidate.content) > MAX_ARTIFACT_BYTES:
        raise TrainingError(
            f"the model is {len(candidate.content)} bytes, at most {MAX_ARTIFACT_BYTES} are served:"
            " train fewer or smaller trees"
        )
    progress("measuring its memory")
    one = take(parity.golden.rows, slice(0, 1))
    shape = replace(reference.shape, dtype=candidate.runtime.dtype)
    needs = measure(candidate.content, candidate.runtime.name, shape, one)
    raw = _described(
        {
            "format": FORMAT,
            "model": model,
            "version": version,
            "contract": CONTRACT,
            "artifact": _artifact(candidate.content, candidate.runtime.name),
            "runtime": _runtime(parity),
            "kind": reference.shape.kind,
            "columns": [_column(column) for column in table.columns],
            "classes": list(classes),
            "probabilities": reference.shape.probabilities,
            **({"outputs": reference.shape.outputs} if reference.shape.outputs > 1 else {}),
            "golden": {**_file(golden, len(parity.golden.labels)), "tolerance": parity.tolerance},
            "example": cells(parity.golden.rows, 0),
            "memory": asdict(needs),
            "proof": {"form": candidate.title, "rows": parity.rows, "worst": parity.worst},
            "metrics": dict(evaluation.metrics),
            "estimator": _one_line(estimator),
            "data": {"name": data.name, "rows": len(table), "sha256": table.fingerprint(labels)},
            "libraries": {
                "python": platform.python_version(),
                **{name: library_version(name) for name in LIBRARIES},
            },
            "source": asdict(source),
            "created": created.astimezone(UTC).isoformat(timespec="seconds"),
        }
    )
    progress("loading it with the serving app")
    _check_serves(raw, candidate.content, golden, model, version)
    manifest = with_golden(parse_manifest(raw), golden)
    return Built(manifest, raw, candidate.content, golden, evaluation, parity)


def source_of(folder: Path, environ: Mapping[str, str]) -> Source:
    """
    Return where a version comes from that is registered in *folder*.

    In a GitHub workflow the person, the run and its address are the workflow's
    (https://docs.github.com/actions/reference/workflows-and-actions/variables).
    """
    run = environ.get("GITHUB_RUN_ID", "")
    link = ""
    if run:
        server, repository = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY")
        link = f"{server}/{repository}/actions/runs/{run}"
    who = environ.get("GITHUB_ACTOR") or _git(folder, "config", "user.name") or ""
    if not who:
        with suppress(OSError, KeyError):  # a container may have no name for its user
            who = getpass.getuser()
    return Source(_git(folder, "rev-parse", "--verify", "HEAD"), who[:200], run, link)


def _outputs(estimator: Any, table: Table, classes: tuple[Label, ...]) -> int:
    """Return how many numbers answer a row; raise TrainingError if the first has no answer."""
    if isinstance(estimator, BoundModel):
        return estimator.served.outputs
    try:
        answer = Reference(estimator, table, classes).first(table)
    except Exception as error:
        raise TrainingError(
            f"{type(estimator).__name__} does not answer the first row of X:"
            f" {type(error).__name__}: {error}"
        ) from error
    return outputs_of(estimator, answer)


def _check_own(estimator: Any, reference: Reference, given: Any, table: Table) -> None:
    """Raise TrainingError unless X, *given*, gets the same answers as JSON as it does by itself."""
    try:
        sent = reference.answered(table.rows).labels
        own = np.asarray(estimator.predict(given)).reshape(sent.shape)
    except Exception as error:
        name = type(estimator).__name__
        raise TrainingError(f"{name} does not answer X: {type(error).__name__}: {error}") from error
    same = own == sent
    if sent.dtype.kind == "f":
        same |= np.isclose(own, sent, rtol=1e-6, atol=1e-6, equal_nan=True)
    if not same.all():
        at = int(np.argmin(same.reshape(len(table), -1).all(axis=1)))
        raise TrainingError(
            f"row {at} of X is {own[at]} for the model, and {sent[at]} if a client sends it as"
            " JSON: convert X to plain numbers, text, or true and false, and train again"
        )


def _forms(estimator: Any, table: Table) -> Iterable[Candidate | NotConverted]:
    if isinstance(estimator, BoundModel):
        runtime = Runtime("onnx", estimator.served.dtype)
        return [Candidate("the ONNX file", runtime, estimator.content)]
    return candidates(estimator, table)


def _names(estimator: Any) -> tuple[str, ...]:
    return tuple(map(str, getattr(estimator, "feature_names_in_", ())))


def _artifact(content: bytes, runtime: str) -> dict[str, object]:
    form = {"onnx": "onnx", "sklearn": "skops"}[runtime]
    sha256 = hashlib.sha256(content).hexdigest()
    name = artifact_name(sha256, form)
    return {"name": name, "sha256": sha256, "size": len(content), "format": form}


def _runtime(parity: Parity) -> dict[str, object]:
    runtime = parity.candidate.runtime
    if runtime.name == "onnx":
        return {"name": runtime.name, "dtype": runtime.dtype}
    return {"name": runtime.name, "sklearn": runtime.sklearn, "frame": runtime.frame}


def _column(column: Column) -> dict[str, object]:
    found = asdict(column)
    if not column.categories:
        del found["categories"]
    return found


def _golden(golden: Answered) -> bytes:
    found = {
        "inputs": [cells(golden.rows, at) for at in range(count(golden.rows))],
        "labels": golden.labels.tolist(),
        "probabilities": None if golden.probabilities is None else golden.probabilities.tolist(),
    }
    return (json.dumps(found, allow_nan=False) + "\n").encode()


def _file(golden: bytes, rows: int) -> dict[str, object]:
    sha256 = hashlib.sha256(golden).hexdigest()
    return {"name": golden_name(sha256), "sha256": sha256, "size": len(golden), "rows": rows}


def _described(manifest: Mapping[str, object]) -> bytes:
    """Return *manifest* as JSON, one key or item of a list on a line."""
    lines = ",\n".join(f" {json.dumps(key)}: {_lines(value)}" for key, value in manifest.items())
    raw = f"{{\n{lines}\n}}\n".encode()
    if len(raw) > MAX_BYTES:
        raise TrainingError(f"the manifest is {len(raw)} bytes, at most {MAX_BYTES} are read")
    return raw


def _lines(value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"  {json.dumps(item)}" for item in value) + "\n ]"
    return json.dumps(value, allow_nan=False)


def _check_serves(
    manifest: bytes, artifact: bytes, golden: bytes, model: str, version: str
) -> None:
    """Load the version with the serving code; raise TrainingError if that refuses it."""
    wanted = serving.Wanted(model, version, hashlib.sha256(manifest).hexdigest())
    try:
        parsed = served_manifest.parse_manifest(manifest, model, version)
        serving.load_bytes(artifact, parsed, wanted, golden)
    except Refused as refused:
        raise TrainingError(
            f"the serving app would refuse it: {refused.reason}: {refused.message}"
        ) from refused


def _git(folder: Path, *words: str) -> str | None:
    """Return what git prints in *folder*, or None outside a repository."""
    try:
        found = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


def _one_line(estimator: object) -> str:
    """Describe *estimator* in one printable line of at most 200 characters."""
    text = " ".join(repr(estimator).split())
    return text if len(text) <= 200 else text[:197] + "..."
