"""
What stands for Azure here: the stored state, the clock and names, and who changes the slots.

ARM's handlers, Kudu and swaps all work on one of these. It refuses nothing: who may do what, and
when, is decided by its users.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emulator.assumptions import Assumed
from emulator.seen.history import History
from emulator.seen.latency import Latency
from emulator.seen.request_counts import RequestCounts
from emulator.slots.deployments import Deployments, Push
from emulator.slots.state import Site, Slot
from emulator.slots.store import Store
from emulator.slots.transitions import Transitions

if TYPE_CHECKING:
    from emulator.slots.placement import Placement


# Begins to deploy the package at a URL and returns the deployment; raises Kudu's ConflictError.
# The mapping names caller and request, for the history.
BeginDeployment = Callable[[Site, Slot, str, Push, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(slots=True)
class Azure:
    """One subscription and everything in it. *latency* is replaced as a whole."""

    store: Store
    history: History
    placement: "Placement"
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
    assumed: Assumed = field(default_factory=Assumed)
    account: str = "gitslot"  # the storage account, and where its blobs are
    blobs: str = ""
    begin_deployment: BeginDeployment | None = None  # None in tests without sockets

    @property
    def scope(self) -> str:
        """Return the id of the one resource group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
