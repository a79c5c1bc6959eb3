"""The loop on the in-process platform: what one pass, a restart or a lost answer lead to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from emulator.seen.latency import QUICK, RECORDED, Latency
from gitslot.agenda import unread_s
from gitslot.errors import GitPutOff
from gitslot.reconcile import Pass
from gitslot.state.decision import Note, Waiting
from gitslot.state.reasons import Wait
from gitslot.state.wanted import PRODUCTION, STAGING
from reliability.cloud import APP
from reliability.lab import BUSY, LOOK, PUT, RESET, SWAP, Lab, why
from reliability.registered import release

CODE = "WEBSITE_RUN_FROM_PACKAGE"
POST = f"arm.{SWAP}"
TO_STAGING = b'{"targetSlot": "staging"}'


@pytest.fixture
def lab(open_lab: Callable[..., Lab]) -> Lab:
    """Give a world in which production serves 1.4.0 and everybody agrees."""
    return open_lab("1.4.0")


@pytest.fixture
def bumped(lab: Lab) -> Lab:
    """Give a world in which 1.5.0 has replaced 1.4.0, which waits in staging."""
    lab.release("1.5.0")
    lab.forget()
    return lab


# ---------------------------------------------------------------- the story


def test_first_install_fills_empty_slots_by_one_deploy_and_one_swap(
    open_lab: Callable[..., Lab],
) -> None:
    """Slots that carry the code and no model need no acknowledgement."""
    lab = open_lab()
    lab.release("1.4.0")
    assert (lab.serves(), lab.deploys, lab.posts) == ("1.4.0", [STAGING], 1)


def test_a_bump_is_five_events_and_its_swap_names_both_releases(lab: Lab) -> None:
    """The log of a release reads as the product promises; history needs both digests."""
    lab.release("1.5.0")
    assert lab.names == ["Drift", "DeployStarted", "VerifyPassed", "SwapStarted", "Converged"]
    swap = [(event.release, event.replaced) for event in lab.events[-2:]]
    assert swap == [(release("1.5.0"), release("1.4.0"))] * 2


def test_a_setting_changed_on_production_survives_every_swap(bumped: Lab) -> None:
    """A deploy starts from production's settings, and comes before a swap that would undo them."""
    for number, version in enumerate(("1.6.0", "1.5.0"), 1):
        bumped.change(PRODUCTION, THEIRS=version)
        bumped.release(version)
        assert bumped.settings()["THEIRS"] == version
        assert (bumped.serves(), len(bumped.deploys)) == (version, number)


def test_settings_that_never_become_equal_freeze_by_name(lab: Lab) -> None:
    """Somebody rewrites staging after each deploy: a bounded number of them, then a name."""
    lab.want("1.5.0")
    lab.before(
        "health.staging",
        lambda: lab.cloud.change(STAGING, THEIRS="again"),
        when=lambda: bool(lab.deploys) and "THEIRS" not in lab.settings(STAGING),
        always=True,
    )
    stop = lab.settle()
    assert why(stop).startswith("Frozen")
    assert "THEIRS" in str(stop)
    assert (len(lab.deploys), lab.posts) == (4, 0)


# ---------------------------------------------------------------- lost answers


@pytest.mark.parametrize("restart", [False, True])
def test_a_swap_of_ours_that_runs_behind_a_409_is_sent_once(lab: Lab, restart: bool) -> None:
    """Busy is judged by a look made after the answer: until then the intent stays open."""
    lab.fault(SWAP, when="after", **BUSY)
    lab.want("1.5.0")
    if restart:
        lab.before("arm.site-get", lab.restart, when=lambda: lab.posts > 0)
    assert why(lab.settle()) == "Converged"
    assert (lab.serves(), lab.posts) == ("1.5.0", 1)
    assert "SwapFailed NotBegun" not in lab.told


