"""
The look: ask every slot what it serves, and ARM only where that does not settle it.

Health comes first. ARM is read when health does not already show Converged, before any write, while
a swap is open and nobody knows how it goes, and once an hour. Production and staging are read in
ARM at one moment; a further slot by itself, and what keeps it from being read concerns it alone.
"""

from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from gitslot.agenda import later_s, unread_s
from gitslot.decide.swap_in_flight import served_as_intended
from gitslot.edges.azure.answers import is_host, unread
from gitslot.edges.azure.arm import AppRef, Azure, PollAnswer
from gitslot.errors import AzureError, AzureUnavailable, RegistryUnavailable
from gitslot.look import slots
from gitslot.look.proofs import Prover
from gitslot.look.stopwatch import Since
from gitslot.look.wanted import Catalog
from gitslot.registry.manifest import Manifest
from gitslot.registry.registry import Registry
from gitslot.state.policy import Policy
from gitslot.state.remembered import Memory, Shown
from gitslot.state.seen import Found, Live, Mark, Poll, Rehearsal, Seen, Verdict
from gitslot.state.wanted import PRODUCTION, STAGING, App, Doubt, Refusal, Release, Resolved, Wanted

_PROBES = 128  # at once: eight slots of each of 16 apps; a thread is made when it is needed


