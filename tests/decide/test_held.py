"""Further slots on the model world: deployed and proved beside a release, never in its way."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from gitslot.errors import AzureError, AzureUnavailable
from gitslot.reconcile import observe
from gitslot.report.status import Row, exit_code, rows
from gitslot.state.decision import Converged, Stalled, Waiting
from gitslot.state.seen import Answer, Health
from gitslot.state.wanted import PRODUCTION, STAGING
from tests.model import APP, Lab, release

CANARY = "  canary: 1.6.0\n"


@pytest.fixture
def lab() -> Lab:
    """Give a world in which production serves 1.5.0, staging keeps 1.4.0, and a slot is free."""
    lab = Lab()
    lab.converge("1.4.0")
    lab.want("1.5.0")
    lab.run()
    lab.azure.create("canary")
    lab.events.clear()
    lab.azure.deployed.clear()
    return lab


def held(lab: Lab) -> Lab:
    """Bring 1.6.0 to the canary, where it is proved."""
    lab.want("1.5.0", slots=CANARY)
    assert isinstance(lab.run(), Converged)
    lab.events.clear()
    lab.azure.deployed.clear()
    return lab


def row(lab: Lab, slot: str) -> Row:
    """Return what `status` says of *slot*."""
    seen = observe(APP, lab.open(), whole=True)
    return next(each for each in rows(seen, []) if each.slot == slot)


def code(lab: Lab) -> int:
    """Return the exit code of `status`."""
    return exit_code(observe(APP, lab.open(), whole=True))


def words(found: Row) -> tuple[str, str, str, str, str]:
    return found.serves, found.wanted, found.sync, found.health, found.reason


# ---------------------------------------------------------------- the story


def test_a_further_slot_is_deployed_and_proved_once_production_has_converged(lab: Lab) -> None:
    """Four lines tell it; production and staging are left alone."""
    lab.want("1.5.0", slots=CANARY)
    assert isinstance(lab.run(), Converged)
    assert [(e.event, e.slot) for e in lab.events if not e.quiet] == [
        ("Drift", "canary"),
        ("DeployStarted", "canary"),
        ("VerifyPassed", "canary"),
        ("Converged", PRODUCTION),
    ]
    assert [e.message for e in lab.events[:3]] == [
        f"canary serves 1.5.0, {lab.git.commits[-1].revision.short} wants 1.6.0",
        "canary <- iris 1.6.0",
        "canary: 1 of 1 golden rows, worst difference 0, p99 10 ms",
    ]
    assert (lab.serves("canary"), lab.serves(), lab.serves(STAGING)) == ("1.6.0", "1.5.0", "1.4.0")
    assert (lab.azure.deployed, lab.azure.effective) == (["canary"], 1)


def test_production_comes_first(lab: Lab) -> None:
    """One commit that bumps both: the release is over before the further slot is touched."""
    lab.want("1.7.0", slots=CANARY)
    assert isinstance(lab.run(), Converged)
    told = [(e.event, e.slot) for e in lab.events if not e.quiet]
    assert told.index(("Converged", PRODUCTION)) < told.index(("DeployStarted", "canary"))
    assert (lab.serves(), lab.serves("canary")) == ("1.7.0", "1.6.0")
    assert lab.azure.deployed == [STAGING, "canary"]


def test_a_converged_pass_costs_one_health_request_per_slot_and_no_arm(lab: Lab) -> None:
    """Further slots too."""
    held(lab)
    lab.run()
    looks, reads = lab.azure.looks, len(lab.azure.reads)
    asked: list[str] = []
    health = lab.azure.health

    def noting(host: str) -> Health:
        asked.append(host)
        return health(host)

    lab.azure.health = noting  # type: ignore[method-assign]
    for _ in range(50):
        lab.clock.sleep(60)
        assert isinstance(lab.run(), Converged)
    proofs = [host for host in asked if host == STAGING]
    assert (lab.azure.looks, len(lab.azure.reads), lab.events) == (looks, reads, [])
    assert (asked.count(PRODUCTION), asked.count("canary")) == (50, 50)
    assert len(proofs) <= 50 + 10  # and what a rehearsal asks


def test_a_copy_of_production_has_proved_nothing(lab: Lab) -> None:
    """A slot that was made with production's settings serves them, and is proved all the same."""
    lab.want("1.5.0", slots="  canary: 1.5.0\n")
    assert isinstance(lab.run(), Converged)
    assert ("VerifyPassed", "canary") in [(e.event, e.slot) for e in lab.events]
    assert lab.azure.deployed == []


