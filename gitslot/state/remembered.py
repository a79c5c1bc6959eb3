"""Values: what the journal remembers of an app. Frozen, free of I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from gitslot.state.wanted import Release, Revision


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
    location: str = ""  # where to ask the platform for the end
    unknown: bool = False  # the answer was lost, and that is recorded
    busy_since: datetime | None = None  # when the platform answered 409
    refusal: str = ""  # its words, where they were not that another operation runs
    prepared: bool = False  # its words were that a swap is prepared
    back: bool = False  # production failed its soak, and this takes it back
    # the commit that it was opened for
    revision: Revision = field(default_factory=lambda: Revision(""))


@dataclass(frozen=True, slots=True)
class Shown:
    """What production was set to, its `slotSwapStatus` (None: not read), and when that was seen."""

    release: Release  # of empty texts where it was set to none; no digest where it was not pinned
    swap_status: str | None
    time: datetime

    def is_set_to(self, release: Release) -> bool:
        """Return whether *release* is the one that was seen; a digest that is left out fits any."""
        mine = self.release
        known = mine.digest and release.digest
        return (mine.model, mine.version) == (release.model, release.version) and (
            not known or mine.digest == release.digest
        )


@dataclass(frozen=True, slots=True)
class OpenDeploy:
    """A deploy whose PUT may not have arrived yet."""

    deploy: str
    time: datetime
    release: Release


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What the file wanted of a slot when the slot drifted from it.

    *code* is what the file names with the release; *open* means that the slot is still being
    brought to it.
    """

    release: Release
    code: str
    time: datetime
    open: bool = True


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
    counted: tuple[str, ...] = ()  # the last MODEL_DEPLOYs whose failure was counted
    refused: bool = False
    busy: int = 0  # how often in a row a deploy met another operation
    waits: int = 0  # and how often a swap was answered by 409


@dataclass(frozen=True, slots=True)
class LastSwap:
    """
    Our last swap that took effect: what it brought, what it replaced.

    *code* is what the file names with it, *since* when the swap was seen to have taken effect.
    *soaked*: its soak is over because something else was wanted, or because the one try to swap
    back was sent; *back*: it was that try. *soaks*: the file asked for a soak when it began.
    """

    release: Release
    replaced: Release | None
    code: str = ""
    since: datetime | None = None
    soaked: bool = False
    back: bool = False
    soaks: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What the file last asked of a slot, as one text, and the commit that asked for it."""

    text: str  # "" in journals of older controllers
    revision: Revision


@dataclass(frozen=True, slots=True)
class SlotMemory:
    """
    What is remembered of one slot.

    *asked* is what the file asked of it by which commit. *deploy* is the last deploy that was
    started there, *attempts* count for the release that the file wants there, *held* is what was
    proved there and left alone since, with its code, and *proved* the MODEL_DEPLOY and digest of
    that proof.
    """

    wish: Wish | None = None
    asked: Asked | None = None
    deploy: OpenDeploy | None = None
    attempts: Attempts | None = None
    held: tuple[Release, str] | None = None
    proved: tuple[str, str] | None = None

    @property
    def drift(self) -> Wish | None:
        """Return what the slot is being brought to, or None."""
        return self.wish if self.wish and self.wish.open else None

    @property
    def code(self) -> str:
        """Return the code that the newest wish names."""
        return self.wish.code if self.wish else ""


_NOTHING = SlotMemory()


@dataclass(frozen=True, slots=True)
class Memory:
    """
    The fold of an app's journal.

    It can only hold the controller back, or take back a failed swap: what the slots serve is
    always asked anew.
    """

    length: int = 0  # bytes of the journal that this was folded from
    baseline: bool = False  # a deploy, a proof, a swap or a Converged was ever recorded
    run: str = ""
    run_started: datetime | None = None
    intent: Intent | None = None
    slots: Mapping[str, SlotMemory] = field(default_factory=dict, hash=False)
    # every release that was deployed or served, in the order first seen; did production serve it?
    releases: Mapping[Release, bool] = field(default_factory=dict, hash=False)
    # by model and version, the digest that stands for it; and what the file was seen to pin
    digests: Mapping[str, str] = field(default_factory=dict, hash=False)
    pinned: frozenset[Release] = frozenset()
    verified: tuple[tuple[str, str], ...] = ()  # the last MODEL_DEPLOYs and digests that passed
    last_swap: LastSwap | None = None
    production: Shown | None = None  # as we left it or, since then, as hands did
    rehearsal_failed: bool = False  # the last recorded one: going back would not work
    users_refused: bool = False  # production refuses staging's key
    swap_status: str | None = None  # production's, when last seen as we left it
    swap_failed: datetime | None = None  # the last swap did then: it may have left them prepared
    conflict_prepared: bool = False  # ARM refused a write because a swap is prepared
    suspended: str = ""  # why the controller's own setting asks for hands off
    observed: bool = False  # the controller's own setting lets it only observe
    would: frozenset[str] = frozenset()  # steps that are recorded as left undone
    writes_from: datetime | None = None  # ARM asked to wait: nothing is written before
    left: bool = False  # no file asks for the app any more
    converged: Release | None = None  # what production last converged to
    converged_code: str = ""  # the code that was wanted by name then
    aligned: int = 0  # deploys of this run that only made staging's settings equal
    hold_since: datetime | None = None
    stop: tuple[str, str, str] = ("", "", "")  # event, reason and message of the last stop
    next: str = ""  # the line to type that it named
    lost_since: datetime | None = None  # a lost journal was acknowledged then
    lost_markers: str = ""  # both slots' markers at that moment

    def of(self, slot: str) -> SlotMemory:
        """Return what is remembered of *slot*."""
        return self.slots.get(slot, _NOTHING)

    def as_observer(self) -> "Memory":
        """Return what an observer decides by: none is lost, and a hold begins with the hand."""
        since = self.hold_since or (self.production.time if self.production else None)
        return replace(self, baseline=True, hold_since=since)

    @property
    def served(self) -> frozenset[Release]:
        """Return every release that production is known to have served."""
        return frozenset(release for release, served in self.releases.items() if served)
