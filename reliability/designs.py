"""All designs by name, and how a seed finds its case again."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from tests.reliability import d1, d2, d4, d5, d6, d7, d8, d9, d10, runs
from tests.reliability.runs import Case, Run


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


DESIGNS: dict[str, Design] = {"D1": d1, "D2": d2, "D4": d4, "D5": d5, "D6": d6, "D7": d7, "D8": d8}
DESIGNS |= {"D9": d9, "D10": d10}


def _d3() -> Outcome:
    from tests.reliability import d3  # noqa: PLC0415 - imports what trains models

    return d3.tally()


def _d11() -> Outcome:
    from tests.reliability import d11  # noqa: PLC0415 - it runs this module in other processes

    return d11.run()


def _over_http() -> Outcome:
    from tests.reliability import overhttp  # noqa: PLC0415 - imports what trains models

    return overhttp.tally()


# On real processes or in copies of the sources, and judged by themselves.
LONG: dict[str, Callable[[], Outcome]] = {"D2-HTTP": _over_http, "D3": _d3, "D11": _d11}


def find(seed: str) -> Run:
    """Play the case that *seed* names, keeping its history; KeyError where there is none."""
    name = seed.partition(",")[0]
    if name == "D3":
        from tests.reliability import d3  # noqa: PLC0415 - imports what trains models

        return d3.play(seed)
    if name == "D2-HTTP":
        from tests.reliability import overhttp  # noqa: PLC0415 - imports what trains models

        return overhttp.again(seed)
    runs.KEEP.add(seed)
    if name in ("D1", "D2"):
        return d1.parse(seed)[1]()
    for found, run in DESIGNS[name].cases(long=True):
        if found == seed:
            return run()
    raise KeyError(seed)
