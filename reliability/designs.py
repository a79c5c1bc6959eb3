"""All designs by name, and how a seed finds its case again."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from reliability import (
    artifacts,
    assumed,
    attacks,
    calls,
    clocks,
    hands,
    histories,
    neighbours,
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
    "D12": hands,
    "D13": neighbours,
    "D14": assumed,
}


def _later(module: str, name: str, *words: str) -> Any:
    """Call what is imported only now: it trains models, or runs this module in other processes."""
    return getattr(importlib.import_module(f"reliability.{module}"), name)(*words)


# On real processes or in copies of the sources, and judged by themselves.
LONG: dict[str, Callable[[], Outcome]] = {
    "D2-HTTP": partial(_later, "overhttp", "tally"),
    "D3": partial(_later, "kills", "tally"),
    "D11": partial(_later, "planted_bugs", "run"),
}
_AGAIN = {"D3": ("kills", "play"), "D2-HTTP": ("overhttp", "again")}


def find(seed: str) -> Run:
    """Play the case that *seed* names, keeping its history; KeyError where there is none."""
    name = seed.partition(",")[0]
    if name in _AGAIN:
        return _later(*_AGAIN[name], seed)  # type: ignore[no-any-return]  # a Run
    if name == "D14" and not seed.endswith(",shown"):
        _, row, kept = seed.split(",", 2)
        with assumed.reversing(row):
            return find(kept)
    runs.KEEP.add(seed)
    if name in ("D1", "D2"):
        return calls.parse(seed)[1]()
    for found, run in DESIGNS[name].cases(long=True):
        if found == seed:
            return run()
    raise KeyError(seed)
