"""
The values that decisions are made of: frozen, compared by content, free of I/O.

`Desired` is what Git's newest commit asks for. `Live` is what one look saw. `Memory` is what the
journal says happened. `decide` turns the three into one `Decision`. Standard library only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any

PRODUCTION = "production"
STAGING = "staging"


# ---------------------------------------------------------------- what is wanted


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit: 40 hex digits, who wrote it, the first line of its message, what it reverts."""

    commit: str
    author: str = ""
    subject: str = ""
    reverts: str | None = None

    @property
    def short(self) -> str:
        """Return the seven digits that people read."""
        return self.commit[:7]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the file says of one slot: a version, perhaps its digest, perhaps its code."""

    version: str
    pin: str | None = None
    code: str | None = None

    def __str__(self) -> str:
        pin = f"@sha256:{self.pin}" if self.pin else ""
        code = f" with code {self.code}" if self.code else ""
        return f"{self.version}{pin}{code}"


@dataclass(frozen=True, slots=True)
class App:
    """One app's block of desired_state.yaml."""

    name: str
    model: str
    slots: Mapping[str, Wanted]
    resource_group: str | None = None
    subscription: str | None = None
    suspend: str | None = None
    suspended_by_setting: bool = False  # by the controller's own, not by the file
    drift: str = "heal"
    latency_p99_ms: float | None = None
    soak_s: float | None = None  # None: production is never swapped back

    @property
    def production(self) -> Wanted:
        """Return what production shall serve."""
        return self.slots[PRODUCTION]

    @property
    def pin(self) -> Wanted | None:
        """Return the candidate that staging shall hold, or None: then it is the working slot."""
        staging = self.slots.get(STAGING)
        return None if staging == self.production else staging

    @property
    def further(self) -> dict[str, Wanted]:
        """Return what every slot beside production and staging shall serve, in the file's order."""
        return {k: v for k, v in self.slots.items() if k not in (PRODUCTION, STAGING)}


@dataclass(frozen=True, slots=True)
class Desired:
    """The whole file at one commit."""

    revision: Revision
    apps: tuple[App, ...]

    def app(self, name: str) -> App | None:
        """Return the block of *name*, or None when the file does not list it."""
        return next((app for app in self.apps if app.name == name), None)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why nothing may be concluded: Git, the file or the platform cannot be trusted now."""

    reason: str
    message: str
    revision: Revision | None = None


# ---------------------------------------------------------------- what a slot can serve


@dataclass(frozen=True, slots=True)
class Release:
    """A model's version with its digest: sha256 of the manifest, 64 hex digits."""

    model: str
    version: str
    digest: str

    @property
    def setting(self) -> str:
        """Return the pinned form, as MODEL_VERSION holds it."""
        return f"{self.version}@sha256:{self.digest}"

    def __str__(self) -> str:
        return f"{self.model} {self.version}"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A wanted slot, looked up in the registry: the release and, where it is named, the code."""

    release: Release
    package: str | None = None  # URL of the code
    build: str | None = None  # what health calls that code


@dataclass(frozen=True, slots=True)
class Refusal:
    """The registry says no for good: unknown version, untrusted manifest, wrong pin."""

    reason: str
    message: str


# ---------------------------------------------------------------- what one look saw


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


# ---------------------------------------------------------------- what is remembered


@dataclass(frozen=True, slots=True)
class Intent:
    """A swap that was about to be sent: both slots as they were, and where to ask for its end."""

    id: str
    run: str
    time: datetime
    release: Release
    replaces: Release | None
    deploy: str
    production_deployment: str
    staging_deployment: str
    production_swap: str
    staging_swap: str
    location: str = ""  # where the platform said to ask for the end
    unknown: bool = False  # the answer was lost, and that has been said
    busy_since: datetime | None = None  # when the platform answered 409
    refusal: str = ""  # its words, where they were not that another operation runs
    back: bool = False  # production failed its soak, and this takes it back
    revision: Revision = Revision("")  # the commit that it was opened for


@dataclass(frozen=True, slots=True)
class OpenDeploy:
    """A deploy whose PUT may not have arrived yet."""

    deploy: str
    time: datetime
    release: Release


@dataclass(frozen=True, slots=True)
class Told:
    """What a further slot has drifted from: the release, the code named beside it, since when."""

    release: Release
    code: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failures of one wanted release in one slot, and whether it is refused for good."""

    release: Release
    failed: int = 0
    disproved: int = 0  # of those, how many were more than silence or the platform's refusal
    started: int = 0
    last: datetime | None = None
    reason: str = ""
    message: str = ""
    counted: frozenset[str] = frozenset()  # MODEL_DEPLOYs whose failure was counted
    refused: bool = False
    busy: int = 0  # how often in a row the platform was busy with something else


@dataclass(frozen=True, slots=True)
class LastSwap:
    """
    Our last swap that took effect: what it brought, what it replaced.

    *code* is what the file named beside it, *since* when the swap was seen to have taken effect.
    *soaked* says that its soak is over because something else was wanted, or because the one try to
    swap back was sent; *back* that it was that try.
    """

    release: Release
    replaced: Release | None
    commit: str
    code: str = ""
    since: datetime | None = None
    soaked: bool = False
    back: bool = False


