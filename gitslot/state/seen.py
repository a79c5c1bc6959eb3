"""Values: what one look saw of an app's slots. Frozen, free of I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from gitslot.state.code import Package
from gitslot.state.remembered import Shown
from gitslot.state.wanted import PRODUCTION, STAGING, Doubt, Refusal, Release, Resolved


class Answer(Enum):
    """How a slot's health probe ended."""

    SERVING = "serving"  # 200: this release is being served
    UNHEALTHY = "unhealthy"  # our shape with 503: the reason says why
    SILENT = "silent"  # no answer, or the platform's own 5xx
    STOPPED = "stopped"  # the platform says that the site is stopped
    BLOCKED = "blocked"  # 401, 403 or a redirect stands before the app
    FOREIGN = "foreign"  # an answer, but not from an app that speaks the serving contract


@dataclass(frozen=True, slots=True)
class Health:
    """One answer of GET /api/health. Texts are hostile until shown: they are cut and escaped."""

    answer: Answer
    model: str = ""
    version: str = ""
    digest: str = ""
    deploy: str = ""
    code: str = ""
    reason: str = ""
    detail: str = ""
    verify: str = ""
    final: bool = False  # looking again will not help, by the app's own words

    @property
    def release(self) -> Release | None:
        """Return the release that is being served, or None unless the answer was 200."""
        if self.answer is not Answer.SERVING:
            return None
        return Release(self.model, self.version, self.digest)

    def serves(self, release: Release) -> bool:
        """Return whether *release* is really being served."""
        return self.release == release

    def shows(self, wanted: Resolved) -> bool:
        """Return whether *wanted* is being served, by its code where that is named."""
        return self.serves(wanted.release) and wanted.build in (None, self.code)


@dataclass(frozen=True, slots=True)
class Configured:
    """What ARM says a slot is set to. *digest* is empty where MODEL_VERSION is not pinned."""

    model: str = ""
    version: str = ""
    digest: str = ""
    deploy: str = ""
    package: str = ""

    @property
    def release(self) -> Release:
        """Return the release that the slot is set to; its digest is empty where not pinned."""
        return Release(self.model, self.version, self.digest)

    def holds(self, release: Release) -> bool:
        """Return whether the slot is set to *release*."""
        return self.release == release

    def is_set_to(self, wanted: Resolved) -> bool:
        """Return whether the slot is set to *wanted*, with its code where that is named."""
        return self.holds(wanted.release) and wanted.package in (None, self.package)

    @property
    def label(self) -> str:
        """Return the version for people, or "nothing"."""
        return self.version or "nothing"


@dataclass(frozen=True, slots=True)
class Arm:
    """One slot in ARM: its site's markers and, never shown, its settings."""

    host: str
    deployment_id: str
    swap_status: str  # the last swap's time and slots as one text; empty before the first
    state: str
    configured: Configured
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    sticky: frozenset[str] = frozenset()
    operation: str = ""  # id of an operation in progress
    prepared: str = ""  # the slot that a swap was prepared with, if one is pending


class Mark(Enum):
    """How a verification can end."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What replaying the golden rows through a slot's public path showed."""

    mark: Mark
    message: str
    reason: str = ""
    worst: float = 0.0
    p99_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """
    One slot in one look: what it serves, what it is set to, what the file wants of it.

    *wanted* was looked up in the registry in the same look: None where the file wants nothing of
    the slot, a Refusal or a Doubt where the registry has no answer. *arm* is None where ARM was not
    asked; *unread* is what kept ARM from being read: a Refusal where it will not be read without
    somebody's help. *code*, of production and staging, is the package that it is set to run: None
    where the registry knows none, a Doubt where it does not answer, a Refusal where it has changed.
    *verdict* was made in this look and is never stored. *down_s* is for how many seconds the slot
    was seen not to serve what it is set to, *failing_s* for how many seconds each look saw it
    answer, or stay silent, as something broken does.
    """

    name: str
    health: Health
    wanted: Resolved | Refusal | Doubt | None = None
    arm: Arm | None = None
    unread: Refusal | Doubt | None = None
    code: Package | Refusal | Doubt | None = None
    verdict: Verdict | None = None
    down_s: float = 0.0
    failing_s: float = 0.0

    def shows(self, wanted: Resolved) -> bool:
        """
        Return whether *wanted* is being served, and ARM, where it was read, shows no other release.

        The process of before a swap may still answer for a moment.
        """
        digest = self.arm.configured.digest if self.arm else ""
        return self.health.shows(wanted) and digest in ("", wanted.release.digest)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Whether going back by one swap would work: staging proved again *age_s* seconds ago."""

    release: Release
    verdict: Verdict
    age_s: float = 0.0


class Poll(Enum):
    """How the platform reports the swap in flight."""

    UNKNOWN = "unknown"  # not asked, or the answer proves nothing
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    COLD = "cold"  # failed: the slot did not answer the warm-up ping as it must


@dataclass(frozen=True, slots=True)
class Live:
    """
    Everything that one look saw of one app.

    *slots* has production, staging, and then the further slots of the file that were looked at, in
    the file's order. *still_s* is for how many seconds this process saw the markers of production
    and staging unmoved; an open intent begins the count anew. *last* is production as this process
    last saw it as it is recorded, or, where nothing is, as it first saw it.
    *unread_s* is for how long settings that are due were not read, so that ARM allows other calls.
    """

    slots: Mapping[str, Seen] = field(hash=False)
    poll: Poll = Poll.UNKNOWN
    poll_message: str = ""
    still_s: float = 0.0
    last: Shown | None = None
    unread_s: float | None = None

    @property
    def production(self) -> Seen:
        """Return production."""
        return self.slots[PRODUCTION]

    @property
    def staging(self) -> Seen:
        """Return staging."""
        return self.slots[STAGING]

    @property
    def pair(self) -> tuple[Arm, Arm] | None:
        """Return what production and staging are set to, or None where ARM was not asked."""
        production, staging = self.production.arm, self.staging.arm
        return (production, staging) if production and staging else None

    @property
    def markers(self) -> str:
        """Return the markers of production and staging as one text, or ""."""
        return "|".join(f"{arm.deployment_id} {arm.swap_status}" for arm in self.pair or ())

    @property
    def operation(self) -> str:
        """Return the id of an operation that ARM shows on production or staging, or ""."""
        arms = (self.production.arm, self.staging.arm)
        return next((arm.operation for arm in arms if arm and arm.operation), "")

    def having(self, *changed: Seen) -> "Live":
        """Return this look with the *changed* slots in place of those of their names."""
        return replace(self, slots={**self.slots, **{each.name: each for each in changed}})


@dataclass(frozen=True, slots=True)
class Found:
    """Where an app is: its id in ARM, its slots' hosts, *since* when their settings are unread."""

    id: str
    hosts: Mapping[str, str] = field(hash=False)
    since: datetime
