"""
What other hands do to production: one event a change, whatever else is the matter with the app.

Pure. Such an event names no commit, accepts none, and leaves the recorded stop as it is. While a
swap of ours is open, a change belongs to that swap.
"""

from dataclasses import replace
from datetime import UTC, datetime

from gitslot.decide.production import was_taken_back
from gitslot.record.event import Event
from gitslot.record.payload import Payload
from gitslot.state.decision import Observation
from gitslot.state.remembered import Shown
from gitslot.state.seen import Arm, Live
from gitslot.state.slot_settings import RELEASE_SETTINGS
from gitslot.state.wanted import PRODUCTION


def hand_event(seen: Observation, base: Event) -> Event | None:
    """Return the event of a change of production that is not ours, or None where there is none."""
    live, memory = seen.live, seen.memory
    if not isinstance(live, Live) or memory.intent or live.pair is None or live.operation:
        return None
    production, staging = live.pair
    now, known = production.configured.release, _known(memory.production, live.last)
    if known is None or known.is_set_to(now) or was_taken_back(live, memory):
        return None
    detail = replace(_when(production, known, seen.now), swap_status=production.swap_status)
    if known.release.model != now.model:
        detail = replace(detail, from_model=known.release.model)
    swapped = _is_by_swap(production, known)
    what = "somebody swapped" if swapped else "somebody edited production's settings"
    if not now.version and (names := [n for n in RELEASE_SETTINGS if n not in production.settings]):
        where = PRODUCTION if staging.configured.version else "both slots"
        what = f"by hand, the settings {', '.join(names)} are gone from {where}"
    before = known.release.version or "nothing"
    return replace(
        base,
        slot=PRODUCTION,
        reason="SwapByHand" if swapped else "EditByHand",
        message=f"{what} {spoken_when(detail, seen.now)}: "
        f"production {before} -> {now.version or 'nothing'}",
        detail=detail,
        model=now.model,
        to=now.version,
        to_digest=now.digest,
        from_=known.release.version,
        from_digest=known.release.digest,
    )


def _known(recorded: Shown | None, last: Shown | None) -> Shown | None:
    """Return production as it was before: as it is recorded, or as it was seen so since then."""
    if recorded is None or last is None:
        return recorded or last
    newer = recorded.is_set_to(last.release) and last.time > recorded.time
    status = recorded.swap_status if last.swap_status is None else last.swap_status
    return Shown(recorded.release, status, last.time) if newer else recorded


def _is_by_swap(production: Arm, known: Shown) -> bool:
    """Return whether Azure names another last swap than the one that was known."""
    return production.swap_status not in ("", known.swap_status)


def _when(production: Arm, known: Shown, now: datetime) -> Payload:
    """Return when it happened: Azure's time of the swap, else the two looks that bound it."""
    after = known.time
    named = _named(production.swap_status) if _is_by_swap(production, known) else None
    # Without a swap that was known before, only the time tells an old one from this one.
    if named and (known.swap_status is not None or named > after):
        return Payload(at=named)
    return Payload(after=None if after > now else after, before=now)


def _named(status: str) -> datetime | None:
    """Return the time in `slotSwapStatus`; None where it is not one."""
    try:
        moment = datetime.fromisoformat(status.partition(" ")[0])
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def spoken_when(detail: Payload, now: datetime) -> str:
    """Return when a change by hand happened, with dates where they are not *now*'s."""

    def spoken(moment: datetime) -> str:
        dated = "" if moment.date() == now.date() else "%Y-%m-%d "
        return f"{moment:{dated}%H:%M:%SZ}"

    if detail.at:
        return f"at {spoken(detail.at)}"
    assert detail.before
    if detail.after:
        return f"between {spoken(detail.after)} and {spoken(detail.before)}"
    return f"before {spoken(detail.before)}"
