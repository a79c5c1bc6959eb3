"""
Parse the manifest of a registered version: bytes from Blob Storage into a frozen Manifest.

The manifest pins a release: its sha256 is the release's digest, and it holds the sha256 of the
artifact and of the golden rows. The bytes come from outside, so everything is checked once, here:
size, exact keys, types, lengths that must agree, finite numbers. The published form is
docs/use/manifest.schema.json.

Format 1 is read as well: arrays of numbers, answered by ONNX, with the golden rows in the manifest.

It must not use the network.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gitslot.registry import golden as golden_rows
from gitslot.registry import strict
from gitslot.registry.golden import MAX_OUTPUTS, Cell, Column, GoldenFile, GoldenRows, Label
from gitslot.state.code import Needs

FORMAT = 2
CONTRACT = 2  # of the serving app that reads this format
MAX_BYTES = 4 * 1024 * 1024  # of a manifest.json
MAX_ARTIFACT_BYTES = 256 * 1024 * 1024
MAX_COLUMNS = 16_384
MAX_CLASSES = 1024
MAX_CATEGORIES = 10_000  # of a column
MAX_TOLERANCE = 1e-2  # of a probability; above this a golden row proves nothing

_NAME = re.compile(r"[A-Za-z0-9._-]{0,63}[A-Za-z0-9_-]\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z")
_ARTIFACT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,90}\.(onnx|skops)\Z")
_GOLDEN = re.compile(r"golden-[0-9a-f]{16}\.json\Z")
_MINOR = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\Z")
_ROWS = (golden_rows.ROWS[0], golden_rows.ROWS[-1])
_FORMATS = {"onnx": "onnx", "sklearn": "skops"}  # of the artifact, by runtime


@dataclass(frozen=True, slots=True)
class Artifact:
    """The model's file next to the manifest: *size* in bytes and *sha256* of its content."""

    name: str
    sha256: str
    size: int
    format: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """
    What answers: ONNX Runtime with numbers of *dtype*, or scikit-learn.

    *sklearn* is its minor version, 1.9; *frame* says that it gets a DataFrame, because it was
    trained on one.
    """

    name: str
    dtype: str = "float64"
    sklearn: str = ""
    frame: bool = False


@dataclass(frozen=True, slots=True)
class DataFingerprint:
    """The training data: *sha256* over values, labels and names, and its number of *rows*."""

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a version comes from: *commit*, *who* registered it, the training *run*, its *link*."""

    commit: str | None = None
    who: str = ""
    run: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """Measured at registration, in bytes: to *load* the model, and more to *answer* with it."""

    load: int
    answer: int


@dataclass(frozen=True, slots=True)
class Proof:
    """How it was proved at registration: which *form*, on *rows* rows, the *worst* difference."""

    form: str
    rows: int
    worst: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    All facts of one registered version.

    *digest* is the sha256 (64 hex digits) of the manifest's own bytes, and so of the release.
    *contract* is the least serving contract that an app must keep to serve it. *classes* is empty
    for a regressor, which answers *outputs* numbers a row. *golden* is empty until `with_golden`
    has read *golden_file*. *example* is one row. *memory* and *proof* are None in format 1.
    """

    digest: str
    model: str
    version: str
    contract: int
    artifact: Artifact
    runtime: Runtime
    kind: str
    columns: tuple[Column, ...]
    classes: tuple[Label, ...]
    probabilities: bool
    outputs: int
    golden: GoldenRows
    golden_file: GoldenFile | None
    example: tuple[Cell, ...]
    memory: Memory | None
    proof: Proof | None
    metrics: Mapping[str, float]
    estimator: str
    data: DataFingerprint
    libraries: Mapping[str, str]
    source: Source
    created: datetime

    @property
    def needs(self) -> Needs:
        """Return what the code that serves this version must offer."""
        held = self.memory.load + self.memory.answer if self.memory else 0
        return Needs(self.contract, self.runtime.name, self.runtime.sklearn, held)


def is_name(text: str) -> bool:
    """
    Say whether *text* can name a model or a version.

    Letters, digits, ".", "_" and "-", at most 64, and no dot at the end, because URLs drop it
    (https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata).
    """
    return _NAME.match(text) is not None


def is_minor(text: str) -> bool:
    """Say whether *text* is a minor version, as 1.9."""
    return _MINOR.match(text) is not None


def digest_of(raw: bytes) -> str:
    """Return the digest of a release whose manifest.json is *raw*: 64 lower-case hex digits."""
    return hashlib.sha256(raw).hexdigest()


def parse_manifest(raw: bytes) -> Manifest:
    """Parse *raw* strictly; raise ManifestInvalid, which names the place and the problem."""
    top = strict.mapping(strict.load(raw, "manifest", MAX_BYTES), "manifest")
    form = top.pop("format", None)
    if isinstance(form, bool) or form not in (1, FORMAT):
        strict.refuse(
            "format", f"is {strict.shown(form)}, this gitslot reads formats 1 and {FORMAT}"
        )
    return _format_1(top, digest_of(raw)) if form == 1 else _format_2(top, digest_of(raw))


