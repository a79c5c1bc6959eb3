"""
One run of the command line: its streams, its environment, and how it opens what it works with.

This module is imported for every command, `--help` too, so it imports no library of Azure or Git.
The `open_*` fields import those once a command needs them; tests put others in their place.
"""

import os
import sys
import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

from gitslot.errors import GitslotError, SettingsError
from gitslot.state.safe_text import safe

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from gitslot.edges.gitslot_toml import Configured
    from gitslot.edges.settings import Settings
    from gitslot.http.client import Http
    from gitslot.record.journal import Journal
    from gitslot.registry.registry import Registry
    from gitslot.report.doctor.gather import Examiner
    from gitslot.world import World

# settings that a command which only looks does without
_GUARDS = (
    *("GITSLOT_VERIFY_COMMITS", "GITSLOT_ALLOW_UNSIGNED_REVERT", "GITSLOT_ON_REWRITE"),
    *("GITSLOT_REQUIRE_PIN", "GITSLOT_MODE"),
)


class CommandRefused(GitslotError):
    """The command cannot do what was asked; the message says how to fix it."""

    reason = "Refused"


def _login() -> "tuple[TokenCredential, Http]":
    from gitslot.http import client, login  # noqa: PLC0415 - slow import

    http = client.Http()
    return login.credential(http), http


def _open_world(settings: "Settings") -> "World":
    from gitslot.world import open_world  # noqa: PLC0415 - slow import

    credential, http = _login()
    return open_world(settings, credential, tell=lambda _: None, http=http)


def _open_journal(settings: "Settings") -> "Journal":
    from gitslot.record import blobs, journal  # noqa: PLC0415 - slow import

    return journal.Journal(blobs.AzureBlobs(settings.storage, *_login()))


def _open_registry(settings: "Settings") -> "Registry":
    from gitslot.registry.registry import Registry  # noqa: PLC0415 - slow import

    return Registry(settings.storage, *_login())


def _open_examiner(settings: "Settings", flaw: str) -> "Examiner":
    from gitslot.report.doctor.gather import open_examiner  # noqa: PLC0415 - slow import

    return open_examiner(settings, _login()[0], flaw)


@dataclass(slots=True)
class Session:
    """One run of the command line. Data goes to *out*, everything else to *err*."""

    environ: MutableMapping[str, str] = field(default_factory=lambda: os.environ)
    cwd: Path = field(default_factory=Path.cwd)
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    debug: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    open_world: "Callable[[Settings], World]" = _open_world
    open_journal: "Callable[[Settings], Journal]" = _open_journal
    open_registry: "Callable[[Settings], Registry]" = _open_registry
    open_examiner: "Callable[[Settings, str], Examiner]" = _open_examiner
    _settings: "Settings | None" = None

    def print_err(self, text: str) -> None:
        """Print one line for people, on stderr."""
        print(safe(text), file=self.err)

    def at(self, folder: Path) -> "Session":
        """Return the same session as if typed in *folder*, whose .gitslot.toml may differ."""
        return replace(self, cwd=folder, _settings=None)

    def watched(self) -> str:
        """Return the path, from the repository's root, of the watched file or folder of files."""
        return self._configured().watched(self.environ)

    def branch(self) -> str:
        """Return the watched branch or full ref, or "" where neither target nor file names one."""
        try:
            return self.settings().ref
        except SettingsError:
            return self._configured().added_to(self.environ).get("GITSLOT_REF", "")

    def _configured(self) -> "Configured":
        from gitslot.edges.gitslot_toml import configured  # noqa: PLC0415 - --help needs none

        return configured(self.cwd)

    def settings(self) -> "Settings":
        """Return the target's settings; the first call prints which target that is."""
        if self._settings is None:
            from gitslot.edges.target import find  # noqa: PLC0415 - --help needs none

            found = find(self.environ, self.cwd)
            for line in found.lines:
                self.print_err(line)
            self._settings = found.settings
        return self._settings

    def world(self) -> "World":
        """Open the target's world."""
        world = self.open_world(self.settings())
        world.guest = True
        return world

    def journal(self) -> "Journal":
        """Open the target's journal for a command that reads nothing else."""
        return self.open_journal(self.settings())

    def registry(self) -> "Registry":
        """Open the target's model registry."""
        return self.open_registry(self.settings())

    def registry_alone(self) -> "Registry":
        """Open the registry for a command that needs nothing else, so no repository either."""
        self.needs_no_repository()
        return self.registry()

    def needs_no_repository(self) -> None:
        """Let any repository do where only the storage is known."""
        known = self._configured().added_to(self.environ)
        if known.get("GITSLOT_STORAGE") and not known.get("GITSLOT_REPO"):
            self.environ["GITSLOT_REPO"] = str(self.cwd)

    def examiner(self) -> "Examiner":
        """
        Open the target's examiner.

        Settings that only guard or pace the controller may be wrong. That is one finding, and the
        other checks run without them.
        """
        flaw = ""
        try:
            settings = self.settings()
        except SettingsError as error:
            flaw = error.message
            for name in _GUARDS:
                self.environ.pop(name, None)
            settings = self.settings()
        return self.open_examiner(settings, flaw)


def chosen(known: Sequence[str], app: str | None) -> list[str]:
    """Return *app* alone, or all that are *known*; raises CommandRefused if *app* is not known."""
    if app is None:
        return list(known)
    if app not in known:
        listed = ", ".join(known) or "none"
        raise CommandRefused(f"no app `{app}`; there are: {listed}", reason="UnknownApp")
    return [app]


def session_of(ctx: typer.Context) -> Session:
    """Return the session that the command runs in."""
    session = ctx.obj
    assert isinstance(session, Session)
    return session
