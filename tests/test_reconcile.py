"""The loop on the model world: what one pass, a restart or a lost answer lead to."""

import pytest

from gitslot.errors import SourceError
from gitslot.record.event import Event
from gitslot.state.decision import Converged, Frozen, Note, Stalled, Suspended, Waiting
from gitslot.state.policy import Policy
from gitslot.state.seen import Answer
from gitslot.state.wanted import PRODUCTION, STAGING
from tests.model import APP, Lab, release


@pytest.fixture
def lab() -> Lab:
    """Give a world in which production serves 1.4.0 and everybody agrees."""
    lab = Lab()
    lab.converge("1.4.0")
    return lab


# ---------------------------------------------------------------- the story


def test_first_install_fills_empty_slots_by_one_deploy_and_one_swap() -> None:
    """Slots that carry the code and no model need no acknowledgement."""
    lab = Lab()
    lab.want("1.4.0")
    assert isinstance(lab.run(), Converged)
    assert lab.serves() == "1.4.0"
    assert (lab.azure.puts, lab.azure.swaps) == (1, 1)


def test_a_bump_is_five_events(lab: Lab) -> None:
    """The log of a release reads as the product promises."""
    lab.want("1.5.0")
    assert isinstance(lab.run(), Converged)
    assert lab.told() == ["Drift", "DeployStarted", "VerifyPassed", "SwapStarted", "Converged"]


def test_a_revert_is_one_swap_and_no_deploy(lab: Lab) -> None:
    """The old release waits in staging."""
    lab.want("1.5.0")
    lab.run()
    puts = lab.azure.puts
    lab.want("1.4.0")
    assert isinstance(lab.run(), Converged)
    assert (lab.serves(), lab.azure.puts - puts, lab.azure.effective) == ("1.4.0", 0, 2)


def test_bump_revert_bump_leaves_nothing_stuck(lab: Lab) -> None:
    """Every one of them is one swap."""
    for version in ("1.5.0", "1.4.0", "1.5.0", "1.6.0", "1.5.0"):
        lab.want(version)
        assert isinstance(lab.run(), Converged)
        assert lab.serves() == version
    assert lab.azure.effective == 5


def test_a_converged_pass_writes_nothing_and_asks_arm_nothing(lab: Lab) -> None:
    """A thousand of them are as quiet as one."""
    lab.run()
    looks, events, asked = lab.azure.looks, len(lab.events), lab.git.asked
    for _ in range(50):
        lab.clock.sleep(60)
        assert isinstance(lab.run(), Converged)
    assert len(lab.events) == events
    assert lab.azure.looks == looks
    assert lab.git.asked == asked + 50


def test_every_swap_names_what_it_brings_and_what_it_replaces(lab: Lab) -> None:
    """History needs both digests of every event about a swap."""
    lab.want("1.5.0")
    lab.run()
    swaps = [e for e in lab.events if e.event in ("SwapStarted", "Converged")]
    assert [(e.release, e.replaced) for e in swaps] == [(release("1.5.0"), release("1.4.0"))] * 2


def test_a_setting_changed_on_production_survives_the_next_bump(lab: Lab) -> None:
    """A deploy starts from production's settings."""
    lab.want("1.5.0")
    lab.run()
    lab.azure.slots[PRODUCTION].settings["THEIRS"] = "new"
    lab.want("1.6.0")
    lab.run()
    assert lab.azure.slots[PRODUCTION].settings["THEIRS"] == "new"


def test_a_setting_changed_before_a_revert_is_aligned_first(lab: Lab) -> None:
    """A swap that would carry an old setting back is preceded by a deploy."""
    lab.want("1.5.0")
    lab.run()
    lab.azure.slots[PRODUCTION].settings["THEIRS"] = "new"
    puts = lab.azure.puts
    lab.want("1.4.0")
    assert isinstance(lab.run(), Converged)
    assert lab.azure.slots[PRODUCTION].settings["THEIRS"] == "new"
    assert lab.azure.puts == puts + 1


def test_settings_that_never_become_equal_freeze_by_name(lab: Lab) -> None:
    """Somebody rewrites staging after each deploy: a bounded number of them, then a name."""
    lab.want("1.5.0")
    put = lab.azure.put_settings

    def rewriting(app: object, slot: str, settings: dict[str, str]) -> None:
        put(app, slot, {**settings, "THEIRS": "again"})  # type: ignore[arg-type]

    lab.azure.put_settings = rewriting  # type: ignore[method-assign, assignment]
    stop = lab.settle()
    assert isinstance(stop, Frozen)
    assert "THEIRS" in stop.message
    assert (lab.azure.puts, lab.azure.swaps) == (4, 0)


