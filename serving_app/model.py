"""
The model of this process: fetched by name and digest, checked, proved, then used.

Every byte may be hostile until its sha256 is the pinned one. The artifact is loaded only
then, and only if it is ONNX. A loaded model serves nothing until it has answered its own
golden rows as the trained model did.

It must not load a format that can run code (a pickle runs its payload even if loading fails), or
import any other package of the project.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

# ONNX Runtime's Linux builds report to Microsoft unless this is set before the import: which
# models are loaded and how often they run. That is their owner's business.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

if TYPE_CHECKING or __package__:
    from .onnx_file import check_onnx
    from .refused import Refused
    from .rows import FLOAT32_MAX
else:  # the Functions worker puts this folder itself on sys.path
    from onnx_file import check_onnx
    from refused import Refused
    from rows import FLOAT32_MAX

MANIFEST_CAP = 1024 * 1024  # bytes
ARTIFACT_CAP = 256 * 1024 * 1024  # bytes
MAX_TOLERANCE = 1e-2

_VERSION = re.compile(r"(?P<version>[A-Za-z0-9._-]{1,64})(?:@sha256:(?P<digest>[0-9a-f]{64}))?\Z")
_NAME = re.compile(r"[A-Za-z0-9._-]{0,63}[A-Za-z0-9_-]\Z")
_ARTIFACT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,90}\.onnx\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_DTYPES: dict[str, Any] = {"float32": np.float32, "float64": np.float64}
_TENSORS = {"tensor(float)": "float32", "tensor(double)": "float64"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The version that the settings name, and the digest that pins it, or ""."""

    model: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The part of a manifest.json that serving needs; *digest* is the sha256 of its bytes."""

    digest: str
    artifact_name: str
    artifact_sha256: str
    artifact_size: int
    dtype: str
    features: tuple[str, ...]
    classes: tuple[Any, ...]
    golden_inputs: NDArray[np.float64]
    golden_labels: tuple[Any, ...]
    golden_probabilities: NDArray[np.float64]
    tolerance: float


class Model:
    """
    A loaded and proved model, which runs on one thread.

    *classes* gives the order of probabilities; *dtype* is the type of its rows.
    """

    def __init__(self, session: ort.InferenceSession, manifest: Manifest, wanted: Wanted) -> None:
        self.name = wanted.model
        self.version = wanted.version
        self.digest = manifest.digest
        self.features = manifest.features
        self.classes = manifest.classes
        self._run = session.run
        self._input = session.get_inputs()[0].name
        self._outputs = [output.name for output in session.get_outputs()]
        self._label = self._outputs[:1]
        self.dtype = _DTYPES[manifest.dtype]
        self._labels_json = {label: json.dumps(label) for label in manifest.classes}

    def labels(self, rows: NDArray[Any]) -> list[Any]:
        """Return one label for each of *rows*, which must be of `dtype`."""
        labels: list[Any] = self._run(self._label, {self._input: rows})[0].tolist()
        return labels

    def answers(self, rows: NDArray[Any]) -> tuple[list[Any], NDArray[Any]]:
        """Return labels, and probabilities as rows x classes in the order of `classes`."""
        labels, probabilities = self._run(self._outputs, {self._input: rows})
        return labels.tolist(), probabilities

    def labels_json(self, rows: NDArray[Any]) -> str:
        """Return `labels` as a JSON array; every class was encoded when the model was loaded."""
        encoded = self._labels_json
        return f"[{', '.join([encoded[label] for label in self.labels(rows)])}]"


def parse_wanted(model: str, version: str) -> Wanted:
    """Read the settings MODEL_NAME and MODEL_VERSION; raise Refused (NoModel, SettingsInvalid)."""
    if not model or not version:
        raise Refused("NoModel", "MODEL_NAME and MODEL_VERSION do not name a model yet")
    match = _VERSION.match(version)
    if not _NAME.match(model) or not match or not _NAME.match(match["version"]):
        raise Refused("SettingsInvalid", "MODEL_VERSION must be 1.5.0 or 1.5.0@sha256:<64 hex>")
    return Wanted(model, match["version"], match["digest"] or "")


def load(wanted: Wanted, read: Callable[[str, int], bytes]) -> Model:
    """
    Load the model of *wanted*; *read* takes a path and a cap in bytes and returns the blob.

    Raises Refused with the reason. Nothing is loaded before its digest was checked.
    """
    folder = f"{wanted.model}/{wanted.version}"
    raw = read(f"{folder}/manifest.json", MANIFEST_CAP)
    digest = hashlib.sha256(raw).hexdigest()
    if wanted.digest and digest != wanted.digest:
        why = f"the manifest is sha256:{digest}, pinned is sha256:{wanted.digest}"
        raise Refused("DigestMismatch", why)
    manifest = parse_manifest(raw, wanted)
    artifact = read(f"{folder}/{manifest.artifact_name}", manifest.artifact_size)
    if len(artifact) != manifest.artifact_size:
        raise Refused("DigestMismatch", "the artifact's size is not the one in its manifest")
    if hashlib.sha256(artifact).hexdigest() != manifest.artifact_sha256:
        raise Refused("DigestMismatch", "the artifact's sha256 is not the one in its manifest")
    return load_bytes(artifact, manifest, wanted)


def load_bytes(artifact: bytes, manifest: Manifest, wanted: Wanted) -> Model:
    """Load and prove *artifact*; raise Refused (FormatRefused, LoadFailed, GoldenRowsFailed)."""
    session = open_session(artifact)
    _check_signature(session, manifest)
    model = Model(session, manifest, wanted)
    try:
        labels, probabilities = model.answers(manifest.golden_inputs.astype(model.dtype))
    except Exception as error:
        raise Refused("GoldenRowsFailed", f"it cannot answer: {type(error).__name__}") from error
    expected = manifest.golden_probabilities
    if probabilities.shape != expected.shape or tuple(labels) != manifest.golden_labels:
        raise Refused("GoldenRowsFailed", "its labels are not those of the trained model")
    worst = float(np.abs(probabilities - expected).max())
    if not worst <= manifest.tolerance:
        why = f"its probabilities differ by {worst:.1e}, tolerance is {manifest.tolerance:.1e}"
        raise Refused("GoldenRowsFailed", why)
    return model


def open_session(artifact: bytes) -> ort.InferenceSession:
    """
    Load *artifact* for serving; raise Refused (FormatRefused, LoadFailed).

    It runs on one thread: more do not speed up one row, and float32 sums would differ between runs.
    """
    check_onnx(artifact)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return ort.InferenceSession(artifact, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        raise Refused("LoadFailed", f"ONNX Runtime refuses it: {type(error).__name__}") from error


def _check_signature(session: ort.InferenceSession, manifest: Manifest) -> None:
    """Refuse a graph whose input or outputs do not match its manifest."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 2:
        raise Refused("LoadFailed", "it must have one input, and labels and probabilities")
    if _TENSORS.get(inputs[0].type) != manifest.dtype:
        raise Refused("LoadFailed", f"its input is not {manifest.dtype}")
    if len(inputs[0].shape) != 2 or inputs[0].shape[1] not in (None, len(manifest.features)):
        raise Refused("LoadFailed", "its input does not take the features of its manifest")
    if outputs[0].type not in ("tensor(int64)", "tensor(string)"):
        raise Refused("LoadFailed", "its labels are neither whole numbers nor text")
    if outputs[1].type not in _TENSORS:
        raise Refused("LoadFailed", "its probabilities are not numbers")


