"""The soak: a production that fails after a swap goes back once, onto what is proved, or stays."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from gitslot.look.probe import Reply
from gitslot.state.wanted import PRODUCTION, STAGING
from reliability.lab import BUSY, SWAP, Lab, why
from reliability.registered import release

SOAK = "soak: 10m\n"
POST = f"arm.{SWAP}"


@pytest.fixture
def lab(open_lab: Callable[..., Lab]) -> Lab:
    """Give a world in which 1.5.0 has just replaced 1.4.0 and soaks for ten minutes."""
    lab = open_lab("1.4.0")
    lab.release("1.5.0", SOAK)
    lab.idle()
    lab.wait(40)
    lab.forget()
    return lab


@pytest.fixture
def back(lab: Lab) -> Lab:
    """Give the same world after 1.5.0 has failed and was swapped back; it would serve now."""
    lab.fails()
    assert why(lab.run()) == "Stalled SwappedBack"
    lab.mend()
    return lab


# ---------------------------------------------------------------- going back


@pytest.mark.parametrize("how", ["LoadFailed", "hang"])
def test_a_production_that_fails_its_soak_is_swapped_back(lab: Lab, how: str) -> None:
    """By one swap and no deploy; the log tells each step, both releases and both ways on."""
    commit = lab.cloud.git.commits[-1].name
    lab.fails(how)
    stop = lab.run()
    assert why(stop) == "Stalled SwappedBack"
    assert (lab.serves(), lab.posts, lab.deploys) == ("1.4.0", 1, [])
    assert lab.names == ["VerifyPassed", "SwapStarted", "SwappedBack", "Stalled"]
    event = lab.events[2]
    assert (event.release, event.replaced) == (release("1.4.0"), release("1.5.0"))
    assert f"git revert {commit[:7]} && git push" in str(stop)
    assert "gitslot retry" in str(stop)


@pytest.mark.parametrize("restart", [False, True])
def test_what_was_taken_back_is_refused(back: Lab, restart: bool) -> None:
    """However many passes, processes and commits that want the same: it stays, and says so once."""
    for number in range(30):
        if restart:
            back.restart()
        if number == 20:
            back.want("1.5.0", SOAK + "drift: heal\n")
        assert why(back.passes(1)) == "Stalled SwappedBack"
    assert (back.serves(), back.posts, back.deploys) == ("1.4.0", 1, [])
    assert (back.names[-1], back.names.count("Stalled")) == ("Stalled", 1)


def test_a_revert_agrees_and_then_the_same_release_may_come_again(back: Lab) -> None:
    """A refusal ends when the wanted release changes; its soak is a new one."""
    back.bring("1.4.0", SOAK)
    assert (back.serves(), back.posts) == ("1.4.0", 1)
    back.release("1.5.0", SOAK)
    back.fails()
    assert why(back.run()) == "Stalled SwappedBack"
    assert (back.serves(), back.posts) == ("1.4.0", 3)


@pytest.mark.parametrize("code", ["", "c9"])
def test_retry_and_other_code_try_what_was_refused_again(back: Lab, code: str) -> None:
    """A person says that it was something else; the code belongs to what is wanted."""
    if code:
        back.want("1.5.0", SOAK, code=code)
    else:
        back.write("Retried")
    assert why(back.settle()) == "Converged"
    assert back.serves() == "1.5.0"


def test_a_revert_fails_its_own_soak_too(lab: Lab) -> None:
    """What a revert replaced is proved as anything else is."""
    lab.release("1.4.0", SOAK)
    lab.fails("hang")
    assert why(lab.settle()) == "Stalled SwappedBack"
    assert lab.serves() == "1.5.0"


# ---------------------------------------------------------------- what failing means


def test_a_minute_of_failure_is_needed(lab: Lab) -> None:
    """Twenty seconds of 503 after a good swap are common."""
    lab.silence(PRODUCTION)
    lab.cloud.at(50.0, lab.mend)
    assert why(lab.run()) == "Converged"
    assert (lab.serves(), lab.posts) == ("1.5.0", 0)


def test_one_healthy_look_starts_the_minute_afresh(lab: Lab) -> None:
    """Two failing looks count only with no healthy one between them."""
    looks = count(1)
    lab.silence(PRODUCTION, lambda _, reply: Reply(503) if next(looks) % 8 else reply)
    lab.passes(9, 5.0)
    assert next(looks) > 20
    assert lab.posts == 0


def test_a_blocked_probe_is_no_failure(lab: Lab) -> None:
    """401 says nothing about the model."""
    lab.silence(PRODUCTION, "blocked")
    lab.passes(5)
    assert lab.posts == 0


def test_an_edited_production_is_drift_and_no_failed_soak(lab: Lab) -> None:
    """Set to anything else, it is healed."""
    lab.breaks("1.3.0", "hang")
    lab.cloud.change(PRODUCTION, MODEL_VERSION=release("1.3.0").setting)
    lab.wait(400)
    assert why(lab.settle()) == "Converged"
    assert (lab.serves(), "SwappedBack" in lab.names) == ("1.5.0", False)


# ---------------------------------------------------------------- when not


@pytest.mark.parametrize(
    ("after_s", "ends"), [(440.0, "SwappedBack"), (601.0, "ProductionDegraded")]
)
def test_only_a_failure_that_began_in_the_soak_counts(lab: Lab, after_s: float, ends: str) -> None:
    """The file asked for ten minutes; the minute that proves a failure may end after them."""
    lab.wait(after_s)
    lab.fails("hang")
    assert why(lab.settle()) == f"Stalled {ends}"
    assert lab.posts == (ends == "SwappedBack")


def test_a_commit_that_wants_something_else_ends_the_soak(lab: Lab) -> None:
    """A revert wins at once: it is the swap that the soak would have made, for Git's reason."""
    lab.fails()
    lab.release("1.4.0", SOAK)
    assert (lab.serves(), lab.posts, "SwappedBack" in lab.names) == ("1.4.0", 1, False)


