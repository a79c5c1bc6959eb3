"""
The look: ask every slot what it serves, and ARM only where that does not settle it.

Health comes first. ARM is read when health does not already say Converged, before any write, while
a swap is open and nobody knows how it is, and once an hour. What this module keeps between looks
(hosts, manifests, since when nothing moved) only saves questions or delays answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from gitslot.decide.place import holds
from gitslot.decide.production import production_serves
from gitslot.decide.swap_in_flight import served_as_intended
from gitslot.decide.unsafe import markers
from gitslot.edges.azure.arm import AppRef, PollAnswer
from gitslot.errors import AzureError, AzureUnavailable, NotFound, RegistryUnavailable
from gitslot.look import further_slots
from gitslot.look.golden_rows import Asks
from gitslot.look.proofs import Keys, Prover
from gitslot.look.stopwatch import Since, is_down, is_failing
from gitslot.look.wanted import Catalog, Registered
from gitslot.registry.manifest import Manifest
from gitslot.state.policy import Policy
from gitslot.state.remembered import Memory
from gitslot.state.seen import Arm, Health, Live, Mark, Place, Poll, Rehearsal, SlotLive, Verdict
from gitslot.state.wanted import PRODUCTION, STAGING, App, Doubt, Refusal, Release, Resolved

_THROTTLED = Doubt("Throttled", "ARM asked to wait; nothing is written until then")


class Reads(further_slots.Reads, Keys, Protocol):
    """What a look needs of ARM."""

    def locate(self, name: str, resource_group: str | None, subscription: str | None) -> AppRef: ...
    def look(self, app: AppRef) -> tuple[Arm, Arm]: ...
    def hosts(self, app: AppRef) -> dict[str, str]: ...
    def poll(self, location: str) -> PollAnswer: ...


class Probes(Asks, Protocol):
    """What a look needs of the slots themselves."""

    def health(self, host: str) -> Health: ...


class Ticks(Protocol):
    """The clock: UTC for what is written, seconds that never go back for what is measured."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...


@dataclass(slots=True)
class _Kept:
    """What is kept of one app between looks."""

    ref: AppRef | None = None
    hosts: dict[str, str] = field(default_factory=dict)
    arms: tuple[Arm, Arm] | None = None
    arms_at: float = 0.0
    arms_length: int = -1  # of the journal, when they were read
    full_look: float | None = None
    still: Since = field(default_factory=Since)
    production: Since = field(default_factory=Since)
    failing: Since = field(default_factory=Since)
    staging: Since = field(default_factory=Since)
    location: str = ""
    poll: PollAnswer = field(default_factory=lambda: PollAnswer(Poll.UNKNOWN))
    poll_at: float = 0.0
    blocked_until: float = 0.0
    converged_at: float | None = None
    rehearsed: tuple[Release, str] | None = None
    rehearsed_at: float = 0.0
    rehearsal: Verdict | None = None


