"""
Check that every change of the file is signed, or is a plain revert of the newest change.

Pure, over a `Trail` of commits. Checking only the newest commit would accept a signed commit on top
of forged ones; so every commit that changes the file counts, on every path from the newest commit
down to the trusted ones. The rule comes from the controller's settings, never from the repository.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from gitslot.edges.git.ssh_signatures import Signer, signed_by
from gitslot.errors import SignatureRefused
from gitslot.state.safe_text import safe

MAX_COMMITS = 20_000  # from the newest down to a trusted one
MAX_BACK = 5_000  # from an unsigned revert down to what it undoes
MAX_FORKS = 200  # merges whose parents differ in the file
_REVERTS = re.compile(rb"This reverts commit ([0-9a-f]{40})")

Entry: TypeAlias = tuple[int, bytes] | None  # mode and blob of the file in one commit


class Trail(Protocol):
    """The history of one commit; an unknown name raises KeyError."""

    def raw(self, commit: str) -> bytes: ...
    def parents(self, commit: str) -> tuple[str, ...]: ...
    def file(self, commit: str) -> Entry: ...
    def load(self, commits: Collection[str]) -> None:
        """Prepare `file` for all of *commits* at once."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may sign, which commits need no signature, and if an unsigned revert is allowed."""

    signers: tuple[Signer, ...]
    trusted: frozenset[str] = frozenset()
    unsigned_revert: bool = True


def check(trail: Trail, tip: str, rule: Rule) -> int:
    """
    Return how many commits changed the file since the trusted ones; refuse unsigned changes.

    If no commit in the history of *tip* is trusted, the whole history counts. A merge counts if it
    does more than Git's own merge of the file would. Raises SignatureRefused, which names the
    commit, and KeyError if a commit of the history is missing.
    """
    known = _ancestors(trail, rule.trusted)
    fresh = _reachable(trail, [tip], known, MAX_COMMITS)
    trail.load({parent for commit in fresh for parent in trail.parents(commit)} | set(fresh))
    forks = _Forks(trail)
    changing = [commit for commit in fresh if forks.changes(commit)]
    for commit in changing:
        try:
            signed_by(trail.raw(commit), rule.signers)
        except SignatureRefused as error:
            why = _not_an_undo(trail, commit, rule, forks)
            if why is None:
                continue
            raise _refused(
                trail, commit, error, why if error.reason == "CommitUnsigned" else ""
            ) from error
    return len(changing)


def _refused(trail: Trail, commit: str, error: SignatureRefused, why: str) -> SignatureRefused:
    _, _, body = trail.raw(commit).partition(b"\n\n")
    subject = safe(body.decode("utf-8", "replace").strip().split("\n", 1)[0], 80)
    also = f"; {why}" if why else ""
    return SignatureRefused(
        f'{commit[:7]} "{subject}" changes the file: {error.message}{also}; replace it by a '
        f"commit that an allowed signer signs, or read it and set GITSLOT_TRUSTED_COMMIT={commit}",
        reason=error.reason,
    )


# ---------------------------------------------------------------- an unsigned revert


def _not_an_undo(trail: Trail, commit: str, rule: Rule, forks: "_Forks") -> str | None:
    """
    Return why the unsigned *commit* is not a plain revert of the newest change, or None if it is.

    One step back only: the commit it names must be the newest change, and not itself an
    unsigned revert. So nobody who cannot sign can walk back through old versions.
    """
    body = trail.raw(commit).partition(b"\n\n")[2]
    named = {name.decode() for name in _REVERTS.findall(body)}
    if not named:
        return ""
    if not rule.unsigned_revert:
        return "GITSLOT_ALLOW_UNSIGNED_REVERT is off"
    parents = trail.parents(commit)
    if len(named) > 1 or len(parents) != 1:
        return "it reverts more than one commit"
    undone = named.pop()
    try:
        undone = _one_change(trail, undone, forks)
        older = _ancestors(trail, {undone})
        between = _reachable(trail, parents, older, MAX_BACK)
        before = trail.parents(undone)[:1]
        trail.load({undone, *before, *between, *(p for c in between for p in trail.parents(c))})
        if undone not in _reachable(trail, parents, older - {undone}, MAX_BACK):
            raise KeyError(undone)
    except KeyError:
        return f"{undone[:7]}, which it names, is not in its history"
    except SignatureRefused:
        return f"{undone[:7]}, which it names, is too long ago"
    if any(forks.changes(other) for other in between) or not forks.changes(undone):
        return f"{undone[:7]}, which it names, is not the newest change of the file"
    if not before or trail.file(commit) != trail.file(before[0]):
        return f"the file is not what it was before {undone[:7]}"
    if _unsigned_revert(trail, undone, rule):
        return f"{undone[:7]}, which it names, is an unsigned revert itself"
    return None


