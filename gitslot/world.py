"""
Everything outside a pass: its collaborators, made once a process by `open_world`.
"""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from azure.core.credentials import TokenCredential

from gitslot import act as acts
from gitslot.edges.azure.arm import Azure
from gitslot.edges.git.host import Access
from gitslot.edges.git.source import PATIENCE_S, GitSource
from gitslot.edges.settings import Settings
from gitslot.errors import JournalError
from gitslot.http.client import Http
from gitslot.look.look import Looker, Ticks
from gitslot.look.probe import Prober
from gitslot.record.accepted import AcceptedBlob
from gitslot.record.blobs import AzureBlobs
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.record.lock import Lock
from gitslot.record.log import log_event
from gitslot.registry.registry import Registry
from gitslot.state.decision import Frozen
from gitslot.state.policy import Policy
from gitslot.state.remembered import Memory
from gitslot.state.wanted import App, Desired, Doubt
from gitslot.wants import Wants


class News(Protocol):
    """Guards what threads share, and wakes those that wait for it to change: a `Condition`."""

    def __enter__(self) -> object: ...
    def __exit__(self, kind: Any, error: Any, trace: Any, /) -> object: ...
    def wait(self, timeout: float) -> object: ...
    def notify_all(self) -> None: ...


class Clock(Ticks, Protocol):
    """A clock that can also wait; *news* ends such a wait early."""

    @property
    def news(self) -> News: ...
    def sleep(self, seconds: float) -> None: ...


@dataclass(slots=True)
class World:
    """
    Everything outside: made once a process, handed to every pass.

    *suspend* and *observe_only* are this process's own settings. A *guest* is somebody's command
    line beside the controller: the controller's, of which only the journal tells, bind it too.
    """

    wants: Wants
    looker: Looker
    azure: acts.Writes
    journal: Journal
    lock: Callable[[str], Lock]
    clock: Clock
    policy: Policy
    store: str
    suspend: str = ""
    observe_only: bool = False
    guest: bool = False
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex
    locks: dict[str, Lock] = field(default_factory=dict)
    unwritten: dict[str, Frozen] = field(default_factory=dict)

    def lock_of(self, app: str) -> Lock:
        """Return this process's one lock object of *app*."""
        return self.locks.get(app) or self.locks.setdefault(app, self.lock(app))

    def tell_unwritten(self, app: str, stop: Frozen) -> None:
        """Say once that *app* is frozen, where the journal itself cannot be written."""
        if self.unwritten.get(app) != stop:
            self.unwritten[app] = stop
            self.journal.tell(
                Event("Frozen", app, self.clock.now(), reason=stop.reason, message=stop.message)
            )

    def apps(self, desired: Desired | Doubt) -> list[str]:
        """Return the apps to look at: those of *desired*, and those not to be forgotten yet."""
        named = [] if isinstance(desired, Doubt) else list(desired.apps)
        return [*named, *self.wants.left(desired, self._is_open)]

    def _is_open(self, app: str) -> bool:
        """Say whether a swap of *app* may be under way, or its leaving is to be recorded here."""
        try:  # its pass may run meanwhile, and has a journal of its own
            memory = self.journal.reader().memory(app, self.clock.now())
        except JournalError:
            return True
        recorded = memory.left or self.guest or not self.wants.was_asked_here(app)
        return memory.intent is not None or not recorded

    def accept(self, app: str, desired: Desired | Doubt) -> None:
        """
        Store that *desired* is accepted: for all apps, or for *app* where this is a guest.

        Raises JournalError.
        """
        if isinstance(desired, Desired):
            self.wants.accept(desired, [app] if self.guest else desired.apps)

    def hands_off(self, app: App, memory: Memory) -> App:
        """Return *app*, suspended where a setting asks for it."""
        why = self.suspend or (memory.suspended if self.guest else "")
        return replace(app, suspend=why, suspended_by_setting=True) if why else app

    def only_observes(self, memory: Memory) -> bool:
        """Say whether nothing is written: by a setting, and after it until somebody says retry."""
        acted = memory.baseline or memory.lost_since is not None
        return self.observe_only or (memory.observed and (self.guest or not acted))


# ---------------------------------------------------------------- the real world


class SystemClock:
    """The machine's clock."""

    def __init__(self) -> None:
        self.news = threading.Condition()

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for *seconds*."""
        time.sleep(seconds)


def open_git(settings: Settings, http: Http, patience_s: float = PATIENCE_S) -> GitSource:
    """Return the repository that *settings* name."""
    access = Access(settings.git_user, tuple(token.reveal() for token in settings.git_tokens))
    where = (settings.repository, settings.ref, settings.file)
    return GitSource(*where, access, http=http, patience_s=patience_s)


def open_world(
    settings: Settings,
    token_credential: TokenCredential,
    *,
    tell: Callable[[Event], None] = log_event,
    http: Http | None = None,
    patience_s: float = PATIENCE_S,
) -> World:
    """
    Make everything that a pass needs, talking to nobody yet.

    A look waits *patience_s* for what Git is slow to send.
    """
    clock = SystemClock()
    http = http or Http()
    azure = Azure(settings.arm, token_credential, http)
    blobs = AzureBlobs(settings.storage, token_credential, http)
    registry = Registry(settings.storage, token_credential, http)
    wants = Wants(
        open_git(settings, http, patience_s),
        AcceptedBlob(blobs),
        clock.monotonic,
        settings.on_rewrite,
        settings.allowed_apps,
        settings.vouch,
    )
    return World(
        wants=wants,
        looker=Looker(azure, registry, Prober(http), clock, settings.policy),
        azure=azure,
        journal=Journal(blobs, tell),
        lock=lambda app: Lock(blobs, app, settings.policy, clock.monotonic),
        clock=clock,
        policy=settings.policy,
        store=settings.storage,
        suspend=settings.suspend,
        observe_only=settings.observe,
    )
