"""Further slots: deployed and proved beside a release, never in its way."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from gitslot.report.status import Row, exit_code
from gitslot.state.wanted import PRODUCTION, STAGING
from reliability.lab import PUT, Lab, why
from reliability.processes import build_of
from reliability.registered import package_url

CANARY = "  canary: 1.6.0\n"
BLUE = "  blue: 1.7.0\n"
FIRST = "arm.slot-get"


@pytest.fixture
def lab(open_lab: Callable[..., Lab]) -> Lab:
    """Give a world in which production serves 1.5.0, staging keeps 1.4.0, and a slot is free."""
    lab = open_lab("1.4.0")
    lab.want("1.5.0")
    lab.run()
    lab.create("canary")
    lab.forget()
    return lab


@pytest.fixture
def held(lab: Lab) -> Lab:
    """Give the same world with 1.6.0 in the canary, where it is proved."""
    lab.release("1.5.0", slots=CANARY)
    lab.forget()
    return lab


def words(found: Row) -> tuple[str, str, str, str, str]:
    return found.serves, found.wanted, found.state, found.health, found.reason


# ---------------------------------------------------------------- the story


def test_a_further_slot_is_deployed_and_proved_once_production_has_converged(lab: Lab) -> None:
    """Four lines tell it, with the time since its drift; production and staging are left alone."""
    commit = lab.release("1.5.0", slots=CANARY)
    assert [(e.event, e.slot) for e in lab.events] == [
        ("Drift", "canary"),
        ("DeployStarted", "canary"),
        ("VerifyPassed", "canary"),
        ("Converged", PRODUCTION),
    ]
    assert [e.message for e in lab.events[:3]] == [
        f"canary serves 1.5.0, {commit[:7]} wants 1.6.0",
        "canary <- iris 1.6.0",
        "canary: 32 of 32 golden rows, exact, p99 10 ms",
    ]
    assert (lab.events[2].duration_ms or 0) >= 5000
    assert (lab.serves("canary"), lab.serves(), lab.serves(STAGING)) == ("1.6.0", "1.5.0", "1.4.0")
    assert (lab.deploys, lab.posts) == (["canary"], 0)


def test_production_comes_first(lab: Lab) -> None:
    """One commit that bumps both: the release is over before the further slot is touched."""
    lab.release("1.7.0", slots=CANARY)
    told = [(e.event, e.slot) for e in lab.events]
    assert told.index(("Converged", PRODUCTION)) < told.index(("DeployStarted", "canary"))
    assert (lab.serves(), lab.serves("canary")) == ("1.7.0", "1.6.0")
    assert lab.deploys == [STAGING, "canary"]


def test_a_converged_pass_costs_one_health_request_per_slot_and_no_arm(held: Lab) -> None:
    """Further slots too."""
    held.run()
    held.forget()
    assert why(held.passes(50)) == "Converged"
    assert (held.calls("arm."), held.events) == (0, [])
    assert (held.calls("health.production"), held.calls("health.canary")) == (50, 50)
    assert held.calls("health.staging") <= 50 + 10  # and what a rehearsal asks


def test_a_copy_of_production_has_proved_nothing(lab: Lab) -> None:
    """A slot that was made with production's settings serves them, and is proved all the same."""
    lab.release("1.5.0", slots="  canary: 1.5.0\n")
    assert ("VerifyPassed", "canary") in [(e.event, e.slot) for e in lab.events]
    assert lab.deploys == []


def test_a_slot_that_leaves_the_file_is_left_running(held: Lab) -> None:
    """And forgotten: whatever it does then, nobody minds."""
    held.release("1.5.0")
    held.silence("canary")
    assert why(held.passes(5)) == "Converged"
    assert (held.deploys, held.told[1:]) == ([], [])


def test_a_deploy_keeps_the_slots_sticky_values_and_takes_productions_others(lab: Lab) -> None:
    """And its code, unless the file names one."""
    lab.change(PRODUCTION, STAGE="live", THEIRS="new")
    lab.change("canary", STAGE="canary", THEIRS="old")
    lab.stick("STAGE")
    lab.release("1.5.0", slots="  canary: {version: 1.6.0, code: c9}\n")
    found = lab.settings("canary")
    assert (found["STAGE"], found["THEIRS"]) == ("canary", "new")
    assert found["WEBSITE_RUN_FROM_PACKAGE"] == package_url("c9")
    assert found["WEBSITE_SWAP_WARMUP_PING_PATH"] == "/api/health"


