"""The lock: one holder, given back, and taken from the dead alone."""

from datetime import UTC, datetime, timedelta

import pytest

from gitslot.errors import JournalError, LockLost
from gitslot.record.lock import Lock
from gitslot.state.policy import Policy
from reliability.memory_blobs import MemoryBlobs

POLICY = Policy()


class Store:
    """Blobs, and their clock and ours; both stand until they are moved."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.blobs = MemoryBlobs(
            lambda: datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.seconds)
        )

    def lock(self) -> Lock:
        return Lock(self.blobs, "app", POLICY, lambda: self.seconds)


@pytest.fixture
def store() -> Store:
    return Store()


def test_one_of_two_holds_it(store: Store) -> None:
    """Until it is given back."""
    one, other = store.lock(), store.lock()
    assert one.take()
    assert not other.take()
    one.release()
    assert other.take()
    other.release()


def test_a_write_needs_a_young_renewal(store: Store) -> None:
    """No later than 30 s after it, by a clock that never goes back."""
    mine = store.lock()
    mine.take()
    store.seconds = 30
    mine.check()
    store.seconds = 30.1
    with pytest.raises(LockLost):
        mine.check()
    mine.release()


def test_without_the_lock_nothing_is_written(store: Store) -> None:
    """Neither before it was taken nor after it was given back."""
    mine = store.lock()
    with pytest.raises(LockLost):
        mine.check()
    mine.take()
    mine.release()
    with pytest.raises(LockLost):
        mine.check()


def test_a_holder_that_renews_is_never_stale(store: Store) -> None:
    """However long it holds."""
    store.lock().take()
    other = store.lock()
    lease = store.blobs.kept["locks/app"].lease
    assert lease
    for _ in range(40):
        store.seconds += 15
        store.blobs.touch("locks/app", lease, {})
        assert not other.stale()


def test_a_dead_holder_is_stale_after_two_looks_at_the_same_old_renewal(store: Store) -> None:
    """120 s by the service's clock, and a renewal's interval between the looks."""
    store.blobs.acquire("locks/app")
    other = store.lock()
    store.seconds = 119
    assert not other.stale()
    store.seconds = 125
    assert not other.stale()
    store.seconds = 139
    assert not other.stale()
    store.seconds = 141
    assert other.stale()


def test_a_lock_taken_just_now_over_an_old_renewal_is_not_stale(store: Store) -> None:
    """The lease comes a moment before its first renewal."""
    first = store.lock()
    first.take()
    first.release()
    store.seconds = 1000
    lease = store.blobs.acquire("locks/app")
    other = store.lock()
    assert not other.stale()
    store.seconds = 1001
    store.blobs.touch("locks/app", lease or "", {})
    store.seconds = 1017
    assert not other.stale()


def test_a_lock_that_nobody_holds_is_not_stale(store: Store) -> None:
    """It is simply taken."""
    other = store.lock()
    assert not other.stale()
    store.blobs.release("locks/app", store.blobs.acquire("locks/app") or "")
    store.seconds = 500
    assert not other.stale()


def test_a_broken_lock_is_lost_for_its_holder(store: Store) -> None:
    """Its next renewal fails, and giving it back does not take it from the new one."""
    one, other = store.lock(), store.lock()
    one.take()
    store.blobs.break_lease("locks/app")
    assert other.take()
    assert not one._renew()
    assert not one.held
    one.release()
    assert not store.lock().take()
    other.release()


def test_storage_that_fails_while_it_is_taken_leaves_no_lock_behind(store: Store) -> None:
    """The lease was ours for a moment; giving back ends it."""
    mine, touch = store.lock(), store.blobs.touch

    def failing(*_: object) -> bool:
        raise JournalError("storage did not answer")

    store.blobs.touch = failing  # type: ignore[method-assign, assignment]
    with pytest.raises(JournalError):
        mine.take()
    mine.release()
    store.blobs.touch = touch  # type: ignore[method-assign]
    assert store.lock().take()
