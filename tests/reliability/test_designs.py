"""
The designs: every n-th case in `make test`, all of them in `make reliability` and `make test-long`.
"""

from itertools import islice

import pytest

from tests.reliability.designs import DESIGNS
from tests.reliability.runs import tally

LEAST = {"D1": 1000, "D2": 400, "D4": 5000, "D5": 252, "D6": 60, "D7": 18, "D8": 75}
EACH = {"D1": 7, "D2": 7, "D5": 5, "D6": 5}  # which case of how many `make test` has time for


@pytest.mark.parametrize("name", LEAST)
def test_a_sample_of_a_design_finds_no_violation(name: str) -> None:
    """Whatever is spoilt, whenever: production is never wrong, the controller never stuck."""
    each = EACH.get(name, 1)
    found = tally(name, islice(DESIGNS[name].cases(), 0, None, each))
    assert found.violations == 0, found.report()
    assert found.cases >= LEAST[name] // each


@pytest.mark.long
@pytest.mark.parametrize("name", EACH)
def test_a_design_finds_no_violation(name: str) -> None:
    """The same for every case that the design has."""
    found = tally(name, DESIGNS[name].cases())
    assert found.violations == 0, found.report()
    assert found.cases >= LEAST[name]
