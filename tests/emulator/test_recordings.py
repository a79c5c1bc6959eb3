"""
The emulator answers in the shapes of recordings by `gitslot azure record`.

`make test-recordings RECORDINGS=FOLDER` compares those in a folder and lists each difference.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitslot.edges.azure.arm import Azure
from gitslot.report.azure_record import WORDS, Recorder, reads
from reliability.arm_door import ArmDoor, Credential, DoorHttp, Inline
from reliability.cloud import ARM, SUBSCRIPTION
from reliability.scenarios import settled
from reliability.seam import Process

KNOWN = {  # differences, and why they stay
    r".*(InboundIp|OutboundIp|ipv6Address|IpAddress).*": "addresses of machines are left out",
    r".* headers\.x-ms-ratelimit-.*": "which bucket is charged is in emulator/arm/limits.py",
    r".*\.siteConfig\..* Azure .*": "of siteConfig the emulator has what clients read",
}
FOLDER = os.environ.get("RECORDINGS")
FILES = (sorted(Path(FOLDER).glob("*.json")) or [Path(FOLDER)]) if FOLDER else []

type Answers = Sequence[Mapping[str, Any]]


def shapes(answers: Answers) -> Mapping[str, list[str]]:
    """Return which types, and which of ARM's own words, are at each place of each answer."""
    found: defaultdict[str, list[str]] = defaultdict(list)

    def walk(place: str, value: Any, key: str) -> None:
        word = isinstance(value, str) and WORDS.fullmatch(key)
        found[place].append(value if word else type(value).__name__)
        for k, v in value.items() if isinstance(value, dict) else ():
            walk(f"{place}.{'*' if k.startswith('text-') else k}", v, k)
        for v in value if isinstance(value, list) else ():
            walk(f"{place}[]", v, key)

    for each in answers:
        for part in ("headers", "body"):
            walk(f"{each['call']} {each['status']} {part}", each[part], "")
    return found


def differences(recorded: Answers, ours: Answers) -> list[str]:
    """Return each difference that is not KNOWN; what Azure had no occasion to answer is none."""
    theirs, mine = shapes(recorded), shapes(ours)
    listed = []
    for place in sorted({*theirs, *mine}):
        above = place.rpartition(".")[0]
        there, here = {*theirs.get(place, ())}, {*mine.get(place, ())}
        always = mine.get(above, []).count("dict") == len(mine.get(place, ()))
        if not there and always and "dict" in theirs.get(above, ()):
            listed.append(f"{place} only the emulator has it")
        elif there - here:
            listed.append(f"{place} Azure {sorted(there - here)}, the emulator {sorted(here)}")
    return [each for each in listed if not any(re.fullmatch(known, each) for known in KNOWN)]


@pytest.fixture(scope="module")
def ours() -> Answers:
    """Record the emulator at rest, prepared, while it swaps, and after; no secret is in it."""
    scene = settled()
    cloud = scene.cloud
    recorder = Recorder(DoorHttp(ArmDoor(cloud, Process("person", scene.rig.seam)), cloud.seconds))
    azure = Azure(ARM, Credential("person"), http=recorder, pool=Inline)
    body = b'{"targetSlot": "production", "properties": {"appSettingNames": ["CANARY"]}}'
    cloud.change("staging", CANARY="canary-value", state="canary")
    for step in ("applySlotConfig", "resetSlotConfig", "slotsswap"):
        reads(azure, azure.locate("app", None, None))
        cloud.wait(90)
        assert cloud.post("person", f"/slots/staging/{step}", body) < 300
    reads(azure, azure.locate("app", None, None))
    cloud.wait(90)
    assert cloud.post("person", "/config/slotConfigNames", body, "PUT") == 200
    tagged = replace(cloud.site.production, tags={"canary-tag": "canary-owner"})
    cloud.world.store.put(cloud.site.with_slots(tagged))
    for _ in range(2):
        kept = len(recorder.answers)
        reads(azure, azure.locate("app", None, None))
    assert len(recorder.answers) == kept, "what is not new is left out"
    text = json.dumps(recorder.answers).lower()
    slots = cloud.site.slots.values()
    secrets = [*(slot.keys.function for slot in slots), *(slot.host for slot in slots)]
    assert not [each for each in ("canary", SUBSCRIPTION, *secrets) if each in text]
    return recorder.answers


def test_a_recording_of_the_emulator_is_its_own(ours: Answers) -> None:
    """It has every state of a swap, a refusal, and no difference from itself, whole or in part."""
    sites = [each["body"]["properties"] for each in ours if each["call"].endswith("/sites/{}")]
    for field in ("targetSwapSlot", "slotSwapStatus", "inProgressOperationId"):
        assert {each[field] is None for each in sites} == {True, False}, field
    assert {each["status"] for each in ours} == {200, 404}
    assert differences(ours, ours) == differences(ours[:9], ours) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda site: site.pop("state"), "only the emulator has it"),
        (lambda site: site.update(newField="on"), "Azure ['str'], the emulator []"),
        (lambda site: site.update(state="Limited"), "Azure ['Limited'], the"),
        (lambda site: site.update(defaultHostName=None), "Azure ['NoneType']"),
    ],
)
def test_each_difference_is_listed(ours: Answers, change: Callable[[Any], None], said: str) -> None:
    """A key more or less, a word or a type that the emulator does not know."""
    broken = deepcopy([each for each in ours if each["call"].endswith("/sites/{}")])
    for each in broken:
        change(each["body"]["properties"])
    (found,) = differences(broken, ours)
    assert said in found


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_recording_of_azure_is_answered_alike(ours: Answers, file: Path) -> None:
    """The emulator has what Azure has, but for what is KNOWN."""
    found = differences(json.loads(file.read_text(encoding="utf-8")), ours)
    assert not found, "\n".join(found)
