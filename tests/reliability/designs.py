"""All designs by name, and how a seed finds its case again."""

from collections.abc import Callable, Iterator
from typing import Protocol

from tests.reliability import d1, d2, d4, d5, d6, d7, d8, d9, d10, runs
from tests.reliability.runs import Case, Run, Tally


class Design(Protocol):
    """A module that gives cases."""

    def cases(self, *, long: bool = False) -> Iterator[Case]: ...


DESIGNS: dict[str, Design] = {"D1": d1, "D2": d2, "D4": d4, "D5": d5, "D6": d6, "D7": d7, "D8": d8}
DESIGNS |= {"D9": d9, "D10": d10}


def _d3() -> Tally:
    from tests.reliability import d3  # noqa: PLC0415 - imports what trains models

    return d3.tally()


LONG: dict[str, Callable[[], Tally]] = {"D3": _d3}  # on real processes, and judged by themselves


def find(seed: str) -> Run:
    """Play the case that *seed* names, keeping its history; KeyError where there is none."""
    name = seed.partition(",")[0]
    if name == "D3":
        from tests.reliability import d3  # noqa: PLC0415 - imports what trains models

        return d3.play(seed)
    runs.KEEP.add(seed)
    if name in ("D1", "D2"):
        return d1.parse(seed)[1]()
    for found, run in DESIGNS[name].cases(long=True):
        if found == seed:
            return run()
    raise KeyError(seed)
