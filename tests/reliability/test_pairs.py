"""
D2 in `make test`: a quarter of the pairs of faults that begin with every eighth single fault.

A call can be spoilt in eight ways at least, so each is spoilt first in some pair. All 10,000 pairs
are in `make reliability` and, with as many again, in `make test-long`.
"""

import pytest

from reliability import pairs
from reliability.runs import play, tally, thinned
from reliability.scenarios import SCENARIOS

SHARE = 8  # which first fault of how many there is time for
SECONDS = {scenario: (each + 3) // 4 for scenario, each in pairs.EACH.items()}  # for each of those
PARTS = 4  # of each scenario, so that they can be played side by side


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("scenario", pairs.EACH)
def test_two_faults_find_no_violation(scenario: str, part: int) -> None:
    """Whatever two things are spoilt in one story: never wrong, never stuck."""
    each, start, step = SECONDS[scenario], part * SHARE, PARTS * SHARE
    found = tally("D2", pairs.sample(scenario, each, start=start, step=step))
    assert found.violations == 0, found.report()
    assert found.cases == each * len(pairs.firsts(scenario)[start::step])


@pytest.mark.parametrize("scenario", pairs.EACH)
def test_every_call_is_the_first_to_be_spoilt_in_some_pair(scenario: str) -> None:
    """What is left out for time are other faults of the same calls, never a call."""
    calls = play(SCENARIOS[scenario], {}).calls
    assert {index for index, _ in pairs.firsts(scenario)[::SHARE]} == set(thinned(calls))


def test_the_pairs_of_faults_are_ten_thousand() -> None:
    """No scenario's share was made smaller."""
    sizes = [len(pairs.firsts(scenario)) * each for scenario, each in pairs.EACH.items()]
    assert sum(sizes) >= 10_000
