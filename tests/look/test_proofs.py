"""Rollback is rehearsed: what waits in staging is proved again, and a turn is told once."""

import pytest

from gitslot.look.probe import Reply
from gitslot.reconcile import observe
from gitslot.report.status import rows
from gitslot.state.decision import Converged
from gitslot.state.seen import Answer, Mark, Rehearsal
from gitslot.state.wanted import PRODUCTION, STAGING
from tests.model import APP, Lab

REFUSED = Reply(401)


@pytest.fixture
def lab() -> Lab:
    """Give a world in which 1.5.0 has replaced 1.4.0, a while ago."""
    lab = Lab()
    lab.converge("1.4.0")
    lab.want("1.5.0")
    assert isinstance(lab.run(), Converged)
    lab.events.clear()
    return lab


def minutes(lab: Lab, number: int) -> None:
    """Pass once a minute; each ends Converged."""
    for _ in range(number):
        lab.clock.sleep(60)
        assert isinstance(lab.run(), Converged)


def asked(lab: Lab) -> list[str]:
    """Count the rows that are replayed from now on, by slot."""
    request, found = lab.azure.request, []

    def counting(method: str, host: str, *rest: object) -> object:
        found.append(host)
        return request(method, host, *rest)  # type: ignore[arg-type]

    lab.azure.request = counting  # type: ignore[method-assign, assignment]
    return found


def rollback(lab: Lab, rehearsal: Rehearsal | None) -> tuple[str, str, str]:
    """Return what `status` says of the way back."""
    production = rows(observe(APP, lab.world), [], rehearsal)[0]
    return production.rollback, production.reason, production.message


def test_staging_is_proved_again_every_five_minutes(lab: Lab) -> None:
    """Not at every pass, and never production."""
    found = asked(lab)
    minutes(lab, 31)
    assert found == [STAGING] * 6


def test_a_rehearsal_that_passes_writes_nothing_and_asks_arm_nothing(lab: Lab) -> None:
    """A thousand converged passes leave the journal as it is."""
    lab.run()
    looks = lab.azure.looks
    for _ in range(1000):
        lab.clock.sleep(3)  # 50 minutes: the hourly full look stays out
        assert isinstance(lab.run(), Converged)
    assert (lab.events, lab.azure.looks) == ([], looks)


def test_a_way_back_that_breaks_is_told_once_and_so_is_its_mend(lab: Lab) -> None:
    """A warning when it turns, and word when it turns again."""
    lab.azure.wrong = {"1.4.0"}
    minutes(lab, 20)
    assert lab.reasons() == ["VerifyFailed Rehearsal"]
    assert "going back to iris 1.4.0 would not work" in lab.events[0].message
    lab.restart()
    minutes(lab, 20)
    assert len(lab.events) == 1
    lab.azure.wrong = set()
    minutes(lab, 20)
    assert lab.reasons() == ["VerifyFailed Rehearsal", "VerifyPassed Rehearsal"]


def test_a_failed_rehearsal_is_no_attempt_at_what_git_wants(lab: Lab) -> None:
    """A revert is tried as if nothing had been said, and its own proof decides."""
    lab.azure.wrong = {"1.4.0"}
    minutes(lab, 10)
    assert not any(entry.failed for entry in lab.memory.attempts.values())
    lab.azure.wrong = set()
    lab.want("1.4.0")
    assert isinstance(lab.run(), Converged)
    assert lab.serves() == "1.4.0"


@pytest.mark.parametrize("how", [Answer.SILENT, Answer.UNHEALTHY])
def test_a_staging_that_stays_down_is_warned_of(lab: Lab, how: Answer) -> None:
    """One look without an answer is not enough for a warning."""
    minutes(lab, 6)
    lab.azure.broken = {"1.4.0": how}
    minutes(lab, 1)
    assert lab.events == []
    minutes(lab, 2)
    assert lab.reasons() == ["VerifyFailed Rehearsal"]


