"""
The designs in `make test`, of D1 every fourth case (D2 is in `test_pairs.py`); all of them in `make
reliability`, and the long forms in `make test-long`.
"""

from itertools import islice

import pytest

from reliability.designs import DESIGNS
from reliability.runs import play, tally
from reliability.scenarios import SCENARIOS

LEAST = {"D1": 1000, "D4": 5000, "D5": 252, "D6": 60, "D7": 18, "D8": 75}
EACH = {"D1": 4}  # which case of how many there is time for


@pytest.mark.parametrize("name", LEAST)
def test_a_design_finds_no_violation(name: str) -> None:
    """Whatever is spoilt, whenever: production is never wrong, the controller never stuck."""
    found = tally(name, islice(DESIGNS[name].cases(), 0, None, EACH.get(name, 1)))
    assert found.violations == 0, found.report()
    assert found.cases >= LEAST[name]


def test_an_answer_is_written_down_once_the_journal_can_be_read_again() -> None:
    """
    A found bug: the answer to the POST met a journal that had moved and then could not be read.

    The pass broke off, and the intent stayed open without its Location.
    """
    calls = play(SCENARIOS["bump"], {}).calls
    post = next(i for i, call in enumerate(calls) if call.name == "arm.slotsswap.staging")
    answer = next(i for i in range(post, len(calls)) if calls[i].name == "blobs.append")
    run = play(SCENARIOS["bump"], {answer: "duplicate", answer + 1: "error-before"})
    assert not run.violations


@pytest.mark.long
@pytest.mark.parametrize("name", ["D1", "D2", "D4", "D5", "D6"])
def test_the_long_form_of_a_design_finds_no_violation(name: str) -> None:
    """The same for every case that the design has."""
    found = tally(name, DESIGNS[name].cases(long=True))
    assert found.violations == 0, found.report()
