"""Loading: hostile files are refused by name, and a model that answers otherwise serves nothing."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gitslot.convert.version import Built
from serving_app import model as serving
from serving_app.manifest import parse_manifest
from serving_app.onnx_file import check_onnx
from serving_app.refused import Refused
from tests.training.versions import built, described, with_artifact, with_golden_rows

GOOD = built()
FOREST = built(estimator="forest")


def load(version: Built, *, pin: str | None = None, **blobs: bytes | None) -> serving.Model:
    """Load *version* as the app would, with *blobs* (manifest, artifact) in place of its own."""
    stored = {
        "iris/1.5.0/manifest.json": blobs.get("manifest", version.raw),
        f"iris/1.5.0/{version.manifest.artifact.name}": blobs.get("artifact", version.artifact),
    }
    if file := version.manifest.golden_file:
        stored[f"iris/1.5.0/{file.name}"] = blobs.get("golden", version.golden)

    def read(path: str, cap: int) -> bytes:
        content = stored.get(path)
        if content is None:
            raise Refused("UnknownVersion", f"{path} is not in the registry")
        return content[: cap + 1]

    digest = version.manifest.digest if pin is None else pin
    return serving.load(serving.Wanted("iris", "1.5.0", digest), read)


def refusal(version: Built, **changed: Any) -> str:
    """Return the reason for which loading *version* is refused."""
    with pytest.raises(Refused) as refused:
        load(version, **changed)
    return refused.value.reason


def test_a_registered_model_answers_as_it_was_trained() -> None:
    """It loads, and answers its golden rows."""
    model = load(FOREST)
    golden = FOREST.manifest.golden
    labels, probabilities = model.answers(np.array(golden.inputs))
    assert tuple(labels) == golden.labels
    assert probabilities is not None
    assert np.abs(probabilities - golden.probabilities).max() <= golden.tolerance
    assert model.digest == FOREST.manifest.digest


def test_whole_numbers_stay_whole_numbers() -> None:
    """A model trained on numbers answers numbers, not text."""
    version = built(data="digits")
    wanted = serving.Wanted("digits", "1.5.0", "")
    manifest = parse_manifest(version.raw, "digits", "1.5.0")
    model = serving.load_bytes(version.artifact, manifest, wanted, version.golden)
    rows = np.array(version.manifest.golden.inputs[:1])
    assert model.labels_json(rows) == f"[{version.manifest.golden.labels[0]}]"


def test_a_manifest_other_than_the_pinned_one_is_refused() -> None:
    """One changed byte of the manifest is another digest, and nothing is loaded."""
    assert refusal(GOOD, pin="0" * 64) == "DigestMismatch"
    assert refusal(GOOD, manifest=GOOD.raw + b"\n") == "DigestMismatch"


@pytest.mark.parametrize(
    "artifact",
    [
        b"",
        b"x",
        GOOD.artifact[:-1],
        GOOD.artifact + b"\0",
        GOOD.artifact[:100] + bytes([GOOD.artifact[100] ^ 1]) + GOOD.artifact[101:],
        FOREST.artifact,
        b"\0" * len(GOOD.artifact),
    ],
    ids=["empty", "short", "truncated", "longer", "flipped bit", "another model", "zeros"],
)
def test_an_artifact_of_other_bytes_is_refused(artifact: bytes) -> None:
    """Bytes other than the manifest's are never loaded."""
    assert refusal(GOOD, artifact=artifact) == "DigestMismatch"


def test_a_missing_artifact_is_named() -> None:
    """A manifest without its artifact is a version that is not there."""
    assert refusal(GOOD, artifact=None) == "UnknownVersion"


class Payload:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (Path.touch, (Path("ran"),))  # type: ignore[return-value]  # any call would do


def _tensor(**changes: Any) -> TensorProto:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "/etc/passwd", **changes}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return tensor


def _changed(change: Callable[[onnx.ModelProto], object]) -> bytes:
    """Return the good model's bytes after a *change* to what they say."""
    proto = onnx.load_from_string(GOOD.artifact)
    change(proto)
    return bytes(proto.SerializeToString())


NODE = helper.make_node
CONSTANT = NODE("Constant", [], ["k"], value=_tensor())
INNER = helper.make_graph([CONSTANT], "inner", [], [])
BRANCH = NODE("If", ["c"], ["o"], then_branch=INNER, else_branch=INNER)
FUNCTION = helper.make_function("ai.onnx", "F", ["x"], ["x"], [], [helper.make_opsetid("", 18)])

