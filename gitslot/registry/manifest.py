"""
Parse the manifest of a registered version: bytes from Blob Storage into a frozen Manifest.

The manifest pins a release: its sha256 is the release's digest, and it holds the artifact's own,
the golden rows and their tolerance. The bytes come from outside, so everything is checked once,
here: size, exact keys, types, lengths that must agree, finite numbers. This module also has the
much smaller manifest of a serving package. The published form is docs/use/manifest.schema.json.

It must not use the network, or import anything but the standard library and errors.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import NoReturn, TypeAlias, TypeVar, cast

from gitslot.errors import ManifestInvalid

FORMAT = 1
MAX_BYTES = 1024 * 1024  # of a manifest.json
MAX_ARTIFACT_BYTES = 256 * 1024 * 1024
MAX_FEATURES = 4096
MAX_CLASSES = 1024
GOLDEN_ROWS = range(32, 65)  # how many a manifest holds
MAX_TOLERANCE = 1e-2  # of a probability; above this a golden row proves nothing
FLOAT32_MAX = 3.4028234663852886e38

_NAME = re.compile(r"[A-Za-z0-9._-]{0,63}[A-Za-z0-9_-]\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z")
_ARTIFACT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,90}\.onnx\Z")

Label: TypeAlias = str | int
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Artifact:
    """The model's file next to the manifest: *size* in bytes and *sha256* of its content."""

    name: str
    sha256: str
    size: int
    format: str


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the input; the only type so far is "number"."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class GoldenRows:
    """
    Inputs with the answers of the trained scikit-learn model.

    *inputs* is rows x features, *labels* one per row, *probabilities* rows x classes in the order
    of the manifest's classes. *tolerance* is the largest accepted difference of a probability.
    """

    inputs: tuple[tuple[float, ...], ...]
    labels: tuple[Label, ...]
    probabilities: tuple[tuple[float, ...], ...]
    tolerance: float

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, slots=True)
class DataFingerprint:
    """The training data: *sha256* over values, labels and names, and its number of *rows*."""

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    All facts of one registered version.

    *digest* is the sha256 (64 hex digits) of the manifest's own bytes, and so of the release.
    *input_dtype* is the type of the ONNX graph's input, "float32" or "float64"; *commit* is the
    source commit, or None if training ran outside Git.
    """

    digest: str
    model: str
    version: str
    artifact: Artifact
    input_dtype: str
    features: tuple[Feature, ...]
    classes: tuple[Label, ...]
    golden: GoldenRows
    metrics: Mapping[str, float]
    estimator: str
    data: DataFingerprint
    libraries: Mapping[str, str]
    commit: str | None
    created: datetime


@dataclass(frozen=True, slots=True)
class Package:
    """
    A serving package: *sha256* and *size* in bytes of its zip, *build* id of its source.

    *url* is the value of WEBSITE_RUN_FROM_PACKAGE, or empty outside a registry.
    """

    version: str
    sha256: str
    size: int
    package: str
    build: str
    python: str
    url: str = ""


def is_name(text: str) -> bool:
    """
    Say whether *text* can name a model or a version.

    Letters, digits, ".", "_" and "-", at most 64, and no dot at the end, because URLs drop it
    (https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata).
    """
    return _NAME.match(text) is not None


def digest_of(raw: bytes) -> str:
    """Return the digest of a release whose manifest.json is *raw*: 64 lower-case hex digits."""
    return hashlib.sha256(raw).hexdigest()


def parse_manifest(raw: bytes) -> Manifest:
    """Parse *raw* strictly; raise ManifestInvalid, which names the place and the problem."""
    top = _mapping(_load(raw), "manifest")
    if (form := top.pop("format", None)) != FORMAT or isinstance(form, bool):
        _refuse("format", f"is {_shown(form)}, this gitslot reads format {FORMAT}")
    _object(top, "manifest", *_MANIFEST_KEYS)
    columns = _object(top["input"], "input", "dtype", "features")
    features = tuple(
        _feature(item, f"input.features[{i}]")
        for i, item in enumerate(_list(columns["features"], "input.features", 1, MAX_FEATURES))
    )
    if len({feature.name for feature in features}) != len(features):
        _refuse("input.features", "two features have one name")
    classes = _classes(top["classes"])
    return Manifest(
        digest=digest_of(raw),
        model=_matching(top["model"], "model", is_name, "a name"),
        version=_matching(top["version"], "version", is_name, "a version"),
        artifact=_artifact(top["artifact"]),
        input_dtype=_one_of(columns["dtype"], "input.dtype", ("float32", "float64")),
        features=features,
        classes=classes,
        golden=_golden(top["golden"], width=len(features), classes=classes),
        metrics=_named(top["metrics"], "metrics", _metric),
        estimator=_text(top["estimator"], "estimator"),
        data=_data(top["data"]),
        libraries=_named(top["libraries"], "libraries", _text),
        commit=_commit(top["source"]),
        created=_time(top["created"], "created"),
    )


def parse_package(raw: bytes) -> Package:
    """Parse the manifest of a serving package; raise ManifestInvalid as `parse_manifest` does."""
    top = _object(_load(raw), "manifest", "version", "sha256", "size", "package", "build", "python")
    return Package(
        version=_matching(top["version"], "version", is_name, "a version"),
        sha256=_sha256(top["sha256"], "sha256"),
        size=_integer(top["size"], "size", 1, 1 << 31),
        package=_matching(top["package"], "package", is_name, "a name"),
        build=_matching(top["build"], "build", is_name, "a build id"),
        python=_text(top["python"], "python"),
    )


_MANIFEST_KEYS = (
    *("model", "version", "artifact", "input", "classes", "golden", "metrics"),
    *("estimator", "data", "libraries", "source", "created"),
)


def _load(raw: bytes) -> object:
    if len(raw) > MAX_BYTES:
        _refuse("manifest", f"is {len(raw)} bytes, at most {MAX_BYTES} are read")
    try:
        return json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise ManifestInvalid("manifest: not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid("manifest: not JSON") from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        _refuse("manifest", "a key is there twice")
    return result


def _no_constant(text: str) -> NoReturn:
    _refuse("manifest", f"holds {text}, which is not a number")


def _refuse(where: str, why: str) -> NoReturn:
    raise ManifestInvalid(f"{where}: {why}")


def _shown(value: object) -> str:
    """Quote a value from outside: escaped, and short."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _mapping(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        _refuse(where, "must be an object")
    return cast("dict[str, object]", value)