_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Memory:
    """
    The fold of an app's journal.

    It can only hold the controller back, or take back a failed swap: what the slots serve is
    always asked anew.
    """

    length: int = 0  # bytes of the journal that this was folded from
    baseline: bool = False  # a deploy, a proof, a swap or a Converged has ever been written
    run: str = ""
    run_started: datetime | None = None
    intent: Intent | None = None
    deploys: Mapping[str, OpenDeploy] = _NOTHING  # by slot, the last that was started
    attempts: Mapping[str, Attempts] = _NOTHING  # by the slot of the file that wants it
    drifts: Mapping[str, Told] = _NOTHING  # by slot but production, while it is brought to that
    held: Mapping[str, tuple[Release, str]] = _NOTHING  # by slot: proved there, and left alone
    served: frozenset[Release] = frozenset()
    verified: frozenset[tuple[str, str]] = frozenset()  # MODEL_DEPLOY and digest that passed
    proved: Mapping[str, tuple[str, str]] = _NOTHING  # the same by further slot, the last of each
    last_swap: LastSwap | None = None
    rehearsal_failed: bool = False  # the last that was told: going back would not work
    swap_status: str | None = None  # production's, when last seen as we left it
    swap_failed: datetime | None = None  # the last swap did then: it may have left them prepared
    conflict_prepared: bool = False  # ARM refused a write because a swap is prepared
    suspended: str = ""  # why the controller's own setting asks for hands off
    writes_from: datetime | None = None  # ARM asked to wait: nothing is written before
    accepted: Revision | None = None  # the newest revision that was acted upon
    vouched: str = ""  # the same commit, and not forgotten when a person says `retry`
    drifted: Release | None = None  # the wanted release of the run that is open
    drifted_code: str = ""  # the code that the newest run wants by name
    converged: Release | None = None  # what production last converged to
    converged_code: str = ""  # the code that was wanted by name then
    aligned: int = 0  # deploys of this run that only made staging's settings equal
    hold_since: datetime | None = None
    stop: tuple[str, str, str] = ("", "", "")  # event, reason and message of the last stop
    lost_since: datetime | None = None  # a lost journal was acknowledged then
    lost_markers: str = ""  # both slots' markers at that moment

    @property
    def deploy(self) -> OpenDeploy | None:
        """Return the last deploy to staging, unless its content has been swapped away since."""
        return self.deploys.get(STAGING)


# ---------------------------------------------------------------- what to do


@dataclass(frozen=True, slots=True)
class Converged:
    """Nothing to do. *finishes* is the open swap that this look proves to be over, if any."""

    message: str = ""
    finishes: Intent | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Look again later; inside the same pass after *poll_s* seconds where that is worth it."""

    reason: str
    message: str
    poll_s: float | None = None
    quiet: bool = False  # nothing to tell: part of a step that has been announced
    since: datetime | None = None  # when a hold began
    slot: str = ""  # the slot that it is about, where that is not production


@dataclass(frozen=True, slots=True)
class Stalled:
    """Someone must look. *slot* names what it is about, where that is not production."""

    reason: str
    message: str
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Frozen:
    """The evidence is in doubt: no write."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Suspended:
    """Someone asked for hands off."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Verify:
    """Look again under the lock, replaying the golden rows of *release* through *slot*."""

    release: Release
    counts_for: str = PRODUCTION
    slot: str = STAGING


@dataclass(frozen=True, slots=True)
class Deploy:
    """Set *slot* to *release*, from production's settings, running *package*."""

    release: Release
    package: str
    reason: str
    why: str
    attempt: int = 1
    counts_for: str = PRODUCTION  # the slot of the file that wants it
    slot: str = STAGING


@dataclass(frozen=True, slots=True)
class Swap:
    """
    Exchange staging, which was just proved to serve *release*, with production.

    *back* says that *release* is what the last swap replaced, and that production fails its soak.
    """

    release: Release
    verdict: Verdict
    back: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """Undo the prepared state that a failed swap of ours left behind."""

    message: str


@dataclass(frozen=True, slots=True)
class Note:
    """
    Write down what this look proved: how a swap or an attempt ended.

    *mark* FAIL or INCONCLUSIVE counts as a failed attempt of *release* for the slot of the file
    that wants it; *refuse* ends the attempts for good; *cleared* ends the doubt about what a failed
    swap left. *slot* is where it happened, *code* what the file names beside the release.
    """

    event: str
    reason: str
    message: str
    slot: str = STAGING
    counts_for: str = PRODUCTION
    release: Release | None = None
    deploy: str = ""
    code: str = ""
    intent: Intent | None = None
    mark: Mark | None = None
    refuse: bool = False
    cleared: bool = False


type Stop = Converged | Waiting | Stalled | Frozen | Suspended
type Write = Deploy | Swap | Reset
type Decision = Stop | Write | Verify | Note


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers of the rules; all times in seconds."""

    pass_s: float = 240.0
    poll_s: float = 1.0
    deploy_deadline_s: float = 600.0
    deploy_lost_s: float = 120.0
    swap_deadline_s: float = 1800.0
    settle_s: float = 60.0
    degraded_s: float = 60.0
    hold_s: float = 600.0
    full_look_s: float = 3600.0
    rehearse_s: float = 300.0  # between two proofs of the release that waits in staging
    arm_reuse_s: float = 10.0  # while a step is waited for; never for a write
    pauses_s: tuple[float, ...] = (0.0, 30.0, 120.0)
    lock_renew_s: float = 15.0
    lock_write_s: float = 30.0
    lock_stale_s: float = 120.0
    golden_warmup: int = 1
    latency_requests: int = 200

    @property
    def max_attempts(self) -> int:
        """Return after how many failed attempts a release is stalled."""
        return len(self.pauses_s)

    @property
    def max_busy(self) -> int:
        """Return how often the platform may be busy: for as long as a swap of its may take."""
        return max(1, round(self.swap_deadline_s / self.pauses_s[-1]))