def test_a_slot_that_leaves_the_file_is_left_running(lab: Lab) -> None:
    """And forgotten: whatever it does then, nobody minds."""
    held(lab)
    lab.want("1.5.0")
    assert isinstance(lab.run(), Converged)
    lab.azure.silent.add("canary")
    for _ in range(5):
        lab.clock.sleep(60)
        assert isinstance(lab.run(), Converged)
    assert lab.azure.deployed == []


def test_a_deploy_keeps_the_slots_sticky_values_and_takes_productions_others(lab: Lab) -> None:
    """And its code, unless the file names one."""
    lab.azure.sticky = frozenset({"STAGE"})
    lab.azure.slots[PRODUCTION].settings |= {"STAGE": "live", "THEIRS": "new"}
    lab.azure.slots["canary"].settings |= {"STAGE": "canary", "THEIRS": "old"}
    lab.want("1.5.0", slots="  canary: {version: 1.6.0, code: c9}\n")
    assert isinstance(lab.run(), Converged)
    found = lab.azure.slots["canary"].settings
    assert (found["STAGE"], found["THEIRS"]) == ("canary", "new")
    assert found["WEBSITE_RUN_FROM_PACKAGE"] == "https://store/code/c9.zip"
    assert found["WEBSITE_SWAP_WARMUP_PING_PATH"] == "/api/health"


def test_settings_of_production_that_change_later_do_not_touch_it(lab: Lab) -> None:
    """It is never swapped, so what it is set to beside its release is nobody's business."""
    held(lab)
    lab.azure.slots[PRODUCTION].settings["THEIRS"] = "new"
    lab.want("1.7.0", slots=CANARY)
    assert isinstance(lab.run(), Converged)
    assert lab.azure.deployed == [STAGING]


# ---------------------------------------------------------------- never blocking


def missing(lab: Lab) -> str:
    del lab.azure.slots["canary"]
    return "SlotMissing"


def hidden(lab: Lab) -> str:
    words = "no authorization over slots/canary"
    lab.azure.unreadable["canary"] = AzureError(words, status=403, reason="NotAllowed")
    return "NotAllowed"


def wrong(lab: Lab) -> str:
    lab.azure.wrong = {"1.6.0"}
    return "GoldenRowsFailed"


def refused(lab: Lab) -> str:
    lab.registry.missing = {"1.6.0"}
    return "UnknownVersion"


def silent(lab: Lab) -> str:
    lab.azure.broken["1.6.0"] = Answer.SILENT
    return "DeployTimedOut"


def stopped(lab: Lab) -> str:
    lab.azure.stopped.add("canary")
    return "SlotStopped"


BROKEN: tuple[Callable[[Lab], str], ...] = (missing, hidden, wrong, refused, silent, stopped)


