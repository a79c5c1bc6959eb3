"""
The history of a commit with the file in each commit; trees are fetched when they are needed.

Every object is hashed again: a commit or tree that does not match its name is refused, wherever
it came from.
"""

import hashlib
import stat
from collections.abc import Callable, Collection
from typing import TypeAlias

from dulwich.objects import Commit, ObjectID, ShaFile, Tree
from dulwich.repo import BaseRepo

from gitslot.errors import SourceError

Entry: TypeAlias = tuple[int, bytes] | None
_AT_ONCE = 1000  # objects asked for in one request


class GitTrail:
    """
    What `signed_changes` reads of a repository.

    *repo* holds the commits, *path* is the file's, *fetch* brings objects into *repo* by name.
    """

    def __init__(self, repo: BaseRepo, path: str, fetch: Callable[[list[bytes]], None]) -> None:
        self._repo, self._fetch = repo, fetch
        self._names = [name.encode() for name in path.split("/")]
        self._parents: dict[str, tuple[str, ...]] = {}
        self._files: dict[str, Entry] = {}

    def raw(self, commit: str) -> bytes:
        """Return the bytes of *commit*; raise KeyError if it is missing."""
        return self._commit(commit).as_raw_string()

    def parents(self, commit: str) -> tuple[str, ...]:
        """Return the parents of *commit*; raise KeyError if it is missing."""
        if commit not in self._parents:
            found = self._commit(commit)
            self._parents[commit] = tuple(parent.decode() for parent in found.parents)
        return self._parents[commit]

    def file(self, commit: str) -> Entry:
        """Return mode and blob of the file in *commit*, or None if it has no such file."""
        if commit not in self._files:
            self.load([commit])
        return self._files[commit]

    def load(self, commits: Collection[str]) -> None:
        """Read the file's entry in *commits*, fetching each level of trees in one request."""
        at: dict[str, Entry] = {
            commit: (stat.S_IFDIR, self._commit(commit).tree)
            for commit in commits
            if commit not in self._files
        }
        for name in self._names:
            self._bring({entry[1] for entry in at.values() if entry and stat.S_ISDIR(entry[0])})
            at = {commit: self._below(entry, name) for commit, entry in at.items()}
        self._files |= at

    def _below(self, entry: Entry, name: bytes) -> Entry:
        if entry is None or not stat.S_ISDIR(entry[0]):
            return None
        tree = _checked(self._repo[ObjectID(entry[1])], entry[1])
        if not isinstance(tree, Tree) or name not in tree:
            return None
        mode, sha = tree[name]
        return mode, bytes(sha)

    def _bring(self, trees: set[bytes]) -> None:
        missing = sorted(sha for sha in trees if ObjectID(sha) not in self._repo.object_store)
        for start in range(0, len(missing), _AT_ONCE):
            self._fetch(missing[start : start + _AT_ONCE])

    def _commit(self, commit: str) -> Commit:
        found = _checked(self._repo[ObjectID(commit.encode())], commit.encode())
        if not isinstance(found, Commit):
            raise KeyError(commit)
        return found


def _checked(found: ShaFile, name: bytes) -> ShaFile:
    raw = found.as_raw_string()
    head = b"%s %d\0" % (found.type_name, len(raw))
    if hashlib.sha1(head + raw, usedforsecurity=False).hexdigest().encode() != name:
        raise SourceError(
            f"the object {name[:7].decode()} is not what its name says", reason="ObjectForged"
        )
    return found
