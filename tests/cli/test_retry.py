"""`gitslot retry` on the in-process platform: what it clears, what it does not, and who said so."""

from collections.abc import Callable

import pytest

from gitslot.record.event import Event
from reliability.cloud import APP
from reliability.lab import Lab, why
from tests.cli.clones import beside

WHO = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "user.name",
    "GIT_CONFIG_VALUE_0": "Sam Doe",
}


def retry(lab: Lab) -> tuple[int, str]:
    """Type `gitslot retry` beside the controller; return the exit code and all that it prints."""
    return beside(lab.rig, "retry", **WHO)


def retried(lab: Lab) -> list[Event]:
    """Return the Retried events of the journal."""
    events = lab.rig.controller("reader").start().journal.events(APP)
    return [event for event in events if event.event == "Retried"]


@pytest.fixture
def lab(open_lab: Callable[..., Lab]) -> Lab:
    """Give a world in which production serves 1.4.0 and everybody agrees."""
    return open_lab("1.4.0", "1.3.0")


def test_what_failed_is_cleared_by_name(lab: Lab) -> None:
    """The journal says what was acknowledged, and by whom: git's own user.name."""
    lab.breaks("1.5.0")
    lab.want("1.5.0")
    lab.settle()
    assert retry(lab)[0] == 0
    (event,) = retried(lab)
    assert event.author == "Sam Doe"
    assert event.message == "Sam Doe cleared Stalled GoldenRowsFailed"
    lab.mend()
    assert why(lab.settle()) == "Converged"


def test_rewritten_history_is_accepted_by_name(lab: Lab) -> None:
    """The event names the head that was seen."""
    lab.cloud.git.rewritten = True
    head = lab.want("1.5.0")
    lab.settle()
    assert retry(lab)[0] == 0
    (event,) = retried(lab)
    assert (event.head, head[:7] in event.message) == (head, True)
    assert why(lab.settle()) == "Converged"


STANDS: dict[str, Callable[[Lab], object]] = {
    "UnknownVersion": lambda lab: lab.want("9.9.9"),
    "DigestMismatch": lambda lab: lab.want(f"1.5.0@sha256:{'0' * 64}"),
    "SlotStopped": lambda lab: (lab.person("/slots/staging/stop"), lab.want("1.5.0")),
    "FileInvalid": lambda lab: lab.cloud.git.push("slots: [", None),
    "ForeignSwap": Lab.swap,
}


@pytest.mark.parametrize("reason", STANDS)
def test_what_only_a_commit_or_azure_can_end_is_not_cleared(lab: Lab, reason: str) -> None:
    """It says so, with what would end it, and writes nothing."""
    lab.run()
    STANDS[reason](lab)
    lab.passes(2)
    code, said = retry(lab)
    assert (code, retried(lab)) == (1, [])
    assert f"retry does not clear {reason}" in said
