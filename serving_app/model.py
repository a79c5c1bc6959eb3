"""
The model of this process: fetched by name and digest, checked, proved, then used.

Every byte may be hostile until its sha256 is the pinned one. The artifact is loaded only
then, and only as ONNX or as a skops file of trusted names. A loaded model serves nothing until it
has answered its own golden rows as the trained model did.

It must not load a format that can run code (a pickle runs its payload even if loading fails), or
import any other package of the project.
"""

import hashlib
import importlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

if TYPE_CHECKING or __package__:
    from .blame import BadRows
    from .columns import Runtime, Shape, Table, count, slice_of
    from .limits import MANIFEST
    from .manifest import Blob, Golden, Manifest, parse_golden, parse_manifest
    from .refused import Refused
    from .rows import Reader
else:  # the Functions worker puts this folder itself on sys.path
    from blame import BadRows
    from columns import Runtime, Shape, Table, count, slice_of
    from limits import MANIFEST
    from manifest import Blob, Golden, Manifest, parse_golden, parse_manifest
    from refused import Refused
    from rows import Reader

NOT_FINITE = "the model has no finite answer for these rows"
_VERSION = re.compile(r"(?P<version>[A-Za-z0-9._-]{1,64})(?:@sha256:(?P<digest>[0-9a-f]{64}))?\Z")
_NAME = re.compile(r"[A-Za-z0-9._-]{0,63}[A-Za-z0-9_-]\Z")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The version that the settings name, and the digest that pins it, or ""."""

    model: str
    version: str
    digest: str


class Model:
    """
    A loaded and proved model, which runs on one thread.

    *reader* makes tables of requests; *manifest* tells what they hold. *quick* says that a few rows
    are answered in less time than a hop to a thread takes.
    """

    def __init__(self, runtime: Runtime, manifest: Manifest, wanted: Wanted) -> None:
        self.name = wanted.model
        self.version = wanted.version
        self.manifest = manifest
        self.digest = manifest.digest
        self.quick = manifest.runtime == "onnx"
        self.shape = manifest.shape
        narrow = manifest.runtime == "onnx" and self.shape.dtype == "float32"
        self.reader = Reader(self.shape, np.float32 if narrow else np.float64)
        self._runtime = runtime
        # 1, True and 1.0 are equal and hash alike, and are written as the class is.
        self._classes = {label: label for label in self.shape.classes}
        self._labels_json = {label: json.dumps(label) for label in self.shape.classes}

    def answers(self, table: Table) -> tuple[list[Any], NDArray[Any] | None]:
        """
        Return labels, and probabilities as rows x classes where the model has any.

        A regressor's labels are numbers, or lists of them. Raises BadRows where the model has no
        answer.
        """
        try:
            labels, probabilities = self._runtime.answers(table)
            if self._classes:
                labels = [self._classes[label] for label in labels]
        except Exception as error:  # a runtime's exceptions have no common base
            raise self._blamed(table, error) from error
        return labels, probabilities

    def labels(self, table: Table) -> list[Any]:
        """Return the labels alone; raise BadRows as `answers` does."""
        try:
            labels = self._runtime.labels(table)
            return [self._classes[label] for label in labels] if self._classes else labels
        except Exception as error:  # a runtime's exceptions have no common base
            raise self._blamed(table, error) from error

    def labels_json(self, table: Table) -> str:
        """Return the labels as a JSON array; every class was encoded when the model was loaded."""
        encoded = self._labels_json
        try:
            labels = self._runtime.labels(table)
            if encoded:
                return f"[{', '.join([encoded[label] for label in labels])}]"
        except Exception as error:  # a runtime's exceptions have no common base
            raise self._blamed(table, error) from error
        return numbers_json(np.asarray(labels, np.float64))

    def _blamed(self, table: Table, error: Exception) -> BadRows:
        """Return what is wrong with *table*, and the first row with which it is."""
        first, after = 0, count(table)
        while after - first > 1:  # the first half that fails holds the first row that fails
            middle = (first + after) // 2
            if found := self._fault(slice_of(table, first, middle)):
                after, error = middle, found
            else:
                first = middle
        if count(table) > 1 and not self._fault(slice_of(table, first, after)):
            return BadRows("the model cannot answer so many rows at once: send fewer")
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return BadRows(f"row {first}: the model has no answer: {why}", first)

    def _fault(self, table: Table) -> Exception | None:
        try:
            self._runtime.labels(table)
        except Exception as error:  # noqa: BLE001 - see above
            return error
        return None


def finite_json(value: object) -> str:
    """Return *value* as JSON; raise BadRows if a number in it is not finite."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        raise BadRows(NOT_FINITE) from None


def numbers_json(array: NDArray[Any]) -> str:
    """Return *array* as JSON, ten times as fast as `finite_json`; raise BadRows as it does."""
    if not np.isfinite(array).all():
        raise BadRows(NOT_FINITE)
    return orjson.dumps(array.tolist()).decode()