class Ticks(Protocol):
    """The clock: UTC for what is written, seconds that never go back for what is measured."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...


@dataclass(slots=True)
class _Kept:
    """What is kept of one app between looks."""

    ref: AppRef | None = None
    recalled: bool = False  # as another process found it: only slots are asked there
    slots: tuple[str, ...] = ()  # that the last look has seen
    begun: float = 0.0
    full_look: float | None = None
    still: Since = field(default_factory=Since)
    location: str = ""
    poll: PollAnswer = field(default_factory=lambda: PollAnswer(Poll.UNKNOWN))
    poll_at: float = 0.0
    converged_at: float | None = None
    rehearsed: tuple[Release, str] | None = None
    rehearsed_at: float = 0.0
    rehearsal: Verdict | None = None
    asked_at: float | None = None  # when ARM was read before production was asked as users do
    production: Shown | None = None


class Looker:
    """
    Looks at apps, each in one thread at a time. One instance lives as long as the process.

    The slots of one look are asked side by side, in the threads of *pool*.
    """

    def __init__(
        self,
        azure: Azure,
        registry: Registry,
        probes: slots.Probes,
        clock: Ticks,
        policy: Policy,
        pool: Executor | None = None,
    ) -> None:
        self._pool = pool or ThreadPoolExecutor(_PROBES)
        self._azure, self._clock, self._policy = azure, clock, policy
        self._catalog = Catalog(registry)
        self._prover = Prover(azure, self._catalog, probes, policy)
        self._slots = slots.Slots(azure, self._catalog, probes, clock.monotonic, policy)
        self._apps: dict[str, _Kept] = {}
        self._recalled: Mapping[str, Found] = {}

    def ref(self, name: str) -> AppRef:
        """Return where the app *name* is, as the last look found it."""
        ref = self._apps[name].ref
        assert ref is not None
        return ref

    def found(self, name: str) -> Found | None:
        """Return where the app *name* is; as another process found it, before the first look."""
        kept = self._apps.get(name)
        if kept is None or kept.ref is None:
            return None if kept else self._recalled.get(name)
        ago_s = self._clock.monotonic() - (kept.full_look or kept.begun)
        since = self._clock.now() - timedelta(seconds=ago_s)
        hosts = {slot: self._slots.kept(kept.ref.name, slot).host for slot in kept.slots}
        return Found(kept.ref.id, {slot: host for slot, host in hosts.items() if host}, since)

    def recall(self, found: Mapping[str, Found]) -> None:
        """
        Look at apps first where another process *found* them.

        Such a host is an address alone. What answers there is checked by its markers. Where that
        does not settle it, and for each key and write, ARM says where the app is.
        """
        self._recalled = found

    def look(
        self,
        name: str,
        app: App | None,
        memory: Memory,
        *,
        prove: Mapping[str, Release] | None = None,
        fresh: bool = False,
        whole: bool = False,
    ) -> Live | Doubt:
        """
        Look once at the app *name*.

        *app* is what the file wants of it, None while Git is in doubt. *prove* asks for golden
        rows: the release that each slot is to prove. *fresh* reads ARM now, whatever health shows;
        otherwise an answer of a few seconds ago serves while a step is waited for. *whole* asks
        further slots also while production comes first: one that hangs must not keep it waiting.
        A Doubt is what could not be read.
        """
        kept = self._apps.get(name) or self._first_kept(name)
        try:
            return self._look(name, app, memory, kept, prove or {}, fresh=fresh, whole=whole)
        except AzureUnavailable as error:
            doubt = unread(error)
        except (AzureError, RegistryUnavailable) as error:
            if isinstance(error, AzureError):
                kept.ref = None
            doubt = Doubt(error.reason, error.message)
        kept.still = Since()  # what is not seen does not count as unmoved
        return doubt

    def _first_kept(self, name: str) -> _Kept:
        kept = self._apps[name] = _Kept(begun=self._clock.monotonic())
        found = self._recalled.get(name)
        words = found.id.split("/") if found else []
        if found and len(words) == 9 and all(map(is_host, found.hosts.values())):
            ref = kept.ref = AppRef(words[2], words[4], words[8])
            kept.recalled, kept.slots = True, tuple(found.hosts)
            ago_s = (self._clock.now() - found.since).total_seconds()
            kept.full_look = kept.asked_at = kept.begun - max(0.0, ago_s)
            for slot, host in found.hosts.items():
                self._slots.kept(ref.name, slot).host = host
        return kept

    def _look(
        self,
        name: str,
        app: App | None,
        memory: Memory,
        kept: _Kept,
        prove: Mapping[str, Release],
        *,
        fresh: bool,
        whole: bool,
    ) -> Live:
        began = self._clock.now()
        ref = kept.ref or self._locate(name, app, memory, kept)
        names = dict(app.slots) if app else {}
        pair = {PRODUCTION: names.pop(PRODUCTION, None), STAGING: app.pin if app else None}
        names.pop(STAGING, None)
        healths = partial(self._healths, ref, app, memory, anew=fresh)
        live = Live(healths(pair))
        live = self._polled(live, memory, kept)
        if memory.intent is not None and served_as_intended(live, memory.intent):
            fresh, live = True, live.having(self._slots.everywhere(ref, live.production))
        if whole or _their_turn(live, memory):
            live = live.having(*healths(names).values())
        kept.slots = tuple(live.slots)
        age_s = self._clock.monotonic() - (kept.full_look or kept.begun)
        if fresh or self._needs_arm(app, live, memory, kept, age_s):
            if kept.recalled:
                ref, kept.recalled = self._place(name, app), False
                kept.ref = ref
            live = self._with_arm(ref, live, memory, kept, fresh=fresh)
        elif kept.full_look is None or age_s >= self._policy.full_look_s:
            live = replace(live, unread_s=age_s)
        live = live.having(*(self._slots.timed(ref, each) for each in live.slots.values()))
        live = replace(live, last=_as_known(live.production, memory, kept, began))
        if app is not None:
            live = self._slots.first_seen(app, live, memory)
            for slot, release in prove.items():
                live = self._proved(app, live, memory, ref, slot, release)
        return live

    def _healths(
        self,
        ref: AppRef,
        app: App | None,
        memory: Memory,
        wanted: Mapping[str, Wanted | None],
        *,
        anew: bool,
    ) -> dict[str, Seen]:
        """Ask slots for their health side by side, so that one that hangs delays no other."""
        ask = partial(self._slots.health, ref, app, memory=memory, anew=anew)
        found = self._pool.map(lambda each: ask(*each), wanted.items())
        return dict(zip(wanted, found, strict=True))

    def _locate(self, name: str, app: App | None, memory: Memory, kept: _Kept) -> AppRef:
        """Find the app *name*, and where its pair of slots answers."""
        ref, last = self._place(name, app), memory.converged
        rests = app is None or (last and last.version == app.production.version and not app.pin)
        keeps_up = memory.intent is None and bool(rests)
        for slot in (PRODUCTION, STAGING):
            host = self._azure.host(ref, slot, keeps_up=keeps_up)
            self._slots.kept(ref.name, slot).host = host
        kept.ref = ref
        return ref

    def _place(self, name: str, app: App | None) -> AppRef:
        group, subscription = (app.resource_group, app.subscription) if app else (None, None)
        return self._azure.locate(name, group, subscription)

    def manifest(self, model: str, version: str) -> Manifest:
        """Return a manifest of the registry."""
        return self._catalog.manifest(model, version)

    def flaw_of_code(self, url: str) -> str:
        """Return what is wrong with the bytes of a package; raise RegistryUnavailable."""
        return self._catalog.flaw_of_code(url)

    # ------------------------------------------------------------ ARM

    def _polled(self, live: Live, memory: Memory, kept: _Kept) -> Live:
        """Ask how the swap in flight goes, no more often than the platform wishes."""
        intent = memory.intent
        if intent is None or not intent.location:
            return live
        now = self._clock.monotonic()
        if kept.location != intent.location:
            kept.location, kept.poll, kept.poll_at = intent.location, PollAnswer(Poll.RUNNING), now
        if now >= kept.poll_at and kept.poll.poll not in (Poll.DONE, Poll.FAILED, Poll.COLD):
            kept.poll = self._azure.poll(kept.poll.location or intent.location)
            kept.poll_at = now + max(kept.poll.retry_after_s, self._policy.poll_s)
        return replace(live, poll=kept.poll.poll, poll_message=kept.poll.message)

    def _needs_arm(
        self, app: App | None, live: Live, memory: Memory, kept: _Kept, age_s: float
    ) -> bool:
        intent = memory.intent
        if intent is not None:
            if live.poll is not Poll.RUNNING or served_as_intended(live, intent):
                return True
            age = (self._clock.now() - intent.time).total_seconds()
            return age >= self._policy.swap_deadline_s
        if isinstance(live.production.wanted, Doubt):
            release, known = live.production.health.release, memory.production
            # Nothing is decided before the registry answers; what hands did is recorded.
            return known is not None and not (release and known.is_set_to(release))
        assert kept.ref is not None
        first_s, every_s = unread_s(kept.ref.name, len(self._apps), self._policy)
        due = age_s >= (first_s if kept.full_look is None else every_s)
        due = due or self._prover.lacks(kept.ref)
        if app is None or not settled(app, live, memory, kept.production):
            return True
        return due and not self._azure.budget.spare_s(kept.ref.subscription)

    def _with_arm(
        self, ref: AppRef, live: Live, memory: Memory, kept: _Kept, *, fresh: bool
    ) -> Live:
        """
        Read ARM: production and staging at one moment, a further slot where needed.

        An answer from before the newest event of the journal is not used again.
        """
        now = self._clock.monotonic()
        shown = (live.production, live.staging)
        pair = [self._slots.kept(ref.name, each.name) for each in shown]
        known = zip(pair, shown, strict=True)
        reuse_s = slots.reuse_of(live.production, memory, self._policy)
        if reuse_s == self._policy.arm_stop_s and self._azure.budget.spare_s(ref.subscription):
            reuse_s = self._policy.full_look_s
        if fresh or not all(e.is_recent(seen, memory, now, reuse_s) for e, seen in known):
            for entry, seen, arm in zip(pair, shown, self._azure.look(ref), strict=True):
                entry.read_of(arm, seen, memory, now)
            self._prover.provide(ref)
        kept.full_look = pair[0].arm_at
        arms = [entry.arm for entry in pair if entry.arm]
        found = zip(shown, arms, strict=True)
        live = live.having(*(self._slots.set_to(ref, seen, arm) for seen, arm in found))
        # An intent, and a 409 to its POST, begin the count anew.
        intent = memory.intent and (memory.intent.id, memory.intent.busy_since)
        still = kept.still.seconds((live.markers, intent), kept.full_look)
        further = [each for name, each in live.slots.items() if name not in (PRODUCTION, STAGING)]
        settings = partial(self._slots.settings, ref, memory=memory, fresh=fresh)
        read = tuple(self._pool.map(settings, further))
        two = (live.production, live.staging)
        live = live.having(*read, *(self._with_code(each, memory, anew=fresh) for each in two))
        return replace(live, still_s=still)

    def _with_code(self, seen: Seen, memory: Memory, *, anew: bool) -> Seen:
        """Add the package that a slot runs: a deploy takes the build that it needs from it."""
        if seen.arm is None or memory.intent is not None:
            return seen
        try:
            return replace(seen, code=self._catalog.code_at(seen.arm.configured.package, anew=anew))
        except RegistryUnavailable as error:
            return replace(seen, code=Doubt(error.reason, error.message))

    def _proved(
        self, app: App, live: Live, memory: Memory, ref: AppRef, slot: str, release: Release
    ) -> Live:
        """Add how *slot* proves *release*; one that production has served is not timed."""
        seen = live.slots.get(slot)
        if seen is None:
            return live
        budget = None if release in memory.served else app.latency_p99_ms
        verdict = self._prover.verdict(ref, seen, release, budget)
        if slot == STAGING and verdict and verdict.mark is Mark.PASS and live.production.arm:
            self._prover.refuses_users(ref, live.production.arm.host, release)  # before a swap
        return live.having(replace(seen, verdict=verdict))

    def refuses_users(self, name: str, live: Live) -> bool | None:
        """Return whether production refuses staging's key; asked once for each read of ARM."""
        kept, health = self._apps[name], live.production.health
        if kept.full_look == kept.asked_at or health.release is None or health.verify == "health":
            return None
        kept.asked_at, ref = kept.full_look, self.ref(name)
        host = self._slots.kept(ref.name, PRODUCTION).host
        return self._prover.refuses_users(ref, host, health.release)

    # ------------------------------------------------------------ rehearsing the way back

    def rehearse(
        self, name: str, live: Live, memory: Memory, *, at_once: bool = False
    ) -> Rehearsal | None:
        """
        Prove that what our last swap replaced, and staging keeps, would serve again.

        Only for a look that came to Converged. The golden rows are replayed every `rehearse_s`
        seconds, first that long after the first such look or *at_once*; between that the last
        verdict is returned. ARM is asked for a key alone, and only *at_once*: else a look that asks
        ARM anyway fetches it. None where nothing waits or none was proved yet.
        """
        kept, now = self._apps[name], self._clock.monotonic()
        release = waiting_in_staging(live, memory)
        if release is None:
            return None
        if kept.converged_at is None:
            apps, every_s = len(self._apps), self._policy.rehearse_s
            kept.converged_at = now + later_s(name, apps, every_s, self._policy)
        if not at_once and now - kept.converged_at < self._policy.rehearse_s:
            return None
        health = live.staging.health
        if not health.serves(release):
            lasting = live.staging.down_s >= self._policy.degraded_s
            mark = Mark.FAIL if lasting else Mark.INCONCLUSIVE
            why = health.reason or health.detail or "no answer"
            return Rehearsal(release, Verdict(mark, f"staging does not serve {release}: {why}"))
        key = (release, health.deploy)
        due = kept.rehearsed != key or now - kept.rehearsed_at >= self._policy.rehearse_s
        if due or kept.rehearsal is None:
            ref = self.ref(name)
            host = self._slots.kept(ref.name, STAGING).host
            kept.rehearsal = self._prover.rehearsed(ref, host, release, health)
            if at_once and self._prover.lacks(ref):
                self._prover.provide(ref)
                kept.rehearsal = self._prover.rehearsed(ref, host, release, health)
            kept.rehearsed, kept.rehearsed_at = key, now
        return Rehearsal(release, kept.rehearsal, now - kept.rehearsed_at)


