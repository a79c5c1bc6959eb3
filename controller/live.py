"""
The look: ask every slot what it serves, and ARM only where that does not settle it.

Health comes first. ARM is read when health does not already say Converged, before any write, while
a swap is open and nobody knows how it is, and once an hour. What this module keeps between looks
(hosts, manifests, since when nothing moved) only saves questions or delays answers.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from controller.azure import AppRef, PollAnswer
from controller.decide import markers, production_serves
from controller.errors import (
    AzureError,
    AzureUnavailable,
    GitslotError,
    ManifestInvalid,
    NotFound,
    RegistryUnavailable,
    UnknownVersion,
)
from controller.intents import served_as_intended
from controller.manifest import Manifest
from controller.registry import Package
from controller.state import (
    PRODUCTION,
    STAGING,
    Answer,
    App,
    Arm,
    Doubt,
    Health,
    Live,
    Mark,
    Memory,
    Policy,
    Poll,
    Refusal,
    Rehearsal,
    Release,
    Resolved,
    SlotLive,
    Verdict,
    Wanted,
)
from controller.verify import Asks, Proof, prove

_THROTTLED = Doubt("Throttled", "ARM asked to wait; nothing is written until then")


class Reads(Protocol):
    """What a look needs of ARM."""

    def locate(self, name: str, resource_group: str | None, subscription: str | None) -> AppRef: ...
    def look(self, app: AppRef) -> tuple[Arm, Arm]: ...
    def hosts(self, app: AppRef) -> dict[str, str]: ...
    def function_key(self, app: AppRef, slot: str) -> str: ...
    def poll(self, location: str) -> PollAnswer: ...


class Registered(Protocol):
    """What a look needs of the registry."""

    def manifest(self, model: str, version: str) -> Manifest: ...
    def package(self, version: str) -> Package: ...


class Probes(Asks, Protocol):
    """What a look needs of the slots themselves."""

    def health(self, host: str) -> Health: ...


class Ticks(Protocol):
    """The clock: UTC for what is written, seconds that never go back for what is measured."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...


@dataclass(slots=True)
class _Since:
    """For how long one thing has been seen the same."""

    value: object = None
    start: float = 0.0

    def seconds(self, value: object, now: float) -> float:
        if value != self.value:
            self.value, self.start = value, now
        return now - self.start

    def lasting(self, fact: bool, now: float) -> float:
        """Return for how many seconds *fact* has been seen true, 0 while it is not."""
        seconds = self.seconds(fact, now)
        return seconds if fact else 0.0


@dataclass(slots=True)
class _Kept:
    """What is kept of one app between looks."""

    ref: AppRef | None = None
    hosts: dict[str, str] = field(default_factory=dict)
    arms: tuple[Arm, Arm] | None = None
    arms_at: float = 0.0
    arms_length: int = -1  # of the journal, when they were read
    full_look: float | None = None
    still: _Since = field(default_factory=_Since)
    production: _Since = field(default_factory=_Since)
    failing: _Since = field(default_factory=_Since)
    staging: _Since = field(default_factory=_Since)
    location: str = ""
    poll: PollAnswer = field(default_factory=lambda: PollAnswer(Poll.UNKNOWN))
    poll_at: float = 0.0
    blocked_until: float = 0.0
    key: str = ""  # of staging, where its path has asked for one
    converged_at: float | None = None
    rehearsed: tuple[Release, str] | None = None
    rehearsed_at: float = 0.0
    rehearsal: Verdict | None = None


