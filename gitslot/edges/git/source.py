"""
Read Git: the newest commit of one ref, the watched file or folder in it, and its history.

It never writes, needs no git binary, and treats an empty answer as an error: an empty ref look-up,
a missing file or a link in its place is a SourceError with a reason, not an empty desired state.
"""

import re
import stat
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dulwich.objects import Commit, ObjectID, Tree
from dulwich.objectspec import parse_commit
from dulwich.repo import BaseRepo

from gitslot.edges.git.file_history import FileHistory
from gitslot.edges.git.last_change import Reverted, last_changes, reverted
from gitslot.edges.git.objects import Objects, Origin, translated
from gitslot.edges.git.signed_changes import Rule, check
from gitslot.errors import SourceError
from gitslot.state.safe_text import safe
from gitslot.state.wanted import SUFFIX, App, Doubt, Revision

MAX_FILES = 5000
MAX_LISTING = 2 * 1024 * 1024  # bytes of one tree, some 20,000 files
_REVERTS = re.compile(r"This reverts commit ([0-9a-f]{40})")
_MAX_WALK = 100_000


@dataclass(frozen=True, slots=True)
class Newest:
    """A commit and, at it, the bytes of the watched file, or those of a folder's files by NAME."""

    revision: Revision
    data: bytes | Mapping[str, bytes | Doubt]


class GitSource:
    """
    One file, or one folder of files, on one ref of one repository.

    *repository* is a path or an https URL, *ref* a branch or a full ref name, *path* the file's or
    folder's path in the tree. *token* is used in a header only.
    """

    def __init__(self, repository: str, ref: str, path: str, token: str | None = None) -> None:
        self._origin = Origin(repository, token)
        self._ref = _full(ref)
        self._path = path
        self._seen: Newest | None = None
        self._blobs: dict[bytes, bytes | Doubt] = {}  # of the last folder, by name
        self._past: tuple[str, Objects] | None = None
        self._descent_of = ""
        self._descent: dict[str, bool] = {}

    def newest(self) -> Newest:
        """
        Return the newest commit; costs one ref look-up while the ref does not change.

        Raises SourceError: GitUnreachable, RefGone, FileMissing, NotPlainFile, FileTooLarge,
        TooManyFiles, FolderTooLarge.
        """
        with translated(self._origin.name):
            tip = self._origin.tip(self._ref)
            if self._seen is None or self._seen.revision.commit != tip.decode():
                self._seen = self.at(tip.decode())
            else:
                self._past = None  # it was asked about when the commit was new
            return self._seen

    def at(self, commit: str) -> Newest:
        """Return *commit* (40 hex digits) and what is watched at it. Raises SourceError."""
        with translated(self._origin.name), closing(self._origin.commit(commit.encode())) as repo:
            found = repo[commit.encode()]
            if not isinstance(found, Commit):
                raise SourceError(f"{commit[:7]} is not a commit", reason="RefGone")
            return Newest(_revision(found), self._watched(repo, found))

    def resolve(self, revision: str) -> str:
        """Return the 40 hex digits that *revision* abbreviates; for local repositories."""
        with translated(self._origin.name):
            if not self._origin.local:
                return revision
            with self._origin.open() as repo:
                return parse_commit(repo, revision).id.decode()

    def descends(self, commit: str, ancestor: str) -> bool:
        """Say whether *commit* has *ancestor* in its history. Raises SourceError."""
        if commit == ancestor:
            return True
        if self._descent_of != commit:
            self._descent_of, self._descent = commit, {}
        if ancestor not in self._descent:
            with self._history(commit) as repo:
                self._descent[ancestor] = _walks_to(repo, commit, ancestor)
        return self._descent[ancestor]

    def vouched(self, commit: str, app: str, rule: Rule, accepted: str = "") -> int:
        """
        Return how many changes of the file of *app* lead to *commit*, each vouched for by *rule*.

        What *accepted* names, and all before it, was accepted for this app. Raises
        SignatureRefused that names the change that is not vouched for, and SourceError.
        """
        with self._history(commit) as repo:
            history = self._of_file(repo, app)
            try:
                return check(history, commit, rule, accepted)
            except KeyError as error:
                what = f"the history of {commit[:7]} has a hole"
                raise SourceError(
                    f"{what}: {self._origin.name} is a shallow copy", reason="HistoryIncomplete"
                ) from error

    def asked_by(self, head: Revision, app: App, accepted: str = "") -> dict[str, Revision]:
        """
        Return, for each slot of *app*, the commit up to *head* that last changed its wish.

        *accepted* is the commit up to which the app's file is accepted. Where the history does not
        show it, *head* is named and marked inexact. Raises SourceError.
        """
        wishes = {slot: app.wish(slot) for slot in app.slots}
        with self._history(head.commit) as repo:
            try:
                found = last_changes(self._of_file(repo, app.name), head.commit, accepted, wishes)
                return {
                    slot: _revision(_commit(repo, commit)) if commit else replace(head, exact=False)
                    for slot, commit in found.items()
                }
            except KeyError:  # a shallow copy
                return dict.fromkeys(wishes, replace(head, exact=False))

    def reverted(self, head: str, app: str) -> Reverted | None:
        """
        Return the `git revert` of *head* that takes production of *app* back, and no other file.

        With it comes what the file asks for then; None where there is none. Raises SourceError.
        """
        with self._history(head) as repo:
            try:
                return reverted(self._of_file(repo, app), head)
            except KeyError:  # a shallow copy
                return None

    # ------------------------------------------------------------ the past

    @contextmanager
    def _history(self, commit: str) -> Iterator[Objects]:
        """Open the history of *commit*; that of a server is kept until the next look-up."""
        with translated(self._origin.name):
            if self._origin.local:
                with self._origin.open() as repo:
                    yield repo
                return
            if self._past is None or self._past[0] != commit:
                self._past = (commit, self._origin.history(commit.encode()))
            yield self._past[1]

    def _of_file(self, repo: Objects, app: str) -> FileHistory:
        return FileHistory(
            repo,
            self._path,
            app,
            fetch=lambda wants: self._origin.add(repo, wants),
            contents=lambda blobs: self._origin.blobs(repo, blobs, {}),
        )

    # ------------------------------------------------------------ the file, or the folder

    def _watched(self, repo: Objects, commit: Commit) -> bytes | Mapping[str, bytes | Doubt]:
        mode, sha = self._entry(repo, commit)
        if stat.S_ISDIR(mode):
            return self._files(repo, sha)
        if not stat.S_ISREG(mode):
            raise SourceError(f"{self._path} is {_kind(mode)}", reason="NotPlainFile")
        found = self._origin.blob(repo, sha)
        if isinstance(found, Doubt):
            raise SourceError(f"{self._path}: {found.message}", reason=found.reason)
        return found

    def _files(self, repo: Objects, sha: bytes) -> Mapping[str, bytes | Doubt]:
        """Return each NAME.yaml of the folder *sha*: its bytes, or why they are not read."""
        tree = repo[ObjectID(sha)]
        if not isinstance(tree, Tree):
            raise SourceError(f"{self._path} is not a plain folder", reason="NotPlainFile")
        suffix = SUFFIX.encode()
        large = tree.raw_length() > MAX_LISTING
        entries = {} if large else {e.path: e for e in tree.iteritems() if e.path.endswith(suffix)}
        if large or len(entries) > MAX_FILES:
            what = f"{self._path} holds too many files; {MAX_FILES:,} are allowed"
            raise SourceError(what, reason="TooManyFiles")
        plain = {e.sha for e in entries.values() if stat.S_ISREG(e.mode)}
        self._blobs = self._origin.blobs(repo, plain, self._blobs, sha)
        return {
            path.removesuffix(suffix).decode("utf-8", "backslashreplace"): (
                self._blobs[each.sha]
                if each.sha in plain
                else Doubt("NotPlainFile", f"it is {_kind(each.mode)}")
            )
            for path, each in entries.items()
        }

    def _entry(self, repo: BaseRepo, commit: Commit) -> tuple[int, bytes]:
        sha, mode = commit.tree, stat.S_IFDIR
        for name in self._path.split("/"):
            tree = repo[sha] if stat.S_ISDIR(mode) else None
            if not isinstance(tree, Tree) or name.encode() not in tree:
                what = f"{self._path} is not in the tree of {commit.id.decode()[:7]}"
                raise SourceError(what, reason="FileMissing")
            mode, sha = tree[name.encode()]
        return mode, sha