def with_golden(manifest: Manifest, raw: bytes) -> Manifest:
    """Return *manifest* with the golden rows of its file *raw*; raise ManifestInvalid."""
    file = manifest.golden_file
    if file is None:
        return manifest
    if (len(raw), hashlib.sha256(raw).hexdigest()) != (file.size, file.sha256):
        strict.refuse("golden", f"the manifest describes another file than {file.name}")
    shape = (manifest.columns, manifest.classes, manifest.probabilities, manifest.outputs)
    golden = golden_rows.parse_golden(raw, file.tolerance, *shape)
    if len(golden) != file.rows:
        strict.refuse("golden.rows", f"is {file.rows}, the file has {len(golden)}")
    return replace(manifest, golden=golden)


def _format_2(top: dict[str, object], digest: str) -> Manifest:
    strict.exact(top, "manifest", *_COMMON, *_SECOND, optional=("outputs",))
    kind = strict.one_of(top["kind"], "kind", ("classifier", "regressor"))
    runtime = _runtime(top["runtime"])
    columns = _columns(top["columns"])
    classes = _classes(top["classes"]) if kind == "classifier" else ()
    if kind == "regressor":
        strict.items(top["classes"], "classes", 0, 0)
    probabilities = strict.boolean(top["probabilities"], "probabilities")
    if probabilities and not classes:
        strict.refuse("probabilities", "is true, and a regressor has none")
    file = _golden_file(top["golden"])
    return Manifest(
        digest=digest,
        contract=strict.integer(top["contract"], "contract", CONTRACT, CONTRACT),
        artifact=_artifact(top["artifact"], _FORMATS[runtime.name]),
        runtime=runtime,
        kind=kind,
        columns=columns,
        classes=classes,
        probabilities=probabilities,
        outputs=strict.integer(top.get("outputs", 1), "outputs", 1, 1 if classes else MAX_OUTPUTS),
        golden=GoldenRows((), (), () if probabilities else None, file.tolerance),
        golden_file=file,
        example=golden_rows.cells(top["example"], "example", columns),
        memory=_memory(top["memory"]),
        proof=_proof(top["proof"]),
        source=_source(top["source"], "who", "run", "link"),
        **_common(top),
    )


def _format_1(top: dict[str, object], digest: str) -> Manifest:
    strict.exact(top, "manifest", *_COMMON, *_FIRST)
    given = strict.exact(top["input"], "input", "dtype", "features")
    found = strict.items(given["features"], "input.features", 1, MAX_COLUMNS)
    names = [_number_column(item, f"input.features[{i}]") for i, item in enumerate(found)]
    columns = _distinct(names, "input.features")
    classes = _classes(top["classes"])
    rows = strict.exact(top["golden"], "golden", *_GOLDEN_KEYS, "tolerance")
    golden = golden_rows.read_golden(rows, _tolerance(rows), columns, classes, probabilities=True)
    dtype = strict.one_of(given["dtype"], "input.dtype", ("float32", "float64"))
    return Manifest(
        digest=digest,
        contract=1,
        artifact=_artifact(top["artifact"], "onnx"),
        runtime=Runtime("onnx", dtype),
        kind="classifier",
        columns=columns,
        classes=classes,
        probabilities=True,
        outputs=1,
        golden=golden,
        golden_file=None,
        example=golden.inputs[0],
        memory=None,
        proof=None,
        source=_source(top["source"]),
        **_common(top),
    )


_COMMON = (
    *("model", "version", "artifact", "classes", "golden", "metrics"),
    *("estimator", "data", "libraries", "source", "created"),
)
_FIRST = ("input",)
_SECOND = ("contract", "runtime", "kind", "columns", "probabilities", "example", "memory", "proof")
_GOLDEN_KEYS = ("inputs", "labels", "probabilities")


def _common(top: dict[str, object]) -> Any:
    return {
        "model": strict.matching(top["model"], "model", is_name, "a name"),
        "version": strict.matching(top["version"], "version", is_name, "a version"),
        "metrics": strict.named(top["metrics"], "metrics", _metric),
        "estimator": strict.text(top["estimator"], "estimator"),
        "data": _data(top["data"]),
        "libraries": strict.named(top["libraries"], "libraries", strict.text),
        "created": strict.time(top["created"], "created"),
    }


def _runtime(value: object) -> Runtime:
    found = strict.mapping(value, "runtime")
    name = strict.one_of(found.get("name"), "runtime.name", ("onnx", "sklearn"))
    if name == "onnx":
        strict.exact(found, "runtime", "name", "dtype")
        return Runtime(name, strict.one_of(found["dtype"], "runtime.dtype", ("float32", "float64")))
    strict.exact(found, "runtime", "name", "sklearn", "frame")
    minor = strict.matching(found["sklearn"], "runtime.sklearn", is_minor, "like 1.9")
    frame = strict.boolean(found["frame"], "runtime.frame")
    return Runtime(name, sklearn=minor, frame=frame)


