"""
Questions to Git that may take long: each is answered in a thread of its own, one after another.

Whoever asks waits for a while and no longer. Who asks again later gets the answer.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from gitslot.errors import GitPutOff

T = TypeVar("T")


class _Question(Generic[T]):
    def __init__(self, ask: Callable[[], T], turn: threading.Lock) -> None:
        self._ask, self._turn = ask, turn
        self._answers: list[T] = []
        self._error: Exception | None = None
        self.done = threading.Event()

    def run(self) -> None:
        try:
            with self._turn:
                self._answers.append(self._ask())
        except Exception as error:  # noqa: BLE001 - it is raised for whoever asked
            self._error = error
        finally:
            self.done.set()

    def answer(self) -> T:
        if self._error:
            raise self._error
        return self._answers[0]


class Beside:
    """Asks beside the looks; *patience_s* is how long a look waits."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._turn, self._guard = threading.Lock(), threading.Lock()
        self._asked: dict[tuple[str, ...], _Question[object]] = {}

    def ask(self, key: tuple[str, ...], ask: Callable[[], T], late: str) -> T:
        """
        Return what *ask* returns; under the same *key* it is asked once at a time.

        Raises GitPutOff, with the message *late*, while it is not done, and whatever *ask* raises.
        """
        with self._guard:
            question = self._asked.get(key)
            if question is None:
                question = self._asked[key] = _Question(ask, self._turn)
                threading.Thread(target=question.run, name="git", daemon=True).start()
        if not question.done.wait(self._patience_s):
            raise GitPutOff(late)
        with self._guard:
            self._asked.pop(key, None)
        return cast(T, question.answer())  # the key tells what is asked
