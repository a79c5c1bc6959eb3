"""D2: two faults, the second anywhere after the first, in later passes too."""

import random
from collections.abc import Iterator

from reliability.calls import case, kinds
from reliability.runs import Case, play, thinned
from reliability.scenarios import SCENARIOS
from reliability.seam import Call

SEED = 20261122
EACH = {  # second faults for each first one: the cheap scenarios and the way back more often
    "bump": 4,
    "revert": 6,
    "half-done": 9,
    "first-install": 3,
    "bad-candidate": 2,
}
LONG = 2  # times as many

type Fault = tuple[int, str]  # the number of a call, and how it is spoilt


def _calls(scenario: str, *faults: Fault) -> list[Call]:
    return play(SCENARIOS[scenario], dict(faults)).calls


def _faults(calls: list[Call], after: int = -1) -> list[Fault]:
    """Return every fault worth trying in *calls* behind the call *after*."""
    return [(i, kind) for i in thinned(calls) if i > after for kind in kinds(calls[i])]


def firsts(scenario: str) -> list[Fault]:
    """Return what pairs of faults begin with: every single fault of *scenario*."""
    return _faults(_calls(scenario))


def sample(scenario: str, each: int, *, start: int = 0, step: int = 1) -> Iterator[Case]:
    """
    Give *each* pairs of faults for every first fault, or from *start* on every *step*-th one.

    The second fault is drawn from those that the run with the first one can meet. Which pairs
    belong to a first fault depends on nothing else, so parts of the sample can be played anywhere.
    """
    for first in firsts(scenario)[start::step]:
        seconds = _faults(_calls(scenario, first), after=first[0])
        random.Random(f"{SEED} {scenario} {first}").shuffle(seconds)
        for second in seconds[:each]:
            yield case("D2", scenario, dict([first, second]))


def every_pair_of_writes(scenario: str = "bump") -> Iterator[Case]:
    """Give all pairs of faults at calls that write: to ARM, the journal and the lock."""
    calls = _calls(scenario)
    for first in (fault for fault in _faults(calls) if calls[fault[0]].write):
        after = _calls(scenario, first)
        for second in _faults(after, after=first[0]):
            if after[second[0]].write:
                yield case("D2", scenario, dict([first, second]))


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give a sample; in the long form a larger one, and all pairs of faults at writes."""
    for scenario, each in EACH.items():
        yield from sample(scenario, each * LONG if long else each)
    if long:
        yield from every_pair_of_writes()
