"""
A commit's own bytes, read as git reads them: old tools and importers left headers out.

dulwich refuses a commit without a time zone, and one without the blank line after its headers.
"""

import codecs
import hashlib
import os
import re
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from dulwich.errors import ObjectFormatException
from dulwich.objects import Commit, ObjectID
from dulwich.repo import BaseRepo, Repo

from gitslot.edges.git.pack_size import MAX_OBJECT
from gitslot.errors import SourceError
from gitslot.state.safe_text import safe
from gitslot.state.wanted import Revision

Bring: TypeAlias = Callable[[list[bytes], list[bytes], int], None]
_REVERTS = re.compile(r"This reverts commit ([0-9a-f]{40})")
_NAME = re.compile(rb"[0-9a-f]{40}")
_DATE = re.compile(rb">\s*(\d{1,12})\b[^>]*$")
_TEXT = ("iso8859", "cp125", "koi8", "euc", "shift_jis", "gb", "big5")  # as Python calls them


@dataclass(frozen=True, slots=True)
class CommitBytes:
    """The bytes of the commit *name*, with what the graph needs; *date* is 0 if there is none."""

    name: str
    raw: bytes
    tree: bytes
    parents: tuple[str, ...]
    date: int

    def revision(self) -> Revision:
        """Return who wrote it, its first line, and what it reverts."""
        head, _, message = self.raw.partition(b"\n\n")
        headers = dict(reversed([*_headers(head)]))
        text = partial(_text, encoding=headers.get(b"encoding", b"").decode("ascii", "replace"))
        author = text(headers.get(b"author", b"")).split("<")[0].strip()
        body = text(message).strip()
        reverts = _REVERTS.search(body)
        subject = safe(body.split("\n", 1)[0], 200)
        return Revision(self.name, safe(author, 100), subject, reverts[1] if reverts else None)


class Commits:
    """
    The commits of *repo*, each read once, and checked against its name.

    *bring* fetches commits that are missing: what is wanted, what is there, how deep.
    """

    def __init__(self, repo: Repo, bring: Bring) -> None:
        self.repo, self._bring = repo, bring
        self._read: dict[str, tuple[bytes, tuple[str, ...], int]] = {}

    def has(self, commit: str) -> bool:
        """Say whether *commit* is there."""
        if commit in self._read:
            return True
        try:
            self._load(commit)
        except KeyError:
            return False
        return True

    def _load(self, commit: str) -> CommitBytes:
        found = read_commit(self.repo, commit)
        if found is None:
            raise KeyError(commit)
        check_name(b"commit", found.raw, commit.encode())
        self._read[commit] = found.tree, found.parents, found.date
        return found

    def get(self, commit: str) -> CommitBytes:
        """Return *commit*, fetched if need be. Raises KeyError if it is missing."""
        self.bring([commit], (), 1)
        return self._load(commit)

    def _known(self, commit: str) -> tuple[bytes, tuple[str, ...], int]:
        if commit not in self._read:
            self.get(commit)
        return self._read[commit]

    def tree(self, commit: str) -> bytes:
        """Return the name of the tree of *commit*. Raises KeyError."""
        return self._known(commit)[0]

    def parents(self, commit: str) -> tuple[str, ...]:
        """Return the parents of *commit*. Raises KeyError."""
        return self._known(commit)[1]

    def date(self, commit: str) -> int:
        """Return when *commit* was made, in seconds since 1970. Raises KeyError."""
        return self._known(commit)[2]

    def bring(self, commits: Collection[str], haves: Collection[str], depth: int) -> None:
        """Fetch *commits* and what leads to them, but not what *haves* lead to."""
        missing = [commit.encode() for commit in commits if not self.has(commit)]
        if missing:
            self._bring(missing, [have.encode() for have in haves], depth)


def check_name(kind: bytes, raw: bytes, name: bytes) -> None:
    """Raise SourceError where *raw* is not what *name* says."""
    head = b"%s %d\0" % (kind, len(raw))
    if hashlib.sha1(head + raw, usedforsecurity=False).hexdigest().encode() != name:
        raise SourceError(
            f"the object {name[:7].decode()} is not what its name says", reason="ObjectForged"
        )


def read_commit(repo: BaseRepo, name: str) -> CommitBytes | None:
    """Return the commit *name* of *repo*, None where that is no commit; raise KeyError without."""
    kind, raw = raw_object(repo, name)
    lines = raw.split(b"\n")
    if kind != Commit.type_num or not _is_named(lines[0], b"tree"):
        return None
    parents = []
    for line in lines[1:]:
        if not _is_named(line, b"parent"):
            break
        parents.append(line[7:].decode())
    committed = next((x for x in lines if not x or x.startswith(b"committer ")), b"")
    date = _DATE.search(committed)
    return CommitBytes(name, raw, lines[0][5:], tuple(parents), int(date[1]) if date else 0)


def raw_object(repo: BaseRepo, name: str) -> tuple[int, bytes]:
    """Return type and bytes of the object *name*; raise KeyError without."""
    store = repo.object_store
    try:
        return store.get_raw(ObjectID(name.encode()))
    except ObjectFormatException:  # dulwich reads more of a loose object than its bytes
        path = Path(os.fsdecode(getattr(store, "path", ""))) / name[:2] / name[2:]
        data = zlib.decompressobj().decompress(path.read_bytes(), MAX_OBJECT)
        kind, _, raw = data.partition(b"\0")
        return (Commit.type_num if kind.startswith(b"commit ") else 0), raw


def _is_named(line: bytes, word: bytes) -> bool:
    before, _, name = line.partition(b" ")
    return before == word and _NAME.fullmatch(name) is not None


def _headers(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        yield name, value


def _text(data: bytes, encoding: str) -> str:
    try:
        if codecs.lookup(encoding).name.startswith(_TEXT):
            return data.decode(encoding)
    except (LookupError, ValueError):
        pass
    return data.decode("utf-8", "replace")