# ---------------------------------------------------------------- lost answers


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("answer", ["lost", "busy-ours"])
def test_a_swap_whose_answer_was_lost_is_sent_once(lab: Lab, answer: str, restart: bool) -> None:
    """It took effect: the intent closes by what production serves."""
    lab.azure.swap_answers = [answer]
    lab.want("1.5.0")
    lab.run()
    if restart:
        lab.restart()
    assert isinstance(lab.settle(), Converged)
    assert (lab.serves(), lab.azure.swaps) == ("1.5.0", 1)


def test_a_swap_that_never_began_is_tried_again_only_after_the_deadline(lab: Lab) -> None:
    """Nothing moved for 30 minutes: only then may another POST follow."""
    lab.azure.swap_answers = ["lost-before"]
    lab.want("1.5.0")
    lab.run()
    while lab.azure.swaps == 1:
        assert lab.clock.seconds < 3000
        lab.clock.sleep(60)
        lab.run()
    assert lab.clock.seconds >= 1800
    assert lab.serves() == "1.5.0"


def test_a_busy_platform_ends_the_intent_once_it_is_idle(lab: Lab) -> None:
    """Unmoved markers and no operation, in a look made after the answer, mean not begun."""
    lab.azure.swap_answers = ["busy"]
    lab.want("1.5.0")
    assert isinstance(lab.run(), Converged)
    assert "SwapFailed NotBegun" in lab.reasons()
    assert lab.azure.effective == 1


def test_busy_is_judged_by_a_look_made_after_the_answer(lab: Lab) -> None:
    """Our own swap runs behind a 409: the intent stays open until it took effect."""
    lab.azure.swap_answers = ["busy-ours"]
    lab.want("1.5.0")
    assert isinstance(lab.run(), Converged)
    assert "SwapFailed NotBegun" not in lab.reasons()


def test_a_swap_that_was_not_sent_closes_its_intent(lab: Lab) -> None:
    """A connection that never opened is no reason to wait half an hour."""
    lab.azure.swap_answers = ["not sent"]
    lab.want("1.5.0")
    assert isinstance(lab.run(), Converged)
    assert "SwapFailed NotSent" in lab.reasons()
    assert lab.clock.seconds < 300


def test_slots_that_move_after_the_intent_close_it_unsent(lab: Lab) -> None:
    """Somebody edits production between intent and POST: nothing is sent, all starts over."""
    lab.want("1.5.0")
    look = lab.azure.look
    moved: list[bool] = []

    def moving(app: object) -> object:
        if lab.memory.intent and not moved:
            moved.append(True)
            lab.azure.slots[PRODUCTION].settings["THEIRS"] = "new"
        return look(app)  # type: ignore[arg-type]

    lab.azure.look = moving  # type: ignore[method-assign, assignment]
    assert isinstance(lab.run(), Converged)
    assert "SwapFailed NotSent" in lab.reasons()
    assert lab.azure.swaps == 1
    assert lab.azure.slots[PRODUCTION].settings["THEIRS"] == "new"


def test_an_interrupt_between_intent_and_request_closes_it_unsent(lab: Lab) -> None:
    """Ctrl-C before the swap was sent is written down, so the next pass need not wait."""
    lab.want("1.5.0")
    look = lab.azure.look

    def interrupted(app: object) -> object:
        if lab.memory.intent:
            raise KeyboardInterrupt
        return look(app)  # type: ignore[arg-type]

    lab.azure.look = interrupted  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        lab.run()
    lab.azure.look = look  # type: ignore[method-assign]
    assert lab.memory.intent is None
    assert isinstance(lab.run(), Converged)
    assert (lab.azure.swaps, lab.clock.seconds < 300) == (1, True)


def test_a_reverted_swap_is_a_failed_attempt_and_three_stall(lab: Lab) -> None:
    """The platform takes it back each time: named, bounded, production untouched."""
    lab.azure.swap_answers = ["reverted"] * 9
    lab.want("1.5.0")
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "SwapReverted"
    assert (lab.azure.swaps, lab.serves()) == (3, "1.4.0")


def test_reverted_swaps_stall_a_release_that_was_served_before_too(lab: Lab) -> None:
    """Else a platform that always takes the swap back would flap for ever."""
    lab.want("1.5.0")
    lab.run()
    lab.azure.swap_answers = ["reverted"] * 9
    lab.want("1.4.0")
    stop = lab.settle(60)
    assert isinstance(stop, Stalled)
    assert lab.azure.swaps == 4


