"""
The history of one commit and, of each, what an app's file is in it; objects come as needed.

Every object is hashed again: a commit, tree or file that does not match its name is refused,
wherever it came from.
"""

import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import TypeAlias

from dulwich.objects import ObjectID, ShaFile, Tree

from gitslot.edges.file.read import read
from gitslot.edges.git.commits import Commits, check_name
from gitslot.errors import DesiredError
from gitslot.state.wanted import SUFFIX, App, Doubt

Entry: TypeAlias = tuple[int, bytes] | None
_AT_ONCE = 1000  # objects asked for in one request
_BACK = 100  # commits that are read ahead


class FileHistory:
    """
    What `signed_changes` and `last_change` read of a repository.

    *path* is what is watched: the file of *app*, or a folder that holds it by its name; either may
    have become the other. *fetch* brings trees by name, *contents* returns the bytes of files.
    """

    def __init__(
        self,
        commits: Commits,
        path: str,
        app: str,
        fetch: Callable[[list[bytes]], None],
        contents: Callable[[Collection[bytes]], Mapping[bytes, bytes | Doubt]],
    ) -> None:
        self.commits, self._repo = commits, commits.repo
        self._app, self._fetch, self._contents = app, fetch, contents
        self._names = [name.encode() for name in path.split("/")]
        self._files: dict[str, Entry] = {}
        self._apps: dict[bytes, App | None] = {}

    def raw(self, commit: str) -> bytes:
        """Return the bytes of *commit*; raise KeyError if it is missing."""
        return self.commits.get(commit).raw

    def parents(self, commit: str) -> tuple[str, ...]:
        """Return the parents of *commit*; raise KeyError if it is missing."""
        return self.commits.parents(commit)

    def file(self, commit: str) -> Entry:
        """Return mode and blob of the file in *commit*, or None if it has no such file."""
        if commit not in self._files:
            self.load([commit])
        return self._files[commit]

    def load(self, commits: Collection[str]) -> None:
        """Read the file's entry in *commits*, fetching each level of trees in one request."""
        self.commits.bring(commits, (), 1)
        at: dict[str, Entry] = {
            commit: (stat.S_IFDIR, self.commits.tree(commit))
            for commit in commits
            if commit not in self._files
        }
        for name in self._names:
            self._bring(at)
            at = {commit: self._below(entry, name) for commit, entry in at.items()}
        folders = {commit: entry for commit, entry in at.items() if _is_folder(entry)}
        self._bring(folders)
        name = f"{self._app}{SUFFIX}".encode()
        at |= {commit: self._below(entry, name) for commit, entry in folders.items()}
        self._files |= at

    def changes_file_alone(self, commit: str) -> bool:
        """Say whether *commit* differs from its first parent in the app's file and no other."""
        parent = self.parents(commit)[0]
        self.load([commit, parent])
        at = [(stat.S_IFDIR, self.commits.tree(each)) for each in (commit, parent)]
        for name in [*self._names, f"{self._app}{SUFFIX}".encode()]:
            if not all(map(_is_folder, at)):
                break
            here, there = (self._entries(entry) for entry in at)
            at = [here.pop(name, (0, b"")), there.pop(name, (0, b""))]
            if here != there:
                return False
        return all(stat.S_ISREG(entry[0]) for entry in at)

    def load_back(self, commit: str) -> None:
        """Read the file's entry in *commit* and in what it leads to, many at once."""
        if commit not in self._files:
            self.commits.bring([commit], (), _BACK)
            self.load([*islice(self.first_parents(commit), _BACK)])

    def first_parents(self, commit: str) -> Iterator[str]:
        """Give *commit* and its first parents, as far as they are there."""
        while self.commits.has(commit):
            yield commit
            if not (parents := self.parents(commit)):
                return
            commit = parents[0]

    def app(self, commit: str) -> App | None:
        """Return what the file asks for in *commit*; None where it is not there, or broken."""
        if (entry := self.file(commit)) is None or not stat.S_ISREG(entry[0]):
            return None
        if entry[1] not in self._apps:
            self.parse([commit])
        return self._apps[entry[1]]

    def parse(self, commits: Collection[str]) -> None:
        """Make `app` of *commits* cheap, fetching their files at once."""
        self.load(commits)
        blobs = {
            entry[1]
            for commit in commits
            if (entry := self._files[commit]) and stat.S_ISREG(entry[0])
        }
        missing = sorted(blobs - self._apps.keys())
        for start in range(0, len(missing), _AT_ONCE):
            found = self._contents(missing[start : start + _AT_ONCE])
            self._apps |= {sha: self._parsed(sha, data) for sha, data in found.items()}

    def _parsed(self, sha: bytes, data: bytes | Doubt) -> App | None:
        if isinstance(data, Doubt):
            return None
        check_name(b"blob", data, sha)
        try:
            return read(data, self._app)
        except DesiredError:
            return None

    def _below(self, entry: Entry, name: bytes) -> Entry:
        if entry is None or not _is_folder(entry):
            return None
        tree = _checked(self._repo[ObjectID(entry[1])], entry[1])
        if not isinstance(tree, Tree) or name not in tree:
            return None
        mode, sha = tree[name]
        return mode, bytes(sha)

    def _entries(self, folder: tuple[int, bytes]) -> dict[bytes, tuple[int, bytes]]:
        tree = _checked(self._repo[ObjectID(folder[1])], folder[1])
        assert isinstance(tree, Tree)
        return {entry.path: (entry.mode, bytes(entry.sha)) for entry in tree.iteritems()}

    def _bring(self, entries: Mapping[str, Entry]) -> None:
        trees = {entry[1] for entry in entries.values() if entry and _is_folder(entry)}
        missing = sorted(sha for sha in trees if ObjectID(sha) not in self._repo.object_store)
        for start in range(0, len(missing), _AT_ONCE):
            self._fetch(missing[start : start + _AT_ONCE])


def _is_folder(entry: Entry) -> bool:
    return entry is not None and stat.S_ISDIR(entry[0])


def _checked(found: ShaFile, name: bytes) -> ShaFile:
    check_name(found.type_name, found.as_raw_string(), name)
    return found
