"""What a plan promises: the steps the controller would take, and what stands at their end."""

from dataclasses import replace

from gitslot.report.plan import Plan, plan
from gitslot.state.code import Needs
from gitslot.state.policy import Policy
from gitslot.state.remembered import Intent, Memory
from gitslot.state.seen import Live
from gitslot.state.wanted import PRODUCTION, App, Doubt, Refusal, Resolved
from tests.report.looks import NOW, app, beside, live, memory, release, wanting


def planned(wanted: App | Doubt, seen: Live | Doubt, remembered: Memory) -> Plan:
    return plan("az-fct-python-ml", wanted, seen, remembered, NOW, Policy())


def actions(found: Plan) -> list[str]:
    return [step.action for step in found.steps]


def test_a_bump_is_deploy_verify_swap() -> None:
    """A version that staging does not hold is deployed, proved and swapped in."""
    found = planned(app("1.5.0"), live("1.4.0", "1.3.0", "1.5.0"), memory("1.4.0", "1.3.0"))
    assert actions(found) == ["deploy", "verify", "swap"]
    assert (found.end, found.exit_code) == ("Converged", 1)
    assert found.steps[0].what == "staging <- iris 1.5.0"
    assert found.steps[0].why == "staging is set to 1.3.0"
    assert "the deploy replaces what staging holds now: iris 1.3.0" in found.notes
    assert any("gitslot rollback" in note and "iris 1.4.0" in note for note in found.notes)


def test_a_bump_says_what_the_model_holds_in_memory() -> None:
    """Measured at registration; both slots of the pair hold it at once."""
    seen = live("1.4.0", "1.3.0", "1.5.0")
    wanted = Resolved(release("1.5.0"), needs=Needs(memory=300 * 2**20))
    seen = Live({**seen.slots, PRODUCTION: replace(seen.production, wanted=wanted)})
    found = planned(app("1.5.0"), seen, memory("1.4.0", "1.3.0"))
    assert any("iris 1.5.0 holds 300 MiB, in production and in staging" in n for n in found.notes)


def test_code_from_elsewhere_is_called_unverified() -> None:
    """Only the bytes of the registry's own packages are compared with their names."""
    seen = live("1.4.0", "1.3.0", "1.5.0")
    elsewhere = seen.having(replace(seen.production, code=None))
    for look, times in ((seen, 0), (elsewhere, 1)):
        notes = planned(app("1.5.0"), look, memory("1.4.0", "1.3.0")).notes
        assert sum("unverified" in note for note in notes) == times


def test_a_revert_deploys_nothing() -> None:
    """What staging keeps comes back by proof and swap alone."""
    found = planned(app("1.4.0"), live("1.5.0", "1.4.0", "1.4.0"), memory("1.5.0", "1.4.0"))
    assert actions(found) == ["verify", "swap"]


def test_nothing_to_do_is_an_empty_plan() -> None:
    """In sync, a plan has no steps and exit code 0."""
    found = planned(app("1.5.0"), live("1.5.0", "1.4.0", "1.5.0"), memory("1.5.0", "1.4.0"))
    assert (found.steps, found.end, found.exit_code) == ((), "Converged", 0)


def test_a_first_install_ends_with_staging_empty() -> None:
    """Two slots without a model need one deploy and one swap."""
    found = planned(app("1.4.0"), live(None, None, "1.4.0"), Memory())
    assert actions(found) == ["deploy", "verify", "swap"]
    assert found.steps[-1].why == "production nothing -> 1.4.0"
    assert found.notes == ()


def test_a_candidate_in_staging_costs_the_one_swap_rollback_and_the_plan_says_so() -> None:
    """A pinned staging is deployed after production has converged."""
    seen = live("1.4.0", "1.3.0", "1.5.0", "1.6.0")
    found = planned(app("1.5.0", "1.6.0"), seen, memory("1.4.0", "1.3.0"))
    assert actions(found) == ["deploy", "verify", "swap", "deploy", "verify"]
    assert found.end == "Converged"
    assert any("gives up the one-swap rollback" in note for note in found.notes)


def test_a_pin_of_the_version_before_gives_nothing_up() -> None:
    """Holding what the last swap replaced keeps the one-swap rollback, and is not warned of."""
    seen = live("1.5.0", "1.4.0", "1.5.0", "1.4.0")
    found = planned(app("1.5.0", "1.4.0"), seen, memory("1.5.0", "1.4.0"))
    assert found.notes == ()