def test_a_poll_that_fails_closes_the_intent_in_the_platforms_words(lab: Lab) -> None:
    """417 is a failed attempt; staging is still verified and not deployed again."""
    lab.azure.swap_answers = ["fails"]
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Converged)
    failed = next(e for e in lab.events if e.event == "SwapFailed")
    assert "http ping" in failed.message
    assert (lab.azure.puts, lab.azure.swaps) == (1, 2)


def test_a_swap_left_prepared_is_reset_and_tried_again(lab: Lab) -> None:
    """A failed swap of ours leaves the slots prepared: one reset, then on."""
    lab.azure.swap_answers = ["prepared"]
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Converged)
    assert (lab.azure.resets, lab.serves()) == (1, "1.5.0")


def test_a_reset_that_is_refused_ends_the_pass(lab: Lab) -> None:
    """It is tried again at the next tick, and said once."""
    lab.azure.swap_answers = ["prepared"]
    lab.azure.reset_fails = True
    lab.want("1.5.0")
    for _ in range(5):
        lab.run()
        lab.clock.sleep(60)
    assert lab.azure.resets <= 5
    assert lab.reasons().count("Waiting ResetRefused") == 1


def test_a_prepared_swap_of_a_person_is_left_alone(lab: Lab) -> None:
    """No swap of ours failed: it is not ours to reset."""
    lab.azure.prepared = STAGING
    lab.want("1.5.0")
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "PreparedByPerson"
    assert (lab.azure.resets, lab.azure.puts) == (0, 0)


def test_a_failure_long_ago_does_not_make_a_persons_swap_ours(lab: Lab) -> None:
    """A failed swap was followed by a converged look that showed nothing prepared."""
    lab.azure.swap_answers = ["fails"] * 3
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Stalled)
    lab.want("1.4.0")
    assert isinstance(lab.settle(), Converged)
    lab.azure.prepared = STAGING
    lab.want("1.6.0")
    lab.settle()
    assert lab.azure.resets == 0


def test_a_deploy_whose_answer_was_lost_is_not_sent_twice(lab: Lab) -> None:
    """The settings arrived: the next look shows them."""
    lab.azure.put_answers = ["lost"]
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Converged)
    assert lab.azure.puts == 1


def test_a_deploy_that_never_arrived_is_sent_again_after_two_minutes(lab: Lab) -> None:
    """Not before: it could still land."""
    lab.azure.put_answers = ["lost-before"]
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Converged)
    started = [e.time for e in lab.events if e.event == "DeployStarted"]
    assert (started[1] - started[0]).total_seconds() >= 120


def test_refused_deploys_are_failed_attempts(lab: Lab) -> None:
    """Three of them stall, in the platform's words."""
    lab.azure.put_answers = ["refused"] * 9
    lab.want("1.5.0")
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert "BadRequest: no" in stop.message
    assert lab.told().count("DeployStarted") == 3


def test_a_busy_platform_is_not_a_failed_deploy(lab: Lab) -> None:
    """409 of another operation counts nothing, and is not asked again at once."""
    lab.azure.put_answers = ["busy"] * 5
    lab.want("1.5.0")
    lab.run()
    assert not lab.memory.attempts[PRODUCTION].failed
    assert lab.told().count("DeployStarted") < 5
    assert isinstance(lab.settle(), Converged)
    assert not lab.memory.attempts[PRODUCTION].busy


def test_a_platform_that_stays_busy_stalls_after_as_long_as_a_swap_may_take(lab: Lab) -> None:
    """An operation that ARM never shows: half an hour at growing pauses, and then by name."""
    lab.azure.put_answers = ["busy"] * 99
    lab.want("1.5.0")
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "PlatformBusy"
    assert lab.told().count("DeployStarted") == 15
    assert lab.clock.seconds > 1500
    lab.azure.put_answers = []
    lab.world.journal.append(APP, [Event("Retried", APP, lab.clock.now())], lab.clock.now())
    assert isinstance(lab.settle(), Converged)


def test_a_release_served_before_is_tried_on_while_the_platform_is_busy(lab: Lab) -> None:
    """A rollback is not given up because of other people's operations."""
    lab.want("1.5.0")
    lab.settle()
    lab.azure.swap_answers = ["busy"] * 20
    lab.want("1.4.0")
    assert isinstance(lab.settle(120), Converged)
    assert lab.serves() == "1.4.0"


