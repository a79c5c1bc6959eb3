"""Values: what the journal remembers of an app. Frozen, free of I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from gitslot.state.wanted import STAGING, Release, Revision


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
    # the commit that it was opened for
    revision: Revision = field(default_factory=lambda: Revision(""))


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


@dataclass(frozen=True, slots=True)
class Wish:
    """What the file last asked of a slot, as one text, and the commit that asked for it."""

    text: str  # "" in journals of older controllers
    revision: Revision


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
    wishes: Mapping[str, Wish] = _NOTHING  # by slot, the last that was acted upon
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
