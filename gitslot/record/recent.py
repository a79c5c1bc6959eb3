"""
What people are shown of an app's journal: its newest steps, and every change of production.

Folded as the journal is read, beside memory; nothing is decided from it.
"""

from dataclasses import dataclass, field
from datetime import datetime

from gitslot.record.event import BY_HAND, STOPS, Event
from gitslot.state.wanted import PRODUCTION

SWAP, SWAP_BACK, HAND, FOUND = "swap", "swap back", "by hand", "found"
CHANGES, EVENTS, TIMED, PROOFS = 10, 20, 5, 64  # how many are kept
# Which event begins and which ends a step that takes its time.
STEPS = {"DeployStarted": "deploy", "SwapStarted": "swap"}
ENDS = {
    **dict.fromkeys(("VerifyPassed", "VerifyFailed"), "deploy"),
    **dict.fromkeys(("Converged", "SwapFinished", "SwappedBack"), "swap"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    One change of what production serves; *time* is when it was proved, in UTC.

    *how* is `swap` for one of ours, `swap back` after a failed soak, `by hand` for anybody else's,
    `found` for the release that was there at first. *verified* is the result of staging's golden
    rows before; *swap_sent* is when the swap was sent. One by hand whose time Azure does not name
    happened in *between* two looks, and *time* is that of the second.
    """

    time: datetime
    app: str
    model: str
    version: str
    digest: str
    before: str
    commit: str = ""
    author: str = ""
    subject: str = ""
    how: str
    verified: str = ""
    swap_sent: datetime | None = None
    between: tuple[datetime, datetime] | None = None


@dataclass(slots=True)
class Trace:
    """Finds the changes of one app's production in its events, which come in order."""

    last: Change | None = None
    verified: dict[str, str] = field(default_factory=dict)  # what was said of a digest's proof
    began: datetime | None = None

    def add(self, event: Event) -> Change | None:
        """Return the change that *event* shows, or None."""
        last = self.last
        if event.event == "VerifyPassed":
            self.verified.pop(event.to_digest, None)
            self.verified[event.to_digest] = event.message
            if len(self.verified) > PROOFS:
                del self.verified[next(iter(self.verified))]
        if event.event == "SwapStarted":
            self.began = event.time
        if event.event in ("SwapFailed", "SwapReverted"):
            self.began = None
        if _took_effect(event):
            found: Change | None = self._swapped(event)
        elif event.event == BY_HAND:
            found = _by_hand(event, last)
        else:
            found = _seen(event, last)
        self.last = found or last
        return found

    def _swapped(self, event: Event) -> Change:
        began, self.began = self.began, None
        verified = self.verified.get(event.to_digest, "")
        return Change(
            time=event.time,
            app=event.app,
            model=event.model,
            version=event.to,
            digest=event.to_digest,
            before=event.from_ or (self.last.version if self.last else ""),
            how=SWAP_BACK if event.event == "SwappedBack" else SWAP,
            commit=event.revision,
            author=event.author,
            subject=event.subject,
            verified=verified,
            swap_sent=began,
        )


@dataclass(slots=True)
class Recent:
    """The newest of one app: *changes* and *events*, oldest first, and when it came to its stop."""

    changes: tuple[Change, ...] = ()
    events: tuple[Event, ...] = ()
    stop: Event | None = None
    drift: Event | None = None
    trace: Trace = field(default_factory=Trace)
    began: dict[str, datetime] = field(default_factory=dict)  # by step
    took: dict[str, tuple[float, ...]] = field(default_factory=dict)  # seconds, by step

    def add(self, event: Event) -> None:
        """Take in the next *event*."""
        if change := self.trace.add(event):
            self.changes = (*self.changes, change)[-CHANGES:]
        if event.event in STOPS:
            self.stop = event
        if event.event == "Drift":
            self.drift = event
        if event.event in STEPS:
            self.began[STEPS[event.event]] = event.time
        elif (step := ENDS.get(event.event)) and (began := self.began.pop(step, None)):
            took = (event.time - began).total_seconds()
            self.took[step] = (*self.took.get(step, ()), took)[-TIMED:]
        if not event.quiet:
            self.events = (*self.events, event)[-EVENTS:]

    def is_open(self, step: str) -> bool:
        """Say whether a step of this kind has begun and not ended."""
        return step in self.began

    def usual_s(self, step: str) -> float | None:
        """Return the median of the seconds that the last steps of this kind took, or None."""
        took = sorted(self.took.get(step, ()))
        return took[len(took) // 2] if took else None


def _took_effect(event: Event) -> bool:
    return event.event in ("SwapFinished", "SwappedBack") or bool(
        event.event == "Converged" and event.detail.intent
    )


def _by_hand(event: Event, last: Change | None) -> Change:
    detail = event.detail
    looks = (detail.after, detail.before)
    return Change(
        time=detail.at or event.time,
        app=event.app,
        model=event.model,
        version=event.to or "nothing",
        digest=event.to_digest,
        before=event.from_ or (last.version if last else ""),
        how=HAND,
        between=(looks[0], looks[1]) if looks[0] and looks[1] else None,
    )


def _seen(event: Event, last: Change | None) -> Change | None:
    """Return the change of production that *event* shows and no earlier event recorded."""
    if event.slot != PRODUCTION:
        return None
    shown = {"Drift": (event.from_, event.from_digest), "Converged": (event.to, event.to_digest)}
    version, digest = shown.get(event.event, ("", ""))
    if not digest or (last and last.digest == digest):
        return None
    if last and not last.digest and (last.model, last.version) == (event.model, version):
        return None  # set by hand without its digest
    return Change(
        time=event.time,
        app=event.app,
        model=event.model,
        version=version,
        digest=digest,
        before=last.version if last else "",
        how=HAND if last else FOUND,
    )
