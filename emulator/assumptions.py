"""
What nobody here could ask Azure: one row for each assumption.

A row drives the emulator's switch (``PUT /assumptions`` of its admin port), the table of
docs/believe/emulator.md, a run of the fault designs the other way round, the check of
``gitslot doctor`` and the step of docs/run/first-run-on-azure.md that decides it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Assumption:
    """
    One thing that the emulator takes for true.

    *id* names it, *says* what Azure is taken to do, *evidence* why. *opposite* is what the emulator
    does once the row is reversed; empty where it knows only one way. *check* names the check of
    ``gitslot doctor`` that sees it; *step* is what decides it on a first run.
    """

    id: str
    says: str
    evidence: str
    opposite: str
    check: str
    step: str


ASSUMPTIONS = (
    Assumption(
        "swap-visible",
        "While a swap runs, `inProgressOperationId` of both slots names it",
        "the field is in Microsoft's model of a site; it is null in every recording of azure-cli",
        "the field stays empty, and a running swap is seen by its 409 alone",
        "",
        "read both slots while the first swap runs",
    ),
)
BY_ID: Mapping[str, Assumption] = {row.id: row for row in ASSUMPTIONS}


class Assumed:
    """Which assumptions hold: all, until one is reversed."""

    def __init__(self) -> None:
        self.reversed: set[str] = set()

    def holds(self, name: str) -> bool:
        """Return whether the row *name* holds; KeyError where there is no such row."""
        return BY_ID[name].id not in self.reversed

    def use(self, given: Any) -> Mapping[str, bool]:
        """
        Set ``{id: bool}`` and return all rows that can be reversed.

        Raises ValueError that names what is wrong.
        """
        if not isinstance(given, Mapping):
            raise ValueError("assumptions are an object of names with true or false")
        for name, value in given.items():
            if name not in BY_ID or not BY_ID[name].opposite:
                raise ValueError(f"no such switch: {name}; there are {', '.join(self.shown())}")
            if not isinstance(value, bool):
                raise ValueError(f"{name} is true or false")
        for name, value in given.items():
            (self.reversed.discard if value else self.reversed.add)(name)
        return self.shown()

    def shown(self) -> Mapping[str, bool]:
        """Return whether each row that can be reversed holds."""
        return {row.id: self.holds(row.id) for row in ASSUMPTIONS if row.opposite}
