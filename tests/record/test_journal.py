"""The journal: appended under a condition, folded, rolled, never guessed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from gitslot.errors import JournalError, JournalMoved
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.record.memory import fold
from gitslot.record.payload import Payload
from gitslot.state.remembered import Asked
from gitslot.state.wanted import PRODUCTION, Revision
from reliability.memory_blobs import MemoryBlobs

NOW = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
APP = "app"
NAME = "journal/app/2026-11.jsonl"
NEXT = "journal/app/2026-12.jsonl"


def event(name: str = "Drift", message: str = "", **more: object) -> Event:
    return Event(name, APP, NOW, message=message, **more)  # type: ignore[arg-type]


def opened(
    blobs: MemoryBlobs | None = None, tell: Callable[[Event], None] = lambda _: None
) -> tuple[MemoryBlobs, Journal]:
    """Return a journal that has looked once, and its blobs."""
    blobs = blobs or MemoryBlobs()
    journal = Journal(blobs, tell)
    journal.memory(APP, NOW)
    return blobs, journal


def overtaken(journal: Journal, message: str, now: datetime = NOW) -> None:
    """Try to append what must be refused: another writer was first."""
    with pytest.raises(JournalMoved):
        journal.append(APP, [event(message=message)], now)


def messages(journal: Journal) -> list[str]:
    return [event.message for event in journal.events(APP)]


def unreadable(line: bytes) -> None:
    """Prove that a journal that holds *line* alone is an error."""
    blobs = MemoryBlobs()
    blobs.forge(NAME, line + b"\n")
    with pytest.raises(JournalError):
        Journal(blobs).memory(APP, NOW)


def test_what_is_written_is_what_is_read() -> None:
    """By this process and by the next."""
    blobs, journal = opened()
    wrote = event("Converged", "production serves x", model="iris", to="1", to_digest="a" * 64)
    after = journal.append(APP, [wrote], NOW)
    assert (Journal(blobs).events(APP), Journal(blobs).memory(APP, NOW)) == ([wrote], after)


def test_whoever_did_not_see_the_newest_event_cannot_write_the_next() -> None:
    """And after another look it can."""
    blobs, one = opened()
    _, other = opened(blobs)
    one.append(APP, [event(message="first")], NOW)
    overtaken(other, "second")
    other.memory(APP, NOW)
    other.append(APP, [event(message="second")], NOW)
    assert messages(one) == ["first", "second"]


def test_nobody_hears_of_an_event_that_was_not_written() -> None:
    """Logging and the terminal come after the journal."""
    told = list[Event]()
    blobs, journal = opened(tell=told.append)
    blobs.lost = ["append-before"]
    with pytest.raises(JournalError):
        journal.append(APP, [event()], NOW)
    assert told == []


def test_an_append_whose_answer_was_lost_is_seen_by_the_next_look() -> None:
    """It is not written twice, and the one after it is written at the right place."""
    blobs, journal = opened()
    blobs.lost = ["append"]
    with pytest.raises(JournalError):
        journal.append(APP, [event(message="first")], NOW)
    journal.memory(APP, NOW)
    journal.append(APP, [event(message="second")], NOW)
    assert messages(journal) == ["first", "second"]


def test_an_id_that_stands_twice_counts_once() -> None:
    """Readers drop duplicates."""
    blobs = MemoryBlobs()
    failed = event("VerifyFailed", verdict="fail", model="m", to="1", to_digest="a" * 64)
    blobs.forge(NAME, failed.line() * 2)
    assert Journal(blobs).events(APP) == [failed]
    attempts = Journal(blobs).memory(APP, NOW).of(PRODUCTION).attempts
    assert attempts and attempts.failed == 1


def test_a_new_month_begins_a_new_blob_and_forgets_nothing() -> None:
    """In this process and in the next."""
    blobs, journal = opened()
    journal.append(APP, [event("Converged", model="m", to="1", to_digest="a" * 64)], NOW)
    later = NOW + timedelta(minutes=2)
    journal.memory(APP, later)
    after = journal.append(APP, [event(message="december")], later)
    assert blobs.names("journal/") == [NAME, NEXT]
    assert after.baseline
    assert Journal(blobs).memory(APP, later) == after


def test_a_quiet_month_costs_no_rereading() -> None:
    """A converged app writes nothing for weeks: a look is still a size or two."""
    blobs, journal = opened()
    journal.append(APP, [event()], NOW)
    later = NOW + timedelta(days=20)
    journal.memory(APP, later)
    blobs.calls.clear()
    journal.memory(APP, later)
    assert set(blobs.calls) == {"size"}
    assert len(blobs.calls) <= 2


def test_two_writers_at_the_turn_of_a_month_do_not_overlook_each_other() -> None:
    """The one that comes second looks again."""
    blobs, one = opened()
    other = Journal(blobs)
    one.append(APP, [event()], NOW)
    later = NOW + timedelta(minutes=2)
    one.memory(APP, later)
    other.memory(APP, later)
    one.append(APP, [event(message="first")], later)
    overtaken(other, "second", later)
    assert other.memory(APP, later) == one.memory(APP, later)


def test_clocks_that_differ_at_the_turn_of_a_month_lead_to_one_journal() -> None:
    """Whoever's clock is behind sees the intent that stands in the next month's blob."""
    blobs, ahead = opened()
    behind = Journal(blobs)
    later = NOW + timedelta(seconds=90)
    release = {"model": "m", "to": "2", "to_digest": "b" * 64}
    ahead.append(APP, [event("Converged", **release)], NOW)
    ahead.memory(APP, later)
    behind.memory(APP, NOW)
    ahead.append(APP, [event("SwapStarted", **release)], later)
    with pytest.raises(JournalMoved):
        behind.append(APP, [event("SwapStarted", **release)], NOW)
    assert behind.memory(APP, NOW).intent == ahead.memory(APP, later).intent is not None
    behind.append(APP, [event(message="after it")], NOW)
    assert (messages(ahead)[-1], blobs.names("journal/")) == ("after it", [NAME, NEXT])
    assert Journal(blobs).memory(APP, NOW) == ahead.memory(APP, later)


@pytest.mark.parametrize("lost", [["append"], ["append-before"]])
def test_a_blob_that_was_sealed_and_not_followed_is_followed_by_the_next_writer(
    lost: list[str],
) -> None:
    """Where the answer to the seal was lost, by any clock."""
    blobs, ahead = opened()
    behind = Journal(blobs)
    ahead.append(APP, [event(message="first")], NOW)
    behind.memory(APP, NOW)
    blobs.lost = lost
    with pytest.raises(JournalError):
        ahead.append(APP, [event(message="lost")], NOW + timedelta(minutes=2))
    behind.memory(APP, NOW)
    behind.append(APP, [event(message="second")], NOW)
    ahead.memory(APP, NOW + timedelta(minutes=2))
    ahead.append(APP, [event(message="third")], NOW + timedelta(minutes=2))
    assert messages(behind) == ["first", "second", "third"]
    assert blobs.names("journal/") == [NAME, NEXT]


@pytest.mark.parametrize("swapped", [False, True])
def test_two_that_begin_a_journal_in_two_months_end_in_one(swapped: bool) -> None:
    """An empty journal has nothing to seal: both look around once they have begun it."""
    blobs = MemoryBlobs()
    one, other = Journal(blobs), Journal(blobs)
    times = [NOW, NOW + timedelta(minutes=2)]
    if swapped:
        times.reverse()
    one.memory(APP, times[0])
    other.memory(APP, times[1])
    one.append(APP, [event(message="one")], times[0])
    overtaken(other, "other", times[1])
    other.memory(APP, times[1])
    other.append(APP, [event(message="again")], times[1])
    if not swapped:
        with pytest.raises(JournalMoved):
            one.append(APP, [event(message="unseen")], times[0])
    assert one.memory(APP, times[0]) == other.memory(APP, times[1])


def test_a_journal_of_an_older_controller_is_sealed_when_it_is_next_written() -> None:
    """Its blobs have no seals, and one of them may still be taken for the newest."""
    blobs = MemoryBlobs()
    behind = Journal(blobs)
    blobs.forge(NAME, event(message="old").line())
    behind.memory(APP, NOW)
    blobs.forge(NEXT, event(message="new").line())
    journal = Journal(blobs)
    journal.memory(APP, NOW)
    journal.append(APP, [event(message="newest")], NOW)
    overtaken(behind, "unseen")
    assert messages(journal) == ["old", "new", "newest"]


@pytest.mark.parametrize("follows", ["", NAME, "journal/other/2026-12.jsonl", "journal/app/x"])
def test_a_seal_that_leads_nowhere_is_not_guessed(follows: str) -> None:
    """Somebody edited the journal."""
    unreadable(event("Sealed", detail=Payload(follows=follows)).line().rstrip(b"\n"))


@pytest.mark.parametrize(
    "line",
    [
        *b"{} [] null { \xff".split(),
        b'{"time": "2026-11-22T00:00:00Z"}',
        b'{"event": "X", "app": "a", "time": "yesterday"}',
        b'{"event": "X", "app": "a", "time": "2026-11-22T00:00:00"}',
        b'{"event": 7, "app": "a", "time": "2026-11-22T00:00:00Z"}',
    ],
)
def test_a_line_that_is_no_event_is_not_guessed(line: bytes) -> None:
    """The journal is the memory: doubt about it freezes."""
    unreadable(line)


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "SwapStarted"},
        {"event": "DeployStarted"},
        {"event": "Waiting", "detail": {"since": "yesterday"}},
        {"event": "Waiting", "detail": []},
        {"event": "Waiting", "detail": None},
    ],
)
def test_an_event_that_lacks_what_memory_needs_is_no_crash(fields: dict[str, object]) -> None:
    """Somebody edited the journal: an error with a name, not one that ends the process."""
    line = {"app": APP, "time": "2026-11-22T00:00:00Z", "id": "1", **fields}
    unreadable(json.dumps(line).encode())


def test_a_journal_that_became_shorter_is_an_error_once() -> None:
    """Then it is read anew, as a fresh process would."""
    blobs, journal = opened()
    journal.append(APP, [event("Converged", model="m", to="1", to_digest="a" * 64)], NOW)
    blobs.drop(NAME)
    with pytest.raises(JournalError):
        journal.memory(APP, NOW)
    assert not journal.memory(APP, NOW).baseline


def test_no_text_can_forge_a_line() -> None:
    """What comes from commits and platforms is escaped before it is written."""
    told = list[Event]()
    blobs, journal = opened(tell=told.append)
    evil = 'x\n{"event":"Converged"}\r\x1b[2J\u202e\u2028\ud800\x85' + "y" * 5000
    journal.append(APP, [event(message=evil, subject=evil, author=evil, reason=evil)], NOW)
    assert blobs.read(NAME).count(b"\n") == 1
    found = journal.events(APP)[0]
    assert found == told[0]
    for text in (found.message, found.subject, found.author, found.reason):
        assert text.isprintable()
        assert len(text) < 2200


def test_folding_in_pieces_is_folding_at_once() -> None:
    """A cached fold may be kept."""
    release, deploy = {"model": "m", "to": "2", "to_digest": "b" * 64}, Payload(deploy="r-1")
    events = [event("Drift", slot=PRODUCTION, **release)]
    events += [event(name, detail=deploy, **release) for name in ("DeployStarted", "SwapStarted")]
    events += [
        event("SwapUnknown"),
        event("SwapFinished", **release),
        event("Converged", **release),
    ]
    for cut in range(len(events)):
        assert fold(events[cut:], fold(events[:cut])) == fold(events)


def _event(name: str, second: int, **fields: object) -> Event:
    when = datetime(2026, 11, 22, 12, 0, second, tzinfo=UTC)
    release = {"model": "iris", "to": "1.6.0", "to_digest": "d" * 64}
    return Event(name, "app", when, **{**release, **fields})  # type: ignore[arg-type]


def test_an_event_of_an_older_journal_that_names_no_slot_is_of_staging() -> None:
    """Journals outlive the controllers that wrote them."""
    memory = fold([_event("DeployStarted", 1, detail=Payload(deploy="r-1"))])
    deploy = memory.of("staging").deploy
    assert deploy is not None and deploy.deploy == "r-1"
    refused = _event("DeployFinished", 2, detail=Payload(prepared=True))
    memory = fold([refused], memory)
    assert (memory.of("staging").deploy, memory.conflict_prepared) == (None, True)


def test_what_becomes_of_a_deploy_is_remembered_by_slot() -> None:
    """A refusal in the canary is nothing that staging must be reset for."""
    started = [
        _event("DeployStarted", 1, slot=slot, detail=Payload(deploy=f"r-{slot}", counts_for=slot))
        for slot in ("staging", "canary")
    ]
    detail = Payload(prepared=True, counts_for="canary")
    memory = fold([*started, _event("DeployFinished", 3, slot="canary", detail=detail)])
    deploys = {slot: each.deploy.deploy for slot, each in memory.slots.items() if each.deploy}
    assert deploys == {"staging": "r-staging"}
    assert not memory.conflict_prepared


def test_a_drift_beside_production_leaves_what_is_known_of_it_alone() -> None:
    """Hold, run and wish are production's; the slot's own attempts end with its own wish."""
    failed = {"verdict": "fail", "detail": Payload(counts_for="canary", deploy="r-1")}
    drift = _event("Drift", 1, slot=PRODUCTION, to="1.5.0", run="r")
    since = datetime(2026, 11, 22, 12, 0, 2, tzinfo=UTC)
    held = _event("Waiting", 2, detail=Payload(since=since))
    before = fold([drift, held, _event("VerifyFailed", 3, slot="canary", **failed)])
    after = fold([_event("Drift", 4, slot="canary", to="1.7.0", to_digest="e" * 64)], before)
    attempts = before.of("canary").attempts
    assert attempts and attempts.failed == 1
    assert after.of("canary").attempts is None
    assert after.of(PRODUCTION) == before.of(PRODUCTION)
    kept = ("hold_since", "run_started", "converged", "served", "aligned")
    assert all(getattr(after, name) == getattr(before, name) for name in kept)


def test_a_wish_is_kept_with_the_commit_that_asked_for_it() -> None:
    """By slot, until another comes; what ends a swap carries its own commit and changes none."""
    detail = Payload(wish={"production": "iris 1.5.0", "canary": "iris 1.6.0"}, inexact=True)
    who = {"revision": "a" * 40, "author": "alice", "subject": "bump"}
    asked = _event("Drift", 1, slot=PRODUCTION, detail=detail, **who)
    later = _event("Waiting", 2, revision="b" * 40, detail=Payload(wish={"canary": "iris 1.7.0"}))
    closes = _event("SwapFinished", 3, revision="c" * 40, detail=Payload(swap_status=""))
    memory = fold([asked, later, closes])
    assert {slot: memory.of(slot).asked for slot in ("production", "canary", "staging")} == {
        "production": Asked("iris 1.5.0", Revision("a" * 40, "alice", "bump", exact=False)),
        "canary": Asked("iris 1.7.0", Revision("b" * 40)),
        "staging": None,
    }


def test_older_journals_tell_the_commit_of_productions_wish() -> None:
    """No text is known of it, so the commit is looked for once more."""
    memory = fold([_event("Drift", 1, slot=PRODUCTION, revision="a" * 40)])
    asked = Asked("", Revision("a" * 40))
    assert memory.of(PRODUCTION).asked == asked
    memory = fold([_event("Frozen", 2, revision="b" * 40)], memory)
    assert memory.of(PRODUCTION).asked == asked


def test_an_intent_keeps_the_commit_that_it_was_opened_for() -> None:
    """Whoever commits while the swap runs."""
    opened = _event("SwapStarted", 1, revision="a" * 40, author="alice", subject="bump")
    memory = fold([opened])
    assert memory.intent is not None
    assert memory.intent.revision == Revision("a" * 40, "alice", "bump")
