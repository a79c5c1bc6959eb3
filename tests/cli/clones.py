"""A checkout of somebody's, and gitslot typed in it."""

import io
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gitslot.cli.app import run
from gitslot.cli.session import Session
from reliability.rig import Rig

FILE = "desired_state.yaml"
SIMPLE = """\
# What runs where.
app: az-fct-python-ml
model: iris
slots:
  production: 1.4.0      # users get this; revert this commit to go back
"""
BUMPED = SIMPLE.replace("1.4.0", "1.5.0")
CHURN = """\
model: churn
slots:
  production: "7"
  staging: {version: "8", code: 3.1.0}    # hold this candidate for a look

# the end
"""


@dataclass
class Clone:
    """A checkout, and gitslot run in it."""

    path: Path

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, text: str) -> None:
        (self.path / FILE).write_text(text)

    def add(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)
        self.git("add", name)

    def hook(self, name: str, script: str) -> Path:
        found = self.path / ".git/hooks" / name
        found.parent.mkdir(exist_ok=True)
        found.write_text(f"#!/bin/sh\n{script}\n")
        found.chmod(0o755)
        return found

    def commit(self, text: str, subject: str) -> str:
        self.add(FILE, text)
        self.git("commit", "-q", "-m", subject)
        return self.git("rev-parse", "HEAD")

    @property
    def text(self) -> str:
        return (self.path / FILE).read_text()

    @property
    def subject(self) -> str:
        return self.git("log", "-1", "--format=%s")

    def gitslot(self, *words: str, **environ: str) -> tuple[int, str, str]:
        """Run it with no target at all; return exit code, stdout and stderr."""
        inherited = ("PATH", "HOME", "GIT_CONFIG_NOSYSTEM")
        environ |= {name: os.environ[name] for name in inherited if name in os.environ}
        out, err = io.StringIO(), io.StringIO()
        code = run(words, Session(environ, self.path, out, err))
        return code, out.getvalue(), err.getvalue()


class Folder(Clone):
    """A checkout in which each app has a file of its own, as CODEOWNERS wants it."""

    FILES: ClassVar = {
        "CODEOWNERS": "/apps/churn-prod.yaml @churn-team\n",
        "apps/README": "One file for each app.\n",
        "apps/az-fct-python-ml.yaml": SIMPLE,
        "apps/churn-prod.yaml": CHURN,
    }

    def of(self, app: str) -> str:
        return (self.path / f"apps/{app}.yaml").read_text()

    def put(self, app: str, text: str) -> None:
        (self.path / f"apps/{app}.yaml").write_text(text)

    def gitslot(self, *words: str, **environ: str) -> tuple[int, str, str]:
        return super().gitslot(*words, GITSLOT_FILE="apps", **environ)


def beside(rig: Rig, *words: str, **environ: str) -> tuple[int, str]:
    """Run `gitslot` beside the controllers of *rig*; return exit code and all that it prints."""
    printed, laptop = io.StringIO(), rig.controller("laptop")
    session = Session(
        {"GITSLOT_STORAGE": "https://account.example", "GITSLOT_REPO": "/nowhere", **environ},
        *(Path("/"), printed, printed),
        now=rig.cloud.now,
        open_world=lambda _: laptop.start(),
        open_journal=lambda _: laptop.start().journal,
    )
    return run(words, session), printed.getvalue()
