"""
Threads on virtual time: one runs at any moment, and time passes only once all of them wait.

So what runs at once is played out second by second, and the same start gives the same order.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

_STUCK_S = 60.0
_STEP_S = 0.5


@dataclass(slots=True)
class _Wait:
    until: float
    number: int
    news: bool = False  # it ends when there is news


class Crew:
    """The threads of one process: the one that makes this, and what it spawns."""

    def __init__(self, advance: Callable[[float], None], seconds: Callable[[], float]) -> None:
        self._advance, self._seconds = advance, seconds
        self._numbers = count()
        self._waits: dict[threading.Thread, _Wait] = {}
        self._change = threading.Condition()
        self._main = self._turn = threading.current_thread()
        self._died: list[BaseException] = []
        self.on_death: Callable[[], object] = lambda: None

    def spawn(self, work: Callable[[], None]) -> None:
        """
        Let *work* run beside its caller, from the moment on at which that waits.

        The thread is named as the app whose pass it is.
        """

        def body() -> None:
            self._await_turn()
            try:
                work()
            except BaseException as error:
                self._died.append(error)
                self.on_death()
                self.wake()
            self._hand_over()

        name = str(next(iter(getattr(work, "args", ())), "survey"))
        thread = threading.Thread(target=body, name=name, daemon=True)
        self._waits[thread] = self._wait(0.0)
        thread.start()

    def wait(self, seconds: float, *, news: bool = False) -> None:
        """Let time pass; the other threads go on. Where one died, the first raises its error."""
        me = threading.current_thread()
        self._waits[me] = self._wait(seconds, news=news)
        self._hand_over()
        self._await_turn()
        if self._died and me is self._main:
            raise self._died[0]

    def wake(self) -> None:
        """End the waits of all that wait for news."""
        for each in self._waits.values():
            if each.news:
                each.until = min(each.until, self._seconds())

    def forget(self, kind: type[BaseException]) -> None:
        """Forget threads that died of *kind*, as those of a process do that is killed."""
        self._died[:] = [error for error in self._died if not isinstance(error, kind)]

    def end(self) -> None:
        """Wait until every other thread has ended, and forget what killed them."""
        while self._waits:
            try:
                self.wait(max(each.until for each in self._waits.values()) - self._seconds())
            except BaseException as error:
                if error not in self._died:
                    raise
        self._died.clear()

    def _wait(self, seconds: float, *, news: bool = False) -> _Wait:
        return _Wait(self._seconds() + max(0.0, seconds), next(self._numbers), news)

    def _hand_over(self) -> None:
        while True:
            thread = min(self._waits, key=lambda t: (self._waits[t].until, self._waits[t].number))
            left = self._waits[thread].until - self._seconds()
            if left <= 0:
                break
            self._advance(min(left, _STEP_S))  # what happens then may wake a thread
        del self._waits[thread]
        with self._change:
            self._turn = thread
            self._change.notify_all()

    def _await_turn(self) -> None:
        me = threading.current_thread()
        with self._change:
            assert self._change.wait_for(lambda: self._turn is me, _STUCK_S), "nobody goes on"
