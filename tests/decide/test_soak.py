"""The soak: a production that fails after a swap goes back once, onto what is proved, or stays."""

import pytest

from gitslot.record.event import Event
from gitslot.state.decision import Converged, Stalled, Waiting
from gitslot.state.policy import Policy
from gitslot.state.seen import Answer
from gitslot.state.wanted import PRODUCTION, STAGING
from tests.model import APP, Lab, release

SOAK = "soak: 10m\n"


@pytest.fixture
def lab() -> Lab:
    """Give a world in which 1.5.0 has just replaced 1.4.0 and soaks for ten minutes."""
    lab = Lab(policy=Policy(poll_s=5.0))
    lab.converge("1.4.0")
    lab.want("1.5.0", SOAK)
    assert isinstance(lab.run(), Converged)
    lab.azure.puts = lab.azure.swaps = lab.azure.effective = 0
    lab.events.clear()
    return lab


def fail(lab: Lab, answer: Answer = Answer.UNHEALTHY) -> None:
    """From now on 1.5.0 fails in production, and nowhere else."""
    lab.azure.failing["1.5.0"] = answer


def retry(lab: Lab) -> None:
    lab.world.journal.memory(APP, lab.clock.now())
    lab.world.journal.append(APP, [Event("Retried", APP, lab.clock.now())], lab.clock.now())


# ---------------------------------------------------------------- going back


@pytest.mark.parametrize("answer", [Answer.UNHEALTHY, Answer.SILENT])
def test_a_production_that_fails_its_soak_is_swapped_back(lab: Lab, answer: Answer) -> None:
    """By one swap and no deploy, and the log tells each step."""
    fail(lab, answer)
    stop = lab.run()
    assert isinstance(stop, Stalled)
    assert stop.reason == "SwappedBack"
    assert (lab.serves(), lab.azure.swaps, lab.azure.puts) == ("1.4.0", 1, 0)
    assert lab.told() == ["VerifyPassed", "SwapStarted", "SwappedBack", "Stalled"]


def test_it_names_what_was_refused_and_both_ways_on(lab: Lab) -> None:
    """The commit that brought it, to make the way back last, and the command that tries again."""
    commit = lab.git.commits[-1].revision.commit
    fail(lab)
    stop = lab.run()
    assert isinstance(stop, Stalled)
    assert f"git revert {commit[:7]} && git push" in stop.message
    assert "gitslot retry" in stop.message


def test_the_event_of_a_swap_back_names_both_releases(lab: Lab) -> None:
    """History needs what production serves again, and what it served in between."""
    fail(lab)
    lab.run()
    event = next(e for e in lab.events if e.event == "SwappedBack")
    assert (event.release, event.replaced) == (release("1.4.0"), release("1.5.0"))


@pytest.mark.parametrize("restart", [False, True])
def test_what_was_taken_back_is_refused(lab: Lab, restart: bool) -> None:
    """However many passes and processes: it stays with what works, and says so once."""
    fail(lab)
    lab.run()
    for _ in range(30):
        lab.clock.sleep(60)
        if restart:
            lab.restart()
        assert isinstance(lab.run(), Stalled)
    assert (lab.serves(), lab.azure.swaps, lab.azure.puts) == ("1.4.0", 1, 0)
    assert lab.told()[-1] == "Stalled"
    assert lab.told().count("Stalled") == 1


def test_a_refusal_survives_a_commit_that_wants_the_same(lab: Lab) -> None:
    """Only another release ends it."""
    fail(lab)
    lab.run()
    lab.want("1.5.0", SOAK + "drift: heal\n")
    assert isinstance(lab.settle(), Stalled)
    assert lab.azure.swaps == 1


def test_a_revert_agrees_with_a_swap_back(lab: Lab) -> None:
    """Git and production are one again: nothing is swapped."""
    fail(lab)
    lab.run()
    lab.want("1.4.0", SOAK)
    assert isinstance(lab.settle(), Converged)
    assert (lab.serves(), lab.azure.swaps) == ("1.4.0", 1)


