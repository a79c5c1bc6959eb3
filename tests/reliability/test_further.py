"""Further slots under faults, on the emulator's own handlers: a release never hears of them."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from gitslot.state.decision import Converged, Stalled
from reliability.calls import kinds
from reliability.checker import check
from reliability.runs import play, thinned
from reliability.scenarios import CANARY, NEW, NEWER, OLD, canary, missing_canary, want


def test_production_and_staging_are_never_touched_for_a_further_slot() -> None:
    """One write, to that slot; both others serve what they served."""
    scene = canary()
    assert isinstance(scene.controller.settle(), Converged)
    cloud = scene.cloud
    sent = [e for e in cloud.history.entries if e["operation"] == "write-sent"]
    assert [(e["what"], e["slot"]) for e in sent] == [("appsettings-put", CANARY)]
    assert (cloud.serves(), cloud.serves("staging"), cloud.serves(CANARY)) == (OLD, "1.3.0", NEW)
    assert check(cloud.history.entries) == []
    cloud.end()


def test_a_slot_that_azure_does_not_know_stalls_alone_and_says_how_to_create_it() -> None:
    """ARM's own 404; the bump goes on, and the slot is filled once somebody creates it."""
    scene = missing_canary()
    stop = scene.controller.settle()
    assert isinstance(stop, Stalled)
    assert (stop.reason, stop.slot, scene.cloud.serves()) == ("SlotMissing", CANARY, NEW)
    assert "az functionapp deployment slot create -g group -n app --slot canary" in stop.message
    scene.cloud.create(CANARY)
    assert isinstance(scene.controller.settle(), Converged)
    assert scene.cloud.serves(CANARY) == NEWER
    assert check(scene.cloud.history.entries) == []
    scene.cloud.end()


def missing_cases() -> Iterator[dict[int, str]]:
    """Give one fault each, at the first of every kind of call."""
    calls = play(missing_canary, {}).calls
    for index in thinned(calls, last=False)[::3]:
        for kind in kinds(calls[index])[::2]:
            yield {index: kind}


def test_a_bump_beside_a_missing_slot_survives_every_fault() -> None:
    """Whatever is spoilt, production ends on the new release and the slot is what stalls."""
    for plan in missing_cases():
        assert play(missing_canary, plan).violations == [], plan


def spoilt(history: list[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    """Return *history* with the one thing in it that *what* names."""
    written = next(e for e in history if e["operation"] == "write-sent")
    if what == "unlisted":
        for commit in history:
            if commit["operation"] == "git-commit":
                commit["text"] = commit["text"].replace(CANARY, "blue")
    if what == "swapped":
        written["what"] = "slotsswap"
    if what == "unread":
        history = [e for e in history if e["operation"] != "arm-read" or e["slot"] != CANARY]
    if what == "unproved":
        history = [e for e in history if e["operation"] != "proved"]
    return history


@pytest.mark.parametrize(
    ("what", "rule"),
    [("unlisted", "S5"), ("swapped", "S5"), ("unread", "S4"), ("unproved", "S2")],
)
def test_the_checker_knows_a_further_slot_from_one_that_is_not_listed(what: str, rule: str) -> None:
    """A good history, spoilt in one place, is refused by that rule."""
    scene = canary()
    scene.controller.settle()
    history = copy.deepcopy([dict(entry) for entry in scene.cloud.history.entries])
    scene.cloud.end()
    assert rule in {found.rule for found in check(spoilt(history, what))}


@pytest.mark.parametrize("how", ["silent", "foreign", "blocked"])
def test_a_release_goes_on_beside_a_slot_that_does_not_answer(how: str) -> None:
    """A bump and its revert, while the canary says nothing that helps."""
    scene = canary()
    scene.cloud.behaviour.slots[CANARY] = how
    for version in (NEWER, OLD):
        want(scene, version, slots=f"  {CANARY}: {NEW}\n")
        for _ in range(5):
            scene.controller.run()
            scene.cloud.wait(60)
        assert scene.cloud.serves() == version
    assert check(scene.cloud.history.entries) == []
    scene.cloud.end()