def test_a_soak_that_was_ended_does_not_begin_again(lab: Lab) -> None:
    """Wanted, not wanted, wanted again: no swap came between, so none is taken back."""
    lab.breaks("1.6.0")
    lab.want("1.6.0", SOAK)
    lab.run()
    lab.bring("1.5.0", SOAK)
    lab.fails()
    assert why(lab.settle()) == "Stalled ProductionDegraded"
    assert lab.posts == 0


UNFIT: dict[str, Callable[[Lab], object]] = {
    "deployed over": lambda lab: lab.deploy(STAGING, "1.3.0"),
    "silent": lambda lab: lab.silence(STAGING),
    "wrong": lambda lab: lab.breaks("1.4.0"),
    "edited": lambda lab: lab.change(STAGING, THEIRS="other"),
    "unwarmed": lambda lab: lab.change(STAGING, WEBSITE_SWAP_WARMUP_PING_PATH=None),
}


@pytest.mark.parametrize("how", UNFIT)
def test_an_unfit_staging_is_never_swapped_in(lab: Lab, how: str) -> None:
    """Another release, no answer, wrong answers, other settings: it stops and says so."""
    UNFIT[how](lab)
    lab.fails()
    stop = lab.settle()
    assert why(stop) == "Stalled SoakFailed"
    assert "not swapped back" in str(stop)
    assert "git revert" in str(stop)
    assert lab.writes == 0


def test_a_first_install_has_nothing_to_go_back_to(open_lab: Callable[..., Lab]) -> None:
    """Staging carries no model."""
    lab = open_lab()
    lab.want("1.4.0", SOAK)
    lab.run()
    lab.fails("hang")
    assert why(lab.settle()) == "Stalled SoakFailed"
    assert lab.posts == 1


@pytest.mark.parametrize("what", ["suspended", "rewritten"])
def test_hands_off_and_doubt_come_before_a_swap_back(lab: Lab, what: str) -> None:
    """Somebody asked for it, or nobody knows what Git wants: nothing is written at all."""
    lab.fails()
    lab.cloud.git.rewritten = what == "rewritten"
    lab.want("1.5.0", SOAK + ('suspend: "incident"\n' if what == "suspended" else ""))
    lab.settle()
    assert lab.writes == 0


