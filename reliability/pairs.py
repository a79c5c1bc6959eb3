"""D2: two faults, the second anywhere after the first, in later passes too."""

import random
from collections.abc import Iterator
from functools import cache

from reliability.calls import case, kinds
from reliability.runs import Case, play, thinned
from reliability.scenarios import SCENARIOS
from reliability.seam import Call

SEED = 20261122
SHORT = {  # how many pairs of each scenario; the cheap ones and the way back more often
    "bump": 3_000,
    "revert": 3_000,
    "half-done": 2_000,
    "first-install": 1_000,
    "bad-candidate": 1_000,
}
LONG = 2  # times as many
SECONDS_EACH = 8  # second faults for each first one


@cache
def _calls(scenario: str, fault: tuple[int, str] | None) -> tuple[Call, ...]:
    """Return the calls of a run with at most one fault."""
    return tuple(play(SCENARIOS[scenario], dict([fault]) if fault else {}).calls)


def sample(name: str, count: int) -> Iterator[Case]:
    """Give *count* pairs of faults in the scenario *name*, the same ones every time."""
    chance = random.Random(f"{SEED} {name}")
    seen: set[str] = set()
    while len(seen) < count:
        first = _pick(chance, _calls(name, None), -1)
        if first is None:
            continue
        after = _calls(name, first)
        for _ in range(SECONDS_EACH):
            second = _pick(chance, after, first[0])
            if second is None or len(seen) == count:
                break
            found = case("D2", name, dict([first, second]))
            if found[0] not in seen:
                seen.add(found[0])
                yield found


def _pick(chance: random.Random, calls: tuple[Call, ...], after: int) -> tuple[int, str] | None:
    chosen = [index for index in thinned(calls) if index > after]
    if not chosen:
        return None
    index = chance.choice(chosen)
    return index, chance.choice(kinds(calls[index]))


def every_pair_of_writes(name: str = "bump") -> Iterator[Case]:
    """Give all pairs of faults at calls that write: to ARM, the journal and the lock."""
    calls = _calls(name, None)
    for first in (i for i in thinned(calls) if calls[i].write):
        for kind in kinds(calls[first]):
            after = _calls(name, (first, kind))
            for second in (i for i in thinned(after) if i > first and after[i].write):
                for other in kinds(after[second]):
                    yield case("D2", name, {first: kind, second: other})


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give a sample; in the long form a larger one, and all pairs of faults at writes."""
    for name, count in SHORT.items():
        yield from sample(name, count * LONG if long else count)
    if long:
        yield from every_pair_of_writes()
