"""
Everything outside a pass: its collaborators, and what Git's newest commit wants.

A World is made once a process, by `open_world`: the only place where collaborators are made. Where
Git, the file or a signature cannot be trusted, it returns a Doubt; nothing is guessed.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential

from gitslot import act as acts
from gitslot.edges.azure.arm import Azure
from gitslot.edges.file.read import read
from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.source import GitSource, Newest
from gitslot.edges.settings import Settings
from gitslot.errors import DesiredError, JournalError, SignatureRefused, SourceError
from gitslot.look.look import Looker, Ticks
from gitslot.look.probe import Prober
from gitslot.record.blobs import AzureBlobs
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.record.lock import Lock
from gitslot.registry.registry import Registry
from gitslot.state.decision import Frozen
from gitslot.state.policy import Policy
from gitslot.state.remembered import Memory
from gitslot.state.wanted import App, Desired, Doubt, Revision

_log = logging.getLogger("gitslot")
_LEVELS = {"VerifyFailed": logging.WARNING, "Stalled": logging.WARNING, "Frozen": logging.WARNING}
_WARNS = ("SwapFailed", "SwapUnknown", "SwapReverted", "SwappedBack", "LockBroken")


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


# ---------------------------------------------------------------- the real world


class SystemClock:
    """The machine's clock; `wake` ends a sleep early."""

    def __init__(self) -> None:
        self._news = threading.Event()

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for *seconds*, or until there is news."""
        self._news.wait(seconds)
        self._news.clear()

    def wake(self) -> None:
        """End the present sleep, or the next one."""
        self._news.set()


def credential() -> TokenCredential:
    """Return what works here as on Azure: a managed identity, else the user's own login."""
    logging.getLogger("azure").setLevel(logging.ERROR)
    return DefaultAzureCredential(
        exclude_interactive_browser_credential=True, exclude_broker_credential=True
    )


def log_event(event: Event) -> None:
    """Send *event* to standard logging: one line to read, every field as a dimension."""
    if event.quiet:
        return
    level = logging.WARNING if event.event in _WARNS else _LEVELS.get(event.event, logging.INFO)
    shown = {
        key: value for key, value in event.as_dict().items() if key not in ("message", "detail")
    }
    _log.log(
        level,
        "%s %s %s %s",
        event.app,
        event.revision[:7] or "-",
        event.event,
        event.message,
        extra={"custom_dimensions": shown},
    )


def _vouch(git: GitSource, rule: Rule | None) -> Callable[[str, frozenset[str]], object] | None:
    if rule is None:
        return None
    return lambda commit, trusted: git.vouched(
        commit, replace(rule, trusted=rule.trusted | trusted)
    )


def open_world(
    settings: Settings,
    token_credential: TokenCredential,
    *,
    tell: Callable[[Event], None] = log_event,
    clock: SystemClock | None = None,
) -> World:
    """Make everything that a pass needs, talking to nobody yet."""
    clock = clock or SystemClock()
    azure = Azure(settings.arm, token_credential)
    blobs = AzureBlobs(settings.storage, token_credential)
    token = settings.git_token.reveal() if settings.git_token else None
    registry = Registry(settings.storage, token_credential)
    git = GitSource(settings.repository, settings.ref, settings.file, token)
    return World(
        git=git,
        looker=Looker(azure, registry, Prober(), clock, settings.policy),
        azure=azure,
        journal=Journal(blobs, tell),
        lock=lambda app: Lock(blobs, app, settings.policy, clock.monotonic),
        clock=clock,
        policy=settings.policy,
        store=settings.storage,
        on_rewrite=settings.on_rewrite,
        suspend=settings.suspend,
        allowed=settings.allowed_apps,
        vouch=_vouch(git, settings.vouch),
    )
