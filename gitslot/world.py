"""
Wire the real world together: Settings -> World. The only place where collaborators are made.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitslot.edges.azure.arm import Azure
from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.source import GitSource
from gitslot.edges.settings import Settings
from gitslot.look.look import Looker
from gitslot.look.probe import Prober
from gitslot.outside import World
from gitslot.record.blobs import AzureBlobs
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.record.lock import Lock
from gitslot.registry.registry import Registry

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from gitslot.report.doctor.gather import Examiner

_log = logging.getLogger("gitslot")
_LEVELS = {"VerifyFailed": logging.WARNING, "Stalled": logging.WARNING, "Frozen": logging.WARNING}
_WARNS = ("SwapFailed", "SwapUnknown", "SwapReverted", "SwappedBack", "LockBroken")


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


def credential() -> "TokenCredential":
    """Return what works here as on Azure: a managed identity, else the user's own login."""
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow import

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
    token_credential: "TokenCredential",
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


def open_examiner(
    settings: Settings, token_credential: "TokenCredential", flaw: str = ""
) -> "Examiner":
    """Make everything that a check-up needs, talking to nobody yet."""
    from gitslot.report.doctor.arm import Survey  # noqa: PLC0415
    from gitslot.report.doctor.gather import (  # noqa: PLC0415 - people's questions, not a tick's
        Examiner,
    )

    def silent(settings: Settings) -> World:
        return open_world(settings, token_credential, tell=lambda _: None)

    return Examiner(
        settings=settings,
        world=silent(settings),
        reopen=silent,
        survey=Survey(Azure(settings.arm, token_credential)),
        registry=Registry(settings.storage, token_credential),
        blobs=AzureBlobs(settings.storage, token_credential),
        probes=Prober(),
        flaw=flaw,
    )
