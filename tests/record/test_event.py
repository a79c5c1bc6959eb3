"""Events as lines and as log records: readable, whole, and without what only memory needs."""

import json
import logging
import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslot.record.event import Event, clean, parse
from gitslot.record.log import log_event
from gitslot.record.payload import Payload
from gitslot.state.safe_text import code_span, safe

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@given(st.text(max_size=300))
def test_safe_text_is_one_printable_line(text: str) -> None:
    """Whatever it was; and making it safe twice changes nothing."""
    shown = safe(text)
    assert "\n" not in shown and "\x1b" not in shown
    shown.encode("utf-8")
    assert safe(shown) == shown


def test_what_is_not_seen_is_escaped() -> None:
    """No character turns the direction of writing, takes no room, or hides another."""
    hidden = ("Cc", "Cf", "Cs", "Zl", "Zp")
    every = [chr(code) for code in range(0x110000)]
    seen = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
    for char in every:
        if unicodedata.category(char) in hidden and not (
            char in seen or 0x13430 <= ord(char) <= 0x1343F
        ):
            assert safe(char).startswith("\\u"), hex(ord(char))
    assert json.loads(f'"{safe(chr(0xE0001))}"') == chr(0xE0001)
    assert safe("café 猫 ❤️ العربية") == "café 猫 ❤️ العربية"


@given(st.text("`a |\u202e", max_size=12))
def test_text_in_markdown_is_code(text: str) -> None:
    """Whatever back-ticks it holds: the span ends where it is meant to."""
    shown = code_span(text)
    fence = re.match("`+", shown)[0]  # type: ignore[index]  # it always begins with one
    inside = shown[len(fence) : -len(fence)]
    assert shown.endswith(fence) and fence not in re.findall("`+", inside)
    assert inside.strip() == safe(text).strip()


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
    fields = record.fields  # type: ignore[attr-defined]
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
