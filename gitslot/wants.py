"""
What Git's newest commit wants of each app, and whether that may be trusted.

Where Git, a file or a signature cannot be trusted, there is a Doubt; nothing is guessed. What was
accepted before is in `accepted.json` alone, and only `accept` and `acknowledge` write it.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from gitslot.edges.file.read import desired as parse
from gitslot.edges.git.last_change import Reverted
from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.source import Newest
from gitslot.errors import GitPutOff, JournalError, SignatureRefused, SourceError
from gitslot.record.accepted import Accepted, AcceptedBlob
from gitslot.state.decision import Decision, by_revert
from gitslot.state.reasons import GoBack
from gitslot.state.remembered import Memory
from gitslot.state.wanted import PRODUCTION, App, Desired, Doubt, Revision

PUT_OFF_S = 300.0  # that Git's host may be slow, before that freezes all


class Git(Protocol):
    """What is asked of a repository."""

    def newest(self) -> Newest: ...
    def descends(self, commit: str, ancestor: str) -> bool: ...
    def vouched(self, commit: str, app: str, rule: Rule, accepted: str = "") -> int: ...
    def asked_by(self, head: Revision, app: App, accepted: str = "") -> dict[str, Revision]: ...
    def asks_for(self, commit: str, app: str) -> bool: ...
    def reverted(self, head: str, app: str) -> Reverted | None: ...


@dataclass(slots=True)
class _Found:
    """What was found out about one commit; *base* is what was accepted before it."""

    desired: Desired | Doubt
    base: Accepted | None = None
    trusted: dict[str, Doubt | None] = field(default_factory=dict)
    judged: list[str] = field(default_factory=list)  # the names of *trusted*, as they came
    done: tuple[Accepted | None, int] = (None, 0)  # of so many of them all is accepted there
    gone: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Wants:
    """
    The watched branch, for several threads. *rule* is None where signatures are not asked for.
    *allowed* are the apps of this controller, in small letters; none given: all.

    *monotonic* is a clock that never goes back. Whoever asks Git waits for whoever else does; what
    is known already is returned at once.
    """

    git: Git
    accepted: AcceptedBlob
    monotonic: Callable[[], float]
    on_rewrite: str = "freeze"
    allowed: frozenset[str] = frozenset()
    rule: Rule | None = None
    _guard: threading.RLock = field(default_factory=threading.RLock)
    _last: Desired | Doubt | None = None  # what the last look-up found
    _found: _Found | None = None
    _late: dict[str, float] = field(default_factory=dict)  # since when Git is put off
    _rests: tuple[GitPutOff, float] | None = None  # why Git is not asked, and until when
    _asked_by: dict[tuple[str, str], tuple[str, Revision]] = field(default_factory=dict)
    _asked_here: dict[str, tuple[str, bool]] = field(default_factory=dict)
    _reverts: dict[tuple[str, str], Reverted | None] = field(default_factory=dict)

    def known(self) -> Desired | Doubt:
        """Return what the newest commit asked for when Git was last asked."""
        return self._last or self.desired()

    def desired(self) -> Desired | Doubt:
        """Ask Git, and return what the newest commit asks for."""
        with self._guard:
            self._last = self._looked_up()
            return self._last

    def _looked_up(self) -> Desired | Doubt:
        try:
            newest = self._newest()
        except SourceError as error:
            return self._doubt("", error)
        self._late.pop("", None)
        known = self._found.desired if self._found else None
        same = known is not None and known.revision == newest.revision
        found = known if known and same else self._share(parse(newest.revision, newest.data))
        self._of(found)
        return found

    def _share(self, found: Desired | Doubt) -> Desired | Doubt:
        """Leave out of *found* the apps that are not listed: another controller may have them."""
        if isinstance(found, Doubt):
            return found
        mine = {name: app for name, app in found.apps.items() if self.lists(name)}
        return replace(found, apps=mine, unlisted=tuple(sorted(found.apps.keys() - mine)))

    def lists(self, name: str) -> bool:
        """Say whether GITSLOT_APPS gives the app *name* to this controller, in any case."""
        return not self.allowed or name.lower() in self.allowed

    def _newest(self) -> Newest:
        """Ask Git, but not while its host wants to be left alone or did not answer just now."""
        rests = self._rests
        if rests and (left := rests[1] - self.monotonic()) > 0:
            raise GitPutOff(rests[0].message, retry_after_s=left)
        self._rests = None
        try:
            return self.git.newest()
        except GitPutOff as error:
            self._rests = (error, self.monotonic() + error.retry_after_s)
            raise

    def app(self, name: str, desired: Desired | Doubt) -> App | Doubt | None:
        """Return what *name* shall be; None where no file is its own, a Doubt if in doubt."""
        if desired.revision is None:
            assert isinstance(desired, Doubt)
            return desired
        if doubt := self._doubted(name, desired):
            return doubt
        return desired if isinstance(desired, Doubt) else desired.apps.get(name)

    def left(self, desired: Desired | Doubt, is_open: Callable[[str], bool]) -> list[str]:
        """
        Return the apps that were accepted, are not in *desired*, and are still to be looked at.

        Of those of this controller, these are all while Git is in doubt; else those of which
        *is_open* says that something is left to do, and those whose leaving is in doubt itself.
        """
        try:
            known = self.accepted.read().apps
        except JournalError:
            return []
        if isinstance(desired, Doubt):
            known = {n: c for n, c in known.items() if self._asked_here.get(n, (c, True))[1]}
            return sorted(filter(self.lists, known))
        gone, here = self._of(desired).gone, {name.lower() for name in desired.apps}
        left = {name for name in known if name.lower() not in here}
        for name in left - gone:
            if (asked := self.was_asked_here(name)) is not False and is_open(name):
                continue
            if not asked or not isinstance(self.app(name, desired), Doubt):
                gone.add(name)
                self._asked_by = {k: kept for k, kept in self._asked_by.items() if k[0] != name}
        return sorted(left - gone)

    def was_asked_here(self, name: str) -> bool | None:
        """
        Say whether a file of this controller asked for *name* where it was last accepted.

        Several controllers may share a storage account: the others' apps have not left. None where
        Git or storage does not say.
        """
        try:
            commit = self.accepted.read().apps.get(name, "") if self.lists(name) else ""
            if commit and self._asked_here.get(name, ("",))[0] != commit:
                self._asked_here[name] = commit, self.git.asks_for(commit, name)
        except (SourceError, JournalError):
            return None
        return bool(commit) and self._asked_here[name][1]

    # ------------------------------------------------------------ trust

    def _of(self, desired: Desired | Doubt) -> _Found:
        if self._found is None or self._found.desired.revision != desired.revision:
            self._found = _Found(desired)
        return self._found

    def _doubted(self, name: str, desired: Desired | Doubt) -> Doubt | None:
        """Say why the file of *name* at the newest commit is not to be trusted."""
        found, head = self._of(desired), desired.revision
        assert head is not None
        if name in found.trusted and found.trusted[name] is None:
            return None
        with self._guard:
            try:
                if found.base is None or name in found.trusted:
                    accepted = self.accepted.read(anew=True)
                    if accepted == found.base:
                        return found.trusted[name]
                    # A person may have accepted something since.
                    found.base, found.trusted = (
                        accepted,
                        {k: v for k, v in found.trusted.items() if not v},
                    )
                found.trusted[name] = self._judged(name, head, found.base)
                found.judged.append(name)
            except (SourceError, JournalError) as error:
                return self._doubt(name, error, head)
            self._late.pop(name, None)
            return found.trusted[name]

    def _doubt(
        self, about: str, error: SourceError | JournalError, head: Revision | None = None
    ) -> Doubt:
        """Return why nothing is known *about* an app, or "" all; what passes may for a while."""
        if not isinstance(error, GitPutOff):
            return Doubt(error.reason, error.message, head)
        now = self.monotonic()
        if now - self._late.setdefault(about, now) >= PUT_OFF_S:
            return Doubt(SourceError.reason, error.message, head)
        return Doubt(error.reason, error.message, head, error.retry_after_s)

    def _judged(self, name: str, head: Revision, accepted: Accepted) -> Doubt | None:
        base = accepted.base(name)
        if self._rewritten(head, base):
            return Doubt(
                "HistoryRewritten",
                f"{head.short} does not descend from {base[:7]}, which was accepted; "
                f"`gitslot retry {name}` accepts the new history",
                head,
            )
        if self.rule is None:
            return None
        if not accepted.there and not (self.allowed and self.rule.trusted):
            return Doubt(
                "AcceptedMissing",
                "nothing was accepted yet, and signatures are asked for: set GITSLOT_APPS to the "
                "apps, and GITSLOT_TRUSTED_COMMIT to a commit that you have read",
                head,
            )
        try:
            self.git.vouched(head.commit, name, self.rule, accepted.apps.get(name, ""))
        except SignatureRefused as error:
            return Doubt(error.reason, error.message, head)
        return None

    def _rewritten(self, head: Revision, base: str) -> bool:
        if self.on_rewrite == "follow" or not base:
            return False
        return not self.git.descends(head.commit, base)

    # ------------------------------------------------------------ what is accepted

    def accept(self, desired: Desired, names: Collection[str]) -> None:
        """
        Store that *desired* is accepted, for those of *names* that nothing speaks against.

        Raises JournalMoved where somebody else wrote meanwhile, JournalError.
        """
        found, stored = self._of(desired), self.accepted.read()
        if whole := names is desired.apps:  # each pass asks: it goes through what came since
            count, known = len(found.judged), found.done[1] if found.done[0] is stored else 0
        if self._is_accepted(desired, found.judged[known:count] if whole else names):
            found.done = (stored, count) if whole else found.done
            return
        with self._guard:
            self._accept(desired, names)

    def _is_accepted(self, desired: Desired, names: Iterable[str]) -> bool:
        """Say whether nothing is left to accept, as far as that is known without asking Git."""
        stored, head, found = self.accepted.read(), desired.revision.commit, self._of(desired)
        trusted = (name for name in names if found.trusted.get(name, found) is None)
        wanted = (name for name in trusted if isinstance(desired.apps.get(name), App))
        return stored.head == head and all(stored.apps.get(name) == head for name in wanted)

    def _accept(self, desired: Desired, names: Iterable[str]) -> None:
        stored, head = self.accepted.read(), desired.revision.commit
        apps = dict(stored.apps)
        for name in names:
            if isinstance(self.app(name, desired), App) and self._later(head, apps.get(name, "")):
                apps[name] = head
        if head not in apps.values():
            return
        after = Accepted(stored.head, MappingProxyType(apps))
        wanted = [name for name, app in desired.apps.items() if isinstance(app, App)]
        wanted += desired.unlisted
        if self._later(head, stored.head) or all(apps.get(name) == head for name in wanted):
            after = replace(after, head=head)
        if after != stored:
            self._store(after)

    def _later(self, head: str, stored: str) -> bool:
        """Say whether *head* may replace *stored*: it is never replaced by an ancestor of it."""
        if not stored or head == stored:
            return head != stored
        if self._descends(head, stored):
            return True
        return self.on_rewrite == "follow" and not self._descends(stored, head)

    def _descends(self, commit: str, ancestor: str) -> bool:
        try:
            return self.git.descends(commit, ancestor)
        except SourceError:  # the history that held it is gone
            return False

    def acknowledge(self, name: str, head: Revision) -> bool:
        """
        Accept *head*, which a person saw, for *name* alone, where history was rewritten.

        Returns whether it was. Raises SignatureRefused where signatures are asked for and a change
        since what was accepted is not vouched for; SourceError, JournalError.
        """
        with self._guard:
            stored = self.accepted.read(anew=True)
            if not self._rewritten(head, stored.base(name)):
                return False
            if self.rule:
                self.git.vouched(head.commit, name, self.rule, stored.apps.get(name, ""))
            self._store(replace(stored, apps=MappingProxyType({**stored.apps, name: head.commit})))
            return True

    def _store(self, accepted: Accepted) -> None:
        try:
            self.accepted.write(accepted)
        except JournalError:
            self._found = None  # who wrote meanwhile may have accepted something else
            raise

    # ------------------------------------------------------------ who asked for it

    def asked_by(self, app: App, head: Revision, memory: Memory) -> dict[str, Revision]:
        """Return for each slot of *app* the commit that last changed its wish, *head* at worst."""
        known = {slot: self._known(app, slot, memory) for slot in app.slots}
        if None not in known.values():
            return {slot: revision for slot, revision in known.items() if revision}
        base = self._found.base if self._found and self._found.base else Accepted()
        try:
            with self._guard:
                found = self.git.asked_by(head, app, base.apps.get(app.name, ""))
        except SourceError:  # it is asked again
            found = dict.fromkeys(app.slots, replace(head, exact=False))
        else:
            for slot, revision in found.items():
                if known[slot] is None:
                    self._asked_by[app.name, slot] = (app.wish(slot), revision)
        return {slot: known[slot] or found[slot] for slot in app.slots}

    def _known(self, app: App, slot: str, memory: Memory) -> Revision | None:
        wish, kept = app.wish(slot), self._asked_by.get((app.name, slot))
        if kept and kept[0] == wish:
            return kept[1]
        asked = memory.of(slot).asked
        return asked.revision if asked and asked.text == wish else None

    def advised(
        self,
        found: Mapping[str, Decision],
        app: str,
        head: Revision | None,
        asked: Mapping[str, Revision],
    ) -> Mapping[str, Decision]:
        """Return *found*, naming `git revert` where reverting *head* does what is advised."""
        goes_back = any(isinstance(getattr(each, "next", None), GoBack) for each in found.values())
        of_head = head is not None and asked.get(PRODUCTION, Revision("")).commit == head.commit
        reverted = self._reverted(head.commit, app) if head and goes_back and of_head else None
        if reverted is None:
            return found
        words, before = reverted
        return {slot: by_revert(each, words, before) for slot, each in found.items()}

    def _reverted(self, head: str, app: str) -> Reverted | None:
        """Return what reverting *head* brings, asked once; nothing while Git does not answer."""
        with self._guard:
            if (head, app) not in self._reverts:
                if any(known != head for known, _ in self._reverts):
                    self._reverts.clear()
                try:
                    self._reverts[head, app] = self.git.reverted(head, app)
                except SourceError:
                    return None
            return self._reverts[head, app]
