"""
Read Git: the newest commit of one ref, the watched file or folder in it, and its history.

It never writes, needs no git binary, and treats an empty answer as an error: an empty ref look-up,
a missing file or a link in its place is a SourceError with a reason, not an empty desired state.
"""

import stat
import threading
import weakref
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from dulwich.objects import ObjectID, Tree
from dulwich.objectspec import parse_commit
from dulwich.repo import Repo

from gitslot.edges.git.ancestry import descends
from gitslot.edges.git.beside import Beside
from gitslot.edges.git.commits import Commits, read_commit
from gitslot.edges.git.file_history import FileHistory
from gitslot.edges.git.host import Access
from gitslot.edges.git.last_change import Reverted, last_changes, reverted
from gitslot.edges.git.objects import Origin, translated
from gitslot.edges.git.signed_changes import Rule, check
from gitslot.errors import SourceError
from gitslot.http.client import Http
from gitslot.state.wanted import SUFFIX, App, Doubt, Revision

MAX_FILES = 5000
MAX_LISTING = 2 * 1024 * 1024  # bytes of one tree, some 20,000 files
_MAX_WALK = 100_000
PATIENCE_S = 300.0
_SUBMODULE = 0o160000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Newest:
    """A commit and, at it, the bytes of the watched file, or those of a folder's files by NAME."""

    revision: Revision
    data: bytes | Mapping[str, bytes | Doubt]


