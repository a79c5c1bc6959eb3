"""
Fold the journal into every change of what production served.

Pure. A change that gitslot did not make is marked, from the first look that saw it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gitslot.record.event import BY_HAND, Event
from gitslot.state.wanted import PRODUCTION

SWAP, SWAP_BACK, HAND, FOUND = "swap", "swap back", "by hand", "found"


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


def changes(events: Iterable[Event]) -> tuple[Change, ...]:
    """Return the changes of one app's production, oldest first, from its *events* in order."""
    found: list[Change] = []
    verified: dict[str, str] = {}
    began: datetime | None = None
    for event in events:
        last = found[-1] if found else None
        if event.event == "VerifyPassed":
            verified[event.to_digest] = event.message
        if event.event == "SwapStarted":
            began = event.time
        if event.event in ("SwapFailed", "SwapReverted"):
            began = None
        if _took_effect(event):
            found.append(_swapped(event, last, verified.get(event.to_digest, ""), began))
            began = None
        elif event.event == BY_HAND:
            found.append(_by_hand(event, last))
        elif seen := _seen(event, last):
            found.append(seen)
    return tuple(found)


def _took_effect(event: Event) -> bool:
    return event.event in ("SwapFinished", "SwappedBack") or bool(
        event.event == "Converged" and event.detail.intent
    )


def _swapped(event: Event, last: Change | None, verified: str, began: datetime | None) -> Change:
    return Change(
        time=event.time,
        app=event.app,
        model=event.model,
        version=event.to,
        digest=event.to_digest,
        before=event.from_ or (last.version if last else ""),
        how=SWAP_BACK if event.event == "SwappedBack" else SWAP,
        commit=event.revision,
        author=event.author,
        subject=event.subject,
        verified=verified,
        swap_sent=began,
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


def live_at(found: Iterable[Change], moment: datetime) -> Change | None:
    """Return the last change before *moment*, or None before the first record."""
    before = [change for change in found if change.time <= moment]
    return before[-1] if before else None


def hand_between(found: Iterable[Change], moment: datetime) -> Change | None:
    """Return the change by hand of which only is known that *moment* lies in its bounds."""
    bounded = ((change, change.between) for change in found if change.between)
    return next((change for change, (after, to) in bounded if after <= moment < to), None)


def swap_under_way(found: Iterable[Change], moment: datetime) -> Change | None:
    """Return the change whose swap was sent before *moment* and proved after it, or None."""
    return next((c for c in found if c.swap_sent and c.swap_sent <= moment < c.time), None)
