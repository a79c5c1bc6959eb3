"""
Which gitslot runs here, where it was installed from, and the line that installs it again.
"""

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from gitslot.errors import GitslotError

LOCAL_PYTHON = (3, 13)
_NAME = "gitslot"
_ROOT = Path(__file__).resolve().parents[2]


class LocalMissing(GitslotError):
    """The local platform is not installed; the message has the line that installs it."""

    reason = "LocalNotInstalled"


@dataclass(frozen=True, slots=True)
class Installed:
    """
    This installation.

    *source* is what pip was given: `git+URL@COMMIT`, a folder, or empty for a package index.
    """

    version: str
    commit: str
    source: str

    @property
    def described(self) -> str:
        """Return the version and, where it is known, the commit."""
        return f"{self.version} ({self.commit[:12]})" if self.commit else self.version

    @property
    def requirement(self) -> str:
        """Return the line of a requirements file that installs exactly this."""
        return f"{_NAME} @ {self.source}" if self.source else f"{_NAME}=={self.version}"

    def with_local(self) -> str:
        """Return the requirement that brings the local platform, too."""
        return self.requirement.replace(_NAME, f"{_NAME}[local]", 1)


def installed() -> Installed:
    """Return what runs here; the commit is that of a checkout, or the one pip installed from."""
    try:
        found = metadata.distribution(_NAME)
    except metadata.PackageNotFoundError:
        return Installed("unknown", _head(), "")
    url, commit = _origin(found.read_text("direct_url.json"))
    return Installed(found.version, commit or _head(), f"git+{url}@{commit}" if commit else url)


def refuse_without_local() -> None:
    """Raise LocalMissing unless this environment has what the local platform needs."""
    right_python = sys.version_info[:2] >= LOCAL_PYTHON
    if right_python and find_spec("azure_functions_runtime"):
        return
    python = ".".join(map(str, LOCAL_PYTHON))
    why = "is not installed"
    if not right_python:
        why = f"needs Python {python}, this is {sys.version_info[0]}.{sys.version_info[1]}"
    raise LocalMissing(f"the local platform {why}: `{_line(python, other=not right_python)}`")


def _line(python: str, *, other: bool) -> str:
    """Return the line that installs the local platform, with the tool that installed gitslot."""
    wanted = shlex.quote(installed().with_local())
    if (Path(sys.prefix) / "pipx_metadata.json").is_file():
        # --force alone keeps the environment, and its Python with it
        return (
            f"pipx uninstall {_NAME} && pipx install --python {python} {wanted}"
            if other
            else f"pipx install --force {wanted}"
        )
    if (Path(sys.prefix) / "uv-receipt.toml").is_file():
        return f"uv tool install --force {f'--python {python} ' if other else ''}{wanted}"
    program = f"python{python}" if other else shlex.quote(sys.executable)
    return f"{program} -m pip install {wanted}"


def _origin(direct_url: str | None) -> tuple[str, str]:
    """
    Return the URL and the commit that pip recorded.

    Its form: https://packaging.python.org/specifications/direct-url-data-structure
    """
    try:
        said = json.loads(direct_url or "{}")
        return str(said.get("url", "")), str(said.get("vcs_info", {}).get("commit_id", ""))
    except (ValueError, AttributeError):
        return "", ""


def _head() -> str:
    """Return the commit that is checked out, where this is a checkout; else nothing."""
    if not (_ROOT / ".git").exists():
        return ""
    words = ["git", "-C", str(_ROOT), "rev-parse", "--verify", "HEAD"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