class GitSource:
    """
    One file, or one folder of files, on one ref of one repository.

    *repository* is a path or an https URL, *ref* a branch or a full ref name, *path* the file's or
    folder's path in the tree. What a server is slow to send is waited for *patience_s* long, then
    GitPutOff is raised and it goes on beside the looks.
    """

    def __init__(
        self,
        repository: str,
        ref: str,
        path: str,
        access: Access | None = None,
        *,
        http: Http | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._origin = Origin(repository, access or Access(), http)
        self._ref = _full(ref)
        self._path = "/".join(name for name in path.split("/") if name not in ("", "."))
        self._seen: Newest | None = None
        self._blobs: dict[bytes, bytes | Doubt] = {}  # of the last folder, by name
        self._beside = Beside(patience_s)
        self._looks = threading.Lock()
        self._commits: Commits | None = None
        self._descent: dict[tuple[str, str], bool] = {}

    def newest(self) -> Newest:
        """
        Return the newest commit; costs one ref look-up while the ref does not change.

        Raises GitPutOff while it is not read yet; SourceError: GitUnreachable, RefGone,
        FileMissing, NotPlainFile, FileTooLarge, TooManyFiles, FolderTooLarge.
        """
        with translated(self._origin.name), self._looks if self._origin.local else nullcontext():
            tip = self._origin.tip(self._ref).decode()
        if self._seen is None or self._seen.revision.commit != tip:
            self._seen = self._long(("at", tip), lambda: self.at(tip), f"the commit {tip[:7]}")
        return self._seen

    def at(self, commit: str) -> Newest:
        """Return *commit* (40 hex digits) and what is watched at it. Raises SourceError."""
        with translated(self._origin.name):
            repo = self._history(anew=True).repo
            self._origin.commit(repo, commit.encode())
            found = read_commit(repo, commit)
            if found is None:
                raise SourceError(f"{commit[:7]} is not a commit", reason="RefGone")
            return Newest(found.revision(), self._watched(repo, commit, found.tree))

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
        key = commit, ancestor
        if key not in self._descent:
            found = self._past(("descends", *key), lambda: self._descends(*key), commit)
            self._descent = {k: v for k, v in self._descent.items() if commit in k} | {key: found}
        return self._descent[key]

    def _descends(self, commit: str, ancestor: str) -> bool:
        commits = self._history()
        if self._origin.hands_out_all:
            commits.bring([ancestor], (), 1)
            if not commits.has(ancestor):  # whoever has a commit has all that it leads to
                return False
        found = descends(commits, commit, ancestor, _MAX_WALK)
        if found is None:
            what = f"{ancestor[:7]} is not among the newest {_MAX_WALK:,} commits"
            raise SourceError(what, reason="HistoryTooLong")
        return found

    def vouched(self, commit: str, app: str, rule: Rule, accepted: str = "") -> int:
        """
        Return how many changes of the file of *app* lead to *commit*, each vouched for by *rule*.

        What *accepted* names, and all before it, was accepted for this app. Raises
        SignatureRefused that names the change that is not vouched for, and SourceError.
        """
        return self._past(
            ("vouched", commit, app, accepted),
            lambda: check(self._of_file(app), commit, rule, accepted),
            commit,
        )

    def asked_by(self, head: Revision, app: App, accepted: str = "") -> dict[str, Revision]:
        """
        Return, for each slot of *app*, the commit up to *head* that last changed its wish.

        *accepted* is the commit up to which the app's file is accepted. Where the history does not
        show it, *head* is named and marked inexact. Raises SourceError.
        """
        wishes = {slot: app.wish(slot) for slot in app.slots}

        def ask() -> dict[str, Revision]:
            history = self._of_file(app.name)
            try:
                found = last_changes(history, head.commit, accepted, wishes)
                return {
                    slot: history.commits.get(commit).revision()
                    if commit
                    else replace(head, exact=False)
                    for slot, commit in found.items()
                }
            except KeyError:  # a shallow copy
                return dict.fromkeys(wishes, replace(head, exact=False))

        key = ("asked", head.commit, app.name, accepted, *wishes.values())
        return self._past(key, ask, head.commit)

    def asks_for(self, commit: str, app: str) -> bool:
        """Return whether what is watched asks for *app* in *commit*. Raises SourceError."""

        def ask() -> bool:
            try:
                return self._of_file(app).app(commit) is not None
            except KeyError:  # of another repository, or of a history that is gone
                return False

        return self._past(("asks for", commit, app), ask, commit)

    def reverted(self, head: str, app: str) -> Reverted | None:
        """
        Return the `git revert` of *head* that takes production of *app* back, and no other file.

        With it comes what the file asks for then; None where there is none. Raises SourceError.
        """

        def ask() -> Reverted | None:
            try:
                return reverted(self._of_file(app), head)
            except KeyError:  # a shallow copy
                return None

        return self._past(("reverted", head, app), ask, head)

    # ------------------------------------------------------------ the past

    def _long(self, key: tuple[str, ...], ask: Callable[[], T], what: str) -> T:
        if self._origin.local:
            with self._looks:
                return ask()
        late = f"{what} of {self._origin.name} is not yet read: it takes long to come"
        return self._beside.ask(key, ask, late)

    def _past(self, key: tuple[str, ...], ask: Callable[[], T], commit: str) -> T:
        """Return the answer of *ask*, which reads the history of *commit*."""

        def asked() -> T:
            with translated(self._origin.name):
                try:
                    return ask()
                except KeyError as error:
                    what = f"the history of {commit[:7]} has a hole"
                    raise SourceError(
                        f"{what}: {self._origin.name} is a shallow copy", reason="HistoryIncomplete"
                    ) from error

        return self._long(key, asked, f"the history of {commit[:7]}")

    def _history(self, *, anew: bool = False) -> Commits:
        """Return the commits that are there; *anew* where a new commit is looked at."""
        if anew and self._origin.renew():
            self._commits = None
        if self._commits is None or (anew and self._origin.local):
            repo = self._origin.open()
            self._commits = Commits(repo, lambda *wanted: self._origin.commits(repo, *wanted))
            weakref.finalize(self._commits, repo.close)
        return self._commits

    def _of_file(self, app: str) -> FileHistory:
        commits = self._history()

        def contents(blobs: Collection[bytes]) -> Mapping[bytes, bytes | Doubt]:
            return self._origin.blobs(commits.repo, blobs, {})

        fetch = lambda wants: self._origin.add(commits.repo, wants)  # noqa: E731 - short
        return FileHistory(commits, self._path, app, fetch, contents)

    # ------------------------------------------------------------ the file, or the folder

    def _watched(self, repo: Repo, commit: str, tree: bytes) -> bytes | Mapping[str, bytes | Doubt]:
        mode, sha = self._entry(repo, commit, tree)
        if stat.S_ISDIR(mode):
            return self._files(repo, sha)
        if not stat.S_ISREG(mode):
            raise SourceError(f"{self._path} is {_kind(mode)}", reason="NotPlainFile")
        found = self._origin.blob(repo, sha)
        if isinstance(found, Doubt):
            raise SourceError(f"{self._path}: {found.message}", reason=found.reason)
        return found

    def _files(self, repo: Repo, sha: bytes) -> Mapping[str, bytes | Doubt]:
        """Return each NAME.yaml of the folder *sha*: its bytes, or why they are not read."""
        self._origin.add(repo, [sha])
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

    def _entry(self, repo: Repo, commit: str, tree: bytes) -> tuple[int, bytes]:
        """Return mode and name of what is watched. Raises SourceError."""
        sha, mode, way = tree, stat.S_IFDIR, ""
        for name in self._path.split("/"):
            if not stat.S_ISDIR(mode):
                raise SourceError(
                    f"{self._path}: {way} is {_kind(mode)}, which is not followed",
                    reason="NotPlainFile" if not stat.S_ISREG(mode) else "FileMissing",
                )
            self._origin.add(repo, [sha])
            folder = repo[ObjectID(sha)]
            if not isinstance(folder, Tree) or name.encode() not in folder:
                raise SourceError(
                    f"{self._path} is not in the tree of {commit[:7]}", reason="FileMissing"
                )
            mode, sha = folder[name.encode()]
            way = f"{way}/{name}".removeprefix("/")
        return mode, bytes(sha)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link"
    return "a submodule" if stat.S_IFMT(mode) == _SUBMODULE else "not a plain file"


def _full(ref: str) -> bytes:
    return (ref if ref.startswith("refs/") or ref == "HEAD" else f"refs/heads/{ref}").encode()


def local_repository(start: Path) -> Path | None:
    """Return the Git checkout at or above *start*, or None."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return None
