"""The designs, as `make reliability` runs them: each in the time that `make test` has for it."""

import pytest

from tests.reliability.designs import DESIGNS
from tests.reliability.runs import tally

LEAST = {"D1": 1000, "D2": 400, "D4": 5000, "D5": 252, "D6": 60, "D7": 18, "D8": 75}


@pytest.mark.parametrize("name", LEAST)
def test_a_design_finds_no_violation(name: str) -> None:
    """Whatever is spoilt, whenever: production is never wrong, the controller never stuck."""
    found = tally(name, DESIGNS[name].cases())
    assert found.violations == 0, found.report()
    assert found.cases >= LEAST[name]