def _kind(mode: int) -> str:
    return "a link" if stat.S_ISLNK(mode) else "not a plain file"


def _full(ref: str) -> bytes:
    return (ref if ref.startswith("refs/") or ref == "HEAD" else f"refs/heads/{ref}").encode()


def _commit(repo: BaseRepo, commit: str) -> Commit:
    found = repo[commit.encode()]
    assert isinstance(found, Commit)
    return found


def _revision(commit: Commit) -> Revision:
    message = commit.message.decode("utf-8", "replace")
    subject = message.strip().split("\n", 1)[0]
    author = commit.author.decode("utf-8", "replace").split("<")[0].strip()
    reverts = _REVERTS.search(message)
    return Revision(
        commit.id.decode(), safe(author, 100), safe(subject, 200), reverts[1] if reverts else None
    )


def _walks_to(repo: BaseRepo, commit: str, ancestor: str) -> bool:
    found = {commit.encode()}
    todo = deque(found)
    while todo:
        sha = todo.popleft()
        if sha == ancestor.encode():
            return True
        with suppress(KeyError):  # a shallow copy
            each = repo[sha]
            new = [sha for sha in getattr(each, "parents", ()) if sha not in found]
            found.update(new)
            todo.extend(new)
        if len(found) > _MAX_WALK:
            what = f"{ancestor[:7]} is not among the newest {_MAX_WALK:,} commits"
            raise SourceError(what, reason="HistoryTooLong")
    return False


def local_repository(start: Path) -> Path | None:
    """Return the Git checkout at or above *start*, or None."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return None
