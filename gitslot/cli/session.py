"""
What a command works with: its streams, its environment, and the doors to the outside.

The doors are opened lazily, because importing Azure's packages takes longer than most commands.
"""

import os
import sys
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeAlias

import typer

from gitslot.errors import GitslotError, SettingsError
from gitslot.record.event import Event
from gitslot.state.safe_text import safe

if TYPE_CHECKING:
    from gitslot.edges.settings import Settings
    from gitslot.registry.registry import Registry
    from gitslot.report.doctor.gather import Examiner
    from gitslot.world import World

_NOT_NEEDED_TO_LOOK = (
    "GITSLOT_VERIFY_COMMITS",
    "GITSLOT_ALLOW_UNSIGNED_REVERT",
    "GITSLOT_ON_REWRITE",
)

Tell: TypeAlias = Callable[[Event], None]


class CommandRefused(GitslotError):
    """The command cannot do what was asked; the message says how to fix it."""

    reason = "Refused"


def _open_world(settings: "Settings", tell: Tell) -> "World":
    from gitslot.world import credential, open_world  # noqa: PLC0415 - slow import

    return open_world(settings, credential(), tell=tell)


def _open_registry(settings: "Settings") -> "Registry":
    from gitslot.registry.registry import Registry  # noqa: PLC0415 - slow import
    from gitslot.world import credential  # noqa: PLC0415 - slow import

    return Registry(settings.storage, credential())


def _open_examiner(settings: "Settings", flaw: str) -> "Examiner":
    from gitslot.report.doctor.gather import open_examiner  # noqa: PLC0415 - slow import
    from gitslot.world import credential  # noqa: PLC0415 - slow import

    return open_examiner(settings, credential(), flaw)


@dataclass(slots=True)
class Session:
    """One run of the command line. *out* takes data, *err* everything else."""

    environ: MutableMapping[str, str] = field(default_factory=lambda: os.environ)
    cwd: Path = field(default_factory=Path.cwd)
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    debug: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    open_world: Callable[["Settings", Tell], "World"] = _open_world
    open_registry: Callable[["Settings"], "Registry"] = _open_registry
    open_examiner: Callable[["Settings", str], "Examiner"] = _open_examiner
    _settings: "Settings | None" = None

    def say(self, text: str) -> None:
        """Print one line for people, on stderr."""
        print(safe(text), file=self.err)

    def settings(self) -> "Settings":
        """Return the target's settings, saying on stderr which target that is."""
        from gitslot.cli.target import find  # noqa: PLC0415 - not for --help

        if self._settings is None:
            target = find(self.environ, self.cwd)
            for line in target.lines:
                self.say(line)
            self._settings = target.settings
        return self._settings

    def world(self, tell: Tell = lambda _: None) -> "World":
        """Open the target's world; *tell* hears of every event that is written."""
        world = self.open_world(self.settings(), tell)
        world.guest = True
        return world

    def registry(self) -> "Registry":
        """Open the target's model registry."""
        return self.open_registry(self.settings())

    def examiner(self) -> "Examiner":
        """
        Open the target's examiner.

        Settings that only guard or pace the controller may be wrong: that is one finding, and the
        rest is examined without them.
        """
        flaw = ""
        try:
            settings = self.settings()
        except SettingsError as error:
            flaw = error.message
            for name in _NOT_NEEDED_TO_LOOK:
                self.environ.pop(name, None)
            settings = self.settings()
        return self.open_examiner(settings, flaw)


def session_of(ctx: typer.Context) -> Session:
    """Return the session that the command runs in."""
    session = ctx.obj
    assert isinstance(session, Session)
    return session
