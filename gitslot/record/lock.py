"""
The lock: one writer an app, as an infinite blob lease with the last renewal beside it.

A write is decided only from a look that began under the lock, and sent only while the last renewal
is young. A holder that died is recognised by the storage service's own clock, never by ours.
"""

import contextlib
import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from gitslot.errors import JournalError, LockLost
from gitslot.state.policy import Policy

if TYPE_CHECKING:
    from gitslot.record.blobs import Blobs


class Lock:
    """
    The lock of one app.

    *monotonic* counts seconds and never goes back. A thread renews the lease while it is held; a
    process that is frozen for longer than the stale time between `check` and its write is outside
    what any lease can promise.
    """

    def __init__(
        self, blobs: "Blobs", app: str, policy: Policy, monotonic: Callable[[], float]
    ) -> None:
        self._blobs = blobs
        self._name = f"locks/{app}"
        self._policy = policy
        self._monotonic = monotonic
        self._holder = uuid.uuid4().hex
        self._lease: str | None = None
        self._renewed = 0.0
        self._suspect: tuple[datetime, float] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def held(self) -> bool:
        """Say whether this process holds the lock, as far as it knows."""
        return self._lease is not None

    def take(self) -> bool:
        """Take the lock; False while somebody else holds it. Raises JournalError."""
        self._lease = self._blobs.acquire(self._name)
        if self._lease is None:
            return False
        if not self._renew():
            return False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, args=(self._stop,), daemon=True)
        self._thread.start()
        return True

    def stale(self) -> bool:
        """
        Say whether the present holder has not renewed for so long that it counts as dead.

        A lease is taken a moment before its first renewal, so one look proves nothing: the same
        old renewal must be seen twice, a renewal's interval apart.
        """
        seen = self._blobs.look(self._name)
        if seen is None or not seen.held:
            self._suspect = None
            return False
        if (seen.now - seen.changed).total_seconds() <= self._policy.lock_stale_s:
            self._suspect = None
            return False
        now = self._monotonic()
        if self._suspect is None or self._suspect[0] != seen.changed:
            self._suspect = (seen.changed, now)
        return now - self._suspect[1] >= self._policy.lock_renew_s

    def break_(self) -> None:
        """End a stale holder's lease; the caller has resolved any open intent."""
        self._blobs.break_lease(self._name)

    def check(self) -> None:
        """Raise LockLost unless a write may be sent now."""
        age = self._monotonic() - self._renewed
        if self._lease is None or age > self._policy.lock_write_s:
            raise LockLost("the lock was not renewed in time")

    def release(self) -> None:
        """Give the lock back; safe to call when it is not held."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread:
            thread.join()
        lease, self._lease = self._lease, None
        if lease:
            with contextlib.suppress(JournalError):  # a lease that stays is broken when stale
                self._blobs.release(self._name, lease)

    def _keep(self, stop: threading.Event) -> None:
        while not stop.wait(self._policy.lock_renew_s):
            with contextlib.suppress(JournalError):  # `check` measures how long ago the last was
                if not self._renew():
                    return

    def _renew(self) -> bool:
        lease, began = self._lease, self._monotonic()
        if lease and self._blobs.touch(self._name, lease, {"holder": self._holder}):
            self._renewed = began
            return True
        self._lease = None
        return False
