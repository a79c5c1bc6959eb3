"""
Everything outside a pass: its collaborators, and what Git's newest commit asks for.

A World is made once a process. What it says of Git is a Doubt wherever Git, the file or a signature
cannot be trusted; nothing is guessed.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from gitslot import act as acts
from gitslot.edges.file.read import read
from gitslot.edges.git.source import Newest
from gitslot.errors import DesiredError, JournalError, SignatureRefused, SourceError
from gitslot.look.look import Looker, Ticks
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.record.lock import Lock
from gitslot.state.decision import Frozen
from gitslot.state.policy import Policy
from gitslot.state.remembered import Memory
from gitslot.state.wanted import App, Desired, Doubt, Revision


class Git(Protocol):
    """What the loop needs of a repository."""

    def newest(self) -> Newest: ...
    def descends(self, commit: str, ancestor: str) -> bool: ...


class Clock(Ticks, Protocol):
    """A clock that can also wait; `sleep` may return early when there is news."""

    def sleep(self, seconds: float) -> None: ...


@dataclass(slots=True)
class World:
    """
    Everything outside: made once a process, handed to every pass.

    *suspend* is this process's own setting. A *guest* is somebody's command line beside the
    controller: the controller's setting, of which only the journal tells, binds it too.
    """

    git: Git
    looker: Looker
    azure: acts.Writes
    journal: Journal
    lock: Callable[[str], Lock]
    clock: Clock
    policy: Policy
    store: str
    on_rewrite: str = "freeze"
    suspend: str = ""
    guest: bool = False
    allowed: frozenset[str] = frozenset()
    vouch: Callable[[str, frozenset[str]], object] | None = None  # None: signatures are not asked
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex
    parsed: tuple[str, Desired | Doubt] | None = None
    locks: dict[str, Lock] = field(default_factory=dict)
    unwritten: dict[str, Frozen] = field(default_factory=dict)

    def lock_of(self, app: str) -> Lock:
        """Return this process's one lock object of *app*."""
        return self.locks.setdefault(app, self.lock(app))

    def tell_unwritten(self, app: str, stop: Frozen) -> None:
        """Say once that *app* is frozen, where the journal itself cannot be written."""
        if self.unwritten.get(app) != stop:
            self.unwritten[app] = stop
            self.journal.tell(
                Event("Frozen", app, self.clock.now(), reason=stop.reason, message=stop.message)
            )

    # ------------------------------------------------------------ what is wanted

    def desired(self) -> Desired | Doubt:
        """Return what Git's newest commit asks for, or why that is in doubt."""
        try:
            newest = self.git.newest()
        except SourceError as error:
            return Doubt(error.reason, error.message)
        if self.parsed is None or self.parsed[0] != newest.revision.commit:
            doubt = self._unvouched(newest.revision)
            if doubt and doubt.revision is None:
                return doubt
            self.parsed = (newest.revision.commit, doubt or parse(newest))
        return self.parsed[1]

    def _unvouched(self, revision: Revision) -> Doubt | None:
        """Say why *revision* is not signed as asked; without a revision where that is not known."""
        if self.vouch is None:
            return None
        now = self.clock.now()
        try:
            trusted = {self.journal.memory(app, now).vouched for app in self.journal.apps()} - {""}
            if revision.commit not in trusted:
                self.vouch(revision.commit, frozenset(trusted))
        except SignatureRefused as error:
            return Doubt(error.reason, error.message, revision)
        except (SourceError, JournalError) as error:
            return Doubt(error.reason, error.message)
        return None

    def wanted(
        self, name: str, memory: Memory, desired: Desired | Doubt | None = None
    ) -> tuple[App | Doubt | None, Revision | None]:
        """Return the block of *name* in *desired*; None where the file does not list it."""
        desired = desired or self.desired()
        if isinstance(desired, Doubt):
            return desired, desired.revision
        revision = desired.revision
        if doubt := self._rewritten(revision, memory):
            return doubt, revision
        app = desired.app(name)
        if app is None:
            return None, revision
        if self.allowed and name not in self.allowed:
            return Doubt("AppNotAllowed", f"GITSLOT_APPS does not list `{name}`"), revision
        return self.hands_off(app, memory), revision

    def hands_off(self, app: App, memory: Memory) -> App:
        """Return *app*, suspended where a setting asks for it."""
        why = self.suspend or (memory.suspended if self.guest else "")
        return replace(app, suspend=why, suspended_by_setting=True) if why else app

    def _rewritten(self, revision: Revision, memory: Memory) -> Doubt | None:
        accepted = memory.accepted
        if self.on_rewrite == "follow" or accepted is None:
            return None
        try:
            if self.git.descends(revision.commit, accepted.commit):
                return None
        except SourceError as error:
            return Doubt(error.reason, error.message)
        return Doubt(
            "HistoryRewritten",
            f"{revision.short} does not descend from {accepted.short}, which was acted upon; "
            "`gitslot retry` accepts the new history",
        )


def parse(newest: Newest) -> Desired | Doubt:
    """Parse the file of *newest*; a file that is refused is a Doubt."""
    try:
        return read(newest.data, newest.revision)
    except DesiredError as error:
        revision = newest.revision
        return Doubt(error.reason, f"{revision.short}: {error.message}", revision)