@pytest.mark.parametrize("broken", BROKEN)
def test_whatever_stands_in_its_way_is_said_of_that_slot_alone(
    lab: Lab, broken: Callable[[Lab], str]
) -> None:
    """The app's stop is Stalled and its exit code 1; production's row stays Synced, Healthy."""
    reason = broken(lab)
    lab.want("1.5.0", slots=CANARY)
    stop = lab.settle(60)
    assert isinstance(stop, Stalled)
    assert (stop.reason, stop.slot) == (reason, "canary")
    assert "canary" in stop.message
    assert words(row(lab, PRODUCTION)) == ("1.5.0", "1.5.0", "Synced", "Healthy", "")
    assert words(row(lab, "canary"))[1:] == ("1.6.0", "OutOfSync", "Degraded", reason)
    assert code(lab) == 1
    assert [e.slot for e in lab.events if e.event == "Stalled"] == ["canary"]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_release_goes_on_beside_a_slot_that_stands_still(
    lab: Lab, broken: Callable[[Lab], str]
) -> None:
    """A bump and its revert, each one swap; then the slot's own reason again."""
    reason = broken(lab)
    lab.want("1.5.0", slots=CANARY)
    lab.settle(60)
    for version in ("1.7.0", "1.5.0"):
        lab.want(version, slots=CANARY)
        began = lab.clock.seconds
        stop = lab.run()
        assert lab.serves() == version
        assert lab.clock.seconds - began < 200
        assert getattr(stop, "reason", "") == reason
    assert lab.azure.effective == 3


def test_three_attempts_with_pauses_and_no_more(lab: Lab) -> None:
    """Counted for the slot, and for nothing else that wants the same release."""
    wrong(lab)
    lab.want("1.5.0", slots=CANARY)
    stop = lab.settle(60)
    assert isinstance(stop, Stalled)
    assert lab.azure.deployed == ["canary"] * 3
    times = [e.time for e in lab.events if e.event == "DeployStarted"]
    assert [(b - a).total_seconds() >= 30 for a, b in pairwise(times)] == [
        True,
        True,
    ]
    assert lab.memory.attempts["canary"].failed == 3
    lab.azure.wrong = set()
    lab.want("1.6.0", slots=CANARY)
    lab.run()
    assert lab.serves() == "1.6.0"


def test_a_stalled_slot_is_tried_again_when_the_file_wants_another_version(lab: Lab) -> None:
    """Another release is another wish, at once."""
    wrong(lab)
    lab.want("1.5.0", slots=CANARY)
    lab.settle(60)
    lab.want("1.5.0", slots="  canary: 1.7.0\n")
    assert isinstance(lab.run(), Converged)
    assert lab.serves("canary") == "1.7.0"


def test_other_code_is_another_wish_too(lab: Lab) -> None:
    """What was given up with the code before is tried with the new one."""
    wrong(lab)
    lab.want("1.5.0", slots=CANARY)
    lab.settle(60)
    lab.azure.wrong = set()
    lab.want("1.5.0", slots="  canary: {version: 1.6.0, code: c9}\n")
    assert isinstance(lab.run(), Converged)


def test_retry_clears_it(lab: Lab) -> None:
    """As it clears everything else that was given up."""
    wrong(lab)
    lab.want("1.5.0", slots=CANARY)
    lab.settle(60)
    lab.azure.wrong = set()
    assert isinstance(lab.run(), Stalled)
    lab.say("Retried")
    assert isinstance(lab.settle(), Converged)
    assert lab.serves("canary") == "1.6.0"


def test_one_slot_does_not_keep_another_waiting(lab: Lab) -> None:
    """The second gets its release while the first is missing, and a candidate while both do."""
    lab.azure.create("blue")
    missing(lab)
    lab.want("1.5.0", slots=CANARY + "  blue: 1.7.0\n  staging: 1.3.0\n")
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert (stop.slot, lab.serves("blue"), lab.serves(STAGING)) == ("canary", "1.7.0", "1.3.0")


def test_a_candidate_that_failed_does_not_keep_a_further_slot_waiting(lab: Lab) -> None:
    """The candidate's stop comes first in words, and in nothing else."""
    lab.registry.missing = {"1.8.0"}
    lab.want("1.5.0", slots="  staging: 1.8.0\n" + CANARY)
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert (stop.reason, stop.slot) == ("UnknownVersion", "staging")
    assert lab.serves("canary") == "1.6.0"


