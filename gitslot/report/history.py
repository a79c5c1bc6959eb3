"""
Ask the changes of what production served: which were there, and what was live at a time.

Pure. A change that gitslot did not make is marked, from the first look that saw it.
"""

from collections.abc import Iterable
from datetime import datetime

from gitslot.record.recent import Change


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
