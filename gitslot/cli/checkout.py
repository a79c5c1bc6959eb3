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
from gitslot.edges.file.read import read
from gitslot.errors import DesiredError
from gitslot.state.wanted import SUFFIX, App

_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Checkout:
    """A working tree and what is watched in it: the path of a file, or of a folder of files."""

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
        return cls(Path(_text(top.stdout).rstrip("\n")), session.watched(), session.environ)

    @property
    def path(self) -> Path:
        """Return where the watched file or folder is."""
        return self.root / self.file

    def file_of(self, app: str | None) -> "AppFile":
        """
        Return the file of *app*; without a name, the only one there is.

        Raises CommandRefused that names the folder's apps, or if the file has uncommitted changes.
        """
        chosen = AppFile(self, self.file)
        if self.path.is_dir():
            names = sorted(path.stem for path in self.path.glob(f"*{SUFFIX}"))
            if app is None and len(names) == 1:
                app = names[0]
            if app is None or app not in names:
                there = f"{self.file}/ has {', '.join(names) or 'none'}"
                which = f"no app `{app}`" if app else "name one app"
                raise CommandRefused(f"{which}; {there}", reason="WhichApp")
            chosen = AppFile(self, f"{self.file}/{app}{SUFFIX}", app)
        chosen.refuse_dirty()
        if not chosen.name and app not in (None, found := chosen.read().name):
            raise CommandRefused(f"{self.file} is of the app `{found}`", reason="WhichApp")
        return chosen

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

    def would_revert(self, path: Path, *words: str) -> tuple[frozenset[str], bytes]:
        """
        Return what `git revert` with *words* would change: the files, and the bytes of *path*.

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
                data = path.read_bytes() if path.is_file() else b""
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


@dataclass(frozen=True, slots=True)
class AppFile:
    """One app's file in *checkout*; *name* is the app's, where the file is one of a folder's."""

    checkout: Checkout
    file: str
    name: str = ""

    @property
    def path(self) -> Path:
        """Return where the file is."""
        return self.checkout.root / self.file

    def read(self) -> App:
        """Return what the file asks for. Raises DesiredError."""
        return read(self.path.read_bytes(), self.name)

    def at(self, commit: str) -> App | None:
        """Return what the file asked for at *commit*; None if it was missing or broken."""
        done = subprocess.run(
            ["git", "show", f"{commit}:{self.file}"],
            cwd=self.checkout.root,
            env=dict(self.checkout.environ),
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
        try:
            return read(done.stdout, self.name) if done.returncode == 0 else None
        except DesiredError:
            return None

    def refuse_dirty(self) -> None:
        """Raise CommandRefused if the file has uncommitted changes."""
        if not self.path.is_file():
            raise CommandRefused(
                f"{self.file} is not in {self.checkout.root}; write it first, go into the folder "
                "whose .gitslot.toml names another, or set GITSLOT_FILE",
                reason="FileMissing",
            )
        if self.checkout.git("status", "--porcelain", "--", self.file).strip():
            raise CommandRefused(
                f"{self.file} has changes that are not committed; commit them, or drop them with "
                f"`git restore --staged --worktree {self.file}`",
                reason="DirtyFile",
            )


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
        why = f"git {words[0]} did not end in {_TIMEOUT_S:.0f} s"
        raise CommandRefused(why, reason="GitRefused") from error


def _text(printed: bytes) -> str:
    return printed.decode("utf-8", "replace")


def _reason(done: "subprocess.CompletedProcess[bytes]") -> str:
    lines = [
        line.strip() for line in _text(done.stderr or done.stdout).splitlines() if line.strip()
    ]
    lines = [line for line in lines if not line.startswith("hint:")]
    return "; ".join(lines[:4]) or f"exit code {done.returncode}"
