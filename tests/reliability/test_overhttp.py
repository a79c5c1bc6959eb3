"""A sample of the pairs of faults, over real HTTP."""

import pytest

from reliability import overhttp


def test_the_sample_is_the_same_every_time() -> None:
    """Twelve pairs, each with a fault at a write."""
    for scenario, writes in overhttp.WRITES.items():
        found = overhttp.pairs(scenario)
        assert found == overhttp.pairs(scenario)
        assert len(found) == overhttp.EACH
        assert all(first["operation"] in writes for first, _ in found)


@pytest.mark.long
def test_two_faults_over_http_find_no_violation() -> None:
    """What holds in process holds between real processes, too."""
    found = overhttp.tally()
    assert found.violations == 0, found.report()
    assert found.cases == 2 * overhttp.EACH