def parse_manifest(raw: bytes, wanted: Wanted) -> Manifest:
    """Parse the part of a manifest that serving needs; raise Refused("ManifestInvalid")."""
    try:
        if len(raw) > MANIFEST_CAP:
            raise ValueError(f"larger than {MANIFEST_CAP} bytes")
        return _parse(json.loads(raw), hashlib.sha256(raw).hexdigest(), wanted)
    except KeyError as error:
        raise Refused("ManifestInvalid", f"{error.args[0]} is missing from the manifest") from error
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise Refused("ManifestInvalid", f"the manifest: {str(error)[:120]}") from error


def _parse(top: Mapping[str, Any], digest: str, wanted: Wanted) -> Manifest:
    _demand(top["format"] == 1, "its format is not 1")
    _demand((top["model"], top["version"]) == (wanted.model, wanted.version), "it is of another")
    artifact, golden = top["artifact"], top["golden"]
    _demand(artifact["format"] == "onnx", "artifact.format is not onnx")
    _demand(isinstance(artifact["size"], int) and 0 < artifact["size"] <= ARTIFACT_CAP, "its size")
    _demand(bool(_ARTIFACT.match(artifact["name"])), "artifact.name is not an .onnx file name")
    _demand(bool(_SHA256.match(artifact["sha256"])), "artifact.sha256 is not a sha256")
    _demand(top["input"]["dtype"] in _DTYPES, "input.dtype is not float32 or float64")
    features = tuple(str(feature["name"]) for feature in top["input"]["features"])
    classes = tuple(top["classes"])
    inputs = np.array(golden["inputs"], np.float64)
    probabilities = np.array(golden["probabilities"], np.float64)
    labels = tuple(golden["labels"])
    rows = len(labels)
    _demand(rows > 0 and inputs.shape == (rows, len(features)), "golden.inputs do not fit")
    _demand(probabilities.shape == (rows, len(classes)), "golden.probabilities do not fit")
    _demand(bool(np.abs(inputs).max() <= FLOAT32_MAX), "golden.inputs are not finite")
    _demand(bool(np.isfinite(probabilities).all()), "golden.probabilities are not finite")
    _demand(set(labels) <= set(classes), "golden.labels are not all classes")
    tolerance = float(golden["tolerance"])
    _demand(0 < tolerance <= MAX_TOLERANCE, "golden.tolerance is out of range")
    return Manifest(
        digest=digest,
        artifact_name=artifact["name"],
        artifact_sha256=artifact["sha256"],
        artifact_size=artifact["size"],
        dtype=top["input"]["dtype"],
        features=features,
        classes=classes,
        golden_inputs=inputs,
        golden_labels=labels,
        golden_probabilities=probabilities,
        tolerance=tolerance,
    )


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