def test_a_swap_that_never_began_is_tried_again_only_after_the_deadline(lab: Lab) -> None:
    """Nothing moved for 30 minutes: only then may another POST follow."""
    lab.fault(SWAP, status=503)
    lab.want("1.5.0")
    began = lab.seconds
    while lab.posts < 2:
        assert lab.seconds < began + 3000
        lab.passes(1)
    assert lab.seconds >= began + 1800
    assert lab.serves() == "1.5.0"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"operation": SWAP, **BUSY}, "SwapFailed NotBegun"),
        ({"operation": SWAP, "status": 400, "code": "BadRequest"}, "SwapFailed SwapRefused"),
        ({"operation": "swap-ping"}, "SwapFailed PingRefused"),
        ({}, "SwapFailed NotSent"),
    ],
    ids=["busy", "refused", "failed", "unopened"],
)
def test_a_swap_that_did_not_happen_is_told_and_sent_again(
    lab: Lab, fault: dict[str, str], told: str
) -> None:
    """Soon, without another deploy; what a failed one left prepared is reset once."""
    if fault:
        lab.fault(**fault)
    else:
        lab.spoil(f"{POST}.staging", "unopened")
    lab.want("1.5.0")
    began = lab.seconds
    assert why(lab.settle()) == "Converged"
    assert (lab.told.count(told), lab.deploys, lab.swaps) == (1, [STAGING], 1)
    busy_s = lab.policy.busy_wait_s if "body" in fault else 0
    assert busy_s <= lab.seconds - began < busy_s + 300
    pinged = fault.get("operation") == "swap-ping"
    assert len(lab.seen("swap-reset")) == pinged
    assert ("http ping" in " ".join(event.message for event in lab.events)) == pinged


def intent_is_open(lab: Lab) -> Callable[[], bool]:
    """Return what is true between the intent of the first swap and its request."""
    return lambda: "SwapStarted" in lab.names and not lab.posts


def test_slots_that_move_after_the_intent_close_it_unsent(lab: Lab) -> None:
    """Somebody edits production between intent and POST: nothing is sent, all starts over."""
    lab.want("1.5.0")
    edit = lambda: lab.cloud.change(PRODUCTION, THEIRS="new")  # noqa: E731 - one line, used once
    lab.before("arm.slotconfignames", edit, when=intent_is_open(lab))
    assert why(lab.settle()) == "Converged"
    assert "SwapFailed NotSent" in lab.told
    assert (lab.posts, lab.settings()["THEIRS"]) == (1, "new")


def test_a_swap_of_ours_that_fails_behind_a_409_is_reset_and_sent_again(lab: Lab) -> None:
    """What it left prepared is ours: nothing was, a moment before the POST."""
    lab.fault(SWAP, when="after", **BUSY)
    lab.fault("swap-ping")
    lab.want("1.5.0")
    assert why(lab.settle()) == "Converged"
    assert ("SwapFailed SwapLeftPrepared" in lab.told, len(lab.seen("swap-reset"))) == (True, 1)
    assert (lab.serves(), lab.swaps) == ("1.5.0", 1)


def test_a_preview_just_before_the_post_is_left_alone_and_no_attempt(lab: Lab) -> None:
    """409 "prepared": nothing is reset or counted, and the swap follows once they cancel."""
    lab.before(POST, lambda: lab.cloud.post("person", "/applySlotConfig", TO_STAGING))
    lab.want("1.5.0")
    assert why(lab.settle()) == "Stalled PreparedByPerson"
    assert ("SwapFailed NotBegun" in lab.told, lab.seen("write-sent", what=RESET)) == (True, [])
    assert not any(event.verdict == "inconclusive" for event in lab.events)
    assert lab.person("/resetSlotConfig") == 200
    assert why(lab.settle()) == "Converged"


