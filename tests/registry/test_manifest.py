"""The manifest: three readers of one text, and a strict one among them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gitslot.errors import ManifestInvalid
from gitslot.registry.manifest import MAX_BYTES, digest_of, is_name, parse_manifest, parse_package
from serving_app import manifest as serving
from serving_app.refused import Refused
from tests.platform import ROOT
from tests.training.versions import built, described

SCHEMA = json.loads((ROOT / "docs/use/manifest.schema.json").read_text(encoding="utf-8"))
GOOD = built()
WANTED = ("iris", "1.5.0")

# (where, what is put there, what the refusal names)
BROKEN: list[tuple[tuple[str | int, ...], Any, str]] = [
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
    (("input", "dtype"), "float16", "input.dtype"),
    (("input", "features"), [], "input.features"),
    (("input", "features", 1), {"name": "a", "type": "text"}, "input.features[1].type"),
    (("input", "features", 1), {"name": "a\nb", "type": "number"}, "input.features[1].name"),
    (("classes",), ["one"], "classes"),
    (("classes", 0), 1, "classes"),
    (("classes", 0), None, "classes[0]"),
    (("classes", 0), "virginica", "classes"),
    (("golden", "inputs"), [], "golden.inputs"),
    (("golden", "inputs", 3), [1, 2, 3], "golden.inputs[3]"),
    (("golden", "inputs", 3, 1), "5.1", "golden.inputs[3][1]"),
    (("golden", "inputs", 3, 1), 1e39, "golden.inputs[3][1]"),
    (("golden", "inputs", 3, 1), 10**400, "golden.inputs[3][1]"),
    (("golden", "inputs", 3, 1), True, "golden.inputs[3][1]"),
    (("golden", "labels", 0), "tulip", "golden.labels[0]"),
    (("golden", "labels"), ["setosa"], "golden.labels"),
    (("golden", "probabilities", 0, 0), 1.5, "golden.probabilities[0][0]"),
    (("golden", "probabilities", 0), [1.0], "golden.probabilities[0]"),
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


@pytest.mark.parametrize("data", ["iris", "digits"])
def test_three_readers_agree(data: str) -> None:
    """What training writes, the schema allows, the controller reads, and the serving app reads."""
    version = built(data=data)
    Draft202012Validator(SCHEMA).validate(json.loads(version.raw))
    read = parse_manifest(version.raw)
    served = serving.parse_manifest(version.raw, data, "1.5.0")
    assert read.digest == served.digest == digest_of(version.raw)
    assert (read.artifact.sha256, read.classes) == (served.artifact.sha256, served.shape.classes)
    assert served.golden
    assert list(read.golden.labels) == served.golden.labels
    assert [list(row) for row in read.golden.inputs] == served.golden.inputs
    assert read.golden.tolerance == served.tolerance


def test_schema_is_itself_valid() -> None:
    """The published schema is a JSON schema."""
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(("path", "value", "where"), BROKEN)
def test_a_wrong_value_is_refused_by_name(
    path: tuple[str | int, ...], value: object, where: str
) -> None:
    """Whatever is wrong, the refusal says where; nothing wrong is read."""
    with pytest.raises(ManifestInvalid) as refused:
        parse_manifest(described(GOOD, *path, value=value))
    assert refused.value.message.startswith((f"{where}:", f"{where}."))


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
    raw = described(GOOD, *path, value=value)
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