@pytest.mark.parametrize("lost", ["append", "append-before"])
@pytest.mark.parametrize("nth", range(1, 9))
def test_a_lost_answer_of_the_journal_never_costs_a_second_swap(
    lab: Lab, lost: str, nth: int
) -> None:
    """Whichever append loses its answer, the bump ends with one swap."""
    lab.want("1.5.0")
    append, count = lab.blobs.append, [0]

    def losing(name: str, data: bytes, position: int) -> None:
        count[0] += 1
        if count[0] == nth:
            lab.blobs.lost = [lost]
        append(name, data, position)

    lab.blobs.append = losing  # type: ignore[method-assign]
    assert isinstance(lab.settle(60), Converged)
    assert (lab.serves(), lab.azure.effective) == ("1.5.0", 1)


def test_an_answer_is_kept_though_somebody_wrote_while_the_swap_was_sent(lab: Lab) -> None:
    """A retry typed at that moment moves the journal; where to poll is still written down."""
    lab.want("1.5.0")

    def retry() -> None:
        journal = lab.open().journal
        journal.memory(APP, lab.clock.now())
        journal.append(APP, [Event("Retried", APP, lab.clock.now())], lab.clock.now())

    lab.azure.before_swap = [retry]
    assert isinstance(lab.settle(), Converged)
    assert "SwapUnknown" not in lab.told()


def test_a_second_controller_does_not_call_a_fresh_swap_unknown(lab: Lab) -> None:
    """Whoever holds the lock is still waiting for the platform's answer."""
    lab.want("1.5.0")
    other = lab.open()

    def look_in() -> None:
        from gitslot.reconcile import Pass  # noqa: PLC0415

        Pass(APP, other, "timer")._turn()

    lab.azure.before_swap = [look_in]
    assert isinstance(lab.settle(), Converged)
    assert "SwapUnknown" not in lab.told()


# ---------------------------------------------------------------- bad versions


def test_wrong_answers_stop_after_three_deploys(lab: Lab) -> None:
    """Pauses grow, production is untouched, the message says what was wrong."""
    lab.azure.wrong = {"1.5.0"}
    lab.want("1.5.0")
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "GoldenRowsFailed"
    started = [e.time for e in lab.events if e.event == "DeployStarted"]
    assert len(started) == 3
    assert (started[1] - started[0]).total_seconds() >= 30
    assert (started[2] - started[1]).total_seconds() >= 120
    assert (lab.serves(), lab.azure.swaps) == ("1.4.0", 0)


@pytest.mark.parametrize("reason", ["DigestMismatch", "ManifestInvalid", "UnknownVersion"])
def test_bytes_that_are_not_what_was_pinned_stall_at_once(lab: Lab, reason: str) -> None:
    """One deploy, no second."""
    lab.azure.broken, lab.azure.reasons = {"1.5.0": Answer.UNHEALTHY}, {"1.5.0": reason}
    lab.want("1.5.0")
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == reason
    assert lab.azure.puts == 1


def test_a_model_that_does_not_load_is_tried_three_times(lab: Lab) -> None:
    """Only a wrong digest, manifest or version stalls at once."""
    lab.azure.broken, lab.azure.reasons = {"1.5.0": Answer.UNHEALTHY}, {"1.5.0": "LoadFailed"}
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Stalled)
    assert lab.azure.puts == 3


def test_a_silent_staging_counts_after_ten_minutes(lab: Lab) -> None:
    """Inconclusive is waited for, bounded by the deploy deadline, then a failed attempt."""
    lab.azure.broken = {"1.5.0": Answer.SILENT}
    lab.want("1.5.0")
    stop = lab.settle(80)
    assert isinstance(stop, Stalled)
    assert stop.reason == "DeployTimedOut"
    assert lab.azure.puts == 3
    assert lab.clock.seconds >= 1800


def test_a_release_that_was_served_is_tried_on_through_silence() -> None:
    """A revert is never refused because staging was slow."""
    lab = Lab(policy=Policy(poll_s=30.0))
    lab.converge("1.4.0")
    lab.want("1.5.0")
    lab.run()
    lab.azure.broken = {"1.4.0": Answer.SILENT}
    lab.want("1.4.0")
    for _ in range(45):
        lab.run()
        lab.clock.sleep(60)
    assert lab.memory.attempts[PRODUCTION].failed > 3
    lab.azure.broken = {}
    assert isinstance(lab.settle(), Converged)