def test_a_restart_begins_the_wait_after_a_409_anew(lab: Lab) -> None:
    """Only a process that saw the markers unmoved for so long knows that nothing began."""
    lab.fault(SWAP, times=1, **BUSY)
    lab.want("1.5.0")
    began = lab.seconds
    while lab.seconds < began + 1200:
        lab.run()
        lab.restart()
        lab.wait(60)
    assert (lab.posts, lab.serves()) == (1, "1.4.0")
    assert why(lab.settle()) == "Converged"


def test_an_interrupt_between_intent_and_request_closes_it_unsent(lab: Lab) -> None:
    """Ctrl-C before the swap was sent is written down, so the next pass need not wait."""
    lab.want("1.5.0")
    began = lab.seconds

    def interrupt() -> None:
        raise KeyboardInterrupt

    lab.before("arm.slotconfignames", interrupt, when=intent_is_open(lab))
    with pytest.raises(KeyboardInterrupt):
        lab.run()
    assert lab.told[-1] == "SwapFailed NotSent"
    assert why(lab.run()) == "Converged"
    assert (lab.posts, lab.seconds - began < 300) == (1, True)


def test_a_reset_that_is_refused_ends_the_pass(lab: Lab) -> None:
    """It is tried again at the next tick, and said once."""
    lab.fault("swap-ping")
    lab.fault(RESET, status=409, code="Conflict", times=None)
    lab.want("1.5.0")
    lab.passes(5)
    assert len(lab.seen("write-sent", what=RESET)) <= 5
    assert lab.told.count("Waiting ResetRefused") == 1


@pytest.mark.parametrize(("when", "deploys", "least_s"), [("after", 1, 0), ("before", 2, 120)])
def test_a_deploy_whose_answer_was_lost_is_sent_again_only_if_it_did_not_arrive(
    lab: Lab, when: str, deploys: int, least_s: float
) -> None:
    """The next look shows settings that arrived; what did not may still land for two minutes."""
    lab.fault(PUT, status=503, when=when)
    lab.bring("1.5.0")
    started = [event.time for event in lab.events if event.event == "DeployStarted"]
    assert len(started) == deploys
    assert (started[-1] - started[0]).total_seconds() >= least_s


def test_a_release_served_before_is_tried_on_while_the_platform_is_busy(bumped: Lab) -> None:
    """A rollback is not given up because of other people's operations."""
    bumped.fault(SWAP, times=20, **BUSY)
    bumped.want("1.4.0")
    assert why(bumped.settle(120)) == "Converged"
    assert bumped.serves() == "1.4.0"


def test_an_answer_is_kept_though_somebody_wrote_while_the_swap_was_sent(lab: Lab) -> None:
    """A retry typed at that moment moves the journal; where to poll is still written down."""
    lab.want("1.5.0")
    lab.before(POST, lambda: lab.write("Retried"))
    assert why(lab.settle()) == "Converged"
    assert "SwapUnknown" not in lab.names


def test_a_second_controller_does_not_call_a_fresh_swap_unknown(lab: Lab) -> None:
    """Whoever holds the lock is still waiting for the platform's answer."""
    lab.want("1.5.0")
    other = Pass(APP, lab.rig.controller("second").start(), "timer")
    lab.before(POST, other._turn)
    assert why(lab.settle()) == "Converged"
    assert "SwapUnknown" not in lab.names


# ---------------------------------------------------------------- bad versions


@pytest.mark.parametrize(
    ("how", "reason", "deploys"),
    [
        ("DigestMismatch", "DigestMismatch", 1),
        ("ManifestInvalid", "ManifestInvalid", 1),
        ("UnknownVersion", "UnknownVersion", 1),
        ("LoadFailed", "LoadFailed", 3),
        ("hang", "DeployTimedOut", 3),
    ],
)
def test_a_version_that_does_not_serve_stalls_and_never_reaches_production(
    lab: Lab, how: str, reason: str, deploys: int
) -> None:
    """At once where its bytes are not what was pinned, else after three tries of ten minutes."""
    lab.breaks("1.5.0", how)
    lab.want("1.5.0")
    began = lab.seconds
    assert why(lab.settle(120)) == f"Stalled {reason}"
    assert (len(lab.deploys), lab.posts, lab.serves()) == (deploys, 0, "1.4.0")
    assert how != "hang" or lab.seconds - began >= 1800


