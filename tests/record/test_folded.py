"""The fold that a blob of the journal begins with: equal to folding everything, or passed over."""

import hashlib
import json
import random

import pytest

from gitslot.errors import JournalError
from gitslot.record import folded, journal
from gitslot.record.event import Event, parse
from gitslot.record.journal import Journal
from gitslot.record.memory import fold
from gitslot.record.recent import Change, Recent, Trace
from gitslot.state.plain import plain
from gitslot.state.remembered import Memory
from reliability.memory_blobs import MemoryBlobs
from tests.record.test_old_journals import FOLDER, NAMES

APP = "app"
FOLDS = (1, "d095889d28ad4762")  # the version, and what the recorded journals fold to by it


def recorded(name: str) -> list[Event]:
    return [parse(line) for line in (FOLDER / f"{name}.jsonl").read_bytes().splitlines()]


def opened(blobs: MemoryBlobs) -> tuple[Memory, Recent]:
    """Return what a new process knows."""
    one = Journal(blobs)
    one.memory(APP, recorded(NAMES[0])[0].time)
    known = one.known(APP)
    assert known
    return known


def whole(blobs: MemoryBlobs) -> tuple[Memory, Recent]:
    """Return what a new process of another version knows: it folds everything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folded, "VERSION", 0)
        return opened(blobs)


def written(events: list[Event], seed: int = 1, *, lost: bool = False) -> MemoryBlobs:
    """Return the blobs of *events*, written some at a time, each by a process of its own or not."""
    rng, blobs = random.Random(seed), MemoryBlobs()
    one, rest = Journal(blobs), list(events)
    while rest:
        one = rng.choice([one, Journal(blobs)])
        now, part = rest[0].time, rest[: rng.randint(1, 3)]
        try:
            one.memory(APP, now)
            if lost and rng.random() < 0.3:
                blobs.lost = [rng.choice(["append", "append-before"])]
            one.append(APP, part, now)
        except JournalError:
            part = []
        known = {event.id for event in Journal(blobs).newest(APP)}
        rest = [event for event in rest if event.id not in known]
    return blobs


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "ROLL_EVENTS", 3)


@pytest.mark.parametrize("lost", [False, True])
def test_a_new_process_reads_one_blob_and_knows_all(lost: bool) -> None:
    """Of every recorded journal, wherever it is cut and whichever answers were lost."""
    for seed, name in enumerate(NAMES):
        events = recorded(name)
        blobs = written(events, seed, lost=lost)
        blobs.calls.clear()
        memory, recent = opened(blobs)
        assert blobs.calls.count("read") == 1, name
        assert (memory, recent) == whole(blobs), name
        assert Journal(blobs).events(APP) == events, name
        changes = sum(reversed(list(Journal(blobs).changes(APP))), list[Change]())
        assert changes == list(filter(None, map(Trace().add, events))), name


def test_what_somebody_did_behind_a_fold_is_noticed() -> None:
    """A broken line is an error, and what is edited or gone counts no more."""
    events = recorded(NAMES[0])
    for number in range(len(written(events).names("")) - 1):
        blobs = written(events)
        name = sorted(blobs.names("journal/"), key=len)[number]
        data = blobs.read(name)
        lines = data.split(b"\n")
        edits = (e if e.startswith(folded.BEGINS) else e.replace(b"1.5.0", b"1.7.0") for e in lines)
        blobs.forge(name, b"\n".join(edits))
        assert opened(blobs) == whole(blobs)
        blobs.forge(name, data[: len(data) // 2])
        with pytest.raises(JournalError):
            opened(blobs)
        blobs.drop(name)
        assert opened(blobs) == whole(blobs)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2, "memory": {}},
        {"covers": "0" * 64, "memory": {}},
        {"memory": None},
        {"memory": {"intent": {"id": 7}}},
        {"memory": {"releases": [[1]], "slots": {"production": []}}},
        {"recent": {"events": [{}]}},
        {"recent": {"began": {"deploy": "yesterday"}}},
    ],
)
def test_a_fold_that_is_hostile_or_of_another_version_is_passed_over(
    changes: dict[str, object],
) -> None:
    """All is folded then; nothing freezes."""
    blobs = written(recorded(NAMES[0]))
    expected, name = whole(blobs), max(blobs.names("journal/"), key=len)
    first, _, rest = blobs.read(name).partition(b"\n")
    raw = json.loads(first)
    raw["detail"]["fold"] |= changes
    line = json.dumps(raw, separators=(",", ":")).encode()
    blobs.forge(name, line + b"\n" + rest)
    found, recent = opened(blobs)
    assert (found.stop, recent) == (expected[0].stop, expected[1])
    blobs.forge(name, first[: len(first) // 2] + b"\n" + rest)
    assert opened(blobs)[1] == expected[1]


def test_who_changes_how_the_journal_folds_raises_the_version() -> None:
    """Else a fold by the old rules would count: raise `folded.VERSION`, and note what it gives."""
    found = hashlib.sha256()
    for name in NAMES:
        memory, recent = Memory(), Recent()
        for event in recorded(name):
            memory = fold([event], memory)
            recent.add(event)
            found.update(json.dumps(plain(memory)).encode())
        found.update(json.dumps(plain(recent)).encode())
    assert (folded.VERSION, found.hexdigest()[:16]) == FOLDS
