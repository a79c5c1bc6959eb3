"""What ARM's handlers act on: the estate, the history, and a platform that carries things out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from emulator.arm.calls import Call, not_found, provider
from emulator.scm.results import Push
from emulator.seen.history import History
from emulator.seen.latency import Latency
from emulator.seen.request_counts import Tally
from emulator.slots.deployments import Deployments
from emulator.slots.state import PRODUCTION, Operation, Site, Slot, busy
from emulator.slots.store import Estate
from emulator.slots.transitions import Transitions


class Platform(Protocol):
    """What happens to processes and ports; every call returns at once."""

    def slot_created(self, site: str, slot: str) -> tuple[int, int]:
        """Open the slot's ports: TLS, plain."""

    def scm_created(self, site: str, slot: str) -> int:
        """Open the port of the slot's Kudu; 0 where there are no ports."""

    def slot_deleted(self, site: str, slot: str, content: str) -> None:
        """Close the slot's ports and end the process of its *content*."""

    def restart(self, site: str, slot: str) -> None:
        """Start the slot's content anew; the old process answers meanwhile."""

    def stop(self, site: str, slot: str) -> None:
        """End the slot's process."""

    def serving(self, site: str, slot: str) -> bool:
        """Tell whether the slot's host answers."""

    def functions(self, site: str, slot: str) -> Sequence[Mapping[str, Any]] | None:
        """Return what the slot's process runs, links at ``hosts.SELF``; None where none answers."""

    def state(self, site: str, slot: str) -> str:
        """Return Stopped, Starting (also while another process answers), Running or Failed."""

    def swap(self, operation: Operation) -> None:
        """Carry *operation* out, phase by phase."""


class Kudu(Protocol):
    """What ARM passes on to the slots' Kudu."""

    def begin(
        self, site: Site, slot: Slot, url: str, push: Push, who: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Begin to deploy what *url* has, and return the deployment; raise ConflictError."""


@dataclass(slots=True)
class World:
    """The collaborators of every handler. *latency* is exchanged as a whole."""

    estate: Estate
    history: History
    platform: Platform
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
    tally: Tally = field(default_factory=Tally)
    kudu: Kudu | None = None  # None in tests without sockets

    def site(self, params: Mapping[str, str]) -> Site:
        """Return the site that the path names; raise RefusalError where there is none."""
        site = self.estate.sites.get(params["site"].lower())
        if site is None:
            raise not_found("Microsoft.Web/sites", params["site"], self.group)
        return site

    def slot(self, params: Mapping[str, str]) -> tuple[Site, Slot]:
        """
        Return site and slot that the path names; without a slot that is production.

        ``slots/production`` is an alias, which ``az functionapp deployment slot swap --action
        reset`` uses.
        """
        site = self.site(params)
        name = params.get("slot", PRODUCTION)
        slot = site.slots.get(name.lower())
        if slot is None:
            kind = f"Microsoft.Web/sites/{site.name}/slots"
            raise not_found(kind, name, self.group)
        return site, slot

    def changeable(self, site: Site) -> None:
        """Raise RefusalError while an operation runs (text: azure-pipelines-tasks#11384)."""
        running = busy(site)
        if running is None:
            return
        operation = self.estate.operations[running]
        created = _dotnet(operation.created)
        source = site.slots[operation.source].name if operation.source in site.slots else ""
        message = (
            "Cannot modify this site because another operation is in progress. Details: "
            f"Id: {operation.id}, OperationName: SwapSiteSlots, CreatedTime: {created}, "
            f"WebSystemName: websites, SubscriptionName: {self.subscription}, "
            f"WebspaceName: {self.group}-{self.location.replace(' ', '')}webspace, "
            f"SiteName: {site.name}, SlotName: {source}, ServerFarmName: , GeoOperationId: (null)"
        )
        # The real ExtendedCode is unknown; 59203 is a placeholder.
        raise provider(409, "Conflict", message, "59203")

    def unprepared(self, slot: Slot) -> None:
        """Raise RefusalError while *slot* is prepared for a swap (text: azure-cli#27820)."""
        if slot.prepared_with is not None:
            message = (
                "The slot cannot be changed because its configuration settings have been "
                "prepared for swap."
            )
            raise provider(409, "Conflict", message)

    def note(
        self, call: Call, operation: str, site: Site, slot: str, status: int = 200, **more: Any
    ) -> None:
        """Write down that *call* did *operation*; *status* is the answer that no fault replaced."""
        request = {"method": call.method, "path": call.path, "id": call.id, "status": status}
        self.history.record(
            operation, site=site, slot=slot, caller=call.caller.name, request=request, **more
        )


def _dotnet(moment: float) -> str:
    at = datetime.fromtimestamp(moment, UTC)
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S %p}"