def parse_wanted(model: str, version: str) -> Wanted:
    """Read the settings MODEL_NAME and MODEL_VERSION; raise Refused (NoModel, SettingsInvalid)."""
    if not model or not version:
        raise Refused("NoModel", "MODEL_NAME and MODEL_VERSION do not name a model yet")
    match = _VERSION.match(version)
    if not _NAME.match(model) or not match or not _NAME.match(match["version"]):
        raise Refused("SettingsInvalid", "MODEL_VERSION must be 1.5.0 or 1.5.0@sha256:<64 hex>")
    return Wanted(model, match["version"], match["digest"] or "")


def load(wanted: Wanted, read: Callable[[str, int], bytes], build: str = "") -> Model:
    """
    Load the model of *wanted*; *read* takes a path and a cap in bytes and returns the blob.

    *build* names the runtime of this package, or is "" where there is no package. Raises Refused
    with the reason. Nothing is loaded before its digest was checked.
    """
    folder = f"{wanted.model}/{wanted.version}"
    raw = read(f"{folder}/manifest.json", MANIFEST)
    digest = hashlib.sha256(raw).hexdigest()
    if wanted.digest and digest != wanted.digest:
        why = f"the manifest is sha256:{digest}, pinned is sha256:{wanted.digest}"
        raise Refused("DigestMismatch", why)
    manifest = parse_manifest(raw, wanted.model, wanted.version)
    if build not in ("", manifest.runtime):
        why = f"the model needs the build {manifest.runtime} of this package, which is {build}"
        raise Refused("RuntimeMissing", why)
    golden = b""
    if manifest.golden_file:
        golden = _checked(manifest.golden_file, "golden rows", folder, read)
    artifact = _checked(manifest.artifact, "artifact", folder, read)
    return load_bytes(artifact, manifest, wanted, golden)


def _checked(blob: Blob, what: str, folder: str, read: Callable[[str, int], bytes]) -> bytes:
    content = read(f"{folder}/{blob.name}", blob.size)
    if len(content) != blob.size:
        raise Refused("DigestMismatch", f"the size of the {what} is not the one in the manifest")
    if hashlib.sha256(content).hexdigest() != blob.sha256:
        raise Refused("DigestMismatch", f"the sha256 of the {what} is not the one in the manifest")
    return content


def load_bytes(artifact: bytes, manifest: Manifest, wanted: Wanted, golden: bytes = b"") -> Model:
    """
    Load and prove *artifact*; *golden* is the file of golden rows, where they have one.

    Raises Refused (FormatRefused, LoadFailed, RuntimeMissing, ManifestInvalid, GoldenRowsFailed).
    """
    rows = manifest.golden or parse_golden(golden, manifest.shape)
    if manifest.sklearn:  # files and answers of another minor version differ
        _check_minor(manifest.sklearn)
    runtime = open_runtime(manifest.runtime, artifact, manifest.shape)
    model = Model(runtime, manifest, wanted)
    try:
        labels, probabilities = model.answers(model.reader.table(rows.inputs))
    except BadRows as error:
        raise Refused("GoldenRowsFailed", f"it cannot answer: {error.message}") from error
    _compare(labels, probabilities, rows, manifest)
    return model


def open_runtime(name: str, artifact: bytes, shape: Shape) -> Runtime:
    """Load *artifact* with the runtime *name*, whose library only one of the two builds has."""
    try:
        if __package__:
            module = importlib.import_module(f".{name}_runtime", __package__)
        else:  # the Functions worker puts this folder itself on sys.path
            module = importlib.import_module(f"{name}_runtime")
    except ImportError as error:
        why = f"there is no {error.name}: the model needs the build {name}"
        raise Refused("RuntimeMissing", why) from error
    runtime: Runtime = module.open_runtime(artifact, shape)
    return runtime


def _check_minor(minor: str) -> None:
    try:
        found = installed("scikit-learn")
    except PackageNotFoundError:
        return  # opening it says which build has it
    if found.split(".")[:2] != minor.split("."):
        why = f"the model needs scikit-learn {minor}, this package has {found}"
        raise Refused("RuntimeMissing", f"{why}: build one with it (gitslot package)")


def _compare(
    labels: list[Any], probabilities: NDArray[Any] | None, golden: Golden, manifest: Manifest
) -> None:
    """Raise Refused("GoldenRowsFailed") unless these are the answers of the trained model."""
    if manifest.shape.classes:
        if labels != golden.labels:
            raise Refused("GoldenRowsFailed", "its labels are not those of the trained model")
    else:
        expected = np.array(golden.labels, np.float64)
        found = np.array(labels, np.float64)
        if found.shape != expected.shape:
            raise Refused("GoldenRowsFailed", "it does not answer as many numbers as there are")
        off = np.abs(found - expected) / np.maximum(1, np.abs(expected))
        _within(float(off.max()), "numbers", manifest.tolerance)
    if golden.probabilities is None:
        return
    shares = np.array(golden.probabilities, np.float64)
    if probabilities is None or probabilities.shape != shares.shape:
        raise Refused("GoldenRowsFailed", "it does not answer one probability for each class")
    _within(float(np.abs(probabilities - shares).max()), "probabilities", manifest.tolerance)


def _within(worst: float, what: str, tolerance: float) -> None:
    if not worst <= tolerance:  # also if it is NaN
        why = f"its {what} differ by {worst:.1e}, tolerance is {tolerance:.1e}"
        raise Refused("GoldenRowsFailed", why)
