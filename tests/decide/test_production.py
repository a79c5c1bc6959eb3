"""What production leaves by our own doing, or by the platform's, nobody did by hand."""

import json
from collections.abc import Callable

import pytest

from gitslot.errors import SourceError
from gitslot.state.decision import Converged, Stalled, Waiting
from gitslot.state.policy import Policy
from gitslot.state.seen import Answer
from gitslot.state.wanted import PRODUCTION, STAGING
from tests.model import APP, Lab

REPORT = "drift: report\n"
PREPARED = "PreparedByPerson"


@pytest.fixture
def lab() -> Lab:
    """Give a world in which production serves 1.4.0 and everybody agrees."""
    lab = Lab(policy=Policy(poll_s=5.0))
    lab.converge("1.4.0")
    return lab


def during_the_swap(lab: Lab, what: Callable[[], object]) -> None:
    """Do *what* once, at the first poll of the next swap."""
    poll, done = lab.azure.poll, [False]

    def polled(location: str) -> object:
        if not done[0]:
            done[0] = True
            what()
        return poll(location)

    lab.azure.poll = polled  # type: ignore[method-assign, assignment]


def take_back(lab: Lab) -> None:
    """As the platform does minutes after a swap's end: contents change back, markers stay."""
    status = lab.azure.swap_status
    lab.azure.exchange()
    lab.azure.swap_status = status


def by_bob(lab: Lab, version: str, more: str = "") -> str:
    lab.git.author = "bob"
    return lab.want(version, more)


def as_it_is_sent(lab: Lab, what: Callable[[], object]) -> None:
    """Do *what* once, between the intent of the next swap and its answer."""

    def hand() -> None:
        lab.azure.before_swap.clear()
        what()

    lab.azure.before_swap.append(hand)


def swap_told(lab: Lab) -> dict[str, set[tuple[str, str, str]]]:
    """Return the commits that the events of the first swap carry, by event."""
    names = [event.event for event in lab.events]
    first = names.index("SwapStarted")
    last = next(
        index
        for index, name in enumerate(names)
        if index > first and name in {"Converged", *CLOSES}
    )
    found: dict[str, set[tuple[str, str, str]]] = {}
    for event in lab.events[first : last + 1]:
        if event.event in {"SwapStarted", "SwapUnknown", "Converged", "Waiting", *CLOSES}:
            carried = (event.revision, event.author, event.subject)
            found.setdefault(event.event, set()).add(carried)
    return found


CLOSES = ("SwapFinished", "SwapFailed", "SwapReverted", "SwappedBack")


# ---------------------------------------------------------------- whose swap it was


@pytest.mark.parametrize(
    ("answer", "then", "told"),
    [
        ("ok", "1.5.0", {"SwapStarted", "Waiting", "Converged"}),
        ("ok", "1.6.0", {"SwapStarted", "Waiting", "SwapFinished"}),
        ("lost", "1.5.0", {"SwapStarted", "SwapUnknown", "Converged"}),
        ("fails", "1.5.0", {"SwapStarted", "Waiting", "SwapFailed"}),
        ("refused", "1.5.0", {"SwapStarted", "SwapFailed"}),
        ("not sent", "1.5.0", {"SwapStarted", "SwapFailed"}),
        ("busy", "1.6.0", {"SwapStarted", "Waiting", "SwapFailed"}),
        ("reverted", "1.6.0", {"SwapStarted", "Waiting", "SwapReverted"}),
    ],
)
def test_what_becomes_of_a_swap_names_the_commit_that_asked_for_it(
    lab: Lab, answer: str, then: str, told: set[str]
) -> None:
    """Whoever commits while it runs, and whatever they want, is not named."""
    lab.git.author = "alice"
    asked = lab.want("1.5.0")
    lab.azure.swap_answers = [answer]
    as_it_is_sent(lab, lambda: by_bob(lab, then))
    assert isinstance(lab.settle(passes=60), Converged)
    alice = (asked, "alice", "change what is wanted")
    assert swap_told(lab) == {key: {alice} for key in told}
    if then == "1.5.0" and answer in ("ok", "lost"):
        assert lab.memory.last_swap.commit == asked


def test_a_swap_back_names_the_commit_under_which_production_failed(lab: Lab) -> None:
    """A commit that lands while production goes back had no part in it."""
    lab.git.author = "alice"
    asked = lab.want("1.5.0", "soak: 10m\n")
    assert isinstance(lab.settle(), Converged)
    lab.events.clear()
    lab.azure.failing["1.5.0"] = Answer.UNHEALTHY
    as_it_is_sent(lab, lambda: by_bob(lab, "1.5.0", "soak: 10m\n"))
    stop = lab.settle()
    alice = (asked, "alice", "change what is wanted")
    assert swap_told(lab) == {key: {alice} for key in ("SwapStarted", "Waiting", "SwappedBack")}
    assert f"git revert {asked[:7]}" in getattr(stop, "message", "")


@pytest.mark.parametrize("retried", [False, True])
def test_a_swap_that_ends_while_git_is_gone_names_its_commit(lab: Lab, retried: bool) -> None:
    """It is known from the journal, and accepts nothing that a person cleared meanwhile."""
    lab.git.author = "alice"
    asked = lab.want("1.5.0")
    as_it_is_sent(lab, lambda: setattr(lab.git, "down", SourceError("no answer")))
    if retried:
        during_the_swap(lab, lambda: lab.say("Retried"))
    lab.settle()
    lab.restart()
    lab.settle()
    closing = [event for event in lab.events if event.event in ("SwapFinished", "Converged")]
    assert [(event.revision, event.author) for event in closing] == [(asked, "alice")]
    assert json.loads(lab.blobs.read("accepted.json"))["apps"] == {APP: asked}


