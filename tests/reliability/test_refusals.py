"""A platform that says no, or not now, for as long as one likes: bounded, told, and mended."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest

from gitslot.state.wanted import STAGING
from reliability.lab import BUSY, LOOK, PUT, RESET, SWAP, Lab, why

LOCK = (
    "The scope '/subscriptions/s/resourceGroups/group' cannot perform write operation because "
    "following scope(s) are locked: '/subscriptions/s/resourceGroups/group'. Please remove the "
    "lock and try again."
)
LOCKED: Mapping[str, Any] = {
    "status": 409,
    "body": {"error": {"code": "ScopeLocked", "message": LOCK}},
    "times": None,
}


@pytest.fixture
def lab(open_lab: Callable[..., Lab]) -> Lab:
    """Give a world in which production serves 1.4.0 and Git asks for 1.5.0."""
    lab = open_lab("1.4.0", "1.3.0")
    lab.want("1.5.0")
    return lab


def gaps(lab: Lab, what: str) -> list[float]:
    """Return the seconds between the requests of that kind."""
    at = [entry["time"] for entry in lab.seen("write-sent", what=what)]
    return [after - before for before, after in pairwise(at)]


@pytest.mark.parametrize("what", [SWAP, PUT])
def test_a_resource_lock_is_three_failed_attempts_in_its_own_words(lab: Lab, what: str) -> None:
    """It is no operation that ends by itself; production is untouched, and the words are shown."""
    lab.fault(what, **LOCKED)
    stop = lab.passes(20)
    assert why(stop).startswith("Stalled")
    assert "following scope(s) are locked" in repr(stop)
    assert (len(gaps(lab, what)), lab.serves()) == (2, "1.4.0")
    lab.prepare()  # what never began has prepared nothing: this is somebody else's
    assert why(lab.passes(5)) == "Stalled PreparedByPerson"
    lab.mend()
    assert lab.person(f"/slots/{STAGING}/resetSlotConfig") == 200
    lab.bring("1.6.0")


def test_a_lock_on_the_way_back_is_asked_again_for_as_long_as_it_stands(lab: Lab) -> None:
    """A release that production has served is tried on, each time once nothing can have begun."""
    lab.settle()
    lab.forget()
    lab.want("1.4.0")
    lab.fault(SWAP, **LOCKED)
    lab.passes(10)
    assert len(gaps(lab, SWAP)) > 3
    assert min(gaps(lab, SWAP)) >= lab.policy.busy_wait_s
    lab.mend()
    lab.settle()
    assert lab.serves() == "1.4.0"


@pytest.mark.parametrize(
    ("what", "times"), [(SWAP, LOOK.busy_waits), (PUT, LOOK.max_busy)], ids=["swap", "put"]
)
def test_an_operation_that_arm_never_shows_is_not_asked_for_without_end(
    lab: Lab, what: str, times: int
) -> None:
    """Paused, bounded by what a swap may take, then told by name; nothing is counted as failed."""
    lab.fault(what, times=None, **BUSY)
    assert why(lab.passes(30)) == "Stalled PlatformBusy"
    assert len(gaps(lab, what)) + 1 == times
    assert "SwapFailed SwapRefused" not in lab.told
    lab.mend()
    lab.write("Retried")
    assert why(lab.settle()) == "Converged"


def test_a_refused_swap_that_runs_after_all_is_waited_for(lab: Lab) -> None:
    """409 in other words, and yet ARM shows an operation: the slots tell, not the answer."""
    lab.fault(SWAP, **{**LOCKED, "when": "after"})
    assert why(lab.settle()) == "Converged"
    assert (lab.serves(), lab.posts) == ("1.5.0", 1)


@pytest.mark.parametrize("what", [SWAP, PUT, RESET])
def test_a_throttled_write_waits_as_long_as_arm_asks_and_counts_nothing(
    lab: Lab, what: str
) -> None:
    """L5: an hour of 429 to writes alone, by processes that remember nothing, then it goes on."""
    lab.fault(what, status=429, retry_after_s=300, times=None)
    if what == RESET:
        lab.fault("swap-ping")
    stops = set()
    for _ in range(60):
        stops.add(why(lab.run()))
        lab.restart()
        lab.wait(60)
    assert len(gaps(lab, what)) > 5
    assert min(gaps(lab, what)) >= 300
    assert "Waiting Throttled" in stops
    assert not any(stop.startswith("Stalled") for stop in stops)
    lab.mend()
    assert why(lab.settle()) == "Converged"
    assert lab.serves() == "1.5.0"


def test_a_throttled_write_does_not_wait_for_a_time_that_arm_does_not_name(lab: Lab) -> None:
    """429 without Retry-After: half a minute, and not at once."""
    body = {"error": {"code": "429", "message": "wait"}}
    lab.fault(PUT, status=429, body=body, times=None)
    lab.passes(5)
    assert min(gaps(lab, PUT)) >= 30


def test_deploys_that_never_arrive_are_failed_attempts(lab: Lab) -> None:
    """503 to every PUT: three of them, two minutes and a pause apart, and then by name."""
    lab.fault(PUT, status=503, times=None)
    assert why(lab.passes(30)) == "Stalled DeployLost"
    assert len(gaps(lab, PUT)) == 2
    assert lab.told.count("DeployFinished DeployLost") == 3
    assert lab.serves() == "1.4.0"
    lab.mend()
    lab.want("1.6.0")
    lab.settle()
    assert lab.serves() == "1.6.0"
