"""
Which commit last changed what a slot shall serve.

The wish counts as it is parsed: a comment is no change. A broken file in between changes nothing.
"""

from collections.abc import Mapping
from typing import TypeAlias

from gitslot.edges.git.file_history import FileHistory
from gitslot.state.wanted import App

Reverted: TypeAlias = tuple[tuple[str, ...], App]  # the words of git, and what is asked for then

MAX_BACK = 1000  # commits that are read
_MAX_WALK = 100_000  # first parents that are followed
_READ = (8, 64)  # commits whose file is read at once, before all of them are


def last_changes(
    history: FileHistory, head: str, accepted: str, wishes: Mapping[str, str]
) -> dict[str, str]:
    """
    Return, for each slot, the commit since which its wish is what *wishes* has; "" if not found.

    First parents are followed, 1,000 of them at most. Where *accepted* (a commit, or "") is not
    among them, it is the newest commit whose file differs from that of each of its parents.
    """
    line, met = _line(history, head, accepted)
    if not met:
        return dict.fromkeys(wishes, _newest_change(history, head))
    found: dict[str, str | None] = dict.fromkeys(wishes)
    for count in (*(c for c in _READ if c < len(line)), len(line), MAX_BACK + 1):
        if count > len(line):  # not since it was accepted
            line = _line(history, head, "")[0]
        history.parse(line[:count])
        for slot in [slot for slot, commit in found.items() if commit is None]:
            found[slot] = _since(history, line[:count], slot, wishes[slot])
        if None not in found.values():
            break
    return {slot: commit or "" for slot, commit in found.items()}


def _line(history: FileHistory, head: str, accepted: str) -> tuple[list[str], bool]:
    """
    Return the first parents of *head* down to *accepted*, and whether it is among them.

    Without it, as many as are read.
    """
    line, commit = [], head
    for count in range(_MAX_WALK):
        if count <= MAX_BACK:
            line.append(commit)
        if commit == accepted or (not accepted and count >= MAX_BACK):
            return line, True
        for haves in ([accepted] if accepted else (), ()):
            history.commits.bring([commit], haves, MAX_BACK)
        parents = history.parents(commit)
        if not parents:
            return line, not accepted
        commit = parents[0]
    return line, False


def _since(history: FileHistory, line: list[str], slot: str, wish: str) -> str | None:
    """Return since which commit of *line* the wish is what it is, None if since before it."""
    since = ""
    for commit in line:
        app = history.app(commit)
        if app is None and history.file(commit) is not None:
            continue
        if app is None or app.wish(slot) != wish:
            return since
        since = commit
    return None if history.parents(line[-1]) else since


def _newest_change(history: FileHistory, commit: str) -> str:
    """Return the newest commit whose file is that of none of its parents, "" if not found."""
    for _ in range(MAX_BACK):
        history.load_back(commit)
        parents = history.parents(commit)
        history.load([commit, *parents])
        same = [parent for parent in parents if history.file(parent) == history.file(commit)]
        if not same:
            return commit
        commit = same[0]
    return ""


def reverted(history: FileHistory, head: str) -> Reverted | None:
    """
    Return the `git revert` of *head* that takes production back; None where there is none.

    A commit that changes other files too, such as those of other apps, is not reverted for one.
    """
    parents = history.parents(head)
    if not parents:
        return None
    history.parse([head, parents[0]])
    after, before = history.app(head), history.app(parents[0])
    if after is None or before is None or after.may_ask_the_same(before):
        return None
    if not history.changes_file_alone(head):
        return None
    mainline = ("-m", "1") if len(parents) > 1 else ()
    return ("git", "revert", *mainline, head[:7]), before
