"""NCRONTAB, by its documentation."""

from datetime import UTC, datetime

import pytest

from emulator.functions_host.errors import HostError
from emulator.functions_host.schedule import parse_schedule

NOW = datetime(2026, 2, 3, 4, 5, 6, 700_000, tzinfo=UTC)  # a Tuesday


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("* * * * * *", "2026-02-03T04:05:07"),
        ("0 */5 * * * *", "2026-02-03T04:10:00"),
        ("*/5 * * * *", "2026-02-03T04:10:00"),
        ("0 0 * * * *", "2026-02-03T05:00:00"),
        ("0 30 9 * * 1-5", "2026-02-03T09:30:00"),
        ("0 0 0 * * sun", "2026-02-08T00:00:00"),
        ("0 0 0 * * 0", "2026-02-08T00:00:00"),
        ("0 30 9 * Jan Mon", "2027-01-04T09:30:00"),
        ("5,10 * 4-6 * * *", "2026-02-03T04:05:10"),
        # both the day of the month and the day of the week must fit
        ("0 0 0 13 * 5", "2026-02-13T00:00:00"),
        ("0 0 0 1 * 1", "2026-06-01T00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
    ],
)
def test_the_next_time(text: str, following: str) -> None:
    """The next time is the first one later than now."""
    assert parse_schedule(text, NOW).after(NOW) == datetime.fromisoformat(f"{following}+00:00")


def test_the_next_time_is_never_the_same_again() -> None:
    """From a time on the schedule, the next is the one after it."""
    schedule = parse_schedule("0 */5 * * * *", NOW)
    tick = datetime(2026, 2, 3, 4, 10, tzinfo=UTC)
    assert schedule.after(tick) == datetime(2026, 2, 3, 4, 15, tzinfo=UTC)


def test_a_span_counts_from_now() -> None:
    """A time span is hours, minutes, seconds, with days in front where wanted."""
    assert parse_schedule("00:00:30", NOW).after(NOW).second == 36
    assert parse_schedule("1.00:00:00", NOW).after(NOW).day == 4


def test_often_is_more_than_once_a_minute() -> None:
    """Only schedules without gaps under a minute have their status kept."""
    assert parse_schedule("*/30 * * * * *", NOW).is_often(NOW)
    assert parse_schedule("0,1 0 * * * *", NOW).is_often(NOW)
    assert not parse_schedule("0 * * * * *", NOW).is_often(NOW)


@pytest.mark.parametrize(
    "text",
    [
        *("", "* * * *", "* * * * * * *", "60 * * * * *", "* * 24 * * *", "* * * 0 * *"),
        *("* * * * 13 *", "* * * * * 7", "* * * * * mon#1", "* * * L * *", "* * * ? * *"),
        *("* * * * sun *", "@daily", "*/0 * * * * *", "0 0 0 30 2 *", "00:00:00"),
        *("every minute of this day please", "²² * * * * *"),
    ],
)
def test_what_is_not_ncrontab_is_refused(text: str) -> None:
    """What NCRONTAB does not know, or what never comes, is refused with the text in the message."""
    with pytest.raises(HostError, match="the schedule"):
        parse_schedule(text, NOW)
