"""The picture of what production served: a bar for each release, marks for what went wrong."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from math import log1p

from markupsafe import Markup

from gitslot.record.event import Event
from gitslot.record.recent import HAND, SWAP_BACK, Change

_WIDTH, _TOP, _BAR, _HEIGHT = 1000.0, 18.0, 30.0, 96.0
_LEAST = 0.35  # of an equal share: a release of a minute beside one of a month is still seen
_FAILURES = ("VerifyFailed", "SwapFailed", "SwapReverted", "SwappedBack", "Stalled", "Frozen")
_FILL = {HAND: "var(--hand)", SWAP_BACK: "var(--back)"}


def drawn(changes: Sequence[Change], events: Sequence[Event], now: datetime) -> Markup:
    """
    Return an SVG of *changes*, oldest first, each until the next one or *now*.

    Its time is not to scale: bars grow with the logarithm of how long a release was served.
    """
    if not changes:
        return Markup()
    ends = [*(each.time for each in changes[1:]), now]
    grown = [
        log1p(max(0.0, (end - change.time).total_seconds()) / 60)
        for change, end in zip(changes, ends, strict=True)
    ]
    shares = [_LEAST + (each / sum(grown) if sum(grown) else 0.0) for each in grown]
    lefts = [sum(shares[:index]) / sum(shares) * _WIDTH for index in range(len(shares) + 1)]
    parts = [
        _bar(change, now, left, right, last=change is changes[-1])
        for change, left, right in zip(changes, lefts, lefts[1:], strict=False)
    ]
    parts += [
        _mark(event, _place(event.time, [*(c.time for c in changes), now], lefts))
        for event in events
        if event.event in _FAILURES and event.time >= changes[0].time
    ]
    said = "; ".join(f"{_day(each.time, now)} {each.version} {each.how}" for each in changes)
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        int(_WIDTH), int(_HEIGHT), f"What production served: {said}", Markup().join(parts)
    )


def _bar(change: Change, now: datetime, left: float, right: float, *, last: bool) -> Markup:
    room = int((right - left) / 7)  # letters that fit
    under = change.how if change.how in _FILL else change.commit[:7]
    return Markup(
        '<g><title>{}</title><rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" rx="3" fill="{}"/>'
        '<text x="{:.1f}" y="{}">{}</text><text class="dim" x="{:.1f}" y="{}">{}</text>'
        '<text class="dim" x="{:.1f}" y="{}">{}</text></g>'
    ).format(
        f"{change.time:%Y-%m-%d %H:%M:%SZ} {change.version}, {change.how} {change.subject}",
        left,
        _TOP,
        max(right - left - 2, 1),
        _BAR,
        _FILL.get(change.how, "var(--now)" if last else "var(--bar)"),
        left + 5,
        _TOP + 20,
        change.version[:room],
        left,
        _TOP + _BAR + 16,
        _day(change.time, now)[:room],
        left,
        _TOP + _BAR + 32,
        under[:room],
    )


def _mark(event: Event, x: float) -> Markup:
    return Markup(
        '<g><title>{}</title><path d="M{:.1f} {} l-6 -11 h12 z" fill="var(--bad)"/></g>'
    ).format(f"{event.time:%H:%M:%SZ} {event.event}: {event.message}", x, _TOP - 2)


def _place(moment: datetime, times: Sequence[datetime], lefts: Sequence[float]) -> float:
    """Return where *moment* is between the bars' ends."""
    for index, (start, end) in enumerate(pairwise(times)):
        if start <= moment <= end:
            part = (moment - start) / (end - start) if end > start else 0.0
            return lefts[index] + part * (lefts[index + 1] - lefts[index])
    return lefts[-1]


def _day(moment: datetime, now: datetime) -> str:
    return f"{moment:%H:%M}" if moment.date() == now.date() else f"{moment:%b %d %H:%M}"