def test_retry_deploys_anew_under_a_new_id(lab: Lab) -> None:
    """What was refused is started again, and the slot restarts for it."""
    lab.azure.broken = {"1.5.0": Answer.UNHEALTHY}
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Stalled)
    before = lab.azure.slots[STAGING].settings["MODEL_DEPLOY"]
    lab.azure.broken = {}
    lab.world.journal.append(APP, [Event("Retried", APP, lab.clock.now())], lab.clock.now())
    assert isinstance(lab.settle(), Converged)
    assert lab.azure.puts == 2
    assert lab.azure.slots[PRODUCTION].settings["MODEL_DEPLOY"] != before


def test_no_two_deploys_share_an_id(lab: Lab) -> None:
    """MODEL_DEPLOY proves which deploy answers, through retries and new commits."""
    lab.azure.wrong = {"1.5.0"}
    for version in ("1.5.0", "1.4.0", "1.5.0"):
        lab.want(version)
        lab.settle()
        lab.world.journal.append(APP, [Event("Retried", APP, lab.clock.now())], lab.clock.now())
        lab.settle()
    ids = [e.detail["deploy"] for e in lab.events if e.event == "DeployStarted"]
    assert len(ids) == len(set(ids)) > 6


def test_a_stalled_version_that_was_reverted_and_is_wanted_again_is_tried_again(lab: Lab) -> None:
    """Attempts end when the wanted release changes."""
    lab.azure.wrong = {"1.5.0"}
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Stalled)
    lab.want("1.4.0")
    assert isinstance(lab.settle(), Converged)
    lab.azure.wrong = set()
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Converged)
    assert lab.serves() == "1.5.0"


def test_a_commit_that_touches_other_files_does_not_end_a_stall(lab: Lab) -> None:
    """The release is the same, so are its attempts."""
    lab.azure.wrong = {"1.5.0"}
    lab.want("1.5.0")
    lab.settle()
    puts = lab.azure.puts
    lab.want("1.5.0")
    assert isinstance(lab.settle(), Stalled)
    assert lab.azure.puts == puts


def test_other_code_for_a_stalled_version_is_tried_at_once(lab: Lab) -> None:
    """The code belongs to what is wanted: a commit that mends it ends the stall."""
    lab.azure.wrong = {"1.5.0"}
    lab.want("1.5.0")
    lab.settle()
    lab.azure.wrong = set()
    lab.want("{version: 1.5.0, code: 2.0.0}")
    assert isinstance(lab.settle(), Converged)


def test_an_unknown_version_stalls_without_a_write(lab: Lab) -> None:
    """Nothing is deployed that the registry does not know."""
    lab.registry.missing = {"9.9.9"}
    lab.want("9.9.9")
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "UnknownVersion"
    assert (lab.azure.puts, lab.azure.swaps) == (0, 0)


def test_a_revert_wins_over_a_bump_that_is_still_deployed(lab: Lab) -> None:
    """The bump never reaches production."""
    lab.azure.boot_s = 400
    lab.want("1.5.0")
    lab.run()
    lab.azure.boot_s = 5
    lab.want("1.4.0")
    assert isinstance(lab.run(), Converged)
    assert lab.azure.swaps == 0


# ---------------------------------------------------------------- hands


def test_a_foreign_swap_is_held_for_ten_minutes_and_then_put_back(lab: Lab) -> None:
    """Held from the first look that saw it, named with the revert that makes it last."""
    commit = lab.want("1.5.0")
    lab.run()
    lab.azure.exchange()
    stop = lab.run()
    assert isinstance(stop, Waiting)
    assert stop.reason == "ForeignSwap"
    assert commit[:7] in stop.message
    began = lab.clock.seconds
    while lab.serves() != "1.5.0":
        assert lab.clock.seconds < began + 1000
        lab.clock.sleep(30)
        lab.run()
    assert lab.clock.seconds >= began + 600


def test_the_words_of_a_hold_do_not_change_while_it_lasts(lab: Lab) -> None:
    """One event, however many passes."""
    lab.want("1.5.0")
    lab.run()
    lab.azure.exchange()
    for _ in range(9):
        lab.run()
        lab.clock.sleep(60)
    assert lab.reasons().count("Waiting ForeignSwap") == 1


