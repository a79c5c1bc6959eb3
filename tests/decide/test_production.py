"""What production leaves by our own doing, or by the platform's, nobody did by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from gitslot.errors import GitPutOff, SourceError
from gitslot.state.wanted import PRODUCTION
from reliability.lab import BUSY, POLL, SWAP, Lab, why

REPORT = "drift: report\n"
SOAK = "soak: 10m\n"
POST = f"arm.{SWAP}"
CLOSES = {"SwapFinished", "SwapFailed", "SwapReverted", "SwappedBack", "Converged"}


@pytest.fixture
def lab(open_lab: Callable[..., Lab]) -> Lab:
    """Give a world in which production serves 1.4.0, and from which alice commits."""
    lab = open_lab("1.4.0")
    lab.cloud.git.author = "alice"
    return lab


def by_bob(lab: Lab, version: str, more: str = "") -> None:
    """Let bob commit between the intent of the next swap and its answer."""

    def commit() -> None:
        lab.cloud.git.author = "bob"
        lab.want(version, more)

    lab.before(POST, commit)


def first_swap(lab: Lab) -> list[tuple[str, str, str]]:
    """Return event, commit and author of each line of the first swap, from intent to end."""
    lines = [(e.event, e.revision, e.author) for e in lab.lines]
    names = [name for name, *_ in lines]
    first = names.index("SwapStarted")
    last = next(i for i in range(first, len(names)) if names[i] in CLOSES)
    return lines[first : last + 1]


def blamed(lab: Lab) -> list[str]:
    """Return the lines that accuse somebody."""
    return [event.message for event in lab.events if "by hand" in event.message]


# ---------------------------------------------------------------- whose swap it was

UNSENT: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("fault", "then", "ends"),
    [
        (None, "1.5.0", "Waiting Converged"),
        (None, "1.6.0", "Waiting SwapFinished"),
        ({"operation": SWAP, "when": "after", "status": 503}, "1.5.0", "SwapUnknown Converged"),
        ({"operation": "swap-ping"}, "1.5.0", "Waiting SwapFailed"),
        ({"operation": SWAP, "status": 400, "code": "BadRequest"}, "1.5.0", "SwapFailed"),
        (UNSENT, "1.5.0", "SwapFailed"),
        ({"operation": SWAP, **BUSY}, "1.6.0", "Waiting SwapFailed"),
    ],
)
def test_what_becomes_of_a_swap_names_the_commit_that_asked_for_it(
    lab: Lab, fault: dict[str, Any] | None, then: str, ends: str
) -> None:
    """Whoever commits while it runs, and whatever they want, is not named."""
    asked = lab.want("1.5.0")
    if fault:
        lab.fault(**fault)
    if fault is UNSENT:
        lab.spoil(f"{POST}.staging", "unopened")
    by_bob(lab, then)
    assert why(lab.settle()) == "Converged"
    found = first_swap(lab)
    assert [name for name, *_ in found] == ["SwapStarted", *ends.split()]
    assert {whose[1:] for whose in found} == {(asked, "alice")}


def test_a_swap_back_names_the_commit_under_which_production_failed(lab: Lab) -> None:
    """A commit that lands while production goes back had no part in it."""
    asked = lab.bring("1.5.0", SOAK)
    lab.forget()
    by_bob(lab, "1.5.0", SOAK)
    lab.fails()
    stop = lab.settle()
    assert first_swap(lab) == [
        (name, asked, "alice") for name in ("SwapStarted", "Waiting", "SwappedBack")
    ]
    assert "`gitslot rollback app && git push`" in str(stop)


@pytest.mark.parametrize("down", [SourceError("no answer"), GitPutOff("it is slow")])
@pytest.mark.parametrize("retried", [False, True])
def test_a_swap_that_ends_while_git_is_gone_names_its_commit(
    lab: Lab, retried: bool, down: SourceError
) -> None:
    """It is known from the journal, and accepts nothing that a person cleared meanwhile."""
    asked, git = lab.want("1.5.0"), lab.cloud.git
    lab.before(POST, lambda: setattr(git, "down", down))
    if retried:
        lab.before(f"arm.{POLL}", lambda: lab.write("Retried"))
    lab.settle()
    lab.restart()
    lab.settle()
    assert first_swap(lab)[-1] == ("SwapFinished", asked, "alice")
    git.down, git.rewritten = None, True
    lab.want("1.5.0")
    assert why(lab.settle()) == "Frozen HistoryRewritten"


# ---------------------------------------------------------------- our own swap


@pytest.mark.parametrize("drift", [REPORT, ""])
def test_a_revert_pushed_while_the_swap_runs_is_a_rollback(lab: Lab, drift: str) -> None:
    """Whatever becomes of drift: the release that our swap brought is not there by hand."""
    lab.want("1.5.0", drift)
    lab.before(f"arm.{POLL}", lambda: lab.want("1.4.0", drift))
    assert why(lab.settle()) == "Converged"
    assert (lab.serves(), lab.swaps, blamed(lab)) == ("1.4.0", 2, [])


def test_a_revert_of_what_never_got_healthy_is_a_rollback_where_drift_is_reported(lab: Lab) -> None:
    """The swap took effect and production failed: its revert is no drift."""
    lab.want("1.5.0", REPORT)
    lab.before(f"arm.{POLL}", lambda: lab.silence(PRODUCTION))
    assert why(lab.settle()) == "Stalled ProductionDegraded"
    lab.want("1.4.0", REPORT)
    lab.cloud.at(100.0, lab.mend)
    assert why(lab.settle()) == "Converged"
    assert (lab.serves(), blamed(lab)) == ("1.4.0", [])


# ---------------------------------------------------------------- the platform's


def test_a_swap_that_the_platform_takes_back_for_ever_is_given_up(lab: Lab) -> None:
    """Each time counts as a failed attempt, after a pause: no flapping without end."""
    lab.fault("swap-revert", delay_s=120.0, times=None)
    lab.want("1.5.0")
    stop = lab.passes(40)
    assert (why(stop), lab.serves()) == ("Stalled SwapReverted", "1.4.0")
    assert (lab.posts, lab.names.count("SwapReverted"), blamed(lab)) == (3, 3, [])
    first = lab.names.index("SwapReverted")
    assert lab.names[first - 1 : first + 2] == ["Drift", "SwapReverted", "Waiting"]


def test_a_swap_taken_back_is_only_reported_where_the_file_says_so(lab: Lab) -> None:
    """In words that accuse nobody."""
    lab.fault("swap-revert", delay_s=120.0)
    lab.want("1.5.0", REPORT)
    stop = lab.passes(10)
    assert (why(stop), lab.posts) == ("Stalled DriftReported", 1)
    assert "the platform took back" in str(stop)


def test_what_our_failed_swap_left_is_reset_even_where_it_shows_late(lab: Lab) -> None:
    """A look right after the failure proves nothing."""
    lab.fault("swap-ping")
    lab.want("1.5.0")

    def show_late() -> None:
        for read in ("site-get", "slot-get"):
            lab.fault(read, stale_s=30.0, times=2)

    lab.before("arm.site-get", show_late, when=lambda: "SwapFailed" in lab.names)
    assert why(lab.settle()) == "Converged"
    assert (len(lab.seen("swap-reset")), lab.serves()) == (1, "1.5.0")


# ---------------------------------------------------------------- a wish that changed


def test_a_wish_that_comes_back_is_tried_afresh_though_staging_wants_the_same(lab: Lab) -> None:
    """Given up, then a candidate for staging, then wanted again: that is another wish."""
    lab.breaks("1.5.0", "DigestMismatch")
    lab.want("1.5.0")
    assert why(lab.settle()) == "Stalled DigestMismatch"
    lab.want("1.4.0", slots="  staging: 1.5.0\n")
    assert why(lab.settle()) == "Stalled DigestMismatch"
    lab.mend()
    lab.bring("1.5.0")
