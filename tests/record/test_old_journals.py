"""Journals written by an earlier version lead to the same decisions."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from gitslot.decide.decide import decide
from gitslot.record.event import Event, parse
from gitslot.record.memory import fold
from gitslot.state import slot_settings
from gitslot.state.policy import Policy
from gitslot.state.seen import Answer, Arm, Health, Live, Mark, Seen, Verdict
from gitslot.state.wanted import PRODUCTION, STAGING, App, Release, Resolved, Wanted

FOLDER = Path(__file__).parent / "journals"
EXPECTED = FOLDER / "decisions.json"  # by journal: for each event, the decisions after it
NAMES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
POLICY = Policy(settle_s=60.0)  # as it was when they were recorded
SERVED = ("", "1.4.0", "1.5.0", "1.6.0")


def releases(events: list[Event]) -> dict[str, Release]:
    """Return the releases that *events* name, by version."""
    found = {f"1.{n}.0": Release("iris", f"1.{n}.0", str(n) * 64) for n in (4, 5)}
    return found | {event.to: event.release for event in events if event.release}


def slot(name: str, release: Release | None, deploy: str) -> Seen:
    """Return a slot that is set to *release* and serves it."""
    settings: dict[str, str] = {**slot_settings.WARMUP_SETTINGS}
    health = Health(Answer.UNHEALTHY, reason="NoModel")
    if release:
        settings |= {"MODEL_NAME": "iris", "MODEL_VERSION": release.setting, "MODEL_DEPLOY": deploy}
        health = Health(Answer.SERVING, "iris", release.version, release.digest, deploy)
    configured = slot_settings.configured(settings)
    arm = Arm(name, f"content-{name}", "", "Running", configured, settings)
    return Seen(name, health, arm=arm, down_s=120.0)


def lives(events: list[Event]) -> Iterator[Live]:
    """Return looks in which the two slots serve every pair of versions, staging just proved."""
    known = releases(events)
    deploy = next((e.detail.deploy for e in reversed(events) if e.detail.deploy), "d")
    for here, there in product(SERVED, SERVED):
        production = slot(PRODUCTION, known.get(here), "before")
        staging = slot(STAGING, known.get(there), deploy)
        production = replace(production, wanted=Resolved(known["1.5.0"]))
        staging = replace(staging, verdict=Verdict(Mark.PASS, "golden rows"))
        yield Live({PRODUCTION: production, STAGING: staging}, still_s=120.0)


def decided(events: list[Event]) -> str:
    """Return what is decided a minute after the last of *events*, one word a look."""
    app = App("app", "iris", {PRODUCTION: Wanted("1.5.0")}, soak_s=600.0)
    memory, now = fold(events), events[-1].time + timedelta(minutes=1)
    return " ".join(label(decide(app, live, memory, now, POLICY)) for live in lives(events))


def label(decision: object) -> str:
    """Return kind, reason, slot and version of *decision* as one word."""
    parts = [getattr(decision, name, "") for name in ("event", "reason", "slot")]
    release = getattr(decision, "release", None)
    words = [type(decision).__name__, *parts, release.version if release else ""]
    return ":".join(str(word) for word in words if word)


@pytest.mark.parametrize("name", NAMES)
def test_a_journal_of_an_earlier_version_decides_the_same(name: str) -> None:
    """After each event of a recorded journal the decision is the one that was recorded with it."""
    events = [parse(line) for line in (FOLDER / f"{name}.jsonl").read_bytes().splitlines()]
    found = [decided(events[:number]) for number in range(1, len(events) + 1)]
    assert found == json.loads(EXPECTED.read_text(encoding="utf-8"))[name]


def test_what_a_newer_controller_adds_is_passed_over() -> None:
    """A field or event that this version does not know changes no decision after any journal."""
    for name in NAMES:
        lines = (FOLDER / f"{name}.jsonl").read_bytes().splitlines()
        newer: list[Event] = []
        for number, line in enumerate(lines):
            raw = json.loads(line)
            more = {**raw, "added": {"n": 1}, "detail": {**raw.get("detail", {}), "added": [1]}}
            unknown = {**more, "event": "AddedLater", "id": f"added-{number}"}
            newer += [parse(json.dumps(each).encode()) for each in (more, unknown)]
        expected = json.loads(EXPECTED.read_text(encoding="utf-8"))[name][-1]
        assert decided(newer) == expected, name