def test_two_slots_that_fail_by_turns_tell_each_drift_once(lab: Lab) -> None:
    """Attempts of the one do not begin those of the other anew."""
    lab.azure.create("blue")
    lab.azure.wrong = {"1.6.0", "1.7.0"}
    lab.want("1.5.0", slots="  canary: {version: 1.6.0, code: c9}\n  blue: 1.7.0\n")
    lab.settle(60)
    assert lab.told().count("Drift") == 2
    assert sorted(lab.azure.deployed) == ["blue"] * 3 + ["canary"] * 3


def test_a_silent_slot_is_not_asked_while_production_comes_first(lab: Lab) -> None:
    """One that hangs would cost each look of a release, or of a revert, its time-outs."""
    held(lab)
    lab.azure.silent.add("canary")
    asked: list[str] = []
    health = lab.azure.health

    def noting(host: str) -> Health:
        if host == "canary":
            asked.append(health(PRODUCTION).version)
        return health(host)

    lab.azure.health = noting  # type: ignore[method-assign]
    lab.want("1.7.0", slots=CANARY)
    lab.run()
    assert set(asked) == {"1.7.0"}


def test_a_new_commit_is_seen_while_a_slot_is_waited_for(lab: Lab) -> None:
    """Each turn asks Git anew: a bump goes on in the same pass."""
    lab.azure.broken["1.6.0"] = Answer.SILENT
    lab.want("1.5.0", slots=CANARY)
    sleep, turns = lab.clock.sleep, [0]

    def sleeping(seconds: float) -> None:
        turns[0] += 1
        if turns[0] == 20:
            lab.want("1.7.0", slots=CANARY)
        sleep(seconds)

    lab.clock.sleep = sleeping  # type: ignore[method-assign]
    lab.run()
    assert lab.serves() == "1.7.0"


def test_what_could_only_not_be_read_is_waited_for(lab: Lab) -> None:
    """No answer of ARM about one slot is no doubt about the app."""
    lab.azure.unreadable["canary"] = AzureUnavailable("ARM answered 503")
    lab.want("1.5.0", slots=CANARY)
    stop = lab.run()
    assert isinstance(stop, Waiting)
    assert (stop.reason, stop.slot) == ("Unreadable", "canary")
    assert words(row(lab, PRODUCTION))[2:4] == ("Synced", "Healthy")
    lab.azure.unreadable.clear()
    assert isinstance(lab.settle(), Converged)


def test_arm_is_asked_about_a_slot_no_sooner_than_it_wishes(lab: Lab) -> None:
    """Retry-After of one slot's reading holds back that slot, and not the release."""
    error = AzureUnavailable("ARM answered 429", status=429)
    error.retry_after_s = 300.0
    lab.azure.unreadable["canary"] = error
    lab.want("1.5.0", slots=CANARY)
    for _ in range(5):
        lab.run()
        lab.clock.sleep(30)
    assert lab.azure.reads.count("canary") == 1
    lab.want("1.7.0", slots=CANARY)
    lab.run()
    assert lab.serves() == "1.7.0"


# ---------------------------------------------------------------- lost answers


@pytest.mark.parametrize("answer", ["lost", "lost-before"])
def test_a_lost_deploy_to_a_further_slot_does_not_hold_a_swap(lab: Lab, answer: str) -> None:
    """It is in doubt for its own slot alone."""
    lab.azure.put_answers = [answer]
    lab.want("1.5.0", slots=CANARY)
    sleep = lab.clock.sleep

    def bumping(seconds: float) -> None:
        if lab.memory.deploys.get("canary") and lab.serves() == "1.5.0":
            lab.want("1.7.0", slots=CANARY)
        sleep(seconds)

    lab.clock.sleep = bumping  # type: ignore[method-assign]
    began = lab.clock.now()
    while lab.serves() != "1.7.0":
        lab.run()
    swapped = next(e.time for e in lab.events if e.event == "Converged" and e.to == "1.7.0")
    assert (swapped - began).total_seconds() < 100  # well before a lost deploy is given up
    assert isinstance(lab.settle(), Converged)
    assert (lab.serves("canary"), lab.azure.effective) == ("1.6.0", 2)
    assert lab.azure.deployed.count("canary") == 1


