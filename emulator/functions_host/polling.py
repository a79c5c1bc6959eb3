"""
How often an empty queue is polled: RandomizedExponentialBackoffStrategy.cs of the WebJobs storage
extensions in github.com/Azure/azure-sdk-for-net.
"""

import random

SHORTEST_S = 0.1


class Backoff:
    """Returns the waits between the polls of a queue, up to *longest_s*."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._current_s = 0.0
        self._exponent = 0

    def next(self, *, found: bool) -> float:
        """Return the seconds to wait; *found* is whether messages came since the last call."""
        if found:
            self._current_s, self._exponent = SHORTEST_S, 1
        elif self._current_s != self._longest_s:
            wait = SHORTEST_S
            if self._exponent:
                longer = 2 ** (self._exponent - 1) * SHORTEST_S
                wait += random.uniform(0.8, 1.2) * longer  # noqa: S311 - no secret
            if wait < self._longest_s:
                self._current_s = wait
                self._exponent += 1
            else:
                self._current_s = self._longest_s
        return self._current_s
