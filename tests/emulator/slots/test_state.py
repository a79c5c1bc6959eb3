"""What a swap does to settings, for any settings: pure, so tried by the hundred."""

import string
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.slots import state
from emulator.slots.state import Keys, Site, Slot, SwapStatus

NAMES = st.text(string.ascii_uppercase, min_size=1, max_size=3)
SETTINGS = st.dictionaries(NAMES, st.sampled_from("abc"), max_size=8)
STATUS = SwapStatus("now", "staging", "Production")


def slot(name: str, content: str, values: Mapping[str, str]) -> Slot:
    return Slot(
        name=name,
        deployment_id=content,
        settings=values,
        keys=Keys(name, name),
        identity_header=name,
        principal=name,
        https_port=1,
        http_port=2,
        modified=0.0,
    )


def site(one: Mapping[str, str], two: Mapping[str, str], sticky: list[str]) -> Site:
    production, staging = slot("Production", "app", one), slot("staging", "app__1", two)
    slots = {"production": production, "staging": staging}
    return Site("app", "x", "functionapp", "plan", slots, sticky=tuple(sticky))


SITES = st.builds(site, SETTINGS, SETTINGS, st.lists(NAMES, max_size=4))


def swap(before: Site) -> Site:
    ready = state.prepare(before, "staging", "production", 1.0)
    return state.flip(ready, "staging", "production", STATUS, 2.0)


def contents(of: Site) -> list[tuple[str, Mapping[str, str]]]:
    return [(s.deployment_id, s.settings) for s in of.slots.values()]


@settings(max_examples=300, deadline=None)
@given(SITES)
def test_sticky_stays_and_the_rest_moves(before: Site) -> None:
    """Each slot ends with the other's free settings and its own sticky ones, absent ones absent."""
    after, sticky = swap(before), before.sticky or ()
    one, two = (of.settings for of in before.slots.values())
    for key, (own, other) in {"production": (one, two), "staging": (two, one)}.items():
        wanted = {k: v for k, v in other.items() if k not in sticky}
        wanted |= {k: v for k, v in own.items() if k in sticky}
        assert after.slots[key].settings == wanted
        assert after.slots[key].keys.master == after.slots[key].name


@settings(max_examples=300, deadline=None)
@given(SITES)
def test_a_swap_is_its_own_inverse(before: Site) -> None:
    """Two swaps leave content and settings as they were."""
    assert contents(swap(swap(before))) == contents(before)


@settings(max_examples=300, deadline=None)
@given(SITES, st.sampled_from(["production", "staging"]))
def test_reset_undoes_a_preview(before: Site, side: str) -> None:
    """A preview cancelled from either side leaves settings and marks as they were."""
    ready = state.prepare(before, "staging", "production", 1.0)
    after = state.reset(ready, side, 2.0)
    assert contents(after) == contents(before)
    assert all(s.prepared_with is None and s.swapping_into is None for s in after.slots.values())


@pytest.mark.parametrize("name", ["FUNCTIONS_EXTENSION_VERSION", *state.RETENTION])
def test_what_is_sticky_by_itself_stays_unless_overridden(name: str) -> None:
    """The runtime's version and the days that logs are kept; an override lets them move."""
    override = state.OVERRIDE_DEFAULT_STICKY
    after = swap(site({name: "~4"}, {name: "~5"}, []))
    assert after.production.settings[name] == "~4"
    after = swap(site({name: "~4", override: "0"}, {name: "~5", override: "0"}, []))
    assert after.production.settings[name] == "~5"


def test_warm_up_settings_are_read() -> None:
    """Path and statuses of the ping, with Azure's defaults: `/` and any status."""
    assert state.warmup({}) == ("/", frozenset())
    ping = "WEBSITE_SWAP_WARMUP_PING"
    read = state.warmup({f"{ping}_PATH": "api/health", f"{ping}_STATUSES": "200, 202"})
    assert read == ("/api/health", frozenset({200, 202}))
