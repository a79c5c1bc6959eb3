"""Values: what one look saw of an app's slots. Frozen, free of I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from gitslot.state.wanted import Doubt, Refusal, Release, Resolved


class Answer(Enum):
    """How a slot's health probe ended."""

    SERVING = "serving"  # 200: this release is being served
    UNHEALTHY = "unhealthy"  # our shape with 503: the reason says why
    SILENT = "silent"  # no answer, or the platform's own 5xx
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
    final: bool = False  # the app says that looking again will not help

    @property
    def release(self) -> Release | None:
        """Return the release that is being served, or None unless the answer was 200."""
        if self.answer is not Answer.SERVING:
            return None
        return Release(self.model, self.version, self.digest)

    def serves(self, release: Release) -> bool:
        """Say whether *release* is really being served."""
        return self.release == release


@dataclass(frozen=True, slots=True)
class Configured:
    """What ARM says a slot is set to. *digest* is empty where MODEL_VERSION is not pinned."""

    model: str = ""
    version: str = ""
    digest: str = ""
    deploy: str = ""
    package: str = ""

    def holds(self, release: Release) -> bool:
        """Say whether the slot is set to *release*."""
        return (self.model, self.version, self.digest) == (
            release.model,
            release.version,
            release.digest,
        )

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


@dataclass(frozen=True, slots=True)
class SlotLive:
    """One slot in one look: what it serves and, where ARM was asked, what it is set to."""

    name: str
    health: Health
    arm: Arm | None = None


class Mark(Enum):
    """What a verification can say."""

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
class Place:
    """
    A slot that releases are deployed to and proved in: staging, or a further slot.

    *verdict* was made in this look and is never stored; *down_s* is for how many seconds the slot
    has been seen not to answer in health.
    """

    slot: SlotLive
    verdict: Verdict | None = None
    down_s: float = 0.0

    @property
    def name(self) -> str:
        """Return the slot's name."""
        return self.slot.name


@dataclass(frozen=True, slots=True)
class Further:
    """
    A slot of the file beside production and staging, in one look.

    *wanted* is a Doubt where the registry could not say; *standing* is what kept ARM from being
    read: a Refusal where it will not be read without somebody's help.
    """

    place: Place
    wanted: Resolved | Refusal | Doubt
    standing: Refusal | Doubt | None = None


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Whether going back by one swap would work: staging proved again *age_s* seconds ago."""

    release: Release
    verdict: Verdict
    age_s: float = 0.0


class Poll(Enum):
    """What the platform says of the swap in flight."""

    UNKNOWN = "unknown"  # not asked, or the answer proves nothing
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Live:
    """
    Everything that one look saw of one app.

    *wanted* and *pin* are looked up in the registry in the same look. *verdict* is staging's, made
    in this look and never stored. *still_s* is for how many seconds both slots' markers have been
    seen unmoved; *down_s* and *staging_down_s* for how many seconds production has been seen not
    to serve what it is set to, and staging not to answer in health; *failing_s* for how many
    seconds every look has seen production answer, or stay silent, as something broken does.
    *further* is every slot of the file beside the two, in the file's order; it is empty where
    production comes first.
    """

    production: SlotLive
    staging: SlotLive
    wanted: Resolved | Refusal | None
    pin: Resolved | Refusal | None = None
    verdict: Verdict | None = None
    poll: Poll = Poll.UNKNOWN
    poll_message: str = ""
    still_s: float = 0.0
    down_s: float = 0.0
    failing_s: float = 0.0
    staging_down_s: float = 0.0
    further: tuple[Further, ...] = ()

    @property
    def at_staging(self) -> Place:
        """Return staging as a place to deploy to."""
        return Place(self.staging, self.verdict, self.staging_down_s)

    @property
    def arm_read(self) -> bool:
        """Say whether ARM was asked about both slots in this look."""
        return self.production.arm is not None and self.staging.arm is not None
