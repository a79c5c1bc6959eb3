"""
What stands for Azure here: the stored state, the clock and names, and who changes the slots.

ARM's handlers, Kudu and swaps all work on one of these. It refuses nothing: who may do what, and
when, is decided by its users.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from emulator.seen.history import History
from emulator.seen.latency import Latency
from emulator.seen.request_counts import RequestCounts
from emulator.slots.deployments import Deployments, Push
from emulator.slots.state import Operation, Site, Slot
from emulator.slots.store import Store
from emulator.slots.transitions import Transitions


class SlotProcesses(Protocol):
    """The processes and ports of all slots; every call returns at once."""

    def slot_created(self, site: str, slot: str) -> tuple[int, int]:
        """Open the slot's ports: TLS, plain."""

    def scm_created(self, site: str, slot: str) -> int:
        """Open the port of the slot's Kudu; 0 in tests without ports."""

    def slot_deleted(self, site: str, slot: str, content: str) -> None:
        """Close the slot's ports and end the process of its *content*."""

    def restart(self, site: str, slot: str) -> None:
        """Start a new process for the slot's content; the old one answers meanwhile."""

    def stop(self, site: str, slot: str) -> None:
        """End the slot's process."""

    def serving(self, site: str, slot: str) -> bool:
        """Return whether the slot's host answers."""

    def functions(self, site: str, slot: str) -> Sequence[Mapping[str, Any]] | None:
        """Return the functions of the slot's process, links at ``hosts.SELF``; None without one."""

    def state(self, site: str, slot: str) -> str:
        """Return Stopped, Starting (also while another process answers), Running or Failed."""

    def swap(self, operation: Operation) -> None:
        """Carry out *operation*, phase by phase."""


# Begins to deploy the package at a URL and returns the deployment; raises Kudu's ConflictError.
# The mapping names caller and request, for the history.
BeginDeployment = Callable[[Site, Slot, str, Push, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(slots=True)
class Azure:
    """One subscription and everything in it. *latency* is replaced as a whole."""

    store: Store
    history: History
    placement: SlotProcesses
    now: Callable[[], float]
    new_id: Callable[[], str]
    new_secret: Callable[[], str]
    url: str
    subscription: str
    tenant: str
    group: str
    location: str
    latency: Latency
    deployments: Deployments = field(default_factory=Deployments)
    transitions: Transitions = field(default_factory=Transitions)
    counts: RequestCounts = field(default_factory=RequestCounts)
    begin_deployment: BeginDeployment | None = None  # None in tests without sockets

    @property
    def scope(self) -> str:
        """Return the id of the one resource group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