def test_a_changed_wish_ends_a_hold_at_once_and_costs_no_attempt(lab: Lab) -> None:
    """The newest commit wins over a hand."""
    lab.want("1.5.0")
    lab.run()
    lab.azure.exchange()
    lab.run()
    lab.want("1.6.0")
    began = lab.clock.seconds
    assert isinstance(lab.run(), Converged)
    assert lab.clock.seconds < began + 120
    assert "PutBack" not in " ".join(lab.reasons())


def test_put_backs_are_counted_and_three_stall(lab: Lab) -> None:
    """A person who insists is not fought for ever."""
    lab.want("1.5.0")
    lab.run()
    for _ in range(3):
        lab.azure.exchange()
        stop = lab.settle(60)
    assert isinstance(stop, Stalled)
    assert stop.reason == "PutBack"
    assert lab.azure.swaps == 3


def test_a_foreign_swap_that_is_undone_leaves_nothing_behind(lab: Lab) -> None:
    """A hand edit later is healed at once: no hold is left over."""
    lab.want("1.5.0")
    lab.run()
    lab.azure.exchange()
    lab.run()
    lab.azure.exchange()
    lab.run()
    lab.azure.slots[PRODUCTION].settings["MODEL_VERSION"] = release("1.4.0").setting
    lab.azure.slots[STAGING].settings["MODEL_VERSION"] = release("1.4.0").setting
    began = lab.clock.seconds
    assert isinstance(lab.run(), Converged)
    assert lab.clock.seconds < began + 120


def test_an_edited_release_is_healed_by_deploy_and_swap(lab: Lab) -> None:
    """A portal click on production's version is put right at once."""
    lab.run()
    lab.azure.slots[PRODUCTION].settings["MODEL_VERSION"] = release("1.3.0").setting
    assert isinstance(lab.run(), Converged)
    assert (lab.serves(), lab.azure.puts, lab.azure.swaps) == ("1.4.0", 1, 1)


def test_drift_report_writes_nothing(lab: Lab) -> None:
    """The file says report: it is said and left."""
    lab.want("1.4.0", "drift: report\n")
    lab.run()
    lab.azure.slots[PRODUCTION].settings["MODEL_VERSION"] = release("1.3.0").setting
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "DriftReported"
    assert (lab.azure.puts, lab.azure.swaps) == (0, 0)


def test_drift_report_does_not_hold_back_a_commit_that_changes_code(lab: Lab) -> None:
    """Only a hand is reported; what Git asks for is done."""
    lab.want("1.4.0", "drift: report\n")
    lab.run()
    lab.want("{version: 1.4.0, code: 2.0.0}", "drift: report\n")
    assert isinstance(lab.settle(), Converged)
    assert "2.0.0" in lab.azure.slots[PRODUCTION].settings["WEBSITE_RUN_FROM_PACKAGE"]


def test_a_revert_of_a_commit_that_named_code_brings_the_old_code_back(lab: Lab) -> None:
    """By one swap: staging still holds it."""
    lab.azure.slots[PRODUCTION].settings["WEBSITE_RUN_FROM_PACKAGE"] = "https://store/code/old.zip"
    lab.run()
    lab.want("{version: 1.5.0, code: 2.0.0}")
    assert isinstance(lab.settle(), Converged)
    puts = lab.azure.puts
    lab.want("1.4.0")
    assert isinstance(lab.settle(), Converged)
    settings = lab.azure.slots[PRODUCTION].settings
    assert settings["WEBSITE_RUN_FROM_PACKAGE"] == "https://store/code/old.zip"
    assert lab.azure.puts == puts


# ---------------------------------------------------------------- doubt


def test_git_that_is_gone_freezes_once_and_thaws(lab: Lab) -> None:
    """One event, zero writes, and on it goes when Git is back."""
    lab.want("1.5.0")
    lab.git.down = SourceError("cannot read", reason="GitUnreachable")
    for _ in range(5):
        assert isinstance(lab.run(), Frozen)
    assert lab.reasons() == ["Frozen GitUnreachable"]
    lab.git.down = None
    assert isinstance(lab.run(), Converged)


def test_rewritten_history_freezes_until_somebody_accepts_it(lab: Lab) -> None:
    """Retry accepts the head that was seen."""
    lab.run()
    lab.git.rewritten = True
    lab.want("1.5.0")
    stop = lab.settle()
    assert isinstance(stop, Frozen)
    assert stop.reason == "HistoryRewritten"
    assert lab.azure.puts == 0
    lab.say("Retried")
    assert isinstance(lab.settle(), Frozen)
    head = lab.world.wants.desired().revision
    assert head is not None
    assert lab.open().wants.acknowledge(APP, head)
    assert isinstance(lab.settle(), Converged)


