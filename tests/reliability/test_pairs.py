"""D2 in `make test`: ten thousand pairs of faults, in a file of their own as they take longest."""

import pytest

from reliability import pairs
from reliability.runs import tally


@pytest.mark.parametrize("scenario", pairs.SHORT)
def test_two_faults_find_no_violation(scenario: str) -> None:
    """Whatever two things are spoilt in one story: never wrong, never stuck."""
    found = tally("D2", pairs.sample(scenario, pairs.SHORT[scenario]))
    assert found.violations == 0, found.report()
    assert found.cases == pairs.SHORT[scenario]


def test_the_pairs_of_faults_are_ten_thousand() -> None:
    """No scenario's share was made smaller."""
    assert sum(pairs.SHORT.values()) >= 10_000
