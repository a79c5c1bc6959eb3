"""
Check that every change of an app's file is signed, or takes production one step back.

Checking only the newest commit would accept a signed commit on top of forged ones; so every commit
that changes the file counts, on every path from the newest commit down to the trusted ones. The
rule comes from the controller's settings, never from the repository.
"""

from dataclasses import dataclass, replace

from gitslot.edges.git.ancestry import descends, merge_bases, newer
from gitslot.edges.git.file_history import FileHistory
from gitslot.edges.git.ssh_signatures import Signer, signed_by
from gitslot.errors import SignatureRefused
from gitslot.state.safe_text import safe
from gitslot.state.wanted import PRODUCTION, App

MAX_COMMITS = 20_000  # from the newest down to a trusted one
MAX_BACK = 5_000  # from an unsigned step back down to the change that it takes back
MAX_FORKS = 200  # merges whose parents differ in the file


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may sign, which commits need no signature, and if an unsigned step back is allowed."""

    signers: tuple[Signer, ...]
    trusted: frozenset[str] = frozenset()
    unsigned_revert: bool = True


def check(trail: FileHistory, tip: str, rule: Rule, accepted: str = "") -> int:
    """
    Return how many commits changed the file since the trusted ones; refuse unsigned changes.

    *accepted* and all before it was judged before. Without any trusted commit in the history of
    *tip* the whole history counts. A merge counts where it does more than Git's own merge of the
    file would. Raises SignatureRefused that names the commit, and KeyError where the history has a
    hole.
    """
    fresh = newer(trail.commits, [tip], rule.trusted | ({accepted} - {""}), MAX_COMMITS)
    if fresh is None:
        raise SignatureRefused(
            f"more than {MAX_COMMITS:,} commits have no trusted one below them; set "
            "GITSLOT_TRUSTED_COMMIT to one that you have read",
            reason="HistoryTooLong",
        )
    trail.load({parent for commit in fresh for parent in trail.parents(commit)} | set(fresh))
    forks = _Forks(trail)
    changing = [commit for commit in fresh if forks.changes(commit)]
    for commit in changing:
        try:
            signed_by(trail.raw(commit), rule.signers)
        except SignatureRefused as error:
            why = _no_step_back(trail, commit, rule, forks)
            if why is not None:
                raise _refused(trail, commit, error, why) from error
    return len(changing)


def _refused(
    trail: FileHistory, commit: str, error: SignatureRefused, why: str
) -> SignatureRefused:
    _, _, body = trail.raw(commit).partition(b"\n\n")
    subject = safe(body.decode("utf-8", "replace").strip().split("\n", 1)[0], 80)
    also = f"; {why}" if why and error.reason == "CommitUnsigned" else ""
    return SignatureRefused(
        f'{commit[:7]} "{subject}" changes the file: {error.message}{also}; replace it by a '
        f"commit that an allowed signer signs, or read it and set GITSLOT_TRUSTED_COMMIT={commit}",
        reason=error.reason,
    )


# ---------------------------------------------------------------- an unsigned step back


def _no_step_back(trail: FileHistory, commit: str, rule: Rule, forks: "_Forks") -> str | None:
    """
    Return why the unsigned *commit* does not take production one step back, or None if it does.

    One step and no further: it must bring back what the newest change of production's wish
    replaced, and that change must be signed or trusted by a setting. So whoever cannot sign cannot
    wander through old versions.
    """
    parents = trail.parents(commit)
    before = trail.app(parents[0]) if len(parents) == 1 else None
    after = trail.app(commit)
    if before is None or after is None:
        return ""
    if not _production_alone(before, after):
        return "it changes more than what production serves"
    if not rule.unsigned_revert:
        return "GITSLOT_ALLOW_UNSIGNED_REVERT is off"
    try:
        newest, replaced = _newest_wish(trail, parents[0], forks)
    except (KeyError, SignatureRefused):
        return "what it takes back is too long ago"
    if replaced is None or after.wish(PRODUCTION) != replaced.wish(PRODUCTION):
        was = replaced.wish(PRODUCTION) if replaced else "nothing"
        return f"production was last changed by {newest[:7]}, which replaced {was}"
    if not _signed(trail, newest, rule) and not _trusted(trail, newest, rule):
        return f"{newest[:7]}, which it takes back, is not signed itself"
    return None


def _production_alone(before: App, after: App) -> bool:
    """Say whether both ask for the same but model, version, pin and code of production."""
    slots = {**before.slots, PRODUCTION: after.production}
    return replace(before, model=after.model, slots=slots) == after and before != after


def _newest_wish(trail: FileHistory, commit: str, forks: "_Forks") -> tuple[str, App | None]:
    """Return the newest change of production's wish up to *commit*, and what it replaced."""
    for _ in range(MAX_BACK):
        trail.load_back(commit)
        parents = trail.parents(commit)
        trail.load([commit, *parents])
        if not forks.changes(commit):
            same = [parent for parent in parents if trail.file(parent) == trail.file(commit)]
            commit = same[0]
            continue
        here, before = trail.app(commit), trail.app(parents[0]) if parents else None
        wish = here.wish(PRODUCTION) if here else ""
        if not parents or wish != (before.wish(PRODUCTION) if before else ""):
            return commit, before
        commit = parents[0]
    raise KeyError(commit)


def _signed(trail: FileHistory, commit: str, rule: Rule) -> bool:
    try:
        signed_by(trail.raw(commit), rule.signers)
    except SignatureRefused:
        return False
    return True


def _trusted(trail: FileHistory, commit: str, rule: Rule) -> bool:
    return any(descends(trail.commits, each, commit, MAX_BACK) for each in rule.trusted)


# ---------------------------------------------------------------- the graph


class _Forks:
    """Find the commits that change the file; bound the merges whose parents differ in it."""

    def __init__(self, trail: FileHistory) -> None:
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
        bases = merge_bases(self._trail.commits, commit, beside, MAX_COMMITS) or set()
        self._trail.load(bases)
        return bool(bases) and all(
            self._trail.file(base) == self._trail.file(commit) for base in bases
        )
