"""
Which commits came after others. Nothing is read that the answer does not need.

What is not there is asked for piece by piece: at first down to what is known, then deeper. The
commits' own names prove the answer: a host that leaves some out leaves a hole.
"""

import math
from collections.abc import Callable, Collection, Iterable
from heapq import heappop, heappush
from typing import Protocol

NEW, KNOWN = 1, 2
_BOTH = NEW | KNOWN
_FIRST_DEPTH, _MORE = 1000, 4
_MAX_BASES = 20


class Graph(Protocol):
    """Commits by their names; those that are not there may be brought."""

    def has(self, commit: str) -> bool: ...
    def parents(self, commit: str) -> tuple[str, ...]: ...
    def date(self, commit: str) -> int: ...
    def bring(self, commits: Collection[str], haves: Collection[str], depth: int) -> None: ...


class _Walk:
    """Marks what is reached from two sides, the newest commit first."""

    def __init__(self, graph: Graph, known: Collection[str], counts: Callable[[int], bool]) -> None:
        self.marks: dict[str, int] = {}
        self._graph, self._known, self._counts = graph, known, counts
        self._heap: list[tuple[int, str]] = []
        self._pending: set[str] = set()
        self._absent: set[str] = set()
        self._open = 0  # of the pending, those that keep the walk going
        self._depth = 0
        self._down_to_known = True

    def mark(self, commit: str, mark: int) -> None:
        """Reach *commit*; whatever it leads to is reached in its turn."""
        before = self.marks.get(commit, 0)
        after = self.marks[commit] = before | mark
        if before == after:
            return
        self._open -= commit in self._pending and self._counts(before)
        self._open += self._counts(after)
        if commit not in self._pending:
            self._pending.add(commit)
            self._push(commit)

    def _push(self, commit: str) -> None:
        if self._graph.has(commit):
            heappush(self._heap, (-self._graph.date(commit), commit))
        else:
            self._absent.add(commit)

    def run(self, limit: int, *, settle: bool = False) -> bool:
        """
        Walk until nothing is left that counts; return whether *limit* commits were enough.

        To *settle* it, whatever is known and as new as what was found is walked, too.
        """
        oldest = math.inf
        while self._open or (settle and self._known_since(oldest)):
            while any(self._counts(self.marks[commit]) for commit in self._absent):
                self._bring()
            commit = heappop(self._heap)[1]
            self._pending.discard(commit)
            mark = self.marks[commit]
            if self._counts(mark):
                self._open -= 1
                limit -= 1
                oldest = min(oldest, self._graph.date(commit))
            if limit < 0:
                return False
            for parent in self._graph.parents(commit):
                self.mark(parent, mark)
        return True

    def _known_since(self, date: float) -> bool:
        """Say whether something known is pending that is not older than *date*."""
        if any(self.marks[commit] == KNOWN for commit in self._absent):
            self._down_to_known = False  # it is what is known that is asked for
            self._bring()
        return bool(self._heap) and -self._heap[0][0] >= date

    def _bring(self) -> None:
        """Bring what is absent, without what is known as long as that leads on."""
        down, self._depth = self._down_to_known, self._depth * _MORE or _FIRST_DEPTH
        wanted = {c for c in self._absent if not down or self._counts(self.marks[c])}
        self._graph.bring(wanted, self._known if down else (), self._depth)
        self._absent -= wanted
        for commit in wanted:
            there = self._graph.has(commit)
            if there or down:
                self._push(commit)
                self._down_to_known &= there
            elif self._counts(self.marks[commit]):
                raise KeyError(commit)


def newer(
    graph: Graph, tips: Iterable[str], known: Collection[str], limit: int
) -> list[str] | None:
    """
    Return what is reached from *tips* and not from *known*; None if that is more than *limit*.

    Where dates lie, some that *known* leads to may be among it. Raises KeyError at a hole.
    """
    walk = _marked(graph, tips, known, NEW.__eq__)
    if not walk.run(limit, settle=True):
        return None
    return [commit for commit, mark in walk.marks.items() if mark == NEW]


def descends(graph: Graph, commit: str, ancestor: str, limit: int) -> bool | None:
    """Say if *commit* leads to *ancestor*; None if *limit* commits do not tell. Raises KeyError."""
    walk = _marked(graph, [commit], [ancestor], NEW.__eq__)
    whole = walk.run(limit)
    found = walk.marks[ancestor] == _BOTH
    return found if found or whole else None


def merge_bases(graph: Graph, one: str, other: str, limit: int) -> set[str] | None:
    """
    Return the commits at which *one* forked from *other*; None if that takes more than *limit*.

    Dates do not matter: the walk ends when all that is left is reached from both. Raises KeyError.
    """
    walk = _marked(graph, [one], [other], lambda mark: mark != _BOTH)
    if not walk.run(limit):
        return None
    shared = {commit for commit, mark in walk.marks.items() if mark == _BOTH}
    below = {parent for commit in shared if graph.has(commit) for parent in graph.parents(commit)}
    bases = shared - below
    if len(bases) > _MAX_BASES:
        return None
    return {
        base
        for base in bases
        if not any(descends(graph, each, base, limit) for each in bases - {base})
    }


def _marked(
    graph: Graph, tips: Iterable[str], known: Collection[str], counts: Callable[[int], bool]
) -> _Walk:
    walk = _Walk(graph, known, counts)
    for marked, mark in ((known, KNOWN), (tips, NEW)):
        for commit in marked:
            walk.mark(commit, mark)
    return walk