def _object(value: object, where: str, *keys: str) -> dict[str, object]:
    """Return *value*, an object with exactly these *keys*."""
    found = _mapping(value, where)
    for missing in sorted(set(keys) - set(found)):
        _refuse(where, f"{missing} is missing")
    for unknown in sorted(set(found) - set(keys)):
        _refuse(where, f"{_shown(unknown)} is not a key")
    return found


def _list(value: object, where: str, least: int, most: int) -> list[object]:
    if not isinstance(value, list):
        _refuse(where, "must be a list")
    if not least <= len(value) <= most:
        _refuse(where, f"has {len(value)} items, must have {least} to {most}")
    return cast("list[object]", value)


def _text(value: object, where: str, most: int = 200) -> str:
    if not isinstance(value, str):
        _refuse(where, f"is {_shown(value)}, must be text")
    if not 1 <= len(value) <= most or not value.isprintable():
        _refuse(where, f"must be 1 to {most} printable characters")
    return value


def _matching(value: object, where: str, fits: Callable[[str], object], what: str) -> str:
    text = _text(value, where)
    if not fits(text):
        _refuse(where, f"is {_shown(text)}, which is not {what}")
    return text


def _sha256(value: object, where: str) -> str:
    return _matching(value, where, _SHA256.match, "a sha256 in lower-case hex")


def _one_of(value: object, where: str, choices: Sequence[str]) -> str:
    return _matching(value, where, choices.__contains__, " or ".join(choices))