def test_after_the_revert_the_same_release_may_come_again(lab: Lab) -> None:
    """A refusal ends when the wanted release changes; its soak is a new one."""
    fail(lab)
    lab.run()
    lab.want("1.4.0", SOAK)
    lab.settle()
    lab.azure.failing.clear()
    lab.want("1.5.0", SOAK)
    assert isinstance(lab.run(), Converged)
    fail(lab)
    assert getattr(lab.run(), "reason", "") == "SwappedBack"
    assert (lab.serves(), lab.azure.swaps) == ("1.4.0", 3)


def test_retry_tries_what_was_refused_again(lab: Lab) -> None:
    """A person says that it was something else."""
    fail(lab)
    lab.run()
    lab.azure.failing.clear()
    retry(lab)
    assert isinstance(lab.settle(), Converged)
    assert lab.serves() == "1.5.0"


def test_another_code_for_the_refused_release_is_tried(lab: Lab) -> None:
    """The code belongs to what is wanted."""
    fail(lab)
    lab.run()
    lab.azure.failing.clear()
    lab.want("{version: 1.5.0, code: 2.0.0}", SOAK)
    assert isinstance(lab.settle(), Converged)
    assert lab.serves() == "1.5.0"


def test_a_revert_fails_its_own_soak_too(lab: Lab) -> None:
    """What a revert replaced is proved as anything else is."""
    lab.want("1.4.0", SOAK)
    assert isinstance(lab.run(), Converged)
    lab.azure.failing["1.4.0"] = Answer.SILENT
    assert getattr(lab.run(), "reason", "") == "SwappedBack"
    assert lab.serves() == "1.5.0"


# ---------------------------------------------------------------- what failing means


def test_a_minute_of_failure_is_needed(lab: Lab) -> None:
    """Twenty seconds of 503 after a good swap are common."""
    lab.azure.slots[PRODUCTION].booted = lab.clock.seconds
    lab.azure.boot_s = 50
    assert isinstance(lab.run(), Converged)
    assert (lab.serves(), lab.azure.swaps) == ("1.5.0", 0)


def test_one_healthy_look_starts_the_minute_afresh(lab: Lab) -> None:
    """Two failing looks count only with no healthy one between them."""
    health, seen = lab.azure.health, [0]

    def flapping(host: str) -> object:
        seen[0] += host == PRODUCTION
        fail(lab) if seen[0] % 8 else lab.azure.failing.clear()
        return health(host)

    lab.azure.health = flapping  # type: ignore[method-assign, assignment]
    for _ in range(9):
        lab.run()
        lab.clock.sleep(5)
    assert lab.azure.swaps == 0


def test_a_blocked_probe_is_no_failure(lab: Lab) -> None:
    """401 says nothing about the model."""
    lab.azure.blocked = {PRODUCTION}
    for _ in range(5):
        lab.run()
        lab.clock.sleep(60)
    assert lab.azure.swaps == 0


def test_an_edited_production_is_drift_and_no_failed_soak(lab: Lab) -> None:
    """Set to anything else, it is healed."""
    lab.azure.slots[PRODUCTION].settings["MODEL_VERSION"] = release("1.3.0").setting
    lab.azure.failing["1.3.0"] = Answer.SILENT
    assert isinstance(lab.settle(), Converged)
    assert lab.serves() == "1.5.0"
    assert "SwappedBack" not in lab.told()


# ---------------------------------------------------------------- when not


def test_without_soak_nothing_is_swapped_back() -> None:
    """Only an app that asks for it."""
    lab = Lab()
    lab.converge("1.4.0")
    lab.want("1.5.0")
    lab.run()
    fail(lab)
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "ProductionDegraded"
    assert lab.azure.swaps == 1


def test_a_failure_after_the_soak_is_said_and_left(lab: Lab) -> None:
    """The file asked for ten minutes."""
    lab.clock.sleep(601)
    fail(lab)
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "ProductionDegraded"
    assert lab.azure.swaps == 0


def test_a_failure_that_began_in_the_soak_counts(lab: Lab) -> None:
    """The minute that proves it may end after the soak."""
    lab.clock.sleep(560)
    fail(lab)
    assert getattr(lab.run(), "reason", "") == "SwappedBack"


