"""
The demo's own Git: an origin, and a clone in which somebody works.

Real git, without this machine's user, hooks or signing.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gitslot.local.process import PlatformError

_TEXT = """\
app: {app}
model: iris
slots:
  production: {version}      # users get this; revert this commit to go back
"""


@dataclass(frozen=True, slots=True)
class Repository:
    """The controller follows *origin*, which is bare; files are edited in *clone*."""

    origin: Path
    clone: Path

    def git(self, *words: str) -> str:
        """Run git in the clone and return what it printed; raise PlatformError if it failed."""
        done = subprocess.run(
            ["git", *words],
            cwd=self.clone,
            env=_environment(self.clone.parent),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PlatformError(f"git {' '.join(words)}: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()

    def want(self, app: str, version: str, subject: str) -> str:
        """Commit and push *version* for production; return the commit."""
        (self.clone / "desired_state.yaml").write_text(_TEXT.format(app=app, version=version))
        self.git("add", "desired_state.yaml")
        self.git("commit", "-q", "-m", subject)
        return self._push()

    def revert(self) -> str:
        """Revert the newest commit and push; return the new commit."""
        self.git("revert", "--no-edit", "HEAD")
        return self._push()

    def shown(self, commit: str) -> str:
        """Return the line that git prints when it makes *commit*."""
        return self.git("log", "-1", "--format=[main %h] %s", "--abbrev=7", commit)

    def _push(self) -> str:
        self.git("push", "-q", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")


def make(folder: Path) -> Repository:
    """Make an empty origin and its clone in *folder*; raise PlatformError without git."""
    repository = Repository(folder / "origin.git", folder / "clone")
    repository.clone.mkdir(parents=True)
    try:
        repository.git("init", "-q", "--bare", "-b", "main", str(repository.origin))
    except FileNotFoundError as error:
        fix = "sudo apt install git, or brew install git"
        raise PlatformError(f"git is not installed: {fix}") from error
    repository.git("init", "-q", "-b", "main")
    repository.git("remote", "add", "origin", str(repository.origin))
    return repository


def _environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "sam",
        "GIT_AUTHOR_EMAIL": "sam@example.com",
        "GIT_COMMITTER_NAME": "sam",
        "GIT_COMMITTER_EMAIL": "sam@example.com",
    }
