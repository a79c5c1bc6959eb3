"""
Read .gitslot.toml: which storage, repository, branch and file the commands of a checkout use.

Every folder of a checkout may have one; the nearest says most. It comes from Git, so it may only
name what a login may safely be sent to: storage of Azure's own domains, a repository over https.
It holds no secret and no path of this machine. Variables of the environment win over it.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gitslot.edges.settings import FILE, is_https, is_inside, is_ref
from gitslot.errors import SettingsError
from gitslot.state.safe_text import safe

NAME = ".gitslot.toml"
_MAX_BYTES = 64 * 1024
# Azure's clouds: https://learn.microsoft.com/azure/storage/common/storage-account-overview
_STORAGE = re.compile(
    r"https://[a-z0-9-]{3,63}(\.z[0-9]{1,2})?\.blob\."
    r"(core\.windows\.net|core\.usgovcloudapi\.net|core\.chinacloudapi\.cn|storage\.azure\.net)/?"
)


class _Key(NamedTuple):
    """One key: the *setting* that it stands for, what it may be, and the words that say so."""

    setting: str
    is_valid: Callable[[str], bool]
    must: str


KEYS: Mapping[str, _Key] = {
    "storage": _Key(
        "GITSLOT_STORAGE",
        lambda text: bool(_STORAGE.fullmatch(text)),
        "must be https://ACCOUNT.blob.core.windows.net; for another host set GITSLOT_STORAGE",
    ),
    "repository": _Key(
        "GITSLOT_REPO",
        is_https,
        "must be an https URL without user or password; for a path set GITSLOT_REPO",
    ),
    "branch": _Key("GITSLOT_REF", is_ref, "must be a branch"),
    "file": _Key("GITSLOT_FILE", is_inside, "must be a path from the root of the repository"),
}


@dataclass(frozen=True, slots=True)
class Configured:
    """What the files say: *settings* by their names in the environment, and the file of each."""

    settings: Mapping[str, str]
    sources: Mapping[str, Path]

    def added_to(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return *environ* with each setting that it lacks."""
        return {**environ, **{n: v for n, v in self.settings.items() if not _is_set(environ, n)}}

    def watched(self, environ: Mapping[str, str]) -> str:
        """Return the path, from the repository's root, of the watched file or folder."""
        return self.added_to(environ).get("GITSLOT_FILE", "").strip().rstrip("/") or FILE

    def is_from_file(self, setting: str, environ: Mapping[str, str]) -> bool:
        """Return whether *setting* is said by a file, and not by *environ*."""
        return setting in self.settings and not _is_set(environ, setting)


def configured(start: Path) -> Configured:
    """
    Return what the files in *start* and above it say, up to the root of the checkout.

    Each key is taken from the nearest file that has it. Raises SettingsError for a file that is
    refused; the message names it.
    """
    settings: dict[str, str] = {}
    sources: dict[str, Path] = {}
    for folder in (start, *start.parents):
        path = folder / NAME
        for setting, value in _read(path).items():
            if setting not in settings:
                settings[setting], sources[setting] = value, path
        if (folder / ".git").exists():
            break
    return Configured(settings, sources)


def watched(environ: Mapping[str, str], folder: Path) -> str:
    """Return the path, from the repository's root, of the file or folder that *folder* is about."""
    return configured(folder).watched(environ)


def _read(path: Path) -> dict[str, str]:
    """Return the settings of one file; none where it is missing. Raises SettingsError."""
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise SettingsError(f"{path} has more than {_MAX_BYTES:,} bytes")
    try:
        content = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, nested too deep
        raise SettingsError(f"{path} is not valid TOML: {safe(str(error), 200)}") from error
    return {_key(path, key).setting: _value(path, key, value) for key, value in content.items()}


def _key(path: Path, key: str) -> _Key:
    if key in KEYS:
        return KEYS[key]
    near = difflib.get_close_matches(key, KEYS, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"it may have {', '.join(KEYS)}"
    raise SettingsError(f"{path}: unknown key `{safe(key, 60)}`; {hint}")


def _value(path: Path, key: str, value: object) -> str:
    text = value.strip().rstrip("/") if isinstance(value, str) else ""
    if not text or not KEYS[key].is_valid(text):
        raise SettingsError(f"{path}: `{key}` {KEYS[key].must}")
    return text


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    return bool(environ.get(name, "").strip())
