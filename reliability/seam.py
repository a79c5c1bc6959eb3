"""
The fault seam: every call that a controller makes to the outside passes here, is numbered, and may
be spoilt by a plan.

A plan says "call 41 times out after it took effect". The same plan gives the same run.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

READ_KINDS = ("error-before", "timeout-before", "throttled", "reset", "stale", "slow")
WRITE_KINDS = (
    *("error-before", "error-after", "timeout-before", "timeout-after", "throttled", "reset"),
    *("duplicate", "slow"),
)
KILL_KINDS = ("killed-before", "killed-after")
SLOW_S = 40.0  # longer than a write may come after the last renewal of the lock


class Killed(BaseException):
    """The controller's process is gone."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to the outside: which boundary, and whether it changes anything there."""

    name: str
    write: bool
    stage: int  # how many writes to Azure came before it


@dataclass(frozen=True, slots=True)
class Door:
    """
    How one boundary looks from outside.

    *lose* answers as a caller sees it whose answer did not come: "error", "timeout", "throttled",
    "reset" or "unopened". *stale* answers with what was true before the last change.
    """

    name: str
    lose: Callable[[str], Any]
    write: bool = False
    stale: Callable[[], Any] | None = None
    patience_s: float = 20.0


@dataclass(slots=True)
class Seam:
    """Numbers the calls of a run and spoils those that *plan* names; one a run."""

    wait: Callable[[float], None]  # lets virtual seconds pass
    plan: Mapping[int, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    taken: list[tuple[int, str, str]] = field(default_factory=list)
    on: bool = False
    stage: int = 0
    before: Callable[[str], None] = lambda _: None  # a scheduler stops here
    spoilt: Callable[[str, str], None] = lambda *_: None


@dataclass(slots=True)
class Process:
    """A controller's process: its name, and whether it has been killed."""

    name: str
    seam: Seam
    alive: bool = True
    inside: bool = False  # while the lock is renewed beside the pass, which cannot wait

    def call[T](self, door: Door, effect: Callable[[], T]) -> T:
        """Make one call to the outside."""
        kind = self.begin(door.name, write=door.write)
        answer: T = effect() if kind is None else self.spoil(door, effect, kind)
        return answer

    def begin(self, name: str, *, write: bool = False) -> str | None:
        """Number the next call to the outside; return how it is to be spoilt, or None."""
        seam = self.seam
        if not self.inside:
            seam.before(name)
        if not self.alive:
            raise Killed
        if not seam.on:
            return None
        index = len(seam.calls)
        seam.calls.append(Call(name, write, seam.stage))
        kind = seam.plan.get(index)
        if kind is not None:
            seam.taken.append((index, name, kind))
        return kind

    def spoil(self, door: Door, effect: Callable[[], Any], kind: str) -> Any:
        """Carry out *effect* as *kind* will have it, and answer through *door*."""
        try:
            return self._spoil(door, effect, kind)
        finally:
            self.seam.spoilt(door.name, kind)

    def _spoil(self, door: Door, effect: Callable[[], Any], kind: str) -> Any:
        cause, _, when = kind.partition("-")
        if cause == "stale":
            return door.stale() if door.stale else effect()
        if cause == "slow":
            self.wait(SLOW_S)
            return effect()
        if when == "after" or cause in ("reset", "duplicate"):
            with suppress(Exception):
                effect()
        if cause == "killed":
            self.alive = False
            raise Killed
        if cause == "duplicate":
            return effect()
        if cause == "timeout":
            self.wait(door.patience_s)
        return door.lose(cause)

    def wait(self, seconds: float) -> None:
        """Let time pass, unless this is a thread beside the one that waits."""
        if not self.inside:
            self.seam.wait(seconds)
