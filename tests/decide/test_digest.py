"""The bytes of a version: those first seen stand for it until a commit pins others."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256

import pytest

from gitslot.report.status import exit_code
from gitslot.state.decision import Stop
from gitslot.state.wanted import PRODUCTION, STAGING
from reliability import registered
from reliability.lab import LOOK, Lab, labs, why

CHANGED = "Frozen DigestChanged"
NEW, OLD = "1.5.0", "1.4.0"


@pytest.fixture
def open_lab() -> Iterator[Callable[..., Lab]]:
    with labs() as opened:
        yield opened


def overwrite(lab: Lab, version: str) -> str:
    """Put another manifest in the place of *version*'s; return its digest."""
    blobs, name = lab.cloud.account.blobs, f"models/iris/{version}/manifest.json"
    blobs[name] = json.dumps({**json.loads(blobs[name]), "estimator": "another"}).encode()
    return sha256(blobs[name]).hexdigest()


def mend(lab: Lab, version: str) -> None:
    """Put the manifest of *version* back."""
    lab.cloud.account.blobs |= registered.version_blobs(version)


def pinned(lab: Lab, version: str, digest: str) -> Stop:
    """Commit *version* with its *digest*, and run passes."""
    text = f"app: app\nmodel: iris\nslots:\n  production: {version}@sha256:{digest}\n"
    lab.cloud.git.push(text, digest)
    return lab.settle()


def test_other_bytes_of_a_served_version_stop_by_name(open_lab: Callable[..., Lab]) -> None:
    """Nothing is deployed, no retry accepts them, and the way back is one swap still."""
    lab = open_lab(OLD)
    lab.bring(NEW)
    overwrite(lab, NEW)
    lab.restart()
    lab.forget()
    for _ in range(2):
        assert why(lab.settle()) == CHANGED
        lab.write("Retried")
    assert (lab.writes, lab.serves(), lab.serves(STAGING)) == (0, NEW, OLD)
    assert exit_code(lab.observe()) == 2
    assert lab.row().mend == f"gitslot bump production {NEW} app --pin && git push"
    lab.release(OLD)
    assert (lab.deploys, lab.swaps) == ([], 1)


def test_the_old_bytes_end_the_stop(open_lab: Callable[..., Lab]) -> None:
    """They are looked for at every look of a stopped app."""
    lab = open_lab(OLD)
    lab.bring(NEW)
    overwrite(lab, NEW)
    lab.restart()
    assert why(lab.settle()) == CHANGED
    mend(lab, NEW)
    assert why(lab.run()) == "Converged"


def test_a_pin_accepts_other_bytes_once_production_serves_them(
    open_lab: Callable[..., Lab],
) -> None:
    """From then on they stand for the version, without a pin too; the first ones do not."""
    lab = open_lab(OLD)
    lab.bring(NEW)
    digest = overwrite(lab, NEW)
    lab.restart()
    assert why(pinned(lab, NEW, digest)) == "Converged"
    assert lab.settings()["MODEL_VERSION"] == f"{NEW}@sha256:{digest}"
    text = f"app: app\nmodel: iris\nslots:\n  production: {NEW}\n"
    lab.cloud.git.push(text, digest)
    lab.restart()
    assert why(lab.settle()) == "Converged"
    mend(lab, NEW)
    lab.restart()
    assert why(lab.settle()) == CHANGED


def test_a_pin_that_production_never_served_changes_nothing(open_lab: Callable[..., Lab]) -> None:
    """A refused release does not stand for its version."""
    lab = open_lab(OLD)
    lab.bring(NEW)
    lab.bring(OLD)
    digest = overwrite(lab, NEW)
    lab.breaks(NEW)
    assert why(pinned(lab, NEW, digest)) == "Stalled GoldenRowsFailed"
    lab.want(NEW)
    assert why(lab.settle()) == CHANGED


def test_a_version_seen_only_in_a_slot_at_the_first_look_is_known(
    open_lab: Callable[..., Lab],
) -> None:
    """Of a journal that begins with a slot that serves, what the slots are set to is kept."""
    lab = open_lab("1.6.0", OLD)
    lab.lose_journal()
    lab.restart()
    assert why(lab.run()) == "Frozen JournalLost"
    lab.write("Retried")
    lab.wait(LOOK.swap_deadline_s)
    overwrite(lab, OLD)
    lab.bring(NEW)  # over what staging holds
    lab.want(OLD)
    assert why(lab.settle()) == CHANGED


