"""Rollback is rehearsed: what waits in staging is proved again, and a change is recorded once."""

from collections.abc import Callable

import pytest

from gitslot.look.golden_rows import SAMPLE
from gitslot.look.probe import Reply
from gitslot.reconcile import World, observe
from gitslot.state.seen import Mark, Rehearsal
from gitslot.state.wanted import PRODUCTION, STAGING
from reliability.cloud import APP
from reliability.lab import Lab, why


@pytest.fixture
def lab(open_lab: Callable[..., Lab]) -> Lab:
    """Give a world in which 1.5.0 has replaced 1.4.0, a while ago."""
    lab = open_lab("1.4.0")
    lab.release("1.5.0")
    lab.idle()
    lab.wait(40)
    lab.forget()
    return lab


def minutes(lab: Lab, number: int, every_s: float = 60.0) -> None:
    """Pass once a minute; each ends Converged."""
    for _ in range(number):
        assert why(lab.passes(1, every_s)) == "Converged"


def rehearse(world: World, *, at_once: bool = False) -> Rehearsal | None:
    """Return what *world* knows of the way back, proved *at_once* or at an earlier pass."""
    seen = observe(APP, world, whole=True)
    return world.looker.rehearse(APP, seen.live, seen.memory, at_once=at_once)  # type: ignore[arg-type]


def test_staging_is_proved_again_every_five_minutes(lab: Lab) -> None:
    """Not at every pass, and never production."""
    minutes(lab, 31)
    assert lab.calls(f"golden.{STAGING}") == 6 * (1 + SAMPLE)
    assert lab.calls(f"golden.{PRODUCTION}") == 0


def test_a_rehearsal_that_passes_writes_nothing_and_asks_arm_nothing(lab: Lab) -> None:
    """A thousand converged passes leave the journal as it is."""
    lab.run()
    lab.forget()
    minutes(lab, 1000, 3.0)  # 50 minutes: the hourly full look stays out
    assert (lab.events, lab.calls("arm.")) == ([], 0)


def test_a_way_back_that_breaks_is_told_once_and_so_is_its_mend(lab: Lab) -> None:
    """A warning when it turns, and word when it turns again."""
    lab.breaks("1.4.0")
    minutes(lab, 20)
    assert lab.told == ["VerifyFailed Rehearsal"]
    assert "going back to iris 1.4.0 would not work" in lab.events[0].message
    lab.restart()
    minutes(lab, 20)
    assert len(lab.events) == 1
    lab.mend()
    minutes(lab, 20)
    assert lab.told == ["VerifyFailed Rehearsal", "VerifyPassed Rehearsal"]


def test_a_failed_rehearsal_is_no_attempt_at_what_git_wants(lab: Lab) -> None:
    """A revert is tried as if nothing had been said, and its own proof decides."""
    lab.breaks("1.4.0")
    minutes(lab, 10)
    lab.mend()
    lab.release("1.4.0")
    assert (lab.serves(), lab.deploys) == ("1.4.0", [])


@pytest.mark.parametrize("how", ["hang", "LoadFailed"])
def test_a_staging_that_stays_down_is_warned_of(lab: Lab, how: str) -> None:
    """One look without an answer is not enough for a warning."""
    minutes(lab, 6)
    lab.fails(how, STAGING)
    minutes(lab, 1)
    assert lab.events == []
    minutes(lab, 2)
    assert lab.told == ["VerifyFailed Rehearsal"]


def test_a_blocked_path_proves_nothing_and_is_no_warning(lab: Lab) -> None:
    """401 to every row says nothing about the model."""
    lab.silence(STAGING, lambda method, reply: Reply(401) if method == "POST" else reply)
    minutes(lab, 20)
    assert lab.events == []


def test_a_candidate_in_staging_has_no_way_back_to_rehearse(lab: Lab) -> None:
    """A pin gave it up, knowingly."""
    lab.want("1.5.0", slots="  staging: 1.6.0\n")
    lab.settle()
    lab.forget()
    lab.breaks("1.6.0")
    minutes(lab, 20)
    assert lab.events == []


def test_a_candidate_that_was_given_up_is_not_warned_of(lab: Lab) -> None:
    """It was deployed over what waited there: going back needs a deploy, which `status` says."""
    lab.breaks("1.6.0", "hang")
    lab.want("1.6.0")
    lab.run()
    lab.want("1.5.0")
    lab.settle()
    lab.forget()
    minutes(lab, 20)
    assert lab.events == []
    assert lab.row().rollback == "needs a deploy"


def test_a_first_install_has_nothing_to_rehearse(open_lab: Callable[..., Lab]) -> None:
    """Staging carries no model."""
    lab = open_lab()
    lab.want("1.4.0")
    lab.run()
    lab.forget()
    minutes(lab, 20)
    assert lab.events == []


def test_status_proves_the_way_back_itself(lab: Lab) -> None:
    """What it says is true now, whichever process asks; a proof serves for five minutes."""
    world = lab.rig.controller("reader").start()
    proved = []
    for _ in range(2):
        row = lab.row(PRODUCTION, rehearse(world, at_once=True))
        assert row.rollback == "ready, 1 swap"
        proved.append(row.proved)
        lab.wait(120)
    assert proved[0] == proved[1] is not None
    assert lab.calls("golden.") == 1 + SAMPLE


def test_status_says_why_going_back_would_not_work(lab: Lab) -> None:
    """In words, while everything else is in sync."""
    lab.breaks("1.4.0")
    rehearsal = rehearse(lab.world, at_once=True)
    assert rehearsal is not None
    assert rehearsal.verdict.mark is Mark.FAIL
    row = lab.row(PRODUCTION, rehearsal)
    assert (row.rollback, row.reason, row.serves) == ("not ready", "Rehearsal", "1.5.0")
    assert "golden row" in row.message


def test_a_process_that_lacks_the_key_asks_arm_for_it_once(lab: Lab) -> None:
    """A path with a key is rehearsed too, also after a restart."""
    lab.cloud.behaviour.keyed = True
    lab.restart()
    minutes(lab, 12)
    lab.forget()
    minutes(lab, 40)
    rehearsal = rehearse(lab.world)
    assert rehearsal is not None
    assert rehearsal.verdict.mark is Mark.PASS
    assert (lab.calls("arm."), lab.events) == (0, [])


def test_a_key_that_cannot_be_had_is_warned_of_once(lab: Lab) -> None:
    """No revert could be proved without it: that is no "not proven" to shrug at."""
    lab.cloud.behaviour.keyed = True
    lab.fault("listkeys", status=403, code="AuthorizationFailed", times=None)
    lab.restart()
    minutes(lab, 50)
    assert lab.told == ["VerifyFailed Rehearsal"]
    assert "ARM does not give it: The request failed with 403" in lab.events[0].message
    lab.mend()
    minutes(lab, 70)
    two = ["VerifyFailed KeyDiffers", "VerifyPassed Rehearsal"]  # the slots' keys differ here
    assert lab.told == ["VerifyFailed Rehearsal", *two]
