"""D1: every call to the outside, spoilt in every way that it can be, in every scenario."""

from collections.abc import Iterator, Mapping
from functools import partial

from reliability.runs import Case, play, thinned
from reliability.scenarios import SCENARIOS
from reliability.seam import KILL_KINDS, READ_KINDS, WRITE_KINDS, Call

WHOLE = ("bump", "revert", "no-op", "first-install", "half-done", "bad-candidate", "canary")


def kinds(call: Call) -> tuple[str, ...]:
    """Return how *call* can be spoilt: one that changes nothing has no "after"."""
    if call.name == "arm.slotsswap.staging":
        return (*WRITE_KINDS, "unopened", *KILL_KINDS)
    return (*(WRITE_KINDS if call.write else READ_KINDS), *KILL_KINDS)


def seed_of(design: str, scenario: str, plan: Mapping[int, str]) -> str:
    """Write a case down so that it can be played again."""
    return ",".join([design, scenario, *(f"{index}:{kind}" for index, kind in plan.items())])


def case(design: str, scenario: str, plan: Mapping[int, str]) -> Case:
    """Return the case of *plan* in *scenario*."""
    return seed_of(design, scenario, plan), partial(play, SCENARIOS[scenario], plan)


def parse(seed: str) -> Case:
    """Return the case that *seed* stands for."""
    design, scenario, *faults = seed.split(",")
    pairs = (fault.split(":") for fault in faults)
    return case(design, scenario, {int(index): kind for index, kind in pairs})


def cases(*, long: bool = False) -> Iterator[Case]:
    """
    Give every case.

    Of the same call between the same two writes the first is spoilt; in the long form each, or
    first and last of a scenario that is not to be played as a WHOLE.
    """
    for name, make in SCENARIOS.items():
        calls = play(make, {}).calls
        whole = long and name in WHOLE
        for index in range(len(calls)) if whole else thinned(calls, last=long):
            for kind in kinds(calls[index]):
                yield case("D1", name, {index: kind})
