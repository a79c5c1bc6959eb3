"""The lock: one holder, given back, and taken from the dead alone."""

from datetime import UTC, datetime, timedelta

import pytest

from gitslot.errors import JournalError, LockLost
from gitslot.record.lock import Lock
from gitslot.state.policy import Policy
from reliability.memory_blobs import MemoryBlobs

POLICY = Policy()


class Time:
    """The service's clock and ours; both stand until they are moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def blobs(time: Time) -> MemoryBlobs:
    return MemoryBlobs(time.now)


def lock(blobs: MemoryBlobs, time: Time) -> Lock:
    return Lock(blobs, "app", POLICY, time.monotonic)


def test_one_of_two_holds_it(blobs: MemoryBlobs, time: Time) -> None:
    """Until it is given back."""
    one, other = lock(blobs, time), lock(blobs, time)
    assert one.take()
    assert not other.take()
    one.release()
    assert other.take()
    other.release()


def test_a_write_needs_a_young_renewal(blobs: MemoryBlobs, time: Time) -> None:
    """No later than 30 s after it, by a clock that never goes back."""
    mine = lock(blobs, time)
    mine.take()
    time.seconds = 30
    mine.check()
    time.seconds = 30.1
    with pytest.raises(LockLost):
        mine.check()
    mine.release()


def test_without_the_lock_nothing_is_written(blobs: MemoryBlobs, time: Time) -> None:
    """Neither before it was taken nor after it was given back."""
    mine = lock(blobs, time)
    with pytest.raises(LockLost):
        mine.check()
    mine.take()
    mine.release()
    with pytest.raises(LockLost):
        mine.check()


def test_a_holder_that_renews_is_never_stale(blobs: MemoryBlobs, time: Time) -> None:
    """However long it holds."""
    lock(blobs, time).take()
    other = lock(blobs, time)
    lease = blobs._blobs["locks/app"].lease
    assert lease
    for _ in range(40):
        time.seconds += 15
        blobs.touch("locks/app", lease, {})
        assert not other.stale()


def test_a_dead_holder_is_stale_after_two_looks_at_the_same_old_renewal(
    blobs: MemoryBlobs, time: Time
) -> None:
    """120 s by the service's clock, and a renewal's interval between the looks."""
    blobs.acquire("locks/app")
    other = lock(blobs, time)
    time.seconds = 119
    assert not other.stale()
    time.seconds = 125
    assert not other.stale()
    time.seconds = 139
    assert not other.stale()
    time.seconds = 141
    assert other.stale()


def test_a_lock_taken_just_now_over_an_old_renewal_is_not_stale(
    blobs: MemoryBlobs, time: Time
) -> None:
    """The lease comes a moment before its first renewal."""
    first = lock(blobs, time)
    first.take()
    first.release()
    time.seconds = 1000
    lease = blobs.acquire("locks/app")
    other = lock(blobs, time)
    assert not other.stale()
    time.seconds = 1001
    blobs.touch("locks/app", lease or "", {})
    time.seconds = 1017
    assert not other.stale()


def test_a_lock_that_nobody_holds_is_not_stale(blobs: MemoryBlobs, time: Time) -> None:
    """It is simply taken."""
    other = lock(blobs, time)
    assert not other.stale()
    blobs.release("locks/app", blobs.acquire("locks/app") or "")
    time.seconds = 500
    assert not other.stale()


def test_a_broken_lock_is_lost_for_its_holder(blobs: MemoryBlobs, time: Time) -> None:
    """Its next renewal fails, and giving it back does not take it from the new one."""
    one, other = lock(blobs, time), lock(blobs, time)
    one.take()
    blobs.break_lease("locks/app")
    assert other.take()
    assert not one._renew()
    assert not one.held
    one.release()
    assert not lock(blobs, time).take()
    other.release()


def test_storage_that_fails_while_it_is_taken_leaves_no_lock_behind(
    blobs: MemoryBlobs, time: Time
) -> None:
    """The lease was ours for a moment; giving back ends it."""
    mine, touch = lock(blobs, time), blobs.touch

    def failing(*_: object) -> bool:
        raise JournalError("storage did not answer")

    blobs.touch = failing  # type: ignore[method-assign, assignment]
    with pytest.raises(JournalError):
        mine.take()
    mine.release()
    blobs.touch = touch  # type: ignore[method-assign]
    assert lock(blobs, time).take()