def _integer(value: object, where: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        _refuse(where, f"is {_shown(value)}, must be a whole number")
    if not least <= value <= most:
        _refuse(where, f"is {_shown(value)}, must be {least} to {most}")
    return value


def _number(value: object, where: str, least: float, most: float) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        _refuse(where, f"is {_shown(value)}, must be a number")
    if not least <= value <= most:  # also false for NaN and infinity
        _refuse(where, f"is {_shown(value)}, must be {least:g} to {most:g}")
    return float(value)


def _time(value: object, where: str) -> datetime:
    text = _text(value, where, 32)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ManifestInvalid(f"{where}: is {_shown(text)}, must be an ISO 8601 time") from error
    if time.utcoffset() is None:
        _refuse(where, "has no time zone")
    return time


def _feature(value: object, where: str) -> Feature:
    found = _object(value, where, "name", "type")
    name = _text(found["name"], f"{where}.name")
    return Feature(name, _one_of(found["type"], f"{where}.type", ("number",)))


def _classes(value: object) -> tuple[Label, ...]:
    items = _list(value, "classes", 2, MAX_CLASSES)
    labels = tuple(_label(item, f"classes[{i}]") for i, item in enumerate(items))
    if len({type(label) for label in labels}) != 1:
        _refuse("classes", "must be all text or all whole numbers")
    if len(set(labels)) != len(labels):
        _refuse("classes", "a class is there twice")
    return labels


def _label(value: object, where: str) -> Label:
    if isinstance(value, str):
        return _text(value, where)
    return _integer(value, where, -(1 << 63), (1 << 63) - 1)


def _artifact(value: object) -> Artifact:
    found = _object(value, "artifact", "name", "sha256", "size", "format")
    return Artifact(
        name=_matching(found["name"], "artifact.name", _ARTIFACT.match, "an .onnx file name"),
        sha256=_sha256(found["sha256"], "artifact.sha256"),
        size=_integer(found["size"], "artifact.size", 1, MAX_ARTIFACT_BYTES),
        format=_one_of(found["format"], "artifact.format", ("onnx",)),
    )


def _golden(value: object, *, width: int, classes: tuple[Label, ...]) -> GoldenRows:
    found = _object(value, "golden", "inputs", "labels", "probabilities", "tolerance")
    few, many = GOLDEN_ROWS[0], GOLDEN_ROWS[-1]
    inputs = _matrix(found["inputs"], "golden.inputs", (few, many), width, FLOAT32_MAX)
    rows = len(inputs)
    labels = tuple(
        _label(item, f"golden.labels[{i}]")
        for i, item in enumerate(_list(found["labels"], "golden.labels", rows, rows))
    )
    for i, label in enumerate(labels):
        if label not in classes:
            _refuse(f"golden.labels[{i}]", f"is {_shown(label)}, which is not a class")
    return GoldenRows(
        inputs=inputs,
        labels=labels,
        probabilities=_matrix(
            found["probabilities"], "golden.probabilities", (rows, rows), len(classes), 1.0
        ),
        tolerance=_number(found["tolerance"], "golden.tolerance", 1e-12, MAX_TOLERANCE),
    )


def _matrix(
    value: object, where: str, rows: tuple[int, int], width: int, most: float
) -> tuple[tuple[float, ...], ...]:
    least = 0.0 if most == 1.0 else -most
    return tuple(
        tuple(
            _number(item, f"{where}[{i}][{j}]", least, most)
            for j, item in enumerate(_list(row, f"{where}[{i}]", width, width))
        )
        for i, row in enumerate(_list(value, where, *rows))
    )


def _named(value: object, where: str, read: Callable[[object, str], T]) -> Mapping[str, T]:
    """Return an object of up to 64 names of any kind, each value as *read* returns it."""
    found = _mapping(value, where)
    _list(list(found), where, 1, 64)
    pairs = {_text(name, where): read(v, f"{where}.{_shown(name)}") for name, v in found.items()}
    return MappingProxyType(pairs)


def _metric(value: object, where: str) -> float:
    return _number(value, where, -1e300, 1e300)


def _data(value: object) -> DataFingerprint:
    found = _object(value, "data", "name", "rows", "sha256")
    return DataFingerprint(
        name=_text(found["name"], "data.name"),
        rows=_integer(found["rows"], "data.rows", 1, 1 << 53),
        sha256=_sha256(found["sha256"], "data.sha256"),
    )


def _commit(value: object) -> str | None:
    commit = _object(value, "source", "commit")["commit"]
    if commit is None:
        return None
    return _matching(commit, "source.commit", _COMMIT.match, "a full commit id")