def test_a_release_that_was_served_is_tried_on_through_silence(bumped: Lab) -> None:
    """A revert is never refused because staging was slow."""
    bumped.breaks("1.4.0", "hang")
    bumped.deploy(STAGING, "1.4.0")
    bumped.want("1.4.0")
    bumped.passes(45)
    assert len(bumped.deploys) > 3
    bumped.mend()
    assert why(bumped.settle()) == "Converged"


def test_no_two_deploys_share_an_id(lab: Lab) -> None:
    """MODEL_DEPLOY proves which deploy answers, through retries and new commits."""
    lab.breaks("1.5.0")
    for version in ("1.5.0", "1.4.0", "1.5.0"):
        lab.want(version)
        lab.settle()
        lab.write("Retried")
        lab.settle()
    ids = [e.detail.deploy for e in lab.events if e.event == "DeployStarted"]
    assert len(ids) == len(set(ids)) > 6
    lab.mend()
    lab.write("Retried")
    assert why(lab.settle()) == "Converged"
    assert lab.serves() == "1.5.0"


@pytest.mark.parametrize("asked", ["the same", "another code", "again, after a revert"])
def test_only_another_wish_ends_a_stall(lab: Lab, asked: str) -> None:
    """The release with its code: a commit that touches other files changes nothing."""
    lab.breaks("1.5.0")
    lab.want("1.5.0")
    lab.settle()
    lab.forget()
    lab.mend()
    if asked.startswith("again"):
        lab.bring("1.4.0")
    lab.want("1.5.0", code="c9" if asked == "another code" else "")
    stalled = asked == "the same"
    assert why(lab.settle()) == ("Stalled GoldenRowsFailed" if stalled else "Converged")
    assert (lab.serves(), bool(lab.writes)) == ("1.4.0" if stalled else "1.5.0", not stalled)


def test_a_revert_wins_over_a_bump_that_is_still_deployed(lab: Lab) -> None:
    """The bump never reaches production."""
    lab.cloud.behaviour.boot_s = 400
    lab.want("1.5.0")
    lab.run()
    lab.release("1.4.0")
    assert (lab.deploys, lab.posts) == ([STAGING], 0)


@pytest.mark.parametrize("then", ["1.4.0", "1.6.0"])
def test_a_newer_commit_at_any_moment_wins(open_lab: Callable[..., Lab], then: str) -> None:
    """Git moves on at every single look of a bump: the newest is served, and nothing flaps."""
    for moment in range(1, 60):
        lab = open_lab("1.4.0")
        lab.want("1.5.0")
        lab.before(
            "git.newest",
            lambda lab=lab: lab.want(then),  # type: ignore[misc]
            when=lambda lab=lab, moment=moment: lab.calls("git.newest") == moment - 1,  # type: ignore[misc]
        )
        stop = lab.settle()
        if lab.calls("git.newest") < moment:
            break
        assert (why(stop), lab.serves()) == ("Converged", then), moment
        assert lab.swaps <= 2, moment
    assert moment > 10


def test_a_revert_found_meanwhile_by_another_pass_stops_a_swap(
    open_lab: Callable[..., Lab],
) -> None:
    """Up to the moment of the POST: its intent is closed as not sent."""
    lab = open_lab("1.4.0", "1.3.0")
    lab.want("1.5.0")

    def found() -> None:
        lab.want("1.4.0")
        lab.world.wants.desired()  # as a pass of another app does

    lab.before("arm.slotconfignames", found, lambda: "SwapStarted" in lab.names)
    assert why(lab.run()) == "Converged"
    assert (lab.posts, lab.serves()) == (0, "1.4.0")
    assert "SwapFailed NotSent" in lab.told