def test_a_swap_that_ends_during_a_rewrite_does_not_accept_it(lab: Lab) -> None:
    """What is written about the swap does not count as having acted upon the new history."""
    lab.azure.swap_answers = ["lost"]
    lab.want("1.5.0")
    lab.azure.swap_s = 300
    lab.run()  # the pass ends with its intent open
    lab.git.rewritten = True
    lab.want("1.6.0")
    stop = lab.settle()
    assert isinstance(stop, Frozen)
    assert stop.reason == "HistoryRewritten"
    assert lab.serves() == "1.5.0"


def test_lifting_a_suspension_does_not_accept_rewritten_history(lab: Lab) -> None:
    """A force push during a suspension freezes when it is over."""
    lab.want("1.4.0", 'suspend: "incident"\n')
    assert isinstance(lab.run(), Suspended)
    lab.git.rewritten = True
    lab.want("1.5.0")
    stop = lab.settle()
    assert isinstance(stop, Frozen)
    assert lab.azure.puts == 0


def test_history_that_may_be_rewritten_is_followed(lab: Lab) -> None:
    """On the local platform an amended commit is normal."""
    lab.world = lab.open(on_rewrite="follow")
    lab.git.rewritten = True
    lab.want("1.5.0")
    assert isinstance(lab.run(), Converged)


def test_arm_that_is_gone_means_no_write(lab: Lab) -> None:
    """Unreadable freezes; production keeps serving."""
    lab.want("1.5.0")
    lab.azure.down = True
    stop = lab.settle()
    assert isinstance(stop, Frozen)
    assert stop.reason == "Unreadable"
    assert len(lab.events) == 1


def test_a_lost_journal_freezes_while_the_slots_serve(lab: Lab) -> None:
    """No baseline and a release in production: a swap may be under way that nobody remembers."""
    lab.want("1.5.0")
    lab.blobs.drop(lab.blobs.names("journal/")[0])
    lab.restart()
    stop = lab.settle()
    assert isinstance(stop, Frozen)
    assert stop.reason == "JournalLost"
    assert lab.azure.puts == 0


def test_a_journal_lost_under_a_running_controller_freezes_too(lab: Lab) -> None:
    """And the same process goes on once somebody acknowledged it."""
    lab.run()
    lab.want("1.5.0")
    lab.blobs.drop(lab.blobs.names("journal/")[0])
    assert isinstance(lab.run(), Frozen)
    lab.world.journal.memory(APP, lab.clock.now())
    lab.world.journal.append(APP, [Event("Retried", APP, lab.clock.now())], lab.clock.now())
    assert isinstance(lab.settle(60), Converged)


def test_a_lost_journal_that_was_acknowledged_waits_as_for_an_unknown_swap(lab: Lab) -> None:
    """Nothing that is written meanwhile shortens the wait."""
    lab.want("1.5.0")
    lab.blobs.drop(lab.blobs.names("journal/")[0])
    lab.restart()
    lab.run()
    lab.world.journal.append(APP, [Event("Retried", APP, lab.clock.now())], lab.clock.now())
    began = lab.clock.seconds
    while lab.azure.puts == 0:
        assert lab.clock.seconds < began + 3000
        lab.run()
        lab.clock.sleep(60)
    assert lab.clock.seconds - began >= 1800
    assert isinstance(lab.settle(), Converged)


def test_a_lost_journal_over_silent_slots_freezes_too(lab: Lab) -> None:
    """In a swap both slots restart: their settings speak for them."""
    lab.want("1.5.0")
    lab.azure.silent = {PRODUCTION, STAGING}
    lab.blobs.drop(lab.blobs.names("journal/")[0])
    lab.restart()
    stop = lab.settle()
    assert isinstance(stop, Frozen)
    assert lab.azure.puts == 0


# ---------------------------------------------------------------- production in trouble


def test_degraded_production_gets_no_write_and_names_the_way_back(lab: Lab) -> None:
    """It is set to the wanted release and does not serve it: said loudly, with the line."""
    commit = lab.want("1.5.0")
    lab.run()
    lab.azure.broken = {"1.5.0": Answer.SILENT}
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "ProductionDegraded"
    assert f"git revert {commit[:7]} && git push" in stop.message
    assert lab.azure.swaps == 1


def test_a_short_outage_of_production_writes_nothing(lab: Lab) -> None:
    """Twenty seconds of 503 after a good swap are common."""
    lab.run()
    before = len(lab.events)
    lab.azure.slots[PRODUCTION].booted = lab.clock.seconds
    lab.azure.boot_s = 20
    assert isinstance(lab.run(), Converged)
    assert len(lab.events) == before