# ---------------------------------------------------------------- our own swap


@pytest.mark.parametrize("drift", [REPORT, ""])
def test_a_revert_pushed_while_the_swap_runs_is_a_rollback(lab: Lab, drift: str) -> None:
    """Whatever becomes of drift: the release that our swap brought is not there by hand."""
    lab.want("1.5.0", drift)
    during_the_swap(lab, lambda: lab.want("1.4.0", drift))
    assert isinstance(lab.settle(), Converged)
    assert (lab.serves(), lab.azure.effective) == ("1.4.0", 2)
    assert not [event for event in lab.events if "by hand" in event.message]


def test_a_revert_of_what_never_got_healthy_is_a_rollback_where_drift_is_reported(lab: Lab) -> None:
    """The swap took effect and production failed: its revert is no drift."""
    lab.azure.failing["1.5.0"] = Answer.SILENT
    lab.want("1.5.0", REPORT)
    assert getattr(lab.settle(), "reason", "") == "ProductionDegraded"
    lab.want("1.4.0", REPORT)
    assert isinstance(lab.settle(), Converged)
    assert lab.serves() == "1.4.0"


# ---------------------------------------------------------------- the platform's


def test_a_swap_that_the_platform_takes_back_for_ever_is_given_up(lab: Lab) -> None:
    """Each time counts as a failed attempt: no flapping without end."""
    lab.want("1.5.0")
    for _ in range(40):
        lab.run()
        if lab.serves() == "1.5.0":
            take_back(lab)
        lab.clock.sleep(60)
    stop = lab.run()
    assert isinstance(stop, Stalled)
    assert stop.reason == "SwapReverted"
    assert lab.serves() == "1.4.0"
    assert (lab.azure.swaps, lab.told().count("SwapReverted")) == (3, 3)
    assert not [event for event in lab.events if "by hand" in event.message]


def test_a_swap_taken_back_once_is_swapped_again_after_a_pause(lab: Lab) -> None:
    """And the log names the platform, before the next swap."""
    lab.want("1.5.0")
    lab.run()
    lab.events.clear()
    take_back(lab)
    assert isinstance(lab.settle(), Converged)
    assert lab.serves() == "1.5.0"
    told = lab.told()
    assert told[:2] == ["Drift", "SwapReverted"]
    assert told.index("Waiting") < told.index("SwapStarted")


def test_a_swap_taken_back_is_only_reported_where_the_file_says_so(lab: Lab) -> None:
    """In words that accuse nobody."""
    lab.want("1.5.0", REPORT)
    lab.run()
    take_back(lab)
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert (stop.reason, lab.azure.swaps) == ("DriftReported", 1)
    assert "the platform took back" in stop.message


def test_a_person_who_swaps_back_is_still_held(lab: Lab) -> None:
    """Their swap leaves its mark: ten minutes of peace, and no attempt is counted."""
    lab.want("1.5.0")
    lab.run()
    lab.clock.sleep(60)
    lab.azure.exchange()
    stop = lab.run()
    assert isinstance(stop, Waiting)
    assert (stop.reason, lab.memory.attempts[PRODUCTION].failed) == ("ForeignSwap", 0)


# ---------------------------------------------------------------- a person's


def refused_three_times(lab: Lab) -> None:
    lab.azure.swap_answers = ["refused"] * 3
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Stalled)


def test_what_a_person_prepares_after_our_failure_is_theirs(lab: Lab) -> None:
    """Our swap failed a while ago and left nothing: their preview is not reset."""
    refused_three_times(lab)
    lab.clock.sleep(86_400)
    lab.azure.prepared = STAGING
    assert getattr(lab.settle(), "reason", "") == PREPARED
    assert lab.azure.resets == 0


def test_what_our_failed_swap_left_is_reset_even_where_it_shows_late(lab: Lab) -> None:
    """A look right after the failure proves nothing."""
    lab.azure.swap_answers = ["fails"] * 3
    lab.want("1.5.0")
    failed: list[float] = []
    for _ in range(60):
        lab.run()
        if not failed and lab.told().count("SwapFailed") == 3:
            failed.append(lab.clock.seconds)
            lab.azure.prepared = STAGING
        lab.clock.sleep(5)
    assert lab.azure.resets == 1


# ---------------------------------------------------------------- a wish that changed


def test_a_wish_that_comes_back_is_tried_afresh_though_staging_wants_the_same(lab: Lab) -> None:
    """Given up, then a candidate for staging, then wanted again: that is another wish."""
    lab.azure.broken["1.5.0"] = Answer.UNHEALTHY
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Stalled)
    lab.want("1.4.0", slots="  staging: 1.5.0\n")
    assert isinstance(lab.settle(), Stalled)
    lab.azure.broken.clear()
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Converged)
    assert lab.serves() == "1.5.0"


def test_a_wish_that_changed_ends_a_hold_for_good(lab: Lab) -> None:
    """The release that was held comes back as a wish of its own, and is brought at once."""
    lab.want("1.5.0")
    lab.run()
    lab.clock.sleep(60)
    lab.azure.exchange()
    assert getattr(lab.run(), "reason", "") == "ForeignSwap"
    lab.azure.broken["1.6.0"] = Answer.UNHEALTHY
    lab.want("1.6.0")
    assert isinstance(lab.settle(), Stalled)
    lab.want("1.5.0")
    lab.events.clear()
    assert isinstance(lab.settle(), Converged)
    assert lab.serves() == "1.5.0"
    assert "ForeignSwap" not in [event.reason for event in lab.events]
