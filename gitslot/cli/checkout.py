"""
The Git checkout that a command is run in, through the user's own `git`.

Their hooks, signing and identity apply; nothing is pushed.
"""

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gitslot.cli.session import CommandRefused, Session

_TIMEOUT_S = 120.0
_DEFAULT_FILE = "desired_state.yaml"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A working tree and the path of the watched file in it."""

    root: Path
    file: str
    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def around(cls, session: Session) -> "Checkout":
        """Return the checkout around the current folder; raises CommandRefused without one."""
        top = _git(session.cwd, session.environ, "rev-parse", "--show-toplevel")
        if top.returncode:
            raise CommandRefused(
                f"{session.cwd} is not in a Git checkout; run it in a clone of the repository "
                "that holds the file",
                reason="NoCheckout",
            )
        file = session.environ.get("GITSLOT_FILE", "").strip() or _DEFAULT_FILE
        return cls(Path(_text(top.stdout).rstrip("\n")), file, session.environ)

    @property
    def path(self) -> Path:
        """Return where the watched file is."""
        return self.root / self.file

    def git(self, *words: str) -> str:
        """Run git and return its output; raises CommandRefused with git's own reason."""
        done = _git(self.root, self.environ, *words)
        if done.returncode:
            raise CommandRefused(f"git {words[0]}: {_reason(done)}", reason="GitRefused")
        return _text(done.stdout)

    def try_git(self, *words: str) -> str | None:
        """Run git and return its output, or None if it fails."""
        done = _git(self.root, self.environ, *words)
        return None if done.returncode else _text(done.stdout)

    def resolve(self, revision: str) -> str:
        """Return the 40 hex digits of *revision*; raises CommandRefused if there is none."""
        found = self.try_git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if found is None:
            raise CommandRefused(f"there is no commit `{revision}` here", reason="UnknownRevision")
        return found.strip()

    def at(self, commit: str) -> bytes | None:
        """Return the watched file's bytes at *commit*, or None if it is not there."""
        done = _git(self.root, self.environ, "show", f"{commit}:{self.file}")
        return None if done.returncode else done.stdout

    def refuse_dirty(self) -> None:
        """Raise CommandRefused if the file has uncommitted changes."""
        if not self.path.is_file():
            raise CommandRefused(
                f"{self.file} is not in {self.root}; write it first, or name it in GITSLOT_FILE",
                reason="FileMissing",
            )
        if self.git("status", "--porcelain", "--", self.file).strip():
            raise CommandRefused(
                f"{self.file} has changes that are not committed; commit them, or drop them with "
                f"`git restore --staged --worktree {self.file}`",
                reason="DirtyFile",
            )

    def would_revert(self, *words: str) -> tuple[frozenset[str], bytes]:
        """
        Return what `git revert` with *words* would change: the files, and the watched one's bytes.

        It is tried in the checkout and undone; an interrupt waits for that. Raises CommandRefused
        if Git cannot revert, or if undoing it would lose other changes.
        """
        if self.git("diff", "--cached", "--name-only").strip():
            raise CommandRefused("other changes are staged; commit or unstage them first")
        for head in ("REVERT_HEAD", "CHERRY_PICK_HEAD", "MERGE_HEAD"):
            if self.try_git("rev-parse", "--verify", "--quiet", head):
                raise CommandRefused(f"{head} exists; finish or abort that first")
        with _uninterrupted():
            try:
                self.git("revert", "--no-commit", *words)
                changed = self.git("diff", "--cached", "--no-renames", "--name-only", "-z", "HEAD")
                data = self.path.read_bytes() if self.path.is_file() else b""
            finally:
                self._unstage()
        return frozenset(changed.split("\0")) - {""}, data

    def revert(self, *words: str) -> None:
        """Commit the revert of *words*; raises CommandRefused, with nothing changed."""
        try:
            self.git("revert", "--no-edit", *words)
        except BaseException:
            self._unstage()
            raise

    def _unstage(self) -> None:
        """Undo staged changes, in the index and in the files; other edits stay."""
        self.try_git("reset", "--merge")

    def has_remote(self) -> bool:
        """Return whether there is a remote to push to."""
        return bool((self.try_git("remote") or "").strip())


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back, in this process and in the programs that it starts meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _git(
    folder: Path, environ: Mapping[str, str], *words: str
) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["git", *words],
            cwd=folder,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
            env={**environ, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise CommandRefused("git is not installed, or not on PATH", reason="NoGit") from error
    except subprocess.TimeoutExpired as error:
        raise CommandRefused(
            f"git {words[0]} did not end in {_TIMEOUT_S:.0f} s", reason="GitRefused"
        ) from error


def _text(printed: bytes) -> str:
    return printed.decode("utf-8", "replace")


def _reason(done: "subprocess.CompletedProcess[bytes]") -> str:
    lines = [
        line.strip() for line in _text(done.stderr or done.stdout).splitlines() if line.strip()
    ]
    lines = [line for line in lines if not line.startswith("hint:")]
    return "; ".join(lines[:4]) or f"exit code {done.returncode}"