def test_a_blocked_path_proves_nothing_and_is_no_warning(lab: Lab) -> None:
    """401 says nothing about the model."""
    lab.azure.request = lambda *_: REFUSED  # type: ignore[method-assign]
    minutes(lab, 20)
    assert lab.events == []


def test_a_candidate_in_staging_has_no_way_back_to_rehearse(lab: Lab) -> None:
    """A pin gave it up, knowingly."""
    lab.want("1.5.0", slots="  staging: 1.6.0\n")
    lab.settle()
    lab.events.clear()
    lab.azure.wrong = {"1.6.0"}
    minutes(lab, 20)
    assert lab.events == []


def test_a_candidate_that_was_given_up_is_not_warned_of(lab: Lab) -> None:
    """It was deployed over what waited there: going back needs a deploy, which `status` says."""
    lab.azure.broken = {"1.6.0": Answer.SILENT}
    lab.want("1.6.0")
    lab.run()
    lab.want("1.5.0")
    lab.settle()
    lab.events.clear()
    minutes(lab, 20)
    assert lab.events == []
    assert rollback(lab, None)[0] == "needs a deploy"


def test_a_first_install_has_nothing_to_rehearse() -> None:
    """Staging carries no model."""
    lab = Lab()
    lab.want("1.4.0")
    lab.run()
    lab.events.clear()
    minutes(lab, 20)
    assert lab.events == []


def test_status_proves_the_way_back_itself(lab: Lab) -> None:
    """What it says is true now, whichever process asks; a proof serves for five minutes."""
    found = asked(lab)
    world = lab.open()
    for expected in ("ready, 1 swap, proven just now", "ready, 1 swap, proven 2 min ago"):
        seen = observe(APP, world)
        rehearsal = world.looker.rehearse(APP, seen.live, seen.memory, at_once=True)  # type: ignore[arg-type]
        assert rollback(lab, rehearsal)[0] == expected
        lab.clock.sleep(120)
    assert found == [STAGING]


def test_status_says_why_going_back_would_not_work(lab: Lab) -> None:
    """In words, while everything else is in sync."""
    lab.azure.wrong = {"1.4.0"}
    seen = observe(APP, lab.world)
    rehearsal = lab.world.looker.rehearse(APP, seen.live, seen.memory, at_once=True)  # type: ignore[arg-type]
    assert rehearsal is not None
    assert rehearsal.verdict.mark is Mark.FAIL
    short, reason, message = rollback(lab, rehearsal)
    assert (short, reason) == ("not ready", "Rehearsal")
    assert "golden row" in message
    assert lab.serves(PRODUCTION) == "1.5.0"


def test_a_process_that_lacks_the_key_asks_arm_for_it_once(lab: Lab) -> None:
    """A path with a key is rehearsed too, also after a restart."""
    lab.azure.keyed = True
    lab.restart()
    minutes(lab, 12)
    looks = lab.azure.looks
    minutes(lab, 40)
    seen = observe(APP, lab.world)
    rehearsal = lab.world.looker.rehearse(APP, seen.live, seen.memory)  # type: ignore[arg-type]
    assert rehearsal is not None
    assert rehearsal.verdict.mark is Mark.PASS
    assert (lab.azure.looks, lab.events) == (looks, [])


def test_a_key_that_cannot_be_had_is_warned_of_once(lab: Lab) -> None:
    """No revert could be proved without it: that is no \"not proven\" to shrug at."""
    lab.azure.keyed = lab.azure.keys_refused = True
    lab.restart()
    minutes(lab, 50)
    assert lab.reasons() == ["VerifyFailed Rehearsal"]
    assert "ARM does not give it: no permission to list keys" in lab.events[0].message
    lab.azure.keys_refused = False
    minutes(lab, 70)
    assert lab.reasons() == ["VerifyFailed Rehearsal", "VerifyPassed Rehearsal"]
