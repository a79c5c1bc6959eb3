"""The build of the code: chosen by what the model needs, and a stop where the code lacks it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from gitslot.state.wanted import PRODUCTION, STAGING
from reliability.lab import Lab, labs, why
from reliability.registered import both_builds, package_blobs, package_url

CODE = "WEBSITE_RUN_FROM_PACKAGE"
ONNX, SKLEARN = package_url("c3", "onnx"), package_url("c3", "sklearn")


@pytest.fixture
def open_lab() -> Iterator[Callable[..., Lab]]:
    """Return a function that opens labs in which both slots run the onnx build of c3."""

    def opened(packages: Mapping[str, bytes] = both_builds("c3"), code: str = ONNX) -> Lab:
        lab: Lab = open_("1.5.0", "1.4.0")
        lab.cloud.register("2.0.0", "2.1.0")
        lab.cloud.account.blobs |= packages
        for slot in (STAGING, PRODUCTION):
            lab.change(slot, **{CODE: code})
        assert why(lab.settle()) == "Converged"
        lab.forget()
        return lab

    with labs() as open_:
        yield opened


def runs(lab: Lab, slot: str = PRODUCTION) -> tuple[str, Any]:
    """Return the version that *slot* serves and the code that it runs."""
    return lab.serves(slot), lab.settings(slot)[CODE]


def test_a_model_gets_its_build_of_the_code_that_production_runs(
    open_lab: Callable[..., Lab],
) -> None:
    """Nobody names it; and a rollback brings the old model back in its own build, by one swap."""
    lab = open_lab()
    lab.bring("2.0.0")
    assert (runs(lab), runs(lab, STAGING)) == (("2.0.0", SKLEARN), ("1.5.0", ONNX))
    assert (lab.swaps, lab.deploys) == (1, [STAGING])
    lab.release("1.5.0")
    assert (runs(lab), runs(lab, STAGING)) == (("1.5.0", ONNX), ("2.0.0", SKLEARN))
    assert (lab.swaps, lab.deploys) == (2, [STAGING])


def test_a_model_of_the_same_runtime_keeps_productions_code_as_it_is(
    open_lab: Callable[..., Lab],
) -> None:
    """Its address too, however somebody wrote it."""
    lab = open_lab()
    lab.bring("1.6.0")
    lab.bring("2.0.0")
    lab.bring("2.1.0")
    assert (runs(lab), runs(lab, STAGING)) == (("2.1.0", SKLEARN), ("2.0.0", SKLEARN))


def test_a_further_slot_gets_the_build_of_its_model(open_lab: Callable[..., Lab]) -> None:
    """Beside a production of another runtime."""
    lab = open_lab()
    lab.create("canary")
    lab.want("1.5.0", slots="  canary: 2.0.0\n")
    assert why(lab.settle()) == "Converged"
    assert (runs(lab), runs(lab, "canary")) == (("1.5.0", ONNX), ("2.0.0", SKLEARN))


OLD = {**package_blobs("c1"), **both_builds("c3")}
LACKS: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "an older contract": ({"code": package_url("c1")}, {}, "code c1 keeps serving contract 1"),
    "an older contract, by name": ({}, {"code": "c1"}, "code c1 keeps serving contract 1"),
    "another scikit-learn": (
        {"packages": both_builds("c3", "1.8")},
        {},
        "`gitslot package --version VERSION --sklearn 1.9`",
    ),
}


@pytest.mark.parametrize("name", LACKS)
def test_code_that_cannot_serve_the_model_stops_before_any_deploy(
    open_lab: Callable[..., Lab], name: str
) -> None:
    """Nothing is written; the message names what lacks and the line that helps."""
    how, code, says = LACKS[name]
    lab = open_lab(**{"packages": OLD, **how})
    lab.want("2.0.0", **code)
    stop = lab.settle()
    assert why(stop) == "Stalled RuntimeMissing"
    assert says in str(stop)
    assert "gitslot package --version VERSION" in str(stop)
    assert (lab.writes, lab.serves()) == (0, "1.5.0")


def test_newer_code_named_with_the_model_ends_the_stop(open_lab: Callable[..., Lab]) -> None:
    """One commit brings both, and a revert of it both back."""
    lab = open_lab(packages=OLD, code=package_url("c1"))
    lab.want("2.0.0")
    assert why(lab.settle()) == "Stalled RuntimeMissing"
    lab.bring("2.0.0", code="c3")
    assert runs(lab) == ("2.0.0", SKLEARN)
    lab.release("1.5.0")
    assert runs(lab) == ("1.5.0", package_url("c1"))
    assert (lab.swaps, lab.deploys) == (2, [STAGING])


def test_a_registry_that_does_not_say_what_the_code_is_is_waited_for(
    open_lab: Callable[..., Lab],
) -> None:
    """A deploy without its answer could bring the wrong build."""
    lab = open_lab()
    lab.restart()
    lab.want("2.0.0")
    lab.spoil("registry.code", *("lost",) * 4)
    assert why(lab.run()) == "Waiting RegistryUnavailable"
    assert lab.deploys == []
    assert why(lab.settle()) == "Converged"
    assert runs(lab) == ("2.0.0", SKLEARN)


def test_code_that_the_registry_does_not_know_is_left_to_the_proof(
    open_lab: Callable[..., Lab],
) -> None:
    """Somebody's own way of delivering code: nothing is known of it, so nothing is refused."""
    own = "https://elsewhere.example/app.zip"
    lab = open_lab(code=own)
    lab.bring("2.0.0")
    assert runs(lab) == ("2.0.0", own)