# ---------------------------------------------------------------- hands


def test_a_foreign_swap_is_held_for_ten_minutes_and_then_put_back(lab: Lab) -> None:
    """Held from the first look that saw it, and said once, with the revert that makes it last."""
    commit = lab.want("1.5.0")
    lab.run()
    lab.swap()
    stop = lab.run()
    assert why(stop) == "Waiting ForeignSwap"
    assert f"`git revert {commit[:7]} && git push` makes it last" in str(stop)
    began = lab.seconds
    while lab.serves() != "1.5.0":
        assert lab.seconds < began + 1000
        lab.passes(1, 30.0)
    assert lab.seconds >= began + 600
    assert lab.told.count("Waiting ForeignSwap") == 1


@pytest.mark.parametrize("wish", ["1.5.0", "1.6.0", release("1.5.0").setting])
def test_what_somebody_swapped_in_is_made_to_last_by_its_version(lab: Lab, wish: str) -> None:
    """A revert of the newest commit would bring another wish: the bump names what is served."""
    lab.want("1.5.0")
    if wish != "1.6.0":
        lab.run()
    lab.want(wish, "drift: heal\n")
    lab.run()
    lab.swap()
    old = release("1.4.0").setting if "@" in wish else "1.4.0"
    assert f"`gitslot bump production {old} app && git push` makes it last" in str(lab.run())


def test_a_changed_wish_ends_a_hold_at_once_and_costs_no_attempt(bumped: Lab) -> None:
    """The newest commit wins over a hand."""
    bumped.swap()
    bumped.run()
    bumped.want("1.6.0")
    began = bumped.seconds
    assert why(bumped.run()) == "Converged"
    assert bumped.seconds < began + 240
    assert "PutBack" not in " ".join(bumped.told)


def test_a_wish_that_cannot_be_resolved_ends_no_hold(bumped: Lab) -> None:
    """A version that nobody registered, and back: production is put back when it was to be."""
    bumped.swap()
    until = bumped.run().message.rpartition(" put back at ")[2][:9]
    bumped.want("9.9.9")
    assert why(bumped.run()) == "Stalled UnknownVersion"
    bumped.want("1.5.0")
    assert why(held := bumped.run()) == "Waiting ForeignSwap"
    assert until in held.message
    bumped.want("9.9.8")
    bumped.run()
    bumped.want("1.6.0")
    assert why(bumped.run()) == "Converged"


def test_settings_gone_from_both_slots_are_named_and_no_first_install(lab: Lab) -> None:
    """As a deployment of infrastructure leaves them: said before they are put right."""
    lab.run()
    for slot in (PRODUCTION, STAGING):
        lab.change(slot, MODEL_NAME=None, MODEL_VERSION=None, MODEL_DEPLOY=None)
    assert why(lab.settle()) == "Converged"
    told = [event.message for event in lab.events]
    names = "by hand, the settings MODEL_NAME, MODEL_VERSION, MODEL_DEPLOY are gone from both slots"
    assert told[0].startswith(names)
    assert (lab.serves(), "first install" in told[-1]) == ("1.4.0", False)


def test_an_edit_after_a_swap_that_changed_nothing_is_no_swap(open_lab: Callable[..., Lab]) -> None:
    """Both slots held one release: the swap's time is not that of the edit."""
    lab = open_lab("1.4.0", "1.4.0")
    lab.run()
    lab.swap()
    lab.wait(lab.policy.full_look_s)
    lab.run()
    assert lab.told == []
    lab.change(PRODUCTION, MODEL_VERSION=release("1.3.0").setting)
    lab.run()
    assert lab.told[0] == "ByHand EditByHand"
    assert " between " in lab.events[0].message


