"""
The Git checkout that a command is run in, through the user's own `git`.

Their hooks, signing and identity apply; nothing is pushed.
"""

import getpass
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
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
        return cls(Path(_text(top.stdout).rstrip("\n")), session.watched(), dict(session.environ))

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
        with suppress(DesiredError):  # a broken file names no app
            chosen.refuse_other(app, chosen.read())
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

    def blobs(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the bytes of each blob of *names*, in one run of git."""
        done = _git(self.root, self.environ, "cat-file", "--batch", data="\n".join(names).encode())
        found, rest = {}, done.stdout
        for name in names:
            head, _, rest = rest.partition(b"\n")
            if head.split()[1:2] == [b"blob"]:
                size = int(head.split()[2])
                found[name], rest = rest[:size], rest[size + 1 :]
        return found

    # ------------------------------------------------------------ the branch, and the remote

    @property
    def branch(self) -> str:
        """Return the branch that is checked out, or "" where none is."""
        return (self.try_git("symbolic-ref", "--quiet", "--short", "HEAD") or "").strip()

    def _remote(self) -> str:
        """Return the remote of the branch, else `origin`, else any; "" where there is none."""
        named = (self.try_git("config", f"branch.{self.branch}.remote") or "").strip()
        there = self.git("remote").split()
        first = "origin" if "origin" in there else (there or [""])[0]
        return named if named in there else first

    def refuse_stale(self, ref: str) -> int:
        """
        Fetch the watched *ref*, and return how many commits here are not pushed yet.

        Raises CommandRefused, with the remedy, where the checkout is behind it, on another branch
        or on none. "" stands for `main`, or for what is checked out where there is no `main`.
        """
        here, remote, go_on = self.branch, self._remote(), "--no-fetch goes on with what is here"
        watched = ref.removeprefix("refs/heads/")
        if watched == "HEAD" or watched.startswith("refs/"):
            return 0
        if not watched:
            mains = ("refs/heads/main", f"refs/remotes/{remote}/main")
            known = any(self.try_git("rev-parse", "--verify", "--quiet", each) for each in mains)
            watched = "main" if known or not here else here
        if here != watched:
            where = f"on the branch `{here}`" if here else "on no branch (a detached HEAD)"
            raise CommandRefused(
                f"the checkout is {where}, and `{watched}` is watched; `git switch {watched}`, and "
                f"try again; {go_on}",
                reason="OtherBranch" if here else "Detached",
            )
        if not remote:
            return 0
        try:
            self.git("fetch", "--quiet", remote, watched)
        except CommandRefused as error:
            raise CommandRefused(f"{error.message}; {go_on}", reason="FetchFailed") from error
        count = self.git("rev-list", "--left-right", "--count", "HEAD...FETCH_HEAD").split()
        ahead, behind = map(int, count)
        if behind:
            pull = "git pull --rebase" if ahead else "git pull --ff-only"
            raise CommandRefused(
                f"{remote} has {behind} newer commit(s) of `{watched}`; `{pull} {remote} "
                f"{watched}`, and try again; {go_on}",
                reason="Behind",
            )
        return ahead

    def push(self) -> str:
        """Return the line that pushes what is checked out, or "" where that is nowhere."""
        remote, here = self._remote(), self.branch
        if not remote or not here:
            return ""
        follows = self.try_git("config", f"branch.{here}.merge")
        return "git push" if follows else f"git push {remote} {here}"


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

    def refuse_other(self, app: str | None, found: App) -> None:
        """Raise CommandRefused where the file, which is *found*, is not that of *app*."""
        if app not in (None, found.name):
            raise CommandRefused(f"{self.file} is of the app `{found.name}`", reason="WhichApp")

    def commit(self, data: bytes, message: str) -> None:
        """Commit *data* as the file, and nothing else; else the file stays as it was."""
        before, head = self.path.read_bytes(), self.checkout.try_git("rev-parse", "HEAD")
        self.path.write_bytes(data)
        try:
            self.checkout.git("commit", "-m", message, "--", self.file)
        except BaseException:
            if self.checkout.try_git("rev-parse", "HEAD") == head:
                self.path.write_bytes(before)
            raise

    def is_undone_by(self, data: bytes, commit: str) -> bool:
        """Say whether *data* as the file reverts *commit*, which changed it and no other file."""
        raw = self.checkout.try_git("diff-tree", "-r", "--no-renames", f"{commit}^", commit) or ""
        here = self.checkout.git("rev-parse", f"HEAD:{self.file}").strip()
        if len(raw.splitlines()) != 1:
            return False
        old, new = raw.split()[2:4]
        return new == here and self.checkout.blobs([old]).get(old) == data

    def refuse_dirty(self) -> None:
        """Raise CommandRefused if the file has uncommitted changes."""
        if not self.path.is_file():
            raise CommandRefused(
                f"{self.file} is not in {self.checkout.root}; write it first, go into the folder "
                "whose .gitslot.toml names another, or set GITSLOT_FILE",
                reason="FileMissing",
            )
        if self.path.is_symlink():
            what = f"{self.file} is a link; `git rm` it and commit a plain file in its place"
            raise CommandRefused(what, reason="NotPlainFile")
        if self.checkout.git("status", "--porcelain", "--", self.file).strip():
            raise CommandRefused(
                f"{self.file} has changes that are not committed; commit them, or drop them with "
                f"`git restore --staged --worktree {self.file}`",
                reason="DirtyFile",
            )


def user_name(session: Session) -> str:
    """Return who types this: git's `user.name`, else the name of the login."""
    try:
        done = _git(session.cwd, session.environ, "config", "user.name")
        if name := _text(done.stdout).strip():
            return name
    except CommandRefused:  # no git
        pass
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "somebody"


def _git(
    folder: Path, environ: Mapping[str, str], *words: str, data: bytes | None = None
) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["git", *words],
            cwd=folder,
            input=data,
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
