"""
The values that decisions are made of: frozen, compared by content, free of I/O.

`Desired` is what Git's newest commit asks for. `Live` is what one look saw. `Memory` is what the
journal says happened. `decide` turns the three into one `Decision`. Standard library only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from gitslot.state.policy import Policy
from gitslot.state.remembered import Intent, Memory
from gitslot.state.seen import Live, Mark, Verdict
from gitslot.state.wanted import PRODUCTION, STAGING, App, Doubt, Release, Revision

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


Stop: TypeAlias = Converged | Waiting | Stalled | Frozen | Suspended


Write: TypeAlias = Deploy | Swap | Reset


Decision: TypeAlias = Stop | Write | Verify | Note


@dataclass(frozen=True, slots=True)
class Observation:
    """
    One look at one app and what it leads to, with nothing written.

    *head* is the newest commit, *revisions* for each slot the one that last changed its wish.
    """

    name: str
    app: App | Doubt | None
    head: Revision | None
    live: Live | Doubt
    memory: Memory
    decision: Decision
    now: datetime
    policy: Policy = field(default_factory=Policy)
    revisions: Mapping[str, Revision] = field(default_factory=dict)

    def asked_by(self, slot: str) -> Revision:
        """Return the commit that last changed what *slot* wants; while in doubt, the last known."""
        if isinstance(self.app, App):
            return self.revisions.get(slot) or self.head or Revision("")
        remembered = self.memory.wishes.get(slot)
        return remembered.revision if remembered else Revision("")
