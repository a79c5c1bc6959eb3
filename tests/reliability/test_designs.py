"""
The designs in `make test`, some of them thinned (D2 is in `test_pairs.py`); all of their cases in
`make reliability`, and the long forms in `make test-long`.
"""

import re
from collections.abc import Iterator

import pytest

from reliability.designs import DESIGNS
from reliability.runs import Case, play, tally
from reliability.scenarios import SCENARIOS

LEAST = {"D1": 500, "D4": 40_000, "D5": 100, "D6": 400, "D7": 18, "D8": 75}
LEAST |= {"D12": 15, "D13": 13, "D14": 10}
# Which case of how many there is time for: of D4, where the number divides no axis of its states,
# only of those that are decided and not built.
EACH = {"D1": 8, "D4": 7, "D5": 3, "D12": 4, "D13": 13, "D14": 29}
WHOLE = re.compile(r"D4,run,.*|D14,.*,shown")


def cases(name: str) -> Iterator[Case]:
    """Give the cases of a design for which there is time."""
    for number, case in enumerate(DESIGNS[name].cases()):
        if number % EACH.get(name, 1) == 0 or WHOLE.fullmatch(case[0]):
            yield case


@pytest.mark.parametrize("name", LEAST)
def test_a_design_finds_no_violation(name: str) -> None:
    """Whatever is spoilt, whenever: production is never wrong, the controller never stuck."""
    found = tally(name, cases(name))
    assert found.violations == 0, found.report()
    assert found.cases >= LEAST[name]


def test_every_call_is_spoilt_in_some_case() -> None:
    """What D1 leaves out for time are other faults of the same calls, never a call."""
    thinned, whole = (
        {seed.rpartition(":")[0] for seed, _ in given}
        for given in (cases("D1"), DESIGNS["D1"].cases())
    )
    assert thinned == whole


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
@pytest.mark.parametrize("name", ["D1", "D2", "D4", "D5", "D6", "D14"])
def test_the_long_form_of_a_design_finds_no_violation(name: str) -> None:
    """The same for every case that the design has."""
    found = tally(name, DESIGNS[name].cases(long=True))
    assert found.violations == 0, found.report()