def test_a_lost_deploy_to_staging_does_not_hold_a_further_slot(lab: Lab) -> None:
    """The candidate's fate is open; the further slot gets its release meanwhile."""
    lab.azure.put_answers = ["lost-before"]
    lab.want("1.5.0", slots="  staging: 1.8.0\n" + CANARY)
    began = lab.clock.seconds
    assert isinstance(lab.settle(), Converged)
    proved = [e for e in lab.events if e.event == "VerifyPassed"]
    assert [e.slot for e in proved] == ["canary", "staging"]
    assert lab.clock.seconds - began >= lab.policy.deploy_lost_s


def test_refused_deploys_count_for_the_slot(lab: Lab) -> None:
    """In the platform's words, and the slots' own pair stays free of them."""
    lab.azure.put_answers = ["refused"] * 3
    lab.want("1.5.0", slots=CANARY)
    stop = lab.settle(60)
    assert isinstance(stop, Stalled)
    assert "canary: the platform refused the deploy" in stop.message
    assert PRODUCTION not in {k for k, v in lab.memory.attempts.items() if v.failed}


# ---------------------------------------------------------------- by hand


def by_hand(lab: Lab) -> None:
    """Somebody sets the canary to another release."""
    lab.azure.serve("canary", "1.2.0", "by-hand")


def test_an_edited_release_is_healed_at_once(lab: Lab) -> None:
    """drift: heal, which is what an app does that says nothing."""
    held(lab)
    by_hand(lab)
    assert isinstance(lab.run(), Converged)
    assert lab.serves("canary") == "1.6.0"
    assert lab.told() == ["Drift", "DeployStarted", "VerifyPassed", "Converged"]


def test_an_edited_release_is_reported_where_the_file_says_so(lab: Lab) -> None:
    """And left as it is, until the file wants something else."""
    lab.want("1.5.0", "drift: report\n", CANARY)
    lab.run()
    by_hand(lab)
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert (stop.reason, stop.slot, lab.serves("canary")) == ("DriftReported", "canary", "1.2.0")
    assert "1.2.0" in stop.message
    lab.want("1.5.0", "drift: report\n", "  canary: 1.7.0\n")
    assert isinstance(lab.run(), Converged)
    assert lab.serves("canary") == "1.7.0"


def test_reporting_does_not_hold_back_the_first_deploy(lab: Lab) -> None:
    """What was never held there is no drift by hand, and neither is what we left half done."""
    lab.azure.put_answers = ["lost-before"]
    lab.want("1.5.0", "drift: report\n", CANARY)
    assert isinstance(lab.settle(), Converged)
    assert lab.serves("canary") == "1.6.0"


def test_a_held_slot_that_falls_silent_for_a_moment_costs_nothing(lab: Lab) -> None:
    """20 s of silence after a platform's restart is no failed attempt and no deploy."""
    held(lab)
    for _ in range(60):
        lab.clock.sleep(60)
        lab.run()
    lab.azure.silent.add("canary")
    sleep, until = lab.clock.sleep, lab.clock.seconds + 20

    def waking(seconds: float) -> None:
        sleep(seconds)
        if lab.clock.seconds >= until:
            lab.azure.silent.discard("canary")

    lab.clock.sleep = waking  # type: ignore[method-assign]
    assert isinstance(lab.run(), Converged)
    assert (lab.told(), lab.azure.deployed) == ([], [])


def test_a_held_slot_that_stays_silent_is_deployed_over(lab: Lab) -> None:
    """Once a minute has shown that it does not come back by itself; three times at most."""
    held(lab)
    for _ in range(60):
        lab.clock.sleep(60)
        lab.run()
    lab.azure.silent.add("canary")
    stop = lab.settle(80)
    assert isinstance(stop, Stalled)
    assert stop.reason == "DeployTimedOut"
    assert lab.azure.deployed == ["canary"] * 3


