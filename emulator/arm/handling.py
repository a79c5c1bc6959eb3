"""What the handlers share: find the site and slot of a path, refuse changes, record them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from emulator.arm.calls import Answer, Call, not_found, provider
from emulator.slots.azure import Azure
from emulator.slots.state import PRODUCTION, Site, Slot, busy

Params = Mapping[str, str]


def site_of(azure: Azure, params: Params) -> Site:
    """Return the site that the path names; raise RefusalError if it does not exist."""
    site = azure.store.sites.get(params["site"].lower())
    if site is None:
        raise not_found("Microsoft.Web/sites", params["site"], azure.group)
    return site


def slot_of(azure: Azure, params: Params) -> tuple[Site, Slot]:
    """
    Return site and slot that the path names, production if it names no slot.

    ``slots/production`` is an alias, which ``az functionapp deployment slot swap --action reset``
    uses. Raises RefusalError if site or slot does not exist.
    """
    site = site_of(azure, params)
    name = params.get("slot", PRODUCTION)
    slot = site.slots.get(name.lower())
    if slot is None:
        raise not_found(f"Microsoft.Web/sites/{site.name}/slots", name, azure.group)
    return site, slot


def of_slot(body: Callable[[Azure, Site, Slot], Any]) -> Callable[[Azure, Call, Params], Answer]:
    """Return the handler that shows *body* of the slot in the path."""
    return lambda azure, _call, params: Answer(200, body(azure, *slot_of(azure, params)))


def refuse_if_busy(azure: Azure, site: Site) -> None:
    """Raise RefusalError while an operation runs (text: azure-pipelines-tasks#11384)."""
    running = busy(site)
    if running is None:
        return
    operation = azure.store.operations[running]
    created = _dotnet(operation.created)
    source = site.slots[operation.source].name if operation.source in site.slots else ""
    message = (
        "Cannot modify this site because another operation is in progress. Details: "
        f"Id: {operation.id}, OperationName: SwapSiteSlots, CreatedTime: {created}, "
        f"WebSystemName: websites, SubscriptionName: {azure.subscription}, "
        f"WebspaceName: {azure.group}-{azure.location.replace(' ', '')}webspace, "
        f"SiteName: {site.name}, SlotName: {source}, ServerFarmName: , GeoOperationId: (null)"
    )
    # The real ExtendedCode is unknown; 59203 is a placeholder.
    raise provider(409, "Conflict", message, "59203")


def refuse_if_prepared(slot: Slot) -> None:
    """Raise RefusalError while *slot* is prepared for a swap (text: azure-cli#27820)."""
    if slot.prepared_with is not None:
        message = (
            "The slot cannot be changed because its configuration settings have been "
            "prepared for swap."
        )
        raise provider(409, "Conflict", message)


def record(
    azure: Azure, call: Call, operation: str, site: Site, slot: str, status: int = 200, **more: Any
) -> None:
    """Record that *call* did *operation*; *status* is the handler's, before any fault."""
    request = {"method": call.method, "path": call.path, "id": call.id, "status": status}
    azure.history.record(
        operation, site=site, slot=slot, caller=call.caller.name, request=request, **more
    )


def changed(
    azure: Azure, call: Call, operation: str, site: Site, slot: Slot, *, restart: bool = False
) -> Site:
    """Store *site* with *slot*, record that *call* did *operation*, and return the site."""
    site = site.with_slots(slot)
    azure.store.put(site)
    record(azure, call, operation, site, slot.key)
    if restart:
        azure.placement.restart(site.key, slot.key)
    return site


def _dotnet(moment: float) -> str:
    at = datetime.fromtimestamp(moment, UTC)
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S %p}"
