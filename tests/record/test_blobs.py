"""One contract for the journal's and the lock's blobs: in memory, and over Azurite."""

import uuid

import pytest

from gitslot.errors import JournalError, JournalMoved
from gitslot.record.blobs import AzureBlobs, Blobs
from reliability.memory_blobs import MemoryBlobs


@pytest.fixture(params=["memory", "azurite"])
def blobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    if request.param == "memory":
        return MemoryBlobs()
    platform = request.getfixturevalue("platform")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", platform.ca)
    return AzureBlobs(platform.storage, platform.credential)


@pytest.fixture
def name() -> str:
    return f"journal/{uuid.uuid4().hex}/2026-11.jsonl"


def held(blobs: Blobs, name: str) -> str:
    lease = blobs.acquire(name)
    assert lease
    return lease


def test_nothing_is_there_at_first(blobs: Blobs, name: str) -> None:
    """A missing blob has no size and no lease, and is in no list."""
    assert blobs.size(name) is None
    assert blobs.look(name) is None
    assert blobs.names(name) == []


def test_what_is_appended_is_read_from_any_offset(blobs: Blobs, name: str) -> None:
    """Its length is counted in bytes."""
    blobs.append(name, b"one\n", 0)
    blobs.append(name, b"two\n", 4)
    assert blobs.size(name) == 8
    assert (blobs.read(name), blobs.read(name, 4)) == (b"one\ntwo\n", b"two\n")
    assert blobs.names(name[:20]) == [name]
    assert blobs.read(name, 4, 2) == b"tw"


def test_a_list_has_lengths_and_an_etag_that_every_write_changes(blobs: Blobs, name: str) -> None:
    """Who folded a blob knows by it whether that is still the one."""
    blobs.append(name, b"one\n", 0)
    (first,), again = blobs.listed(name), blobs.listed(name)
    blobs.append(name, b"two\n", 4)
    (second,) = blobs.listed(name)
    assert ((first.name, first.size), again) == ((name, 4), [first])
    assert (second.size, second.etag != first.etag) == (8, True)


@pytest.mark.parametrize("position", [0, 3, 5])
def test_an_append_at_another_position_is_refused(blobs: Blobs, name: str, position: int) -> None:
    """Whoever did not see the newest bytes writes nothing."""
    blobs.append(name, b"one\n", 0)
    with pytest.raises(JournalMoved):
        blobs.append(name, b"two\n", position)
    assert blobs.read(name) == b"one\n"


def test_an_append_to_a_blob_that_is_gone_is_an_error(blobs: Blobs, name: str) -> None:
    """It is not made anew in silence."""
    with pytest.raises(JournalError):
        blobs.append(name, b"two\n", 4)


def test_reading_what_is_not_there_is_an_error(blobs: Blobs, name: str) -> None:
    """Nothing is not an empty journal."""
    with pytest.raises(JournalError):
        blobs.read(name)


def test_a_lease_is_held_by_one(blobs: Blobs, name: str) -> None:
    """Until it is released."""
    lease = held(blobs, name)
    assert blobs.acquire(name) is None
    blobs.release(name, lease)
    assert blobs.acquire(name)


def test_a_renewal_shows_in_the_services_clock(blobs: Blobs, name: str) -> None:
    """With the holder's name beside it."""
    lease = held(blobs, name)
    assert blobs.touch(name, lease, {"holder": "me"})
    seen = blobs.look(name)
    assert seen and (seen.held, seen.metadata["holder"]) == (True, "me")
    assert abs((seen.now - seen.changed).total_seconds()) < 30


def test_a_broken_lease_is_over_for_its_holder(blobs: Blobs, name: str) -> None:
    """It can neither be renewed nor take the next one's away."""
    old = held(blobs, name)
    blobs.break_lease(name)
    new = held(blobs, name)
    assert not blobs.touch(name, old, {})
    blobs.release(name, old)
    assert blobs.touch(name, new, {})


def test_breaking_what_is_not_held_is_no_error(blobs: Blobs, name: str) -> None:
    """Two who break the same lock do not trip over each other."""
    lease = held(blobs, name)
    blobs.release(name, lease)
    blobs.break_lease(name)
    seen = blobs.look(name)
    assert seen and not seen.held


def test_what_is_stored_is_replaced_by_whoever_knows_it(blobs: Blobs, name: str) -> None:
    """The etag says which; "" stands for nothing there."""
    assert blobs.load(name) is None
    first = blobs.store(name, b"one", "")
    assert blobs.load(name) == (b"one", first)
    second = blobs.store(name, b"two", first)
    assert second != first
    assert blobs.load(name) == (b"two", second)


def test_what_somebody_else_stored_is_not_replaced(blobs: Blobs, name: str) -> None:
    """Neither by an older etag, nor by one who saw nothing, nor where it is gone."""
    first = blobs.store(name, b"one", "")
    second = blobs.store(name, b"two", first)
    for etag in (first, ""):
        with pytest.raises(JournalMoved):
            blobs.store(name, b"three", etag)
    assert blobs.load(name) == (b"two", second)
    with pytest.raises(JournalMoved):
        blobs.store(f"{name}-gone", b"x", second)
