"""Events as lines and as log records: readable, whole, and without what only memory needs."""

import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslot.record.event import Event, clean, parse
from gitslot.record.payload import Payload
from gitslot.state.safe_text import safe
from gitslot.world import log_event

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@given(st.text(max_size=300))
def test_safe_text_is_one_printable_line(text: str) -> None:
    """Whatever it was; and making it safe twice changes nothing."""
    shown = safe(text)
    assert "\n" not in shown and "\x1b" not in shown
    shown.encode("utf-8")
    assert safe(shown) == shown


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200))
def test_a_line_reads_back_as_the_event(message: str, author: str, subject: str) -> None:
    """Every field, and exactly one line."""
    event = clean(Event("Drift", "app", NOW, message=message, author=author, subject=subject))
    assert (event.line().count(b"\n"), parse(event.line().strip())) == (1, event)


def test_the_log_holds_every_public_field_and_no_detail(caplog: pytest.LogCaptureFixture) -> None:
    """Where a swap is polled is signed: it stays in the journal."""
    revision, message = "9f3c2ab" + "0" * 33, "staging <-> production"
    event = Event("SwapStarted", "app", NOW, run="r", revision=revision, message=message)
    event = replace(event, to_digest="a" * 64, detail=Payload(location="https://arm/x?s=canary"))
    with caplog.at_level(logging.DEBUG, "gitslot"):
        log_event(event)
    record = caplog.records[0]
    assert record.getMessage() == "app 9f3c2ab SwapStarted staging <-> production"
    fields = record.custom_dimensions  # type: ignore[attr-defined]
    assert fields["to_digest"] == "a" * 64
    assert "canary" not in str(vars(record))


def test_bookkeeping_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """One event a transition, not a line a poll."""
    with caplog.at_level(logging.DEBUG, "gitslot"):
        log_event(Event("Waiting", "app", NOW, detail=Payload(quiet=True)))
    assert caplog.records == []


@pytest.mark.parametrize("name", ["SwapFailed", "SwapUnknown", "VerifyFailed", "Frozen", "Stalled"])
def test_trouble_is_a_warning(caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Alerts are set on the level."""
    log_event(Event(name, "app", NOW))
    assert caplog.records[0].levelno == logging.WARNING
