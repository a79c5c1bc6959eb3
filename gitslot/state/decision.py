"""
What can be decided of an app: a stop, a write, a proof, or a note. Frozen, free of I/O.

A stop cannot be built without its next step. Its message is rendered from the table of reasons.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from gitslot.state.policy import Policy
from gitslot.state.reasons import GoBack, Next, reason_of
from gitslot.state.remembered import Intent, Memory
from gitslot.state.seen import Live, Mark, Verdict
from gitslot.state.wanted import PRODUCTION, STAGING, App, Doubt, Refusal, Release, Revision

# ---------------------------------------------------------------- stops


@dataclass(frozen=True, slots=True)
class Converged:
    """Nothing to do. *finishes* is the open swap that this look proves to be over, if any."""

    message: str = ""
    finishes: Intent | None = None
    rule: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class _Stop:
    """
    Why nothing is done now: a *reason* of the table, its *facts*, and the *next* step.

    *slot* names what it is about, where that is not production; *rule* the rule that decided.
    """

    reason: str
    facts: Mapping[str, str] = field(hash=False)
    next: Next
    slot: str = ""
    rule: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.reason}: {self.message}"

    @property
    def message(self) -> str:
        """Return the message for people; of a further slot it begins with the slot's name."""
        text = reason_of(self.reason).message(self.facts, self.next)
        named = (
            self.slot in ("", PRODUCTION, STAGING) or self.slot in text.partition(":")[0].split()
        )
        return text if named else f"{self.slot}: {text}"


@dataclass(frozen=True, slots=True)
class Waiting(_Stop):
    """Look again later; a step under way is asked about every *poll_s* seconds."""

    poll_s: float | None = None
    quiet: bool = False  # part of a step that is recorded already
    since: datetime | None = None  # when a hold began


@dataclass(frozen=True, slots=True)
class Stalled(_Stop):
    """Someone must look."""


@dataclass(frozen=True, slots=True)
class Frozen(_Stop):
    """The evidence is in doubt: no write."""


@dataclass(frozen=True, slots=True)
class Suspended(_Stop):
    """Someone asked for hands off."""


def stalled(why: Refusal | Doubt) -> Stalled:
    """Return the stop for *why*, in its own words."""
    return Stalled(why.reason, {"message": why.message}, reason_of(why.reason).next)


def frozen(why: Refusal | Doubt) -> Frozen:
    """Return the stop for *why*, in its own words."""
    return Frozen(why.reason, {"message": why.message}, reason_of(why.reason).next)


def waiting(why: Refusal | Doubt) -> Waiting:
    """Return the stop for *why*, in its own words."""
    return Waiting(why.reason, {"message": why.message}, reason_of(why.reason).next)


# ---------------------------------------------------------------- steps


@dataclass(frozen=True, slots=True)
class Verify:
    """Look again under the lock, replaying the golden rows of *release* through *slot*."""

    release: Release
    counts_for: str = PRODUCTION
    slot: str = STAGING
    rule: str = field(default="", compare=False)


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
    rule: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Swap:
    """
    Exchange staging, which was just proved to serve *release*, with production.

    *back* means that *release* is what the last swap replaced, and that production fails its soak.
    """

    release: Release
    verdict: Verdict
    back: bool = False
    rule: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Reset:
    """Undo the prepared state that a failed swap of ours left behind."""

    message: str
    rule: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Note:
    """
    Record what this look proved: how a swap or an attempt ended.

    *mark* FAIL or INCONCLUSIVE counts as a failed attempt of *release* for the slot of the file
    that wants it; *refuse* ends the attempts for good; *cleared* ends the doubt about what a failed
    swap left. *slot* is where it happened, *code* what the file names with the release.
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
    rule: str = field(default="", compare=False)


Stop: TypeAlias = Converged | Waiting | Stalled | Frozen | Suspended
Write: TypeAlias = Deploy | Swap | Reset
Decision: TypeAlias = Stop | Write | Verify | Note


def by_revert(decision: Decision, words: tuple[str, ...], before: App) -> Decision:
    """Return *decision* with *words*, a `git revert` to *before*, where that is what it advises."""
    if not isinstance(decision, Stalled | Waiting) or not isinstance(decision.next, GoBack):
        return decision
    if decision.next.brings not in ("", f"{before.model} {before.production.version}"):
        return decision
    return replace(decision, next=decision.next.by_revert(words))


@dataclass(frozen=True, slots=True)
class Observation:
    """
    One look at one app and what it leads to, with nothing recorded.

    *decisions* holds, for each slot that does not have what the file wants, what is to be done;
    *decision* is the foremost of them, or Converged. *head* is the newest commit, *revisions* for
    each slot the one that last changed its wish. *observed*: whatever it is, it is not done.
    """

    name: str
    app: App | Doubt | None
    head: Revision | None
    live: Live | Doubt
    memory: Memory
    decision: Decision
    now: datetime
    policy: Policy = field(default_factory=Policy)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    revisions: Mapping[str, Revision] = field(default_factory=dict)
    observed: bool = False

    def asked_by(self, slot: str) -> Revision:
        """Return the commit that last changed what *slot* wants; while in doubt, the last known."""
        if isinstance(self.app, App):
            return self.revisions.get(slot) or self.head or Revision("")
        asked = self.memory.of(slot).asked
        return asked.revision if asked else Revision("")