def _columns(value: object) -> tuple[Column, ...]:
    found = strict.items(value, "columns", 1, MAX_COLUMNS)
    columns = [_column(item, f"columns[{i}]") for i, item in enumerate(found)]
    return _distinct(columns, "columns")


def _distinct(columns: list[Column], where: str) -> tuple[Column, ...]:
    if len({column.name for column in columns}) != len(columns):
        strict.refuse(where, "two columns have one name")
    return tuple(columns)


def _column(value: object, where: str) -> Column:
    keys = ("name", "type", "dtype", "missing")
    found = strict.exact(value, where, *keys, optional=("categories",))
    listed = strict.items(found.get("categories", []), f"{where}.categories", 0, MAX_CATEGORIES)
    return Column(
        name=strict.text(found["name"], f"{where}.name"),
        type=strict.one_of(found["type"], f"{where}.type", ("number", "text", "bool")),
        dtype=strict.text(found["dtype"], f"{where}.dtype", 40),
        missing=strict.boolean(found["missing"], f"{where}.missing"),
        categories=tuple(
            golden_rows.label(item, f"{where}.categories[{i}]") for i, item in enumerate(listed)
        ),
    )


def _number_column(value: object, where: str) -> Column:
    found = strict.exact(value, where, "name", "type")
    strict.one_of(found["type"], f"{where}.type", ("number",))
    return Column(strict.text(found["name"], f"{where}.name"), "number")


def _classes(value: object) -> tuple[Label, ...]:
    listed = strict.items(value, "classes", 2, MAX_CLASSES)
    labels = tuple(golden_rows.label(item, f"classes[{i}]") for i, item in enumerate(listed))
    if len({type(label) for label in labels}) != 1:
        strict.refuse(
            "classes", "must be all text, all whole numbers, all numbers or all true or false"
        )
    if len(set(labels)) != len(labels):
        strict.refuse("classes", "a class is there twice")
    return labels


def _artifact(value: object, form: str) -> Artifact:
    found = strict.exact(value, "artifact", "name", "sha256", "size", "format")
    name = strict.matching(found["name"], "artifact.name", _ARTIFACT.match, f"an .{form} file name")
    if not name.endswith(f".{form}"):
        strict.refuse(
            "artifact.name", f"is {strict.shown(name)}, which is not an .{form} file name"
        )
    return Artifact(
        name=name,
        sha256=strict.sha256(found["sha256"], "artifact.sha256"),
        size=strict.integer(found["size"], "artifact.size", 1, MAX_ARTIFACT_BYTES),
        format=strict.one_of(found["format"], "artifact.format", (form,)),
    )


def _golden_file(value: object) -> GoldenFile:
    found = strict.exact(value, "golden", "name", "sha256", "size", "rows", "tolerance")
    return GoldenFile(
        name=strict.matching(found["name"], "golden.name", _GOLDEN.match, "golden-<16 hex>.json"),
        sha256=strict.sha256(found["sha256"], "golden.sha256"),
        size=strict.integer(found["size"], "golden.size", 1, golden_rows.MAX_BYTES),
        rows=strict.integer(found["rows"], "golden.rows", *_ROWS),
        tolerance=_tolerance(found),
    )


def _tolerance(golden: dict[str, object]) -> float:
    return strict.number(golden["tolerance"], "golden.tolerance", 1e-12, MAX_TOLERANCE)


def _memory(value: object) -> Memory:
    found = strict.exact(value, "memory", "load", "answer")
    load = strict.integer(found["load"], "memory.load", 0, 1 << 40)
    return Memory(load, strict.integer(found["answer"], "memory.answer", 0, 1 << 40))


def _proof(value: object) -> Proof:
    found = strict.exact(value, "proof", "form", "rows", "worst")
    return Proof(
        strict.text(found["form"], "proof.form"),
        strict.integer(found["rows"], "proof.rows", 1, 1 << 53),
        strict.number(found["worst"], "proof.worst", 0, 1),
    )


def _metric(value: object, where: str) -> float:
    return strict.number(value, where, -1e300, 1e300)


def _data(value: object) -> DataFingerprint:
    found = strict.exact(value, "data", "name", "rows", "sha256")
    return DataFingerprint(
        name=strict.text(found["name"], "data.name"),
        rows=strict.integer(found["rows"], "data.rows", 1, 1 << 53),
        sha256=strict.sha256(found["sha256"], "data.sha256"),
    )


def _source(value: object, *more: str) -> Source:
    """Return where a version comes from: *more* are its keys that may be empty text."""
    found = strict.exact(value, "source", "commit", *more)
    commit = found["commit"]
    if commit is not None:
        commit = strict.matching(commit, "source.commit", _COMMIT.match, "a full commit id")
    texts = {
        key: strict.text(found[key], f"source.{key}", 1000) if found[key] != "" else ""
        for key in more
    }
    return Source(commit, **texts)
