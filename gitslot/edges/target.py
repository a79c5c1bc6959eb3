"""
Find the platform that a command talks to: the environment's, a local one, or .gitslot.toml's.

A local platform that is up is used alone: the user's own Azure log-in never reaches it, and no
command falls through from it to a real subscription. A secret of the environment is never sent to
a host that .gitslot.toml alone names.
"""

import json
import os
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gitslot.edges import gitslot_toml
from gitslot.edges import settings as settings_
from gitslot.edges.gitslot_toml import Configured
from gitslot.errors import SettingsError

FOLDER = ".gitslot"
FILE = "local.json"
_TAKEN = (
    *("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
    *("AZURE_SUBSCRIPTION_ID", "AZURE_TOKEN_CREDENTIALS"),
)
# Variables that would make Azure's credential classes prefer, or send, the user's real log-in.
_DROPPED = ("GITSLOT_", "AZURE_", "MSI_", "IDENTITY_")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a command goes, and the lines to print about it."""

    settings: settings_.Settings
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Local:
    """A local platform that is up: its folder and the environment that points to it."""

    folder: Path
    environment: Mapping[str, str]


def find(environ: MutableMapping[str, str], cwd: Path) -> Target:
    """
    Return the target of a command run in *cwd*.

    With a local platform, *environ* is changed so that Azure's own clients find it too. Raises
    SettingsError if there is none; its message names every way to get one.
    """
    local, stopped = _nearest(cwd)
    configured = gitslot_toml.configured(cwd)
    if environ.get("GITSLOT_STORAGE", "").strip():
        return _explicit(environ, configured, local)
    if local:
        return _local(environ, configured, local)
    asked = any(name.startswith("GITSLOT_") for name in environ)
    if asked or "GITSLOT_STORAGE" in configured.settings:
        return _explicit(environ, configured, local)
    hint = f"the local platform of {stopped} is not running; " if stopped else ""
    raise SettingsError(
        f"no target: {hint}start one with `gitslot local up`, or set GITSLOT_STORAGE and "
        f"GITSLOT_REPO to the controller's own settings, there or in {gitslot_toml.NAME}",
        reason="NoTarget",
    )


def _explicit(environ: Mapping[str, str], configured: Configured, local: Local | None) -> Target:
    given = configured.added_to(environ)
    from_file = [name for name in configured.settings if configured.is_from_file(name, environ)]
    lines = []
    for token in settings_.TOKENS if "GITSLOT_REPO" in from_file else ():
        if given.pop(token, "").strip():
            why = f"{configured.sources['GITSLOT_REPO']} names the repository; set GITSLOT_REPO too"
            lines.append(f"not used: {token} ({why} to send it there)")
    try:
        settings = settings_.read(given)
    except SettingsError as error:
        raise _with_sources(error, configured, from_file) from error
    storage, arm = _host(settings.storage), _host(settings.arm)
    source = f" ({gitslot_toml.NAME})" if "GITSLOT_STORAGE" in from_file else ""
    lines.insert(0, f"target: {storage}, {arm}{source}")
    if _is_loopback(storage) != _is_loopback(arm):
        lines.append("warning: one of the two is this machine, the other is not")
    if local and not _is_loopback(storage):
        lines.append("a local platform is up here and is not used: GITSLOT_STORAGE is set")
    return Target(settings, tuple(lines))


def _with_sources(
    error: SettingsError, configured: Configured, from_file: Sequence[str]
) -> SettingsError:
    """Return *error* with the files that the other settings come from."""
    files = sorted({str(configured.sources[name]) for name in from_file})
    if not files:
        return error
    return SettingsError(
        f"{error.message}; {', '.join(from_file)} from {', '.join(files)}", reason=error.reason
    )


def _local(environ: MutableMapping[str, str], configured: Configured, local: Local) -> Target:
    lines = [f"target: local platform ({FOLDER})"]
    if "GITSLOT_STORAGE" in configured.settings:
        lines.append(f"not used while it is up: storage of {configured.sources['GITSLOT_STORAGE']}")
    ignored = sorted(name for name in environ if name.startswith("GITSLOT_"))
    if ignored:
        lines.append(f"not used: {', '.join(ignored)} (set GITSLOT_STORAGE too to use them)")
    for name in [name for name in environ if name.startswith(_DROPPED)]:
        del environ[name]
    environ.update(local.environment)
    for name in ("NO_PROXY", "no_proxy"):
        environ[name] = ",".join(filter(None, [environ.get(name), *_LOOPBACK[:2]]))
    return Target(settings_.read(environ), tuple(lines))


def _nearest(start: Path) -> tuple[Local | None, Path | None]:
    """Return the nearest platform that is up, or else the folder of one that is stopped."""
    stopped = None
    for folder in (start, *start.parents):
        file = folder / FOLDER / FILE
        found = _load(file)
        if found is None:
            continue
        if _alive(found.get("pid")):
            return Local(folder, _usable(found.get("environment"))), None
        stopped = stopped or folder
    return None, stopped


def _load(file: Path) -> dict[str, Any] | None:
    """Return the content of *file*; None if it is missing, not the user's own, or not JSON."""
    try:
        if file.stat().st_uid != os.getuid():  # never follow another user's folder
            return None
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _usable(environment: object) -> dict[str, str]:
    listed = environment.items() if isinstance(environment, dict) else ()
    return {
        name: value
        for name, value in listed
        if isinstance(value, str) and (name.startswith("GITSLOT_") or name in _TAKEN)
    }


def _alive(pid: object) -> bool:
    if not isinstance(pid, int) or isinstance(pid, bool) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _is_loopback(netloc: str) -> bool:
    return (urlsplit(f"//{netloc}").hostname or "") in _LOOPBACK