def test_settings_wait_for_their_time_and_status_says_so(open_lab: Callable[..., Lab]) -> None:
    """As among many apps: healthy slots are not read in ARM at once, whatever process looks."""
    lab = open_lab("1.4.0", policy=replace(LOOK, full_looks=1, full_looks_at_once=0))
    assert (why(lab.run()), lab.calls("arm.appsettings")) == ("Converged", 0)
    assert lab.row().message == "its settings were not read yet, to stay within ARM's limits"
    lab.passes(1, unread_s(APP, 1, lab.policy)[0])
    assert lab.calls("arm.appsettings") == 2


@pytest.mark.parametrize("times", [RECORDED, QUICK], ids=lambda times: times.name)
def test_a_release_ends_with_every_flip_on_record(lab: Lab, times: Latency) -> None:
    """44 and 66 s after the POST, with a Location as long as Azure's."""
    lab.cloud.world.latency = replace(times, call_s=0.0)
    lab.release("1.5.0")
    assert lab.posts == 1


def test_put_backs_are_counted_and_three_stall(bumped: Lab) -> None:
    """A person who insists is not fought for ever."""
    for _ in range(3):
        bumped.swap()
        stop = bumped.settle()
    assert (why(stop), bumped.posts) == ("Stalled PutBack", 2)


def test_a_foreign_swap_that_is_undone_leaves_nothing_behind(bumped: Lab) -> None:
    """A hand edit later is healed at once: no hold is left over."""
    for _ in range(2):
        bumped.swap()
        bumped.run()
    for slot in (STAGING, PRODUCTION):
        bumped.change(slot, MODEL_VERSION=release("1.4.0").setting)
    began = bumped.seconds
    assert why(bumped.run()) == "Converged"
    assert (bumped.serves(), bumped.seconds < began + 240) == ("1.5.0", True)


def test_an_edited_release_is_healed_by_deploy_and_swap(lab: Lab) -> None:
    """A portal click on production's version is put right at once."""
    lab.run()
    lab.change(PRODUCTION, MODEL_VERSION=release("1.3.0").setting)
    assert why(lab.run()) == "Converged"
    assert (lab.serves(), lab.deploys, lab.posts) == ("1.4.0", [STAGING], 1)


def test_drift_report_writes_nothing_until_git_asks_for_something(lab: Lab) -> None:
    """Only a hand is reported and left; a commit that changes the code is done."""
    lab.want("1.4.0", "drift: report\n")
    lab.run()
    lab.change(PRODUCTION, MODEL_VERSION=release("1.3.0").setting)
    assert why(lab.settle()) == "Stalled DriftReported"
    assert lab.writes == 0
    lab.change(PRODUCTION, MODEL_VERSION=release("1.4.0").setting)
    assert why(lab.settle()) == "Converged"
    lab.bring("1.4.0", "drift: report\n", code="c9")
    assert "c9" in lab.settings()[CODE]


def test_a_revert_of_a_commit_that_named_code_brings_the_old_code_back(lab: Lab) -> None:
    """By one swap: staging still holds it."""
    lab.run()
    lab.bring("1.5.0", code="c9")
    assert "c9" in lab.settings()[CODE]
    lab.bring("1.4.0")
    assert "c1" in lab.settings()[CODE]
    assert len(lab.deploys) == 1


# ---------------------------------------------------------------- doubt


def test_git_that_is_put_off_waits_and_freezes_after_five_minutes(lab: Lab) -> None:
    """Nothing is written to Azure, each is recorded once, and production's health is watched."""
    lab.want("1.5.0")
    lab.cloud.git.down = GitPutOff("it answered 429", retry_after_s=90)
    stop = lab.passes(3)
    assert isinstance(stop, Waiting)
    assert isinstance(stop.next, Wait)
    assert (why(stop), stop.next.until) == (
        "Waiting GitPutOff",
        lab.world.clock.now() + timedelta(seconds=90),
    )
    looks = lab.calls("health.production")
    assert why(lab.passes(4)) == "Frozen GitUnreachable"
    assert lab.calls("health.production") > looks
    assert (lab.told, lab.writes) == (["Waiting GitPutOff", "Frozen GitUnreachable"], 0)
    lab.cloud.git.down = None
    lab.wait(90)
    assert why(lab.run()) == "Converged"