def test_a_production_that_recovers_is_converged_again(lab: Lab) -> None:
    """It could not be swapped back, and did not need to be."""
    lab.silence(STAGING)
    lab.fails()
    assert why(lab.run()) == "Stalled SoakFailed"
    lab.cloud.behaviour.versions.clear()
    lab.wait(40)
    lab.mend()
    assert why(lab.settle()) == "Converged"
    assert lab.posts == 0


# ---------------------------------------------------------------- one try


@pytest.mark.parametrize(
    "fault",
    [
        {"operation": SWAP, "status": 400, "code": "BadRequest"},
        {"operation": "swap-ping"},
        {"operation": SWAP, "status": 503},
        {"operation": SWAP, **BUSY},
    ],
    ids=["refused", "failed", "lost", "busy"],
)
def test_a_failed_swap_back_ends_the_soak_and_costs_a_revert_no_attempt(
    lab: Lab, fault: dict[str, Any]
) -> None:
    """The try is used when it is sent; what Git wants then is swapped in at once."""
    lab.fault(**fault)
    lab.fails()
    assert why(lab.settle()) == "Stalled ProductionDegraded"
    assert (lab.posts, lab.swaps) == (1, 0)
    lab.want("1.4.0", SOAK)
    began = lab.seconds
    assert why(lab.run()) == "Converged"
    assert lab.seconds - began < 120  # as long as a swap takes


@pytest.mark.parametrize("restart", [False, True])
def test_a_swap_back_that_runs_behind_a_409_is_sent_once(lab: Lab, restart: bool) -> None:
    """It took effect: the refusal comes from the intent."""
    lab.fault(SWAP, when="after", **BUSY)
    lab.fails()
    lab.run()
    if restart:
        lab.restart()
    assert why(lab.settle()) == "Stalled SwappedBack"
    assert (lab.serves(), lab.posts) == ("1.4.0", 1)


@pytest.mark.parametrize("throttled", [False, True])
def test_a_swap_back_that_never_reached_the_platform_is_tried_again(
    lab: Lab, throttled: bool
) -> None:
    """Neither a connection that never opened nor 429 uses it up, and ARM's wait is kept."""
    if throttled:
        lab.fault(SWAP, status=429, retry_after_s=300)
    else:
        lab.spoil(f"{POST}.staging", "unopened")
    lab.fails()
    began = lab.seconds
    assert why(lab.settle()) == "Stalled SwappedBack"
    assert lab.swaps == 1
    assert lab.seconds - began > 300 or not throttled


def test_a_revert_that_comes_while_production_goes_back_agrees(lab: Lab) -> None:
    """The swap is polled to its end, and then all is as Git wants it."""
    lab.fails()
    lab.before("arm.operationresults", lambda: lab.want("1.4.0", SOAK))
    assert why(lab.settle()) == "Converged"
    assert (lab.serves(), lab.posts) == ("1.4.0", 1)


# ---------------------------------------------------------------- what waits for the end of a soak


def test_a_candidate_waits_until_production_has_soaked(lab: Lab) -> None:
    """Until then staging keeps the way back."""
    lab.want("1.5.0", SOAK, slots="  staging: 1.6.0\n")
    assert why(lab.run()) == "Waiting Soaking"
    assert lab.serves(STAGING) == "1.4.0"
    lab.wait(601)
    assert why(lab.settle()) == "Converged"
    assert lab.serves(STAGING) == "1.6.0"


def test_a_soak_that_passes_is_one_line(lab: Lab) -> None:
    """Watching is no news, its end is: in a process that began since, too, and only once."""
    lab.restart()
    assert why(lab.passes(20)) == "Converged"
    lab.restart()
    assert why(lab.passes(5)) == "Converged"
    assert (lab.told, lab.writes) == (["SoakPassed"], 0)
