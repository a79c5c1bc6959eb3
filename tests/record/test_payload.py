"""What an event carries comes back from the journal as it went in."""

from dataclasses import fields
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslot.errors import JournalError
from gitslot.record.event import Event, parse
from gitslot.record.payload import Payload, read

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TEXTS = st.text(max_size=20)
VALUES = {
    "overwritten": st.lists(TEXTS, max_size=3).map(tuple),
    **dict.fromkeys(
        ("since", "at", "after", "before"), st.none() | st.datetimes(timezones=st.just(UTC))
    ),
    "wish": st.dictionaries(TEXTS, TEXTS, max_size=3),
    "swap_status": st.none() | TEXTS,
    **dict.fromkeys(
        ("worst", "p99_ms", "retry_after_s"), st.none() | st.floats(0, 1e9, allow_nan=False)
    ),
}
PAYLOADS = st.builds(
    Payload,
    **{
        each.name: VALUES.get(each.name, st.booleans() if each.default is False else TEXTS)
        for each in fields(Payload)
    },
)


@given(PAYLOADS)
def test_a_payload_comes_back_from_the_journal(payload: Payload) -> None:
    """Every fact of every type, also one that is empty text in place of nothing."""
    event = Event("Waiting", "app", NOW, detail=payload)
    assert parse(event.line()) == event


def test_what_an_older_controller_wrote_is_passed_over() -> None:
    """Journals outlive the controllers that wrote them."""
    assert read({"deploy": "r-1", "colour": "blue"}) == Payload(deploy="r-1")


@pytest.mark.parametrize(
    "raw", ["7", '{"deploy": 7}', '{"busy": "yes"}', '{"since": "yesterday"}', '{"worst": true}']
)
def test_a_fact_of_another_type_is_refused(raw: str) -> None:
    """Somebody edited the journal: nothing is guessed."""
    line = f'{{"event": "Waiting", "app": "app", "time": "2026-11-22T12:00:00Z", "detail": {raw}}}'
    with pytest.raises(JournalError):
        parse(line.encode())
