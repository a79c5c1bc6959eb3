"""
Time that passes only when somebody waits, under the emulator's own coroutines.

The emulator's swaps and processes are asyncio tasks. Here they run on an event loop without
sockets, whose clock is moved by hand: a swap of 80 seconds takes half a millisecond, and the same
waits always end in the same order.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any


class _NoSockets:
    """A selector with nothing to select from."""

    def select(self, timeout: float | None = None) -> list[Any]:
        del timeout
        return []

    def close(self) -> None:
        return


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose seconds are counted by `advance` alone."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _NoSockets()
        self._seconds = 0.0
        self.set_exception_handler(lambda *_: None)  # tasks that are cut off at the end of a run

    def time(self) -> float:
        """Return the virtual seconds since the start."""
        return self._seconds

    def begin(self, seconds: float) -> None:
        """Count on from *seconds*, before anything has been started."""
        self._seconds = seconds

    def _process_events(self, event_list: list[Any]) -> None:
        del event_list

    @contextmanager
    def current(self) -> Iterator[None]:
        """Let code inside start tasks here, as if called from one."""
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(outer)

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass, and everything happen that is due in them, in order."""
        until = self._seconds + max(seconds, 0.0)
        loop: Any = self
        with self.current():
            while True:
                while loop._ready:
                    loop._run_once()
                waiting = loop._scheduled
                if not waiting or waiting[0]._when > until:
                    break
                self._seconds = max(self._seconds, waiting[0]._when)
                loop._run_once()
        self._seconds = until

    def finish[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Let time pass until *work* is done; return its result or raise its error."""
        task = self.create_task(work)
        self.advance(0)
        loop: Any = self
        while not task.done():
            self.advance(loop._scheduled[0]._when - self._seconds)
        return task.result()

    def end(self) -> None:
        """Cut off whatever still runs."""
        for task in asyncio.all_tasks(self):
            task.cancel()
        self.advance(0)
        self.close()
