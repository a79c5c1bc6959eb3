"""D2 in `make test`: ten thousand pairs of faults, in a file of their own as they take longest."""

import pytest

from tests.reliability import d2
from tests.reliability.runs import tally


@pytest.mark.parametrize("scenario", d2.SHORT)
def test_two_faults_find_no_violation(scenario: str) -> None:
    """Whatever two things are spoilt in one story: never wrong, never stuck."""
    found = tally("D2", d2.sample(scenario, d2.SHORT[scenario]))
    assert found.violations == 0, found.report()
    assert found.cases == d2.SHORT[scenario]


def test_the_pairs_of_faults_are_ten_thousand() -> None:
    """No scenario's share was made smaller."""
    assert sum(d2.SHORT.values()) >= 10_000