def test_settings_of_production_that_change_later_do_not_touch_it(held: Lab) -> None:
    """It is never swapped, so what it is set to beside its release is nobody's business."""
    held.change(PRODUCTION, THEIRS="new")
    held.release("1.7.0", slots=CANARY)
    assert held.deploys == [STAGING]


# ---------------------------------------------------------------- never blocking


BROKEN: dict[str, Callable[[Lab], object]] = {
    "SlotMissing": lambda lab: lab.delete("canary"),
    "NotAllowed": lambda lab: lab.fault(
        "slot-get", slot="canary", status=403, code="AuthorizationFailed", times=None
    ),
    "GoldenRowsFailed": lambda lab: lab.breaks("1.6.0"),
    "UnknownVersion": lambda lab: lab.unregister("1.6.0"),
    "DeployTimedOut": lambda lab: lab.breaks("1.6.0", "hang"),
    "SlotStopped": lambda lab: lab.person("/slots/canary/stop"),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_whatever_stands_in_its_way_is_said_of_that_slot_alone(lab: Lab, reason: str) -> None:
    """
    The app's stop is Stalled and its exit code 1; production's row stays Synced, Healthy.

    A bump and its revert go on, each one swap; then the slot's own reason is there again.
    """
    BROKEN[reason](lab)
    lab.want("1.5.0", slots=CANARY)
    stop = lab.settle(60)
    assert why(stop) == f"Stalled {reason}"
    assert (getattr(stop, "slot", ""), "canary" in str(stop)) == ("canary", True)
    assert words(lab.row()) == ("1.5.0", "1.5.0", "Synced", "Healthy", "")
    _, *said, _, found = words(lab.row("canary"))
    assert (*said, found) == ("1.6.0", "Stalled", reason)
    assert exit_code(lab.observe()) == 1
    assert [e.slot for e in lab.events if e.event == "Stalled"] == ["canary"]
    for version in ("1.7.0", "1.5.0"):
        lab.want(version, slots=CANARY)
        began = lab.seconds
        stop = lab.run()
        assert lab.serves() == version
        assert lab.seconds - began < 300
        assert why(stop) == f"Stalled {reason}"
    assert lab.posts == 2


@pytest.mark.parametrize("how", ["silent", "foreign", "blocked"])
def test_a_release_goes_on_beside_a_slot_that_does_not_answer(lab: Lab, how: str) -> None:
    """A bump and its revert, while the canary says nothing that helps."""
    lab.silence("canary", how)
    for version in ("1.7.0", "1.5.0"):
        lab.want(version, slots=CANARY)
        lab.passes(5)
        assert lab.serves() == version


def test_a_slot_that_azure_does_not_know_says_how_to_create_it(lab: Lab) -> None:
    """And is filled once somebody does."""
    lab.delete("canary")
    lab.want("1.5.0", slots=CANARY)
    create = "az functionapp deployment slot create -g group -n app --slot canary"
    assert create in repr(lab.settle())
    lab.create("canary")
    assert why(lab.settle()) == "Converged"
    assert lab.serves("canary") == "1.6.0"


def test_three_attempts_with_pauses_and_no_more(lab: Lab) -> None:
    """Counted for the slot, and for nothing else that wants the same release."""
    lab.breaks("1.6.0")
    lab.want("1.5.0", slots=CANARY)
    assert why(lab.settle()) == "Stalled GoldenRowsFailed"
    assert lab.deploys == ["canary"] * 3
    times = [e.time for e in lab.events if e.event == "DeployStarted"]
    assert all((b - a).total_seconds() >= 30 for a, b in pairwise(times))
    lab.mend()
    lab.want("1.6.0", slots=CANARY)
    lab.run()
    assert lab.serves() == "1.6.0"


@pytest.mark.parametrize(
    "wish", ["  canary: 1.7.0\n", "  canary: {version: 1.6.0, code: c9}\n", ""]
)
def test_another_release_other_code_or_retry_ends_a_stall(lab: Lab, wish: str) -> None:
    """At once; nothing else does."""
    lab.breaks("1.6.0")
    lab.want("1.5.0", slots=CANARY)
    lab.settle()
    lab.mend()
    lab.want("1.5.0", slots=CANARY)
    assert why(lab.passes(3)) == "Stalled GoldenRowsFailed"
    if wish:
        lab.want("1.5.0", slots=wish)
    else:
        lab.write("Retried")
    assert why(lab.run()) == "Converged"
    assert lab.serves("canary") == ("1.7.0" if "1.7.0" in wish else "1.6.0")


def test_no_slot_keeps_another_waiting(lab: Lab) -> None:
    """One is missing, the candidate is unknown: the third gets its release."""
    lab.create("blue")
    lab.delete("canary")
    lab.want("1.5.0", slots=f"{CANARY}{BLUE}  staging: 1.3.0\n")
    assert why(lab.settle()) == "Stalled SlotMissing"
    assert (lab.serves("blue"), lab.serves(STAGING)) == ("1.7.0", "1.3.0")
    lab.want("1.5.0", slots="  staging: 9.9.9\n  blue: 1.6.0\n")
    stop = lab.settle()
    assert (why(stop), getattr(stop, "slot", "")) == ("Stalled UnknownVersion", STAGING)
    assert lab.serves("blue") == "1.6.0"


@pytest.mark.parametrize("other", ["blue", STAGING])
@pytest.mark.parametrize("how", ["wrong", "hang"])
def test_two_slots_that_fail_by_turns_tell_each_drift_once(lab: Lab, other: str, how: str) -> None:
    """Attempts of the one do not begin those of the other anew."""
    if other == "blue":
        lab.create("blue")
    for version in ("1.6.0", "1.7.0"):
        lab.breaks(version, how)
    lab.want("1.5.0", slots=f"  canary: {{version: 1.6.0, code: c9}}\n  {other}: 1.7.0\n")
    lab.settle(80)
    assert lab.names.count("Drift") == 2
    assert sorted(lab.deploys) == sorted(["canary", other] * 3)


def test_a_silent_slot_is_not_asked_while_production_comes_first(held: Lab) -> None:
    """One that hangs would cost each look of a release, or of a revert, its time-outs."""
    held.silence("canary")
    asked: set[str] = set()
    held.before("health.canary", lambda: asked.add(held.serves()), always=True)
    held.want("1.7.0", slots=CANARY)
    held.run()
    assert asked == {"1.7.0"}


def test_a_new_commit_is_seen_while_a_slot_is_waited_for(lab: Lab) -> None:
    """Each turn asks Git anew: a bump goes on in the same pass."""
    lab.breaks("1.6.0", "hang")
    lab.want("1.5.0", slots=CANARY)
    lab.cloud.at(50.0, lambda: lab.want("1.7.0", slots=CANARY))
    lab.run()
    assert lab.serves() == "1.7.0"


def test_what_could_only_not_be_read_is_waited_for(lab: Lab) -> None:
    """No answer of ARM about one slot is no doubt about the app."""
    lab.fault("slot-get", slot="canary", status=503, times=None)
    lab.want("1.5.0", slots=CANARY)
    stop = lab.run()
    assert (why(stop), getattr(stop, "slot", "")) == ("Waiting Unreadable", "canary")
    assert words(lab.row())[2:4] == ("Synced", "Healthy")
    lab.mend()
    assert why(lab.settle()) == "Converged"


def test_arm_is_asked_about_a_slot_no_sooner_than_it_wishes(lab: Lab) -> None:
    """Retry-After holds back every call of ARM, and then the release goes first."""
    lab.fault("slot-get", slot="canary", status=429, retry_after_s=1500, times=None)
    lab.want("1.5.0", slots=CANARY)
    lab.passes(5, 30.0)
    assert lab.calls(f"{FIRST}.canary") == 1
    lab.want("1.7.0", slots=CANARY)
    lab.wait(300.0)
    lab.run()
    assert lab.serves() == "1.7.0"


# ---------------------------------------------------------------- lost answers


@pytest.mark.parametrize("when", ["after", "before"])
def test_a_lost_deploy_to_a_further_slot_does_not_hold_a_swap(lab: Lab, when: str) -> None:
    """It is in doubt for its own slot alone."""
    lab.fault(PUT, status=503, when=when)
    lab.want("1.5.0", slots=CANARY)
    lab.before("sleep", lambda: lab.want("1.7.0", slots=CANARY), when=lambda: lab.writes > 0)
    began = lab.cloud.now()
    assert why(lab.settle()) == "Converged"
    swapped = next(e.time for e in lab.events if e.event == "Converged" and e.to == "1.7.0")
    assert (swapped - began).total_seconds() < 250  # a deploy, a swap, and nothing between
    assert (lab.serves(), lab.serves("canary"), lab.posts) == ("1.7.0", "1.6.0", 1)
    assert lab.deploys.count("canary") == 1


def test_a_lost_deploy_to_staging_does_not_hold_a_further_slot(lab: Lab) -> None:
    """The candidate's fate is open; the further slot gets its release meanwhile."""
    lab.fault(PUT, status=503)
    lab.want("1.5.0", slots="  staging: 1.8.0\n" + CANARY)
    began = lab.seconds
    assert why(lab.settle()) == "Converged"
    assert [e.slot for e in lab.events if e.event == "VerifyPassed"] == ["canary", STAGING]
    assert lab.seconds - began >= lab.policy.deploy_lost_s


def test_refused_deploys_count_for_the_slot(lab: Lab) -> None:
    """In the platform's words, and the slots' own pair stays free of them."""
    lab.fault(PUT, status=400, code="BadRequest", times=3)
    lab.want("1.5.0", slots=CANARY)
    stop = lab.settle()
    assert "canary: the platform refused the deploy" in str(stop)
    lab.want("1.6.0", slots=CANARY)
    lab.run()
    assert lab.serves() == "1.6.0"


# ---------------------------------------------------------------- by hand


def test_an_edited_release_is_healed_at_once(held: Lab) -> None:
    """drift: heal, which is what an app does that says nothing."""
    held.deploy("canary", "1.2.0")
    assert why(held.run()) == "Converged"
    assert held.serves("canary") == "1.6.0"
    assert held.names == ["Drift", "DeployStarted", "VerifyPassed", "Converged"]


def test_an_edited_release_is_reported_where_the_file_says_so(lab: Lab) -> None:
    """And left as it is until the file wants something else; a first deploy is no such drift."""
    lab.fault(PUT, status=503)
    lab.bring("1.5.0", "drift: report\n", CANARY)
    assert lab.serves("canary") == "1.6.0"
    lab.deploy("canary", "1.2.0")
    stop = lab.settle()
    assert (why(stop), getattr(stop, "slot", "")) == ("Stalled DriftReported", "canary")
    assert (lab.serves("canary"), "1.2.0" in str(stop)) == ("1.2.0", True)
    lab.release("1.5.0", "drift: report\n", "  canary: 1.7.0\n")
    assert lab.serves("canary") == "1.7.0"


def test_a_held_slot_that_falls_silent_for_a_moment_costs_nothing(held: Lab) -> None:
    """20 s of silence after a platform's restart is no failed attempt and no deploy."""
    held.passes(60)
    held.silence("canary")
    held.cloud.at(20.0, held.mend)
    assert why(held.run()) == "Converged"
    assert (held.told, held.deploys) == ([], [])


def test_a_held_slot_that_stays_silent_is_deployed_over(held: Lab) -> None:
    """Once a minute has shown that it does not come back by itself; three times at most."""
    held.passes(60)
    held.silence("canary")
    assert why(held.settle(80)) == "Stalled DeployTimedOut"
    assert held.deploys == ["canary"] * 3


def test_a_swap_of_the_canary_by_hand_is_held_and_then_put_back(held: Lab) -> None:
    """Production first, as with any swap that is not ours; then the slot gets its own again."""
    held.swap("canary")
    assert why(held.run()) == "Waiting ForeignSwap"
    assert held.deploys == []
    assert why(held.settle()) == "Converged"
    assert (held.serves(), held.serves("canary")) == ("1.5.0", "1.6.0")


# ---------------------------------------------------------------- what is remembered, and of which


def test_a_suspended_app_leaves_its_further_slots_alone(lab: Lab) -> None:
    """Hands off means all of them."""
    lab.want("1.5.0", "suspend: incident\n", CANARY)
    lab.run()
    assert lab.writes == 0
    assert words(lab.row("canary"))[2:4] == ("Suspended", "Healthy")


def test_what_the_canary_has_served_is_no_word_about_production(held: Lab) -> None:
    """There it is a new release: three attempts, and not as many as it takes."""
    held.breaks("1.6.0")
    held.want("1.6.0", slots=CANARY)
    assert why(held.settle()) == "Stalled GoldenRowsFailed"
    assert (held.deploys, held.serves("canary")) == ([STAGING] * 3, "1.6.0")


def test_a_slot_that_runs_other_code_than_the_file_names_proves_nothing(lab: Lab) -> None:
    """Its golden rows may pass: it is not what was asked for. Three attempts, then it stalls."""
    asked, other = build_of(package_url("c9")).encode(), b"old-build"
    lab.silence("canary", lambda _, reply: replace(reply, body=reply.body.replace(asked, other)))
    lab.want("1.5.0", slots="  canary: {version: 1.6.0, code: c9}\n")
    stop = lab.settle()
    assert (why(stop), lab.deploys) == ("Stalled DeployTimedOut", ["canary"] * 3)
    assert f"it runs code old-build, not {asked.decode()}" in str(stop)


def test_a_slot_that_starts_slowly_is_not_deployed_over_because_another_drifts(lab: Lab) -> None:
    """Each is given its own time, however often the others are edited."""
    lab.create("blue")
    lab.cloud.behaviour.boot_s = 250.0
    lab.want("1.5.0", slots=CANARY + BLUE)
    lab.run()
    lab.deploy("blue", "1.2.0")
    assert why(lab.settle()) == "Converged"
    assert lab.deploys.count("canary") == 1
    assert (lab.serves("canary"), lab.serves("blue")) == ("1.6.0", "1.7.0")


def test_slots_whose_proofs_say_nothing_do_not_spin(lab: Lab) -> None:
    """Two of them are asked together, and then waited for, with a while between two looks."""
    lab.create("blue")
    lab.cloud.behaviour.keyed = True
    lab.fault("listkeys", status=403, code="AuthorizationFailed", times=None)
    lab.want("1.5.0", slots=f"{CANARY}{BLUE}  staging: 1.3.0\n")
    began = lab.seconds
    lab.run()
    turns = (lab.seconds - began) / lab.policy.poll_s
    assert lab.calls("git.newest") < 4 * turns + 60  # a turn for each proof


# ---------------------------------------------------------------- what production keeps


@pytest.fixture
def adopted(open_lab: Callable[..., Lab]) -> Lab:
    """Give a world whose production served what is wanted before any controller looked."""
    lab = open_lab("1.5.0", "1.4.0")
    lab.lose_journal()
    lab.want("1.5.0", slots=CANARY)
    lab.run()
    lab.write("Retried")
    lab.wait(lab.policy.swap_deadline_s)
    return lab


def test_production_converges_though_a_further_slot_never_does(adopted: Lab) -> None:
    """Else what is remembered of it would wait for that slot: here, that a swap is held."""
    assert why(adopted.settle()) == "Stalled SlotMissing"
    assert adopted.names.count("Converged") == 1
    adopted.swap()
    assert why(adopted.run()) == "Waiting ForeignSwap"


def test_a_commit_taken_back_before_its_swap_leaves_no_attempts_behind(lab: Lab) -> None:
    """Production's attempts end with its wish, whatever stands beside it."""
    lab.delete("canary")
    lab.breaks("1.7.0")
    lab.want("1.7.0", slots=CANARY)
    assert why(lab.settle()) == "Stalled GoldenRowsFailed"
    lab.want("1.5.0", slots=CANARY)
    lab.settle()
    lab.mend()
    lab.want("1.7.0", slots=CANARY)
    lab.settle()
    assert lab.serves() == "1.7.0"


def test_the_way_back_is_rehearsed_though_a_further_slot_stands_still(lab: Lab) -> None:
    """A warning when it turns, as ever."""
    lab.delete("canary")
    lab.want("1.5.0", slots=CANARY)
    lab.settle()
    lab.forget()
    lab.breaks("1.4.0")
    lab.passes(12)
    assert lab.told == ["VerifyFailed Rehearsal"]


def test_a_slow_candidate_is_not_deployed_over_because_production_was_found_converged(
    adopted: Lab,
) -> None:
    """Its own run goes on: one deploy each, however long they take to start."""
    adopted.create("canary")
    adopted.cloud.behaviour.boot_s = 250.0
    adopted.bring("1.5.0", slots="  staging: 1.8.0\n" + CANARY)
    assert sorted(adopted.deploys) == ["canary", STAGING]
    assert (adopted.serves(STAGING), adopted.serves("canary")) == ("1.8.0", "1.6.0")
    assert adopted.names.count("Drift") == 2