def waiting_in_staging(live: Live, memory: Memory) -> Release | None:
    """Return what staging keeps for a rollback by one swap, or None where it keeps nothing."""
    last, health = memory.last_swap, live.staging.health
    if last is None or last.back or not live.production.health.serves(last.release):
        return None
    replaced, candidate = last.replaced, live.staging.wanted
    if isinstance(candidate, Resolved) and candidate.release != replaced:
        return None
    deploy = memory.of(STAGING).deploy
    if deploy is not None and deploy.release != replaced:
        return None  # a candidate that was given up has been deployed over it
    other = health.release is not None and health.release != replaced
    return None if other or isinstance(candidate, Refusal | Doubt) else replaced


def _as_known(production: Seen, memory: Memory, kept: _Kept, began: datetime) -> Shown | None:
    """Keep *production* where it is as it was known; return when and how that was last so."""
    arm, known = production.arm, memory.production or kept.production
    release = arm.configured.release if arm else production.health.release
    if release is not None and (known is None or known.is_set_to(release)):
        before = kept.production.swap_status if kept.production else None
        kept.production = Shown(release, arm.swap_status if arm else before, began)
    return kept.production


def _their_turn(live: Live, memory: Memory) -> bool:
    """Return whether further slots may be asked: production serves what is wanted, and rests."""
    wanted = live.production.wanted
    if memory.intent is not None or not isinstance(wanted, Resolved):
        return False
    return live.production.health.shows(wanted)


def settled(app: App, live: Live, memory: Memory, seen: Shown | None = None) -> bool:
    """Return whether health alone shows that nothing is to be done; *seen* is production before."""
    wanted = live.production.wanted
    if not isinstance(wanted, Resolved) or not live.production.health.shows(wanted):
        return False
    known = memory.converged == wanted.release
    if memory.observed:  # no Converged is recorded then
        seen = memory.production or seen
        known = seen is not None and seen.is_set_to(wanted.release)
    if not known or memory.swap_failed or memory.hold_since:
        return False  # ARM says whether slots were left prepared, and whose swap it was
    others = (*((STAGING,) if app.pin else ()), *app.further)
    found = [live.slots.get(name) for name in others]
    return not any(each is None or slots.needs_arm(each, memory) for each in found)
