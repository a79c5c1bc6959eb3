"""
Which commit last changed what a slot shall serve. Pure over the history of one file.

The wish counts as it is parsed: a comment is no change. A broken file in between changes nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from gitslot.edges.git.signed_changes import Entry
from gitslot.state.wanted import App

MAX_BACK = 1000  # commits that are read
_MAX_WALK = 100_000  # first parents that are followed


class History(Protocol):
    """The history of one commit; a name that is not in it raises KeyError."""

    def parents(self, commit: str) -> tuple[str, ...]: ...
    def file(self, commit: str) -> Entry: ...
    def load(self, commits: Collection[str]) -> None: ...
    def app(self, commit: str) -> App | None: ...
    def parse(self, commits: Collection[str]) -> None: ...


def last_changes(
    history: History, head: str, accepted: str, wishes: Mapping[str, str]
) -> dict[str, str]:
    """
    Return, for each slot, the commit since which its wish is what *wishes* has; "" if not found.

    First parents are followed, 1,000 of them at most. Where *accepted* (a commit, or "") is not
    among them, it is the newest commit whose file differs from that of each of its parents.
    """
    line: list[str] = []
    met = not accepted
    for commit in _first_parents(history, head):
        met = met or commit == accepted
        if len(line) <= MAX_BACK:
            line.append(commit)
        elif met:
            break
    if not met:
        return dict.fromkeys(wishes, _newest_change(history, head))
    history.parse(line)
    return {slot: _since(history, line, slot, wish) for slot, wish in wishes.items()}


def _first_parents(history: History, commit: str) -> Iterator[str]:
    for _ in range(_MAX_WALK):
        yield commit
        parents = history.parents(commit)
        if not parents:
            return
        commit = parents[0]


def _since(history: History, line: list[str], slot: str, wish: str) -> str:
    since = ""
    for commit in line:
        app = history.app(commit)
        if app is None and history.file(commit) is not None:
            continue
        if app is None or app.wish(slot) != wish:
            return since
        since = commit
    return "" if history.parents(line[-1]) else since


def _newest_change(history: History, commit: str) -> str:
    """Return the newest commit whose file is that of none of its parents, "" if not found."""
    for _ in range(MAX_BACK):
        parents = history.parents(commit)
        history.load([commit, *parents])
        same = [parent for parent in parents if history.file(parent) == history.file(commit)]
        if not same:
            return commit
        commit = same[0]
    return ""