def test_a_swap_of_the_canary_by_hand_is_held_and_then_put_back(lab: Lab) -> None:
    """Production first, as with any swap that is not ours; then the slot gets its own again."""
    held(lab)
    slots = lab.azure.slots
    slots[PRODUCTION], slots["canary"] = slots["canary"], slots[PRODUCTION]
    lab.azure.swap_status = "by hand"
    stop = lab.run()
    assert isinstance(stop, Waiting)
    assert (stop.reason, lab.azure.deployed) == ("ForeignSwap", [])
    assert isinstance(lab.settle(), Converged)
    assert (lab.serves(), lab.serves("canary")) == ("1.5.0", "1.6.0")


# ---------------------------------------------------------------- restarts


def test_a_restart_at_every_append_changes_nothing(lab: Lab) -> None:
    """Killed right after any event: the slot gets its release by one deploy."""

    class Killed(BaseException):
        """The process is gone."""

    for nth in range(1, 6):
        lab = Lab()
        lab.converge("1.5.0")
        lab.azure.create("canary")
        lab.want("1.5.0", slots=CANARY)
        append, count = lab.blobs.append, [0]

        def killing(name: str, data: bytes, at: int, nth=nth, append=append, count=count) -> None:  # type: ignore[no-untyped-def]
            append(name, data, at)
            count[0] += 1
            if count[0] == nth:
                raise Killed

        lab.blobs.append = killing  # type: ignore[method-assign, assignment]
        for _ in range(20):
            try:
                if isinstance(lab.run(), Converged) and count[0] >= nth:
                    break
            except Killed:
                lab.restart()
            lab.clock.sleep(60)
        assert lab.serves("canary") == "1.6.0", nth
        assert len(lab.azure.deployed) <= 1 + (nth == 2), nth  # killed between word and PUT


def test_a_suspended_app_leaves_its_further_slots_alone(lab: Lab) -> None:
    """Hands off means all of them."""
    lab.want("1.5.0", "suspend: incident\n", CANARY)
    lab.run()
    assert lab.azure.deployed == []
    assert words(row(lab, "canary"))[2:4] == ("OutOfSync", "Suspended")


def test_release_names_are_kept_apart_by_slot(lab: Lab) -> None:
    """What the journal remembers of the canary is no word about production."""
    held(lab)
    memory = lab.memory
    assert memory.proved["canary"][1] == release("1.6.0").digest
    assert memory.held["canary"] == (release("1.6.0"), "")
    assert release("1.6.0") not in memory.served
    assert memory.converged == release("1.5.0")


def test_a_slot_that_runs_other_code_than_the_file_names_proves_nothing(lab: Lab) -> None:
    """Its golden rows may pass: it is not what was asked for. Three attempts, then it stalls."""
    lab.azure.codes["canary"] = "old-build"
    lab.want("1.5.0", slots="  canary: {version: 1.6.0, code: c9}\n")
    stop = lab.settle(60)
    assert isinstance(stop, Stalled)
    assert (stop.reason, lab.azure.deployed) == ("DeployTimedOut", ["canary"] * 3)
    assert "it runs code old-build, not https://store/code/c9.zip" in stop.message


def test_a_slot_that_starts_slowly_is_not_deployed_over_because_another_drifts(lab: Lab) -> None:
    """Each is given its own time, however often the others are edited."""
    lab.azure.create("blue")
    lab.azure.boot_s = 200.0
    lab.want("1.5.0", slots=CANARY + "  blue: 1.7.0\n")
    lab.run()
    lab.clock.sleep(100)
    lab.azure.serve("blue", "1.2.0", "by-hand")
    assert isinstance(lab.settle(60), Converged)
    assert lab.azure.deployed.count("canary") == 1
    assert (lab.serves("canary"), lab.serves("blue")) == ("1.6.0", "1.7.0")


def test_every_line_of_a_further_slot_says_how_long_it_took(lab: Lab) -> None:
    """Counted from its own drift, as a release is from its."""
    lab.want("1.5.0", slots=CANARY)
    lab.run()
    proved = next(e for e in lab.events if e.event == "VerifyPassed")
    assert proved.duration_ms is not None
    assert proved.duration_ms >= 5000