class Looker:
    """Looks at apps. One instance lives as long as the process."""

    def __init__(
        self, azure: Reads, registry: Registered, probes: Probes, clock: Ticks, policy: Policy
    ) -> None:
        self._azure, self._probes = azure, probes
        self._clock, self._policy = clock, policy
        self._catalog = Catalog(registry)
        self._prover = Prover(azure, self._catalog, probes, policy)
        self._beside = further_slots.Beside(azure, self._catalog, probes, clock, policy)
        self._apps: dict[str, _Kept] = {}

    def ref(self, name: str) -> AppRef:
        """Return where the app *name* is, as the last look found it."""
        ref = self._apps[name].ref
        assert ref is not None
        return ref

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

        *app* is its block in the file, None while Git is in doubt. *prove* asks for golden rows:
        the release that each slot shall prove. *fresh* reads ARM now, whatever health says;
        otherwise an answer of a few seconds ago serves while a step is waited for. *whole* asks
        further slots also while production comes first: one that hangs shall not keep it waiting.
        Doubt is what could not be read.
        """
        kept = self._apps.setdefault(name, _Kept())
        now = self._clock.monotonic()
        if now < kept.blocked_until:
            return _THROTTLED
        try:
            return self._look(name, app, memory, kept, prove or {}, fresh=fresh, whole=whole)
        except AzureUnavailable as error:
            kept.blocked_until = now + error.retry_after_s
            if error.status == 429:
                return _THROTTLED
            return Doubt("Unreadable", error.message)
        except (NotFound, AzureError) as error:
            kept.ref, kept.hosts = None, {}
            return Doubt(error.reason, error.message)
        except RegistryUnavailable as error:
            return Doubt(error.reason, error.message)

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
        if kept.ref is None:
            group = app.resource_group if app else None
            kept.ref = self._azure.locate(name, group, app.subscription if app else None)
        ref = kept.ref
        if not kept.hosts:
            kept.hosts = self._azure.hosts(ref)
        live = Live(
            production=SlotLive(PRODUCTION, self._probes.health(kept.hosts[PRODUCTION])),
            staging=SlotLive(STAGING, self._probes.health(kept.hosts[STAGING])),
            wanted=self._catalog.resolve(app.model, app.production) if app else None,
            pin=self._catalog.resolve(app.model, app.pin) if app and app.pin else None,
        )
        live = self._polled(live, memory, kept)
        fresh = fresh or (memory.intent is not None and served_as_intended(live, memory.intent))
        if app and (whole or _their_turn(live, memory)):
            live = replace(live, further=self._beside.healths(ref, app))
        if fresh or self._needs_arm(app, live, memory, kept):
            live = self._with_arm(live, memory, kept, fresh=fresh)
            found = self._beside.settings(ref, live.further, memory, fresh=fresh)
            live = replace(live, further=found)
        live = self._timed(live, kept)
        if app is not None:
            for slot, release in prove.items():
                live = self._proved(app, live, memory, ref, slot, release)
        return live

    def manifest(self, model: str, version: str) -> Manifest:
        """Return a manifest of the registry, read once a process."""
        return self._catalog.manifest(model, version)

    # ------------------------------------------------------------ ARM

    def _polled(self, live: Live, memory: Memory, kept: _Kept) -> Live:
        """Ask how the swap in flight is, no more often than the platform wishes."""
        intent = memory.intent
        if intent is None or not intent.location:
            return live
        now = self._clock.monotonic()
        if kept.location != intent.location:
            kept.location, kept.poll, kept.poll_at = intent.location, PollAnswer(Poll.RUNNING), now
        if now >= kept.poll_at and kept.poll.poll not in (Poll.DONE, Poll.FAILED):
            kept.poll = self._azure.poll(kept.poll.location or intent.location)
            kept.poll_at = now + max(kept.poll.retry_after_s, self._policy.poll_s)
        return replace(live, poll=kept.poll.poll, poll_message=kept.poll.message)

    def _needs_arm(self, app: App | None, live: Live, memory: Memory, kept: _Kept) -> bool:
        intent = memory.intent
        if intent is not None:
            if live.poll is not Poll.RUNNING or served_as_intended(live, intent):
                return True
            age = (self._clock.now() - intent.time).total_seconds()
            return age >= self._policy.swap_deadline_s
        age = self._clock.monotonic() - (kept.full_look or 0.0)
        due = kept.full_look is None or age >= self._policy.full_look_s
        due = due or (kept.ref is not None and self._prover.lacks(kept.ref))
        return due or app is None or not settled(app, live, memory)

    def _with_arm(self, live: Live, memory: Memory, kept: _Kept, *, fresh: bool) -> Live:
        """Add what ARM says; what it said before the newest event of the journal is not reused."""
        now = self._clock.monotonic()
        recent = now - kept.arms_at < self._policy.arm_reuse_s and (
            kept.arms_length == memory.length
        )
        if fresh or kept.arms is None or not recent:
            assert kept.ref is not None
            kept.arms = self._azure.look(kept.ref)
            self._prover.provide(kept.ref)
            kept.arms_at, kept.arms_length = now, memory.length
        assert kept.arms is not None
        production, staging = kept.arms
        kept.full_look = kept.arms_at
        hosts = {PRODUCTION: production.host, STAGING: staging.host}
        if hosts != kept.hosts:
            kept.hosts = hosts
            live = replace(
                live,
                production=SlotLive(PRODUCTION, self._probes.health(production.host)),
                staging=SlotLive(STAGING, self._probes.health(staging.host)),
            )
        return replace(
            live,
            production=replace(live.production, arm=production),
            staging=replace(live.staging, arm=staging),
        )

    def _timed(self, live: Live, kept: _Kept) -> Live:
        now = self._clock.monotonic()
        still = kept.still.seconds(markers(live), kept.arms_at) if live.arm_read else 0.0
        return replace(
            live,
            still_s=still,
            down_s=kept.production.lasting(is_down(live.production), now),
            failing_s=kept.failing.lasting(is_failing(live.production), now),
            staging_down_s=kept.staging.lasting(is_down(live.staging), now),
            further=self._beside.timed(kept.ref, live.further) if kept.ref else (),
        )

    def _proved(
        self, app: App, live: Live, memory: Memory, ref: AppRef, slot: str, release: Release
    ) -> Live:
        """Add how *slot* proves *release*; one that production has served is not timed."""
        budget = None if release in memory.served else app.latency_p99_ms

        def verdict(place: Place) -> Verdict | None:
            return self._prover.verdict(ref, place, release, budget)

        if slot == STAGING:
            return replace(live, verdict=verdict(live.at_staging))
        found = tuple(
            replace(each, place=replace(each.place, verdict=verdict(each.place)))
            if each.place.name == slot
            else each
            for each in live.further
        )
        return replace(live, further=found)

    # ------------------------------------------------------------ rehearsing the way back

    def rehearse(
        self, name: str, live: Live, memory: Memory, *, at_once: bool = False
    ) -> Rehearsal | None:
        """
        Prove that what our last swap replaced, and staging keeps, would serve again.

        Only for a look that came to Converged. The golden rows are replayed every `rehearse_s`
        seconds, first that long after the first such look or *at_once*; between that the last
        verdict is returned. ARM is not asked. None where nothing waits or none was proved yet.
        """
        kept, now = self._apps[name], self._clock.monotonic()
        release = waiting_in_staging(live, memory)
        if release is None:
            return None
        if kept.converged_at is None:
            kept.converged_at = now
        if not at_once and now - kept.converged_at < self._policy.rehearse_s:
            return None
        health = live.staging.health
        if not health.serves(release):
            lasting = live.staging_down_s >= self._policy.degraded_s
            mark = Mark.FAIL if lasting else Mark.INCONCLUSIVE
            why = health.reason or health.detail or "no answer"
            return Rehearsal(release, Verdict(mark, f"staging does not serve {release}: {why}"))
        key = (release, health.deploy)
        due = kept.rehearsed != key or now - kept.rehearsed_at >= self._policy.rehearse_s
        if due or kept.rehearsal is None:
            assert kept.ref is not None
            kept.rehearsal = self._prover.rehearsed(kept.ref, kept.hosts[STAGING], release, health)
            kept.rehearsed, kept.rehearsed_at = key, now
        return Rehearsal(release, kept.rehearsal, now - kept.rehearsed_at)


def waiting_in_staging(live: Live, memory: Memory) -> Release | None:
    """Return what staging keeps for a rollback by one swap, or None where it keeps nothing."""
    last, health = memory.last_swap, live.staging.health
    if last is None or last.back or not live.production.health.serves(last.release):
        return None
    replaced = last.replaced
    if isinstance(live.pin, Resolved) and live.pin.release != replaced:
        return None
    if memory.deploy is not None and memory.deploy.release != replaced:
        return None  # a candidate that was given up has been deployed over it
    other = health.release is not None and health.release != replaced
    return None if other or isinstance(live.pin, Refusal) else replaced


def _their_turn(live: Live, memory: Memory) -> bool:
    """Say whether further slots may be asked: production serves what it shall, and rests."""
    if memory.intent is not None or not isinstance(live.wanted, Resolved):
        return False
    return production_serves(live, live.wanted)


def settled(app: App, live: Live, memory: Memory) -> bool:
    """Say whether health alone shows that nothing is to be done."""
    if not isinstance(live.wanted, Resolved) or not production_serves(live, live.wanted):
        return False
    if memory.converged != live.wanted.release or memory.swap_failed or memory.hold_since:
        return False  # ARM says whether slots were left prepared, and whose swap it was
    if not further_slots.settled(app, live.further, memory):
        return False
    if app.pin is None:
        return True
    return isinstance(live.pin, Resolved) and holds(memory, live.at_staging, live.pin)
