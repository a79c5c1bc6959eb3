"""
When a timer fires next: by six-field NCRONTAB, seconds first, or by a time span.

Pure: every moment is an argument, in UTC. NCRONTAB as described at learn.microsoft.com/azure/
azure-functions/functions-bindings-timer: day of month and day of week must both fit, and five
fields mean second 0. Extensions of croniter (`L`, `#`, `?`, `@daily`) are refused.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from emulator.functions_host.errors import HostError

_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2})(?::(\d{2}))?")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_MONTH, _DAY_OF_WEEK = 4, 5


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer fires: *expression* as written, and *cron* or *span* as read."""

    expression: str
    cron: str | None
    span: timedelta | None

    def after(self, moment: datetime) -> datetime:
        """Return the first time to fire that is later than *moment*."""
        if self.span is not None:
            return moment + self.span
        # Imported here, so that an app without timers starts faster, and an app that brings its own
        # dateutil has imported that before.
        from croniter import croniter  # noqa: PLC0415 - see above

        ticks = croniter(self.cron, moment, second_at_beginning=True, day_or=False)
        return cast("datetime", ticks.get_next(datetime))

    def is_often(self, moment: datetime) -> bool:
        """Return whether it fires more than once a minute; such timers keep no status on Azure."""
        first = self.after(moment)
        for _ in range(10):
            second = self.after(first)
            if second - first < timedelta(minutes=1):
                return True
            first = second
        return False


def parse_schedule(text: str, now: datetime) -> Schedule:
    """Read a schedule; raise `HostError` that names what is wrong with it."""
    span = _SPAN.fullmatch(text.strip())
    if span is not None:
        days, hours, minutes, seconds = (int(part or 0) for part in span.groups())
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if not length:
            raise HostError(f"the schedule '{text}' is a span of no time")
        return Schedule(text, None, length)
    fields = text.split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) != 6:
        raise HostError(
            f"the schedule '{text}' must have six fields, "
            "second minute hour day month day-of-week, or be a time span"
        )
    for place, field in enumerate(fields):
        names = {_MONTH: _MONTHS, _DAY_OF_WEEK: _DAYS}.get(place, [])
        if not _is_field(field, names, highest=6 if place == _DAY_OF_WEEK else None):
            raise HostError(f"the schedule '{text}' has a field that is not NCRONTAB: '{field}'")
    schedule = Schedule(text, " ".join(fields), None)
    try:
        schedule.after(now)
    except (ValueError, KeyError) as error:  # croniter's errors are ValueErrors
        raise HostError(f"the schedule '{text}' never fires or cannot be read: {error}") from error
    return schedule


def _is_field(field: str, names: list[str], highest: int | None) -> bool:
    for part in field.split(","):
        found = re.fullmatch(r"(\*|\w+(?:-\w+)?)(?:/\d+)?", part)
        if found is None:
            return False
        for end in found[1].split("-"):
            if end.isdigit() and highest is not None and int(end) > highest:
                return False
            if end != "*" and not (end.isascii() and end.isdigit()) and end.lower() not in names:
                return False
    return True