# ---------------------------------------------------------------- what production keeps


def test_slots_whose_proofs_say_nothing_do_not_spin(lab: Lab) -> None:
    """Two of them are asked together, and then waited for, with a second between two looks."""
    lab.azure.create("blue")
    lab.azure.keyed = lab.azure.keys_refused = True
    lab.want("1.5.0", slots=CANARY + "  blue: 1.7.0\n  staging: 1.3.0\n")
    asked, began = lab.git.asked, lab.clock.seconds
    lab.run()
    assert lab.git.asked - asked < 4 * (lab.clock.seconds - began) + 60  # a turn for each proof


def adopted(more: str = "") -> Lab:
    """Give a world whose production served what is wanted before any controller looked."""
    lab = Lab()
    lab.azure.serve(PRODUCTION, "1.5.0", "by-another")
    lab.want("1.5.0", more, CANARY)
    lab.run()
    lab.say("Retried")
    lab.clock.sleep(lab.policy.swap_deadline_s)
    return lab


def test_production_converges_though_a_further_slot_never_does() -> None:
    """Else what is remembered of it would wait for that slot: here, that a swap is held."""
    lab = adopted()
    stop = lab.settle()
    assert isinstance(stop, Stalled)
    assert stop.reason == "SlotMissing"
    assert lab.memory.converged == release("1.5.0")
    assert lab.told().count("Converged") == 1
    lab.azure.serve(STAGING, "1.3.0", "other")
    lab.azure.exchange()
    stop = lab.run()
    assert isinstance(stop, Waiting)
    assert stop.reason == "ForeignSwap"


def test_a_commit_taken_back_before_its_swap_leaves_no_attempts_behind(lab: Lab) -> None:
    """Production's attempts end with its wish, whatever stands beside it."""
    del lab.azure.slots["canary"]
    lab.azure.wrong = {"1.7.0"}
    lab.want("1.7.0", slots=CANARY)
    lab.settle()
    assert lab.memory.attempts[PRODUCTION].failed == 3
    lab.want("1.5.0", slots=CANARY)
    lab.settle()
    lab.azure.wrong = set()
    lab.want("1.7.0", slots=CANARY)
    lab.settle()
    assert lab.serves() == "1.7.0"


def test_the_way_back_is_rehearsed_though_a_further_slot_stands_still(lab: Lab) -> None:
    """A warning when it turns, as ever."""
    del lab.azure.slots["canary"]
    lab.want("1.5.0", slots=CANARY)
    lab.settle()
    lab.events.clear()
    lab.azure.wrong = {"1.4.0"}
    for _ in range(12):
        lab.clock.sleep(60)
        lab.run()
    assert lab.reasons() == ["VerifyFailed Rehearsal"]


def test_a_candidate_and_a_further_slot_together_tell_each_drift_once(lab: Lab) -> None:
    """Neither makes the other's begin anew."""
    lab.azure.broken["1.8.0"] = Answer.SILENT
    lab.azure.broken["1.6.0"] = Answer.SILENT
    lab.want("1.5.0", slots="  staging: 1.8.0\n" + CANARY)
    lab.settle(80)
    assert lab.told().count("Drift") == 2
    assert sorted(lab.azure.deployed) == ["canary"] * 3 + [STAGING] * 3


def test_a_slow_candidate_is_not_deployed_over_because_production_was_found_converged() -> None:
    """Its own run goes on: one deploy each, however long they take to start."""
    lab = adopted()
    lab.azure.create("canary")
    lab.azure.boot_s = 200.0
    lab.want("1.5.0", slots="  staging: 1.8.0\n" + CANARY)
    assert isinstance(lab.settle(60), Converged)
    assert sorted(lab.azure.deployed) == ["canary", STAGING]
    assert (lab.serves(STAGING), lab.serves("canary")) == ("1.8.0", "1.6.0")
    assert lab.told().count("Drift") == 2