def test_a_swap_that_ends_during_a_rewrite_does_not_accept_it(lab: Lab) -> None:
    """What is written about the swap does not count as having acted upon the new history."""
    lab.want("1.5.0")
    lab.before("arm.operationresults", lambda: setattr(lab.cloud.git, "rewritten", True))
    lab.before("arm.operationresults", lambda: lab.want("1.6.0"))
    assert why(lab.settle()) == "Frozen HistoryRewritten"
    assert (lab.serves(), len(lab.deploys)) == ("1.5.0", 1)


def test_lifting_a_suspension_does_not_accept_rewritten_history(lab: Lab) -> None:
    """A force push during a suspension freezes when it is over."""
    lab.want("1.4.0", 'suspend: "incident"\n')
    assert why(lab.run()).startswith("Suspended")
    lab.cloud.git.rewritten = True
    lab.want("1.5.0")
    assert why(lab.settle()) == "Frozen HistoryRewritten"
    assert lab.writes == 0


def test_arm_that_is_gone_means_no_write(lab: Lab) -> None:
    """Unreadable freezes; production keeps serving."""
    lab.want("1.5.0")
    lab.fault("*", status=503, times=None)
    assert why(lab.settle()) == "Frozen Unreadable"
    assert (lab.names, lab.writes) == (["Frozen"], 0)


@pytest.mark.parametrize("how", ["serving", "silent", "watched"])
def test_a_lost_journal_freezes_until_a_swap_would_have_ended(lab: Lab, how: str) -> None:
    """
    Whatever the slots answer, in a running controller too; nothing shortens the wait.

    A swap may be under way that nobody remembers, and in a swap both slots restart.
    """
    if how == "watched":
        lab.run()
    if how == "silent":
        for slot in (PRODUCTION, STAGING):
            lab.silence(slot)
    lab.want("1.5.0")
    lab.lose_journal()
    if how != "watched":
        lab.restart()
    assert why(lab.settle()) == "Frozen JournalLost"
    lab.write("Retried")
    began = lab.seconds
    while not lab.writes and lab.seconds < began + 3000:
        lab.passes(1)
        lab.mend()
    assert lab.seconds - began >= 1800
    assert why(lab.settle()) == "Converged"


def test_a_guest_that_looks_while_the_controller_begins_sees_no_lost_journal(
    open_lab: Callable[..., Lab],
) -> None:
    """`gitslot status` just after the platform is up: the journal began after it was read."""
    lab = open_lab()
    lab.want("1.4.0")
    guest = lab.rig.controller("guest", guest=True).start()
    lab.before("health.production", lab.run)
    assert why(lab.observe(guest).decision) == "Converged"  # type: ignore[arg-type]


# ---------------------------------------------------------------- production in trouble


def test_degraded_production_gets_no_write_and_names_the_way_back(lab: Lab) -> None:
    """It is set to the wanted release and does not serve it: said loudly, with the line."""
    commit = lab.want("1.5.0")
    lab.run()
    lab.forget()
    lab.fails("hang")
    stop = lab.settle()
    assert why(stop) == "Stalled ProductionDegraded"
    assert f"git revert {commit[:7]} && git push" in str(stop)
    assert lab.writes == 0


def test_a_short_outage_of_production_writes_nothing(lab: Lab) -> None:
    """Twenty seconds of 503 after a good swap are common."""
    lab.run()
    lab.silence(PRODUCTION)
    lab.cloud.at(20.0, lab.mend)
    assert why(lab.run()) == "Converged"
    assert lab.names == []


