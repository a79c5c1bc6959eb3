"""Somebody's laptop: a home and a temporary folder of its own, and `gitslot` typed into it."""

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.platform import until
from tests.processes import run
from tests.story.stage import Repository, git_environment, make_repository

COMMAND = (sys.executable, "-m", "gitslot")
# Undoes what a shell does to programs that it starts in the background: they do not hear Ctrl-C.
_HEARING = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from gitslot.cli import main; main()"
)


@dataclass(frozen=True)
class Laptop:
    """*folder* is all that its programs may write to."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return what a shell there has; nothing of Azure, nothing of this machine's user."""
        return {
            **git_environment(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        }

    def checkout(self, name: str = "checkout") -> Repository:
        """Return a new repository there."""
        return make_repository(self.folder / name)

    def run(self, where: Path, *words: str) -> "subprocess.CompletedProcess[str]":
        """Type `gitslot` with *words* in *where*, and wait for its end."""
        return run(*COMMAND, *words, cwd=where, env=self.environment)

    def interrupt(self, where: Path, *words: str, after: str, number: signal.Signals) -> int:
        """Type `gitslot` with *words*, send *number* once it has said *after*; its exit code."""
        said = self.folder / "said"
        with said.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", _HEARING, *words],
                cwd=where,
                env=self.environment,
                stdout=output,
                stderr=output,
            )
        try:
            until(lambda: after in said.read_text() or process.poll() is not None, after, 90)
            assert process.poll() is None, said.read_text()
            process.send_signal(number)
            return process.wait(60)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def processes(self) -> list[str]:
        """Return the command lines of everything that runs with a path of this laptop in it."""
        shown = subprocess.run(
            ["ps", "-A", "-ww", "-o", "command="], capture_output=True, text=True, check=True
        )
        return [line for line in shown.stdout.splitlines() if str(self.folder) in line]


def new_laptop(folder: Path) -> Laptop:
    """Return a laptop that lives in *folder*."""
    (folder / "tmp").mkdir()
    return Laptop(folder)