@pytest.mark.parametrize("slot", [STAGING, "canary"])
def test_another_slot_stops_alone(open_lab: Callable[..., Lab], slot: str) -> None:
    """Production is released meanwhile."""
    lab = open_lab(OLD)
    if slot != STAGING:
        lab.create(slot)
    lab.bring(OLD, slots=f"  {slot}: {NEW}\n")
    lab.bring(OLD)
    overwrite(lab, NEW)
    lab.restart()
    lab.want("1.6.0", slots=f"  {slot}: {NEW}\n")
    assert why(lab.settle()) == "Stalled DigestChanged"
    assert (lab.serves(), lab.row(slot).reason) == ("1.6.0", "DigestChanged")
    assert f"`gitslot bump {slot} {NEW} app --pin" in lab.row(slot).message


def test_a_failing_release_is_swapped_back_though_it_was_overwritten(
    open_lab: Callable[..., Lab],
) -> None:
    """What it goes back to is unchanged; a way back that was overwritten is not taken."""
    for version, serves in ((NEW, OLD), (OLD, NEW)):
        lab = open_lab(OLD)
        lab.bring(NEW, "soak: 30m\n")
        overwrite(lab, version)
        lab.restart()
        lab.fails()
        lab.passes(4)
        assert lab.settings()["MODEL_VERSION"].startswith(f"{serves}@")


def test_a_pin_is_required_where_a_setting_asks_for_it(open_lab: Callable[..., Lab]) -> None:
    """An unknown version is refused; a pinned one is not, nor a way back that needs no pin."""
    lab = open_lab(OLD, policy=replace(LOOK, require_pin=True))
    lab.want(NEW)
    stop = lab.settle()
    assert (why(stop), lab.writes) == ("Stalled PinRequired", 0)
    assert f"`gitslot bump production {NEW} app --pin && git push` pins it" in str(stop)
    assert why(pinned(lab, NEW, registered.digest(NEW))) == "Converged"
    lab.bring(OLD)
    lab.bring(NEW)


@pytest.mark.parametrize("code", ["c9", ""])
def test_a_package_that_was_overwritten_is_not_deployed(
    open_lab: Callable[..., Lab], code: str
) -> None:
    """Neither where the file names it nor where a new version would bring it along."""
    lab = open_lab(OLD)
    lab.bring(OLD, code="c9")
    name, blobs = "code/c9/manifest.json", lab.cloud.account.blobs
    whole = blobs[name]
    changed = {"sha256": sha256(b"evil").hexdigest(), "build": "build-evil"}
    blobs[name] = json.dumps({**json.loads(whole), **changed}).encode()
    lab.restart()
    lab.forget()
    lab.want(OLD if code else NEW, code=code)
    stop = lab.settle()
    assert (why(stop), lab.writes) == (CHANGED, 0)
    assert "the manifest of code c9 lists other zips" in str(stop)
    blobs[name] = whole
    lab.bring(NEW, code=code)


def test_code_whose_bytes_are_not_what_its_name_says_is_not_deployed(
    open_lab: Callable[..., Lab],
) -> None:
    """The name of a package holds its digest; a package that was put right is deployed."""
    lab = open_lab(OLD)
    name = registered.package_url("c9").removeprefix(f"{registered.STORE}/")
    blobs = lab.cloud.account.blobs
    whole, blobs[name] = blobs[name], b"other bytes"
    lab.want(NEW, code="c9")
    stop = lab.settle()
    assert (why(stop), lab.writes, lab.serves()) == ("Stalled DigestMismatch", 0, OLD)
    assert f"{name} has other bytes than its name says" in str(stop)
    blobs[name] = whole
    lab.write("Retried")
    assert (why(lab.settle()), lab.serves()) == ("Converged", NEW)
    assert lab.settings(PRODUCTION)["WEBSITE_RUN_FROM_PACKAGE"].endswith(name)