@pytest.mark.parametrize("how", ["silent", "foreign"])
def test_a_revert_is_free_to_act_on_a_broken_production(lab: Lab, how: str) -> None:
    """Whatever production's health: staging is verified, so it is swapped in."""
    lab.want("1.5.0")
    lab.run()
    getattr(lab.azure, how).add(PRODUCTION)
    lab.clock.sleep(200)
    lab.run()
    lab.want("1.4.0")
    lab.run()
    assert lab.azure.effective == 2


def test_an_app_that_is_not_ours_gets_no_write() -> None:
    """404 from production that names no release: somebody else's app."""
    lab = Lab()
    lab.azure.foreign = {PRODUCTION}
    lab.want("1.4.0")
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "NotServingApp"
    assert (lab.azure.puts, lab.azure.swaps) == (0, 0)


def test_a_stopped_slot_is_named(lab: Lab) -> None:
    """It cannot be swapped, so nothing is begun."""
    lab.azure.stopped = {STAGING}
    lab.want("1.5.0")
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "SlotStopped"
    assert lab.azure.puts == 0


def test_a_sticky_release_setting_is_named(lab: Lab) -> None:
    """A swap would succeed and change nothing."""
    lab.azure.sticky = frozenset({"MODEL_VERSION"})
    lab.want("1.5.0")
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "StickyReleaseSetting"


def test_an_operation_in_progress_is_waited_for(lab: Lab) -> None:
    """Somebody swaps: no write until the platform is idle."""
    lab.azure.operation = "theirs"
    lab.want("1.5.0")
    stop = lab.run()
    assert isinstance(stop, Waiting)
    assert stop.reason == "OperationInProgress"
    assert lab.azure.puts == 0


def test_suspension_stops_writes_and_polls_a_swap_to_its_end(lab: Lab) -> None:
    """Hands off, but a swap that was sent is seen through."""
    lab.azure.swap_s = 300
    lab.want("1.5.0")
    lab.run()
    assert lab.memory.intent is not None
    lab.want("1.6.0", 'suspend: "incident 7, sam"\n')
    assert isinstance(lab.settle(), Suspended)
    assert lab.memory.intent is None
    assert (lab.serves(), lab.azure.puts) == ("1.5.0", 1)


# ---------------------------------------------------------------- staging pin


def test_a_candidate_is_held_after_production_converged(lab: Lab) -> None:
    """Deployed, verified, never swapped."""
    lab.want("1.4.0", slots="  staging: 1.6.0\n")
    assert isinstance(lab.settle(), Converged)
    assert (lab.serves(STAGING), lab.serves(), lab.azure.swaps) == ("1.6.0", "1.4.0", 0)


def test_a_candidate_is_promoted_by_one_swap(lab: Lab) -> None:
    """It is there already."""
    lab.want("1.4.0", slots="  staging: 1.6.0\n")
    lab.settle()
    lab.want("1.6.0")
    assert isinstance(lab.settle(), Converged)
    assert (lab.serves(), lab.azure.puts, lab.azure.swaps) == ("1.6.0", 1, 1)


def test_bumping_both_brings_production_first(lab: Lab) -> None:
    """Several releases at once: production's first, then the candidate."""
    lab.want("1.5.0", slots="  staging: 1.6.0\n")
    assert isinstance(lab.settle(), Converged)
    assert (lab.serves(), lab.serves(STAGING)) == ("1.5.0", "1.6.0")


def test_a_bad_candidate_leaves_production_alone(lab: Lab) -> None:
    """It stalls by name."""
    lab.azure.wrong = {"1.6.0"}
    lab.want("1.4.0", slots="  staging: 1.6.0\n")
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert (lab.serves(), lab.azure.swaps) == ("1.4.0", 0)


# ---------------------------------------------------------------- nothing spins


def test_a_note_of_which_nothing_is_remembered_ends_the_pass(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that would say the same for ever is stopped by name, and said once."""
    note = Note("Resumed", "Odd", "what no rule of memory knows")
    monkeypatch.setattr("gitslot.reconcile.decide", lambda *_: note)
    for _ in range(3):
        began = lab.clock.seconds
        stop = lab.run()
        assert isinstance(stop, Frozen)
        assert stop.reason == "InternalError"
        assert lab.clock.seconds - began < 1
    assert len(lab.events) <= 2