def test_a_commit_that_wants_something_else_ends_the_soak(lab: Lab) -> None:
    """A revert wins at once: it is the swap that the soak would have made, for Git's reason."""
    fail(lab)
    lab.want("1.4.0", SOAK)
    assert isinstance(lab.run(), Converged)
    assert (lab.serves(), lab.azure.swaps) == ("1.4.0", 1)
    assert "SwappedBack" not in lab.told()


def test_a_soak_that_was_ended_does_not_begin_again(lab: Lab) -> None:
    """Wanted, not wanted, wanted again: no swap came between, so none is taken back."""
    lab.azure.wrong = {"1.6.0"}
    lab.want("1.6.0", SOAK)
    lab.run()
    lab.want("1.5.0", SOAK)
    assert isinstance(lab.settle(2), Converged)
    fail(lab)
    stop = lab.run()
    assert isinstance(stop, Stalled)
    assert stop.reason == "ProductionDegraded"
    assert lab.azure.swaps == 0


@pytest.mark.parametrize("how", ["deployed over", "silent", "wrong", "edited", "unwarmed"])
def test_an_unfit_staging_is_never_swapped_in(lab: Lab, how: str) -> None:
    """Another release, no answer, wrong answers, other settings: it stops and says so."""
    if how == "deployed over":
        lab.azure.serve(STAGING, "1.3.0")
    if how == "silent":
        lab.azure.silent = {STAGING}
    if how == "wrong":
        lab.azure.wrong = {"1.4.0"}
    if how == "edited":
        lab.azure.slots[STAGING].settings["THEIRS"] = "other"
    if how == "unwarmed":
        del lab.azure.slots[STAGING].settings["WEBSITE_SWAP_WARMUP_PING_PATH"]
    fail(lab)
    stop = lab.run()
    assert isinstance(stop, Stalled)
    assert stop.reason == "SoakFailed"
    assert "not swapped back" in stop.message
    assert "git revert" in stop.message
    assert (lab.azure.swaps, lab.azure.puts) == (0, 0)


def test_a_first_install_has_nothing_to_go_back_to() -> None:
    """Staging carries no model."""
    lab = Lab()
    lab.want("1.4.0", SOAK)
    lab.run()
    lab.azure.failing["1.4.0"] = Answer.SILENT
    stop = lab.run()
    assert isinstance(stop, Stalled)
    assert stop.reason == "SoakFailed"
    assert lab.azure.swaps == 1


def test_a_suspended_app_is_not_swapped_back(lab: Lab) -> None:
    """Somebody asked for hands off."""
    fail(lab)
    lab.want("1.5.0", SOAK + 'suspend: "incident"\n')
    lab.settle()
    assert lab.azure.swaps == 0


def test_doubt_comes_before_a_swap_back(lab: Lab) -> None:
    """While history is rewritten nothing is written at all."""
    fail(lab)
    lab.git.rewritten = True
    lab.want("1.5.0", SOAK)
    lab.settle()
    assert lab.azure.swaps == 0


def test_a_production_that_recovers_is_converged_again(lab: Lab) -> None:
    """It could not be swapped back, and did not need to be."""
    lab.azure.silent = {STAGING}
    fail(lab)
    assert isinstance(lab.run(), Stalled)
    lab.azure.failing.clear()
    assert isinstance(lab.settle(), Converged)
    assert lab.azure.swaps == 0


# ---------------------------------------------------------------- one try


@pytest.mark.parametrize("answer", ["refused", "fails", "reverted", "lost-before", "busy"])
def test_a_failed_swap_back_ends_the_soak(lab: Lab, answer: str) -> None:
    """The try is used when it is sent: no second one follows, whatever became of it."""
    lab.azure.swap_answers = [answer]
    fail(lab)
    stop = lab.settle(60)
    assert isinstance(stop, Stalled)
    assert stop.reason == "ProductionDegraded"
    assert (lab.azure.swaps, lab.azure.effective) == (1, 0)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("answer", ["lost", "busy-ours"])
def test_a_swap_back_whose_answer_was_lost_is_sent_once(
    lab: Lab, answer: str, restart: bool
) -> None:
    """It took effect: the refusal comes from the intent."""
    lab.azure.swap_answers = [answer]
    fail(lab)
    lab.run()
    if restart:
        lab.restart()
    stop = lab.settle(60)
    assert getattr(stop, "reason", "") == "SwappedBack"
    assert (lab.serves(), lab.azure.swaps) == ("1.4.0", 1)