@pytest.mark.parametrize("how", ["silent", "foreign"])
def test_a_revert_is_free_to_act_on_a_broken_production(bumped: Lab, how: str) -> None:
    """Whatever production's health: staging is verified, so it is swapped in."""
    bumped.silence(PRODUCTION, how)
    bumped.passes(2, 200.0)
    bumped.want("1.4.0")
    bumped.run()
    assert (bumped.swaps, bumped.serves()) == (1, "1.4.0")


REFUSED: dict[str, Callable[[Lab], object]] = {
    "SlotStopped": lambda lab: lab.person(f"/slots/{STAGING}/stop"),
    "StickyReleaseSetting": lambda lab: lab.stick("MODEL_VERSION"),
    "PreparedByPerson": Lab.prepare,
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_no_swap_would_mend_is_named_and_left_alone(lab: Lab, reason: str) -> None:
    """A stopped slot, a release that does not travel, somebody else's preview."""
    REFUSED[reason](lab)
    lab.want("1.5.0")
    assert why(lab.settle()) == f"Stalled {reason}"
    assert lab.writes == 0


def test_an_app_that_is_not_ours_gets_no_write(open_lab: Callable[..., Lab]) -> None:
    """404 from production that names no release: somebody else's app."""
    lab = open_lab()
    lab.silence(PRODUCTION, "foreign")
    lab.want("1.4.0")
    assert why(lab.settle()) == "Stalled NotServingApp"
    assert lab.writes == 0


def test_an_operation_in_progress_is_waited_for(bumped: Lab) -> None:
    """Somebody swaps: no write until the platform is idle."""
    assert bumped.person(f"/slots/{STAGING}/slotsswap") == 202
    bumped.want("1.6.0")
    bumped.run()
    assert "Waiting OperationInProgress" in bumped.told
    (ended,) = bumped.seen("swap-finished", caller="person")
    assert all(put["seq"] > ended["seq"] for put in bumped.seen("settings-put"))
    assert bumped.deploys


def test_suspension_stops_writes_and_polls_a_swap_to_its_end(lab: Lab) -> None:
    """Hands off, but a swap that was sent is seen through."""
    lab.want("1.5.0")
    lab.before("arm.operationresults", lambda: lab.want("1.6.0", 'suspend: "incident 7, sam"\n'))
    assert why(lab.settle()).startswith("Suspended")
    assert "SwapFinished Served" in lab.told
    assert (lab.serves(), len(lab.deploys)) == ("1.5.0", 1)


# ---------------------------------------------------------------- staging pin


def test_a_candidate_is_held_and_promoted_by_one_swap(lab: Lab) -> None:
    """Deployed and verified once production has converged, never swapped until Git asks for it."""
    lab.bring("1.5.0", slots="  staging: 1.6.0\n")
    assert (lab.serves(STAGING), lab.serves(), lab.swaps) == ("1.6.0", "1.5.0", 1)
    lab.bring("1.6.0")
    assert (lab.serves(), len(lab.deploys), lab.swaps) == ("1.6.0", 2, 2)


def test_a_bad_candidate_leaves_production_alone(lab: Lab) -> None:
    """It stalls by name."""
    lab.breaks("1.6.0")
    lab.want("1.4.0", slots="  staging: 1.6.0\n")
    assert why(lab.settle()) == "Stalled GoldenRowsFailed"
    assert (lab.serves(), lab.posts) == ("1.4.0", 0)


# ---------------------------------------------------------------- nothing spins


def test_a_note_of_which_nothing_is_remembered_ends_the_pass(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that would say the same for ever is stopped by name, and said once."""
    note = Note("Resumed", "Odd", "what no rule of memory knows")
    monkeypatch.setattr("gitslot.reconcile.decisions", lambda *_: {"production": note})
    began = lab.seconds
    assert {why(lab.run()) for _ in range(3)} == {"Frozen InternalError"}
    assert lab.seconds - began < 1
    assert len(lab.events) <= 2
