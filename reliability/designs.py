"""All designs by name, and how a seed finds its case again."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from reliability import (
    artifacts,
    attacks,
    calls,
    clocks,
    histories,
    orders,
    pairs,
    runs,
    starts,
    swaps,
)
from reliability.runs import Case, Run


class Design(Protocol):
    """A module that gives cases."""

    def cases(self, *, long: bool = False) -> Iterator[Case]: ...


class Outcome(Protocol):
    """What there is to say once a design has ended; the seconds in its line are its own affair."""

    @property
    def violations(self) -> int: ...
    @property
    def failed(self) -> Sequence[object]: ...
    def line(self) -> str: ...
    def report(self) -> str: ...


DESIGNS: dict[str, Design] = {
    "D1": calls,
    "D2": pairs,
    "D4": starts,
    "D5": orders,
    "D6": swaps,
    "D7": clocks,
    "D8": artifacts,
    "D9": histories,
    "D10": attacks,
}


def _d3() -> Outcome:
    from reliability import kills  # noqa: PLC0415 - imports what trains models

    return kills.tally()


def _d11() -> Outcome:
    from reliability import planted_bugs  # noqa: PLC0415 - it runs this module in other processes

    return planted_bugs.run()


def _over_http() -> Outcome:
    from reliability import overhttp  # noqa: PLC0415 - imports what trains models

    return overhttp.tally()


# On real processes or in copies of the sources, and judged by themselves.
LONG: dict[str, Callable[[], Outcome]] = {"D2-HTTP": _over_http, "D3": _d3, "D11": _d11}


def find(seed: str) -> Run:
    """Play the case that *seed* names, keeping its history; KeyError where there is none."""
    name = seed.partition(",")[0]
    if name == "D3":
        from reliability import kills  # noqa: PLC0415 - imports what trains models

        return kills.play(seed)
    if name == "D2-HTTP":
        from reliability import overhttp  # noqa: PLC0415 - imports what trains models

        return overhttp.again(seed)
    runs.KEEP.add(seed)
    if name in ("D1", "D2"):
        return calls.parse(seed)[1]()
    for found, run in DESIGNS[name].cases(long=True):
        if found == seed:
            return run()
    raise KeyError(seed)
