"""The manifest of a serving package: both forms, and strictly."""

import json
from typing import Any

import pytest

from gitslot.errors import ManifestInvalid
from gitslot.registry.package_manifest import parse_package, written
from gitslot.state.code import Needs, shortfall
from gitslot.state.reasons import Edit, Run

BUILD = {"sha256": "a" * 64, "size": 9, "package": "serving_app", "build": "abc", "python": "3.13"}
SKLEARN = {**BUILD, "sha256": "b" * 64, "sklearn": "1.9"}
NEW: dict[str, Any] = {
    **{"format": 2, "version": "3.1.0", "contract": 2},
    "builds": {"onnx": BUILD, "sklearn": SKLEARN},
}


def parsed(**changed: Any) -> Any:
    """Parse NEW with what is *changed*."""
    return parse_package(json.dumps({**NEW, **changed}).encode())


def test_what_is_written_is_what_is_read() -> None:
    """Both builds, with their versions of scikit-learn."""
    package = parsed()
    assert parse_package(written(package)) == package
    assert package.builds["sklearn"].sklearn == "1.9"


def test_the_old_form_is_a_package_of_contract_1_with_onnx_alone() -> None:
    """Packages of before keep serving what they were built for."""
    package = parse_package(json.dumps({"version": "3.0.0", **BUILD}).encode())
    assert (package.contract, list(package.builds)) == (1, ["onnx"])
    assert shortfall(package, Needs()) is None


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"format": 3}, "format"),
        ({"contract": 0}, "contract"),
        ({"contract": True}, "contract"),
        ({"version": "../3"}, "version"),
        ({"builds": {}}, "builds"),
        ({"builds": {"gpu": BUILD}}, "builds"),
        ({"builds": {"any": BUILD, "onnx": BUILD}}, "builds"),
        ({"builds": {"onnx": {**BUILD, "sha256": "x"}}}, "builds.onnx.sha256"),
        ({"builds": {"onnx": {**BUILD, "sklearn": "1.9.1"}}}, "builds.onnx.sklearn"),
        ({"builds": {"onnx": {**BUILD, "url": "https://evil"}}}, "builds.onnx"),
        ({"more": 1}, "manifest"),
    ],
)
def test_a_wrong_value_is_refused_by_its_place(changed: dict[str, Any], where: str) -> None:
    """What is wrong is named."""
    with pytest.raises(ManifestInvalid, match=f"^{where}:"):
        parsed(**changed)


MODEL = Needs(2, "sklearn", "1.9")
OLD = {"contract": 1, "builds": {"onnx": BUILD}}
OWN = {"contract": 1, "builds": {"any": BUILD}}


@pytest.mark.parametrize(
    ("changed", "needs", "why", "helps"),
    [
        (OLD, Needs(2), "keeps serving contract 1", "gitslot package --version VERSION"),
        (OWN, Needs(2), "keeps serving contract 1", "FOLDER --version VERSION --contract 2"),
        ({"builds": {"onnx": BUILD}}, MODEL, "no build with sklearn", "gitslot package --version"),
        ({}, Needs(2, "sklearn", "1.7"), "scikit-learn 1.9", "--version VERSION --sklearn 1.7"),
    ],
)
def test_a_shortfall_names_what_is_lacking_and_what_helps(
    changed: dict[str, Any], needs: Needs, why: str, helps: str
) -> None:
    """Contract, build, minor version of scikit-learn: each with the line that helps."""
    found = shortfall(parsed(**changed), needs)
    assert found is not None
    text, step = found
    assert why in text
    assert isinstance(step, Run | Edit)
    assert helps in step.clause


def test_an_app_of_ones_own_needs_no_runtime_of_ours() -> None:
    """Its one build serves what it says that it serves; the proof decides."""
    package = parsed(contract=2, builds={"any": BUILD})
    assert shortfall(package, MODEL) is None
    assert package.build_for(MODEL) is package.builds["any"]
