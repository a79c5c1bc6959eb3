"""
Parse a manifest.json and a file of golden rows, as far as serving needs them.

Both formats are read. Format 1 is arrays of numbers answered by ONNX, with the golden rows in the
manifest; format 2 has typed columns, both runtimes, and the golden rows in a file of their own.
Registration checks every key (gitslot/registry); this module checks what it uses.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from .columns import TYPES, Column, Label, Shape
    from .limits import ARTIFACT, COLUMNS, GOLDEN, MANIFEST, OUTPUTS, TOLERANCE
    from .refused import Refused
else:  # the Functions worker puts this folder itself on sys.path
    from columns import TYPES, Column, Label, Shape
    from limits import ARTIFACT, COLUMNS, GOLDEN, MANIFEST, OUTPUTS, TOLERANCE
    from refused import Refused

CONTRACT = 2  # of this app: typed and named columns, both runtimes
_FILES = {"onnx": "onnx", "sklearn": "skops"}
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,90}\.(onnx|skops|json)\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_DTYPES = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class Blob:
    """A file beside the manifest: *name*, *sha256* of its content, *size* in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Golden:
    """Rows with the answers of the trained model; *probabilities* is None where it has none."""

    inputs: list[Any]
    labels: list[Label]
    probabilities: list[list[float]] | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    The part of a manifest.json that serving needs; *digest* is the sha256 of its bytes.

    *runtime* is "onnx" or "sklearn", then *sklearn* is the minor version that it needs. *golden* is
    None where the golden rows are in *golden_file*. *example* is one row.
    """

    digest: str
    artifact: Blob
    runtime: str
    sklearn: str
    shape: Shape
    tolerance: float
    golden: Golden | None
    golden_file: Blob | None
    example: list[Any]


def parse_manifest(raw: bytes, model: str, version: str) -> Manifest:
    """Parse the manifest of *version* of *model*; raise Refused("ManifestInvalid")."""
    with _Parsing("the manifest", raw, MANIFEST) as top:
        _demand((top["model"], top["version"]) == (model, version), "it is of another")
        digest = hashlib.sha256(raw).hexdigest()
        _demand(not isinstance(top["format"], bool) and top["format"] in (1, 2), "its format")
        return _format_1(top, digest) if top["format"] == 1 else _format_2(top, digest)


def parse_golden(raw: bytes, shape: Shape) -> Golden:
    """Parse the file of golden rows; raise Refused("ManifestInvalid")."""
    with _Parsing("the file of golden rows", raw, GOLDEN) as top:
        return _golden(top, shape)


class _Parsing:
    """Reads JSON, and refuses in words whatever goes wrong with it."""

    def __init__(self, what: str, raw: bytes, cap: int) -> None:
        self._what, self._raw, self._cap = what, raw, cap

    def __enter__(self) -> Mapping[str, Any]:
        try:
            _demand(len(self._raw) <= self._cap, f"it is larger than {self._cap} bytes")
            top = json.loads(self._raw, parse_constant=_no_constant)
            _demand(isinstance(top, dict), "it is no object")
        except (ValueError, RecursionError) as error:
            raise self._refused(error) from error
        found: Mapping[str, Any] = top
        return found

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyError):
            why = f"{error.args[0]} is missing from {self._what}"
            raise Refused("ManifestInvalid", why) from error
        if isinstance(error, (ValueError, TypeError, AttributeError, OverflowError)):
            raise self._refused(error) from error

    def _refused(self, error: BaseException) -> Refused:
        return Refused("ManifestInvalid", f"{self._what}: {str(error)[:120]}")


def _format_1(top: Mapping[str, Any], digest: str) -> Manifest:
    given = top["input"]
    columns = tuple(Column(str(feature["name"])) for feature in given["features"])
    shape = _shape("classifier", columns, top["classes"], True, str(given["dtype"]), False)
    golden = _golden(top["golden"], shape)
    return Manifest(
        digest=digest,
        artifact=_blob(top["artifact"], "onnx", ARTIFACT),
        runtime="onnx",
        sklearn="",
        shape=shape,
        tolerance=_tolerance(top["golden"]),
        golden=golden,
        golden_file=None,
        example=golden.inputs[0],
    )


def _format_2(top: Mapping[str, Any], digest: str) -> Manifest:
    _demand(top["contract"] == CONTRACT, "its contract")
    runtime, example = top["runtime"], top["example"]
    _demand(runtime["name"] in _FILES, "runtime.name")
    columns = tuple(_column(found) for found in top["columns"])
    shape = _shape(
        top["kind"],
        columns,
        top["classes"],
        top["probabilities"],
        runtime["dtype"] if runtime["name"] == "onnx" else "float64",
        runtime["name"] == "sklearn" and runtime["frame"],
        top.get("outputs", 1),
    )
    _demand(isinstance(example, list) and len(example) == len(columns), "example")
    return Manifest(
        digest=digest,
        artifact=_blob(top["artifact"], _FILES[runtime["name"]], ARTIFACT),
        runtime=runtime["name"],
        sklearn=str(runtime["sklearn"]) if runtime["name"] == "sklearn" else "",
        shape=shape,
        tolerance=_tolerance(top["golden"]),
        golden=None,
        golden_file=_blob(top["golden"], "json", GOLDEN),
        example=example,
    )


def _shape(
    kind: str,
    columns: tuple[Column, ...],
    classes: Any,
    probabilities: object,
    dtype: str,
    frame: object,
    outputs: Any = 1,
) -> Shape:
    _demand(0 < len(columns) <= COLUMNS, "columns")
    _demand(len({column.name for column in columns}) == len(columns), "two columns have one name")
    _demand(kind in ("classifier", "regressor"), "kind")
    _demand(isinstance(classes, list) and bool(classes) == (kind == "classifier"), "classes")
    for label in classes:
        _demand(isinstance(label, (str, int, float)), "classes")
    _demand(len(set(classes)) == len(classes), "a class is there twice")
    _demand(isinstance(probabilities, bool) and isinstance(frame, bool), "probabilities")
    _demand(bool(classes) or not probabilities, "probabilities")
    _demand(type(outputs) is int and 1 <= outputs <= (1 if classes else OUTPUTS), "outputs")
    _demand(dtype in _DTYPES, "the dtype is not float32 or float64")
    return Shape(kind, columns, tuple(classes), bool(probabilities), dtype, bool(frame), outputs)


def _column(found: Mapping[str, Any]) -> Column:
    _demand(found["type"] in TYPES, "the type of a column")
    _demand(isinstance(found["missing"], bool), "missing of a column")
    categories = found.get("categories", [])
    _demand(isinstance(categories, list), "categories of a column")
    for label in categories:
        _demand(isinstance(label, (str, int, float)), "categories of a column")
    return Column(
        name=str(found["name"]),
        type=found["type"],
        dtype=str(found["dtype"]),
        missing=found["missing"],
        categories=tuple(categories),
    )


def _blob(found: Mapping[str, Any], form: str, cap: int) -> Blob:
    name, sha256, size = found["name"], found["sha256"], found["size"]
    _demand(bool(_NAME.match(name)) and name.endswith(f".{form}"), f"{form}: the file name")
    _demand(found.get("format", form) == form, f"{form}: artifact.format")
    _demand(bool(_SHA256.match(sha256)), f"{form}: the sha256")
    _demand(type(size) is int and 0 < size <= cap, f"{form}: the size")
    return Blob(name, sha256, size)


def _golden(found: Mapping[str, Any], shape: Shape) -> Golden:
    inputs, labels, probabilities = found["inputs"], found["labels"], found["probabilities"]
    _demand(isinstance(inputs, list) and isinstance(labels, list), "golden rows")
    _demand(0 < len(inputs) == len(labels), "golden labels do not fit the rows")
    if shape.classes:
        _demand(set(labels) <= set(shape.classes), "golden labels are not all classes")
    else:
        for label in labels:
            numbers = label if shape.outputs > 1 else [label]
            _demand(isinstance(numbers, list) and len(numbers) == shape.outputs, "golden labels")
            _demand(all(type(each) in (int, float) for each in numbers), "golden labels: numbers")
    if shape.probabilities:
        _demand(len(probabilities) == len(labels), "golden probabilities do not fit the rows")
        for row in probabilities:
            _demand(len(row) == len(shape.classes), "golden probabilities do not fit the classes")
            _demand(all(type(cell) in (int, float) for cell in row), "golden probabilities")
    return Golden(inputs, labels, probabilities if shape.probabilities else None)


def _tolerance(golden: Mapping[str, Any]) -> float:
    tolerance = float(golden["tolerance"])
    _demand(0 < tolerance <= TOLERANCE, "golden.tolerance is out of range")
    return tolerance


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _no_constant(text: str) -> float:
    raise ValueError(f"it holds {text}")