def test_a_swap_back_that_was_not_sent_may_be_tried_again(lab: Lab) -> None:
    """A connection that never opened uses nothing up."""
    lab.azure.swap_answers = ["not sent"]
    fail(lab)
    assert getattr(lab.settle(), "reason", "") == "SwappedBack"
    assert lab.azure.effective == 1


def test_a_swap_back_that_arm_throttles_is_sent_once_it_may_be(lab: Lab) -> None:
    """429 uses nothing up, and no write comes before the time that ARM names."""
    lab.azure.swap_answers = ["throttled"]
    fail(lab)
    began = lab.clock.seconds
    assert getattr(lab.settle(60), "reason", "") == "SwappedBack"
    assert lab.azure.effective == 1
    assert lab.clock.seconds - began > 300


def test_a_failed_swap_back_costs_a_revert_no_attempt(lab: Lab) -> None:
    """Git wants it now: it is swapped in at once."""
    lab.azure.swap_answers = ["refused"]
    fail(lab)
    lab.run()
    lab.want("1.4.0", SOAK)
    began = lab.clock.seconds
    assert isinstance(lab.run(), Converged)
    assert lab.clock.seconds - began < 60


def test_a_revert_that_comes_while_production_goes_back_agrees(lab: Lab) -> None:
    """The swap is polled to its end, and then all is as Git wants it."""
    lab.azure.swap_s = 300
    fail(lab)
    lab.run()
    lab.want("1.4.0", SOAK)
    assert isinstance(lab.settle(), Converged)
    assert (lab.serves(), lab.azure.swaps) == ("1.4.0", 1)
    assert not lab.memory.attempts


def test_a_restart_at_every_append_swaps_back_once(lab: Lab) -> None:
    """Killed right after any event of it: one swap in all, and what works in production."""

    class Killed(BaseException):
        """The process is gone."""

    for nth in range(1, 7):
        lab = Lab(policy=Policy(poll_s=5.0))
        lab.converge("1.4.0")
        lab.want("1.5.0", SOAK)
        lab.run()
        fail(lab)
        append, count = lab.blobs.append, [0]

        def killing(name: str, data: bytes, at: int, nth=nth, append=append, count=count) -> None:  # type: ignore[no-untyped-def]
            append(name, data, at)
            count[0] += 1
            if count[0] == nth:
                raise Killed

        lab.blobs.append = killing  # type: ignore[method-assign, assignment]
        for _ in range(50):
            try:
                lab.run()
            except Killed:
                lab.restart()
            lab.clock.sleep(60)
        assert lab.azure.effective <= 2, nth
        killed_before_the_post = lab.azure.swaps == 1
        assert killed_before_the_post or lab.serves() == "1.4.0", nth


# ---------------------------------------------------------------- what waits for the end of a soak


def test_a_candidate_waits_until_production_has_soaked(lab: Lab) -> None:
    """Until then staging keeps the way back."""
    lab.want("1.5.0", SOAK, slots="  staging: 1.6.0\n")
    stop = lab.run()
    assert isinstance(stop, Waiting)
    assert stop.reason == "Soaking"
    assert lab.serves(STAGING) == "1.4.0"
    lab.clock.sleep(601)
    assert isinstance(lab.settle(), Converged)
    assert lab.serves(STAGING) == "1.6.0"


def test_a_soak_that_passes_writes_nothing(lab: Lab) -> None:
    """Watching is not news."""
    looks = lab.azure.looks
    for _ in range(20):
        lab.clock.sleep(60)
        assert isinstance(lab.run(), Converged)
    assert (lab.events, lab.azure.looks) == ([], looks)


def test_a_release_that_never_got_healthy_in_production_is_swapped_back_too() -> None:
    """The soak begins when the swap takes effect, not when production first answers."""
    lab = Lab(policy=Policy(poll_s=5.0))
    lab.converge("1.4.0")
    lab.azure.serve(STAGING, "1.3.0", "older")
    fail(lab)
    lab.want("1.5.0", SOAK)
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert (stop.reason, lab.serves(), lab.azure.swaps) == ("SwappedBack", "1.4.0", 2)
