"""Further slots under faults, on the emulator's own handlers: a release never hears of them."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from reliability.calls import kinds
from reliability.checker import check
from reliability.runs import play, thinned
from reliability.scenarios import CANARY, canary, missing_canary


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
    ("what", "rule"), [("unlisted", "S5"), ("swapped", "S5"), ("unread", "S4"), ("unproved", "S2")]
)
def test_the_checker_knows_a_further_slot_from_one_that_is_not_listed(what: str, rule: str) -> None:
    """A good history, spoilt in one place, is refused by that rule."""
    scene = canary()
    scene.controller.settle()
    history = copy.deepcopy([dict(entry) for entry in scene.cloud.history.entries])
    scene.cloud.end()
    assert rule in {found.rule for found in check(spoilt(history, what))}