def _one_change(trail: Trail, commit: str, forks: "_Forks") -> str:
    """Return the change that reverting *commit* undoes: for a merge, the one change it brought."""
    parents = trail.parents(commit)
    if len(parents) < 2:
        return commit
    brought = _reachable(trail, [commit], _ancestors(trail, parents[:1]), MAX_BACK)
    trail.load({*brought, *(parent for other in brought for parent in trail.parents(other))})
    changing = [other for other in brought if forks.changes(other)]
    return changing[0] if len(changing) == 1 else commit


def _unsigned_revert(trail: Trail, commit: str, rule: Rule) -> bool:
    raw = trail.raw(commit)
    if not _REVERTS.search(raw.partition(b"\n\n")[2]):
        return False
    try:
        signed_by(raw, rule.signers)
    except SignatureRefused:
        return True
    return False


# ---------------------------------------------------------------- the graph


def _ancestors(trail: Trail, commits: Iterable[str]) -> set[str]:
    """Return *commits* and all their ancestors, as far as the trail goes."""
    seen: set[str] = set()
    todo = list(commits)
    while todo:
        commit = todo.pop()
        if commit in seen:
            continue
        try:
            parents = trail.parents(commit)
        except KeyError:
            continue
        seen.add(commit)
        todo.extend(parents)
    return seen


def _reachable(trail: Trail, tips: Iterable[str], known: set[str], limit: int) -> list[str]:
    """Return the commits reachable from *tips* that are not in *known*."""
    found: dict[str, None] = {}
    todo = [tip for tip in tips if tip not in known]
    while todo:
        commit = todo.pop()
        if commit in found:
            continue
        found[commit] = None
        if len(found) > limit:
            raise SignatureRefused(
                f"more than {limit:,} commits have no trusted one below them; set "
                "GITSLOT_TRUSTED_COMMIT to one that you have read",
                reason="HistoryTooLong",
            )
        todo.extend(parent for parent in trail.parents(commit) if parent not in known)
    return list(found)


class _Forks:
    """Find the commits that change the file; bound the merges whose parents differ in it."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._asked = 0
        self._told: dict[str, bool] = {}

    def changes(self, commit: str) -> bool:
        """Say whether *commit* itself changes the file: more than Git's own merge would."""
        if commit not in self._told:
            self._told[commit] = self._changes(commit)
        return self._told[commit]

    def _changes(self, commit: str) -> bool:
        trail = self._trail
        entry, parents = trail.file(commit), trail.parents(commit)
        if not parents:
            return entry is not None
        others = [parent for parent in parents if trail.file(parent) != entry]
        if not others or len(parents) == 1:
            return bool(others)
        kept = [parent for parent in parents if parent not in others]
        return not any(all(self._unchanged(other, keeper) for other in others) for keeper in kept)

    def _unchanged(self, commit: str, beside: str) -> bool:
        """Say whether the file in *commit* equals the file where *commit* forked from *beside*."""
        self._asked += 1
        if self._asked > MAX_FORKS:
            raise SignatureRefused(
                f"more than {MAX_FORKS} merges of different files have no trusted commit below "
                "them; set GITSLOT_TRUSTED_COMMIT to one that you have read",
                reason="HistoryTooLong",
            )
        shared = _ancestors(self._trail, [commit]) & _ancestors(self._trail, [beside])
        bases = shared - {p for c in shared for p in self._trail.parents(c)}
        self._trail.load(bases)
        return bool(bases) and all(
            self._trail.file(base) == self._trail.file(commit) for base in bases
        )