def test_a_swap_names_the_settings_that_travel_and_never_their_values() -> None:
    """Names of what changes on production; sticky settings are named as staying."""
    here, only = {"SLOT_ONLY": "hush-a", "API_KEY": "hush-c"}, frozenset({"SLOT_ONLY"})
    there = here | {"SLOT_ONLY": "hush-b"}
    seen = live("1.5.0", "1.4.0", "1.4.0", sticky=only, on_production=here, on_staging=there)
    swap = planned(app("1.4.0"), seen, memory("1.5.0", "1.4.0")).steps[-1]
    assert swap.travels == ("MODEL_DEPLOY", "MODEL_VERSION")
    assert swap.stays == ("SLOT_ONLY",)
    assert "hush" not in repr(swap)


def test_a_setting_that_no_commit_asked_for_is_aligned_before_the_swap() -> None:
    """Slots that differ in somebody else's setting get a deploy first, and the plan names it."""
    seen = live("1.5.0", "1.4.0", "1.4.0", on_production={"FEATURE": "on"})
    found = planned(app("1.4.0"), seen, memory("1.5.0", "1.4.0"))
    assert actions(found) == ["deploy", "verify", "swap"]
    assert "FEATURE" in found.steps[0].why
    assert "FEATURE" not in found.steps[-1].travels


def test_an_unknown_version_plans_nothing() -> None:
    """What the registry refuses is a stall with its reason, and no step."""
    seen = live("1.5.0", "1.4.0", "1.5.0")
    refused = Refusal("UnknownVersion", "iris 9 is not registered")
    seen = seen.having(replace(seen.production, wanted=refused))
    found = planned(app("9"), seen, memory("1.5.0", "1.4.0"))
    assert (found.steps, found.end, found.reason) == ((), "Stalled", "UnknownVersion")
    assert found.exit_code == 1


def test_doubt_plans_nothing() -> None:
    """An unreadable Git or platform freezes the plan too: exit code 2."""
    found = planned(Doubt("RefGone", "main is gone"), live("1", "2", "1"), memory("1"))
    assert (found.steps, found.end, found.reason, found.exit_code) == ((), "Frozen", "RefGone", 2)


def test_a_swap_under_way_is_waited_for() -> None:
    """While a swap's end is not known, a plan does not guess it."""
    swap = (release("1.5.0"), release("1.4.0"))
    intent = Intent("i", "r", NOW, *swap, "d-1", "a", "b", "", "", location="l")
    remembered = replace(memory("1.4.0"), intent=intent)
    found = planned(app("1.5.0"), live("1.4.0", "1.5.0", "1.5.0"), remembered)
    assert (found.steps, found.end, found.reason) == ((), "Waiting", "SwapRunning")


def test_a_swap_by_somebody_else_is_held_in_the_plan_too() -> None:
    """The plan says until when, instead of promising to fight."""
    remembered = replace(memory("1.5.0", "1.4.0"), swap_status="ours")
    found = planned(app("1.5.0"), live("1.4.0", "1.5.0", "1.5.0"), remembered)
    assert (found.steps, found.end, found.reason) == ((), "Waiting", "ForeignSwap")


def test_a_further_slot_comes_after_the_swap() -> None:
    """Deploy and proof of its own, and no swap; notes stay about production."""
    seen = beside(live("1.4.0", "1.3.0", "1.5.0"), "canary")
    found = planned(wanting(app("1.5.0"), canary="1.6.0"), seen, memory("1.4.0", "1.3.0"))
    assert actions(found) == ["deploy", "verify", "swap", "deploy", "verify"]
    ends = ["canary <- iris 1.6.0", "golden rows of iris 1.6.0 through canary"]
    assert [step.what for step in found.steps[3:]] == ends
    assert (found.end, found.message) == ("Converged", "production serves iris 1.5.0; canary 1.6.0")


def test_a_further_slot_alone_replaces_nothing_in_staging() -> None:
    """What waits there for a rollback stays."""
    seen = beside(live("1.5.0", "1.4.0", "1.5.0"), "canary")
    found = planned(wanting(app("1.5.0"), canary="1.6.0"), seen, memory("1.5.0", "1.4.0"))
    assert (actions(found), found.notes, found.exit_code) == (["deploy", "verify"], (), 1)


def test_a_further_slot_that_is_missing_is_how_the_plan_ends() -> None:
    """After everything else was planned."""
    seen = beside(live("1.4.0", "1.3.0", "1.5.0"), "canary", "blue")
    seen = seen.having(replace(seen.slots["canary"], unread=Refusal("SlotMissing", "no such slot")))
    wants = wanting(app("1.5.0"), canary="1.6.0", blue="1.6.0")
    found = planned(wants, seen, memory("1.4.0", "1.3.0"))
    assert actions(found) == ["deploy", "verify", "swap", "deploy", "verify"]
    ends = ("Stalled", "SlotMissing", "canary: no such slot")
    assert (found.end, found.reason, found.message) == ends