HOSTILE: dict[str, bytes] = {
    "pickle": pickle.dumps(Payload()),
    "truncated pickle": pickle.dumps(Payload())[:-1],
    "zip": b"PK\x03\x04" + b"\0" * 60,
    "joblib": b"\x80\x04\x95" + b"\0" * 60,
    "HDF5 (Keras)": b"\x89HDF\r\n\x1a\n" + b"\0" * 60,
    "ELF": b"\x7fELF" + b"\0" * 60,
    "ORT format": b"\x00\x00\x00\x00ORTM" + b"\0" * 60,
    "text": b"import os; os.system('x')",
    "zeros": b"\0" * 100,
    "half an ONNX file": GOOD.artifact[: len(GOOD.artifact) // 2],
    "endless number": b"\xff" * 100,
    "only an operator set": b"\x42\x04\x0a\x00\x10\x12",
    "two graphs": GOOD.artifact * 2,
    "external initializer": _changed(lambda model: model.graph.initializer.append(_tensor())),
    "external tensor in an attribute": _changed(lambda model: model.graph.node.insert(0, CONSTANT)),
    "external tensor in a subgraph": _changed(lambda model: model.graph.node.insert(0, BRANCH)),
    "custom operator set": _changed(
        lambda model: model.opset_import.append(helper.make_opsetid("evil.ops", 1))
    ),
    "contributed operators": _changed(
        lambda model: model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    ),
    "custom operator": _changed(
        lambda model: model.graph.node.append(NODE("Run", ["rows"], ["x"], domain="evil.ops"))
    ),
    "function of its own": _changed(lambda model: model.functions.append(FUNCTION)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_before_it_is_loaded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Honestly described but hostile bytes are refused for their format, and run nothing."""
    monkeypatch.chdir(tmp_path)
    version = with_artifact(GOOD, HOSTILE[name])
    assert (refusal(version), list(tmp_path.iterdir())) == ("FormatRefused", [])


def test_no_cut_of_a_file_fails_in_another_way() -> None:
    """An ONNX file cut off anywhere, honestly described, is refused or still the whole model."""
    for end in range(0, len(GOOD.artifact), 7):
        try:
            model = load(with_artifact(GOOD, GOOD.artifact[:end] or b"\0"))
        except Refused as refused:
            assert refused.reason in ("FormatRefused", "LoadFailed", "GoldenRowsFailed")
        else:
            assert model.shape.classes == GOOD.manifest.classes


def test_honest_words_are_no_external_data() -> None:
    """A class or feature called "location" does not make a model hostile."""
    check_onnx(_changed(lambda model: setattr(model, "doc_string", "location")))


ONE_OUTPUT = _changed(lambda model: model.graph.output.pop())


@pytest.mark.parametrize("artifact", [built(data="wine").artifact, ONE_OUTPUT])
def test_a_model_that_does_not_fit_its_manifest_is_refused(artifact: bytes) -> None:
    """ONNX with other inputs or outputs than described is not served."""
    assert refusal(with_artifact(GOOD, artifact)) == "LoadFailed"


@pytest.mark.parametrize(
    ("path", "value"),
    [(("labels", 0), "versicolor"), (("probabilities", 0), [0.3, 0.3, 0.4])],
)
def test_a_model_that_answers_otherwise_serves_nothing(
    path: tuple[str | int, ...], value: object
) -> None:
    """A model whose golden rows fail is refused, however well it loads."""
    version = with_golden_rows(GOOD, described(GOOD.golden, *path, value=value))
    assert refusal(version) == "GoldenRowsFailed"


def test_a_manifest_of_another_version_is_refused() -> None:
    """A manifest copied from another version does not serve as this one."""
    raw = described(GOOD.raw, "version", value="1.4.0")
    assert refusal(GOOD, manifest=raw, pin="") == "ManifestInvalid"


@pytest.mark.parametrize(
    ("model", "version", "reason"),
    [
        ("", "", "NoModel"),
        ("iris", "", "NoModel"),
        ("iris", "../x", "SettingsInvalid"),
        ("iris", "..", "SettingsInvalid"),
        ("../iris", "1.5.0", "SettingsInvalid"),
        ("iris", "1.5.0@sha256:abc", "SettingsInvalid"),
        ("iris", "1.5.0@md5:" + "0" * 64, "SettingsInvalid"),
        ("iris", "1.5.0@sha256:" + "0" * 64 + "\n", "SettingsInvalid"),
    ],
)
def test_settings_name_a_model_or_are_refused(model: str, version: str, reason: str) -> None:
    """Settings that name no model, or no possible one, are told apart."""
    with pytest.raises(Refused) as refused:
        serving.parse_wanted(model, version)
    assert refused.value.reason == reason
