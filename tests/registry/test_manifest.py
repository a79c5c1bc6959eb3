"""The manifest: three readers of one text, and a strict one among them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gitslot.errors import ManifestInvalid
from gitslot.registry.golden import parse_golden
from gitslot.registry.manifest import (
    MAX_BYTES,
    Runtime,
    digest_of,
    is_name,
    parse_manifest,
    with_golden,
)
from gitslot.registry.package_manifest import parse_package
from reliability.registered import version_blobs
from serving_app import manifest as serving
from serving_app.refused import Refused
from tests.platform import ROOT
from tests.training.versions import built, described

SCHEMA = json.loads((ROOT / "docs/use/manifest.schema.json").read_text(encoding="utf-8"))
GOOD = built()
WANTED = ("iris", "1.5.0")

# (where, what is put there, what the refusal names)
Broken = tuple[tuple[str | int, ...], Any, str]
EITHER: list[Broken] = [
    (("format",), 3, "format"),
    (("format",), True, "format"),
    (("model",), "../etc", "model"),
    (("model",), "", "model"),
    (("version",), 1.5, "version"),
    (("version",), "1.5.", "version"),
    (("version",), "v" * 65, "version"),
    (("artifact", "name"), "../../model.onnx", "artifact.name"),
    (("artifact", "name"), "model.pkl", "artifact.name"),
    (("artifact", "sha256"), "A" * 64, "artifact.sha256"),
    (("artifact", "size"), 0, "artifact.size"),
    (("artifact", "size"), True, "artifact.size"),
    (("artifact", "size"), 10**12, "artifact.size"),
    (("artifact", "format"), "pickle", "artifact.format"),
    (("artifact", "more"), 1, "artifact"),
    (("classes",), ["one"], "classes"),
    (("classes", 0), 1, "classes"),
    (("classes", 0), None, "classes[0]"),
    (("classes", 0), "virginica", "classes"),
    (("golden", "tolerance"), 0, "golden.tolerance"),
    (("golden", "tolerance"), 0.5, "golden.tolerance"),
    (("metrics",), {}, "metrics"),
    (("metrics", "accuracy"), None, "metrics"),
    (("data", "rows"), -1, "data.rows"),
    (("libraries",), [], "libraries"),
    (("source", "commit"), "main", "source.commit"),
    (("created",), "yesterday", "created"),
    (("unknown",), 1, "manifest"),
]
SECOND: list[Broken] = [
    (("contract",), 3, "contract"),
    (("artifact", "name"), "model.skops", "artifact.name"),
    (("runtime", "dtype"), "float16", "runtime.dtype"),
    (("runtime", "frame"), True, "runtime"),
    (("runtime",), {"name": "pickle"}, "runtime.name"),
    (("runtime",), {"name": "sklearn", "sklearn": "1", "frame": False}, "runtime.sklearn"),
    (("kind",), "cluster", "kind"),
    (("kind",), "regressor", "classes"),
    (("columns",), [], "columns"),
    (("columns", 1, "type"), "date", "columns[1].type"),
    (("columns", 1, "name"), "a\nb", "columns[1].name"),
    (("columns", 1, "name"), "petal length (cm)", "columns"),
    (("columns", 1, "missing"), 0, "columns[1].missing"),
    (("columns", 1, "categories"), [None], "columns[1].categories[0]"),
    (("columns", 1, "more"), 1, "columns[1]"),
    (("probabilities",), 1, "probabilities"),
    (("golden", "name"), "golden.json", "golden.name"),
    (("golden", "size"), 10**9, "golden.size"),
    (("golden", "rows"), 3, "golden.rows"),
    (("golden", "inputs"), [], "golden"),
    (("example",), [1, 2, 3], "example"),
    (("example", 1), None, "example[1]"),
    (("example", 1), "5.1", "example[1]"),
    (("memory", "load"), -1, "memory.load"),
    (("proof", "worst"), -1, "proof.worst"),
    (("source", "who"), None, "source.who"),
]
FIRST: list[Broken] = [
    (("input", "dtype"), "float16", "input.dtype"),
    (("input", "features"), [], "input.features"),
    (("input", "features", 0), {"name": "a", "type": "text"}, "input.features[0].type"),
    (("golden", "inputs"), [], "golden.inputs"),
    (("golden", "inputs", 3), [1, 2, 3], "golden.inputs[3]"),
    (("golden", "inputs", 3, 0), 10**400, "golden.inputs[3][0]"),
    (("golden", "labels", 0), "tulip", "golden.labels[0]"),
    (("golden", "probabilities", 0), [1.0], "golden.probabilities[0]"),
]
FILE: list[Broken] = [
    (("inputs",), [], "golden.inputs"),
    (("inputs", 3), [1, 2, 3], "golden.inputs[3]"),
    (("inputs", 3, 1), "5.1", "golden.inputs[3][1]"),
    (("inputs", 3, 1), 1e39, "golden.inputs[3][1]"),
    (("inputs", 3, 1), True, "golden.inputs[3][1]"),
    (("inputs", 3, 1), None, "golden.inputs[3][1]"),
    (("labels", 0), "tulip", "golden.labels[0]"),
    (("labels",), ["setosa"], "golden.labels"),
    (("probabilities", 0, 0), 1.5, "golden.probabilities[0][0]"),
    (("probabilities",), None, "golden.probabilities"),
    (("more",), 1, "golden"),
]
BROKEN = [*EITHER, *SECOND]
OLD = next(raw for name, raw in version_blobs("1.5.0").items() if name.endswith("manifest.json"))


@pytest.mark.parametrize("data", ["iris", "digits"])
def test_three_readers_agree(data: str) -> None:
    """What training writes, the schema allows, the controller reads, and the serving app reads."""
    version = built(data=data)
    Draft202012Validator(SCHEMA).validate(json.loads(version.raw))
    read = parse_manifest(version.raw)
    served = serving.parse_manifest(version.raw, data, "1.5.0")
    assert read.digest == served.digest == digest_of(version.raw)
    assert (read.artifact.sha256, read.classes) == (served.artifact.sha256, served.shape.classes)
    assert [column.name for column in read.columns] == [c.name for c in served.shape.columns]
    assert (list(read.example), read.kind) == (served.example, served.shape.kind)
    rows, asked = (
        with_golden(read, version.golden).golden,
        serving.parse_golden(version.golden, served.shape),
    )
    assert list(rows.labels) == asked.labels
    assert [list(row) for row in rows.inputs] == asked.inputs
    assert rows.tolerance == served.tolerance


def test_format_1_is_read_as_what_it_was() -> None:
    """A version that was registered before is arrays of numbers, answered by ONNX."""
    read = parse_manifest(OLD)
    assert (read.contract, read.runtime, read.kind) == (1, Runtime("onnx", "float32"), "classifier")
    assert [(column.type, column.missing) for column in read.columns] == [("number", False)]
    assert (read.golden_file, with_golden(read, b"")) == (None, read)
    assert len(read.golden) == 32


def test_schema_is_itself_valid() -> None:
    """The published schema is a JSON schema."""
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(("path", "value", "where"), BROKEN)
def test_a_wrong_value_is_refused_by_name(
    path: tuple[str | int, ...], value: object, where: str
) -> None:
    """Whatever is wrong, the refusal says where; nothing wrong is read."""
    refused = _refused(lambda: parse_manifest(described(GOOD.raw, *path, value=value)))
    assert refused.startswith((f"{where}:", f"{where}."))


@pytest.mark.parametrize(("path", "value", "where"), [*EITHER, *FIRST])
def test_a_wrong_value_of_format_1_is_refused_by_name(
    path: tuple[str | int, ...], value: object, where: str
) -> None:
    """The first format is read as strictly."""
    refused = _refused(lambda: parse_manifest(described(OLD, *path, value=value)))
    assert refused.startswith((f"{where}:", f"{where}."))


@pytest.mark.parametrize(("path", "value", "where"), FILE)
def test_a_wrong_golden_row_is_refused_by_name(
    path: tuple[str | int, ...], value: object, where: str
) -> None:
    """So is what is wrong in the file of golden rows."""
    read = GOOD.manifest
    raw = described(GOOD.golden, *path, value=value)
    refused = _refused(
        lambda: parse_golden(raw, 1e-6, read.columns, read.classes, probabilities=True)
    )
    assert refused.startswith((f"{where}:", f"{where}."))


def test_another_file_of_golden_rows_is_refused() -> None:
    """The manifest pins the file: its bytes, and so its answers."""
    other = described(GOOD.golden, "labels", 0, value="setosa")
    assert "another file" in _refused(lambda: with_golden(parse_manifest(GOOD.raw), other))


def _refused(read: Callable[[], object]) -> str:
    with pytest.raises(ManifestInvalid) as refused:
        read()
    return refused.value.message


@pytest.mark.parametrize("key", sorted(json.loads(GOOD.raw)))
def test_a_missing_key_is_refused_by_name(key: str) -> None:
    """Every key is needed, and the refusal says which one is missing."""
    top = json.loads(GOOD.raw)
    del top[key]
    with pytest.raises(ManifestInvalid, match=key):
        parse_manifest(json.dumps(top).encode())


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"null", b"[]", b"{", b"\xff\xfe", b"\xef\xbb\xbf{}"),
        *(b"[" * 100_000, b'{"a":' * 50_000),
        b'{"format": 1, "format": 1}',
        b'{"format": NaN}',
        b'{"format": ' + b"9" * 5000 + b"}",
        b" " * (MAX_BYTES + 1),
        GOOD.raw[:-40],
        b"\x80\x04\x95pickle",
    ],
    ids=lambda raw: ascii(raw[:12]),
)
def test_hostile_bytes_are_refused(raw: bytes) -> None:
    """Bytes that are no manifest are refused by the controller and by the serving app alike."""
    with pytest.raises(ManifestInvalid):
        parse_manifest(raw)
    with pytest.raises(ManifestInvalid):
        parse_package(raw)
    with pytest.raises(Refused) as refused:
        serving.parse_manifest(raw, *WANTED)
    assert refused.value.reason == "ManifestInvalid"


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    """Any bytes at all end in a manifest or in the one refusal."""
    with pytest.raises(ManifestInvalid):
        parse_manifest(raw)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_paths = st.sampled_from([path for path, _, _ in BROKEN])


@given(_paths, _values)
def test_both_readers_refuse_or_read_any_value(path: tuple[str | int, ...], value: object) -> None:
    """No value in any place makes a reader fail in another way than by its refusal."""
    raw = described(GOOD.raw, *path, value=value)
    _only(ManifestInvalid, lambda: parse_manifest(raw))
    _only(Refused, lambda: serving.parse_manifest(raw, *WANTED))


def _only(refusal: type[Exception], read: Callable[[], object]) -> None:
    try:
        read()
    except refusal:
        return


@given(st.text(max_size=70))
def test_a_name_is_one_segment_of_a_url(text: str) -> None:
    """Whatever passes as a name stands in a URL as it is, and is never a relative path."""
    if is_name(text):
        assert text.isascii()
        assert 1 <= len(text) <= 64
        assert not {"/", "\\", "?", "#", "%", " ", "\n"} & set(text)
        assert not text.endswith(".")