class Looker:
    """Looks at apps. One instance lives as long as the process."""

    def __init__(
        self, azure: Reads, registry: Registered, probes: Probes, clock: Ticks, policy: Policy
    ) -> None:
        self._azure, self._registry, self._probes = azure, registry, probes
        self._clock, self._policy = clock, policy
        self._apps: dict[str, _Kept] = {}
        self._manifests: dict[tuple[str, str], Manifest] = {}
        self._packages: dict[str, Package] = {}

    def ref(self, name: str) -> AppRef:
        """Return where the app *name* is, as the last look found it."""
        ref = self._apps[name].ref
        assert ref is not None
        return ref

    def look(
        self, name: str, app: App | None, memory: Memory, *, prove: Release | None, fresh: bool
    ) -> Live | Doubt:
        """
        Look once at the app *name*.

        *app* is its block in the file, None while Git is in doubt. *prove* asks for the golden rows
        of that release through staging. *fresh* reads ARM now, whatever health says; otherwise an
        answer of a few seconds ago serves while a step is waited for. Doubt is what could not be
        read.
        """
        kept = self._apps.setdefault(name, _Kept())
        now = self._clock.monotonic()
        if now < kept.blocked_until:
            return _THROTTLED
        try:
            return self._look(name, app, memory, kept, prove, fresh=fresh)
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
        release: Release | None,
        *,
        fresh: bool,
    ) -> Live:
        if kept.ref is None:
            group = app.resource_group if app else None
            kept.ref = self._azure.locate(name, group, app.subscription if app else None)
        if not kept.hosts:
            kept.hosts = self._azure.hosts(kept.ref)
        live = Live(
            production=SlotLive(PRODUCTION, self._probes.health(kept.hosts[PRODUCTION])),
            staging=SlotLive(STAGING, self._probes.health(kept.hosts[STAGING])),
            wanted=self._resolve(app.model, app.production) if app else None,
            pin=self._resolve(app.model, app.pin) if app and app.pin else None,
        )
        live = self._polled(live, memory, kept)
        fresh = fresh or (memory.intent is not None and served_as_intended(live, memory.intent))
        if fresh or self._needs_arm(app, live, memory, kept):
            live = self._with_arm(live, memory, kept, fresh=fresh)
        live = self._timed(live, kept)
        if release and app:
            live = replace(live, verdict=self._verdict(app, live, memory, kept, release))
        return live

    # ------------------------------------------------------------ what is wanted

    def _resolve(self, model: str, wanted: Wanted) -> Resolved | Refusal:
        """Look *wanted* up; raise RegistryUnavailable where the registry does not answer."""
        try:
            manifest = self.manifest(model, wanted.version)
            package = self._package(wanted.code) if wanted.code else None
        except (UnknownVersion, ManifestInvalid) as error:
            return Refusal(error.reason, error.message)
        if wanted.pin and wanted.pin != manifest.digest:
            return Refusal(
                "DigestMismatch",
                f"{model} {wanted.version} is registered with another digest than the file pins",
            )
        release = Release(model, wanted.version, manifest.digest)
        if package is None:
            return Resolved(release)
        return Resolved(release, package.url, package.build)

    def manifest(self, model: str, version: str) -> Manifest:
        """Return a manifest; versions are immutable, so each is read once a process."""
        key = (model, version)
        if key not in self._manifests:
            self._manifests[key] = self._registry.manifest(model, version)
        return self._manifests[key]

    def _package(self, version: str) -> Package:
        if version not in self._packages:
            self._packages[version] = self._registry.package(version)
        return self._packages[version]

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
        due = kept.full_look is None
        if kept.full_look is not None:
            due = self._clock.monotonic() - kept.full_look >= self._policy.full_look_s
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
            down_s=kept.production.lasting(_down(live.production), now),
            failing_s=kept.failing.lasting(_failing(live.production), now),
            staging_down_s=kept.staging.lasting(_down(live.staging), now),
        )

    # ------------------------------------------------------------ proving staging

    def _verdict(
        self, app: App, live: Live, memory: Memory, kept: _Kept, release: Release
    ) -> Verdict | None:
        arm, health = live.staging.arm, live.staging.health
        if arm is None or not health.serves(release) or health.deploy != arm.configured.deploy:
            return None
        ref = kept.ref
        assert ref is not None
        known = release in memory.served

        def key() -> str:
            try:
                kept.key = self._azure.function_key(ref, STAGING)
            except GitslotError:
                return ""  # the path stays blocked, which is inconclusive
            return kept.key

        try:
            manifest = self.manifest(release.model, release.version)
        except (UnknownVersion, ManifestInvalid) as error:
            return Verdict(Mark.INCONCLUSIVE, error.message, error.reason)
        if manifest.digest != release.digest:
            text = f"the registry holds {release} with another digest than staging serves"
            return Verdict(Mark.FAIL, text, "DigestMismatch")
        budget = None if known else app.latency_p99_ms
        proof = Proof(arm.host, release, health.deploy, manifest, budget)
        return prove(self._probes, proof, key, self._policy, health_only=health.verify == "health")

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
            kept.rehearsal = self._rehearsed(kept, release, health)
            kept.rehearsed, kept.rehearsed_at = key, now
        return Rehearsal(release, kept.rehearsal, now - kept.rehearsed_at)

    def _rehearsed(self, kept: _Kept, release: Release, health: Health) -> Verdict:
        try:
            manifest = self.manifest(release.model, release.version)
        except GitslotError as error:
            return Verdict(Mark.INCONCLUSIVE, error.message, error.reason)
        proof = Proof(kept.hosts[STAGING], release, health.deploy, manifest)
        health_only = health.verify == "health"
        return prove(self._probes, proof, lambda: kept.key, self._policy, health_only=health_only)


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


def _down(slot: SlotLive) -> bool:
    """Say whether *slot* does not serve what it is set to."""
    if slot.health.answer is not Answer.SERVING:
        return True
    return slot.arm is not None and slot.arm.configured.digest not in ("", slot.health.digest)


def _failing(slot: SlotLive) -> bool:
    """Say whether *slot* behaves as something broken does; a blocked probe proves nothing."""
    return slot.health.answer in (Answer.UNHEALTHY, Answer.SILENT, Answer.FOREIGN)


def settled(app: App, live: Live, memory: Memory) -> bool:
    """Say whether health alone shows that nothing is to be done."""
    if not isinstance(live.wanted, Resolved) or not production_serves(live, live.wanted):
        return False
    if memory.converged != live.wanted.release or memory.swap_failed or memory.hold_since:
        return False  # ARM says whether slots were left prepared, and whose swap it was
    if app.pin is None:
        return True
    health = live.staging.health
    return (
        isinstance(live.pin, Resolved)
        and health.serves(live.pin.release)
        and (health.deploy, health.digest) in memory.verified
    )
