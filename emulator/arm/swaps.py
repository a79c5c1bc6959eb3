"""The swap, a long-running operation, its poll, preview and reset."""

from collections.abc import Mapping
from urllib.parse import urlencode

from emulator.arm.bodies import etag, site_body, site_id
from emulator.arm.calls import Answer, Call, gateway, invalid, provider
from emulator.arm.handling import Params, record, refuse_if_busy, refuse_if_prepared, slot_of
from emulator.slots import state
from emulator.slots.azure import Azure
from emulator.slots.state import Operation, Site, Slot


def swap(azure: Azure, call: Call, params: Params) -> Answer:
    """Begin a swap: 202, an empty body, and the address to poll."""
    site, source = slot_of(azure, params)
    target = target_of(call, site, source)
    if "slot" not in params:  # posted on the site, as Terraform does: the named slot is the source
        source, target = target, source
    refuse_if_busy(azure, site)
    for slot, other in ((source, target), (target, source)):
        if slot.prepared_with not in (None, other.key):
            refuse_if_prepared(slot)
    if target.swapping_into is not None:  # prepared the other way round
        refuse_if_prepared(target)
    for slot in (source, target):
        if not slot.running:
            # Both must run (azure-functions-host#10722); the message is an assumption.
            message = (
                f"Cannot swap site slots for site '{site.name}' because the '{slot.key}' slot "
            )
            raise provider(409, "Conflict", f"{message}is stopped.")
    names = (site.key, source.key, target.key)
    operation = Operation(azure.new_id(), *names, call.caller.name, azure.now())
    site = state.mark(site, (source.key, target.key), operation.id)
    azure.store.put_operation(operation)
    azure.store.put(site)
    record(azure, call, "swap-started", site, source.key, 202, target=target.key)
    azure.placement.swap(operation)
    asked = source if "slot" in params else target
    headers = {"etag": etag(source), **_again(azure, call, site, asked, operation)}
    return Answer(202, None, headers, operation.id)


def target_of(call: Call, site: Site, source: Slot) -> Slot:
    """Return the slot that the body's ``targetSlot`` names; raise RefusalError if it cannot be."""
    name = call.json().get("targetSlot")
    if not isinstance(name, str) or not name:
        raise invalid("targetSlot")
    target = site.slots.get(name.lower())
    if target is None:
        raise provider(404, "NotFound", f"Cannot find slot with name {name}.")
    if target.key == source.key:
        message = f"Cannot swap slot '{source.key}' of site '{site.name}' with itself."
        raise provider(400, "BadRequest", message)
    return target


def _again(
    azure: Azure, call: Call, site: Site, source: Slot, operation: Operation
) -> Mapping[str, str]:
    """Return Location, new each time and as long as Azure's, about 3.3 kB, and Retry-After."""
    given = {"api-version": call.query["api-version"], "t": str(int(azure.now() * 10_000_000))}
    lengths = {"c": 2575, "s": 342, "h": 43}  # c as recorded; a certificate, a signature, a hash
    signed = {name: (azure.new_secret() * size)[:size] for name, size in lengths.items()}
    query = urlencode({**given, **signed})
    path = f"{site_id(azure, site, source)}/operationresults/{operation.id}"
    again = str(azure.latency.retry_after_s)
    return {"location": f"{azure.url}{path}?{query}", "retry-after": again}


def operation_result(azure: Azure, call: Call, params: Params) -> Answer:
    """Answer 202 while the swap runs, then 200 with the source slot's site, or its failure."""
    site, slot = slot_of(azure, params)
    operation = azure.store.operations.get(params["operation"].lower())
    mine = () if operation is None else (operation.source, operation.target)
    if operation is None or operation.site != site.key or slot.key not in mine:
        raise gateway(404, "NotFound", f"The operation '{params['operation']}' could not be found.")
    if not operation.ended:
        return Answer(202, None, _again(azure, call, site, slot, operation))
    if operation.failure is not None:
        failure = operation.failure
        raise provider(failure.status, failure.code, failure.message)
    return Answer(200, site_body(azure, site, slot), {"etag": etag(slot)})


def preview(azure: Azure, call: Call, params: Params) -> Answer:
    """Apply only the target's sticky settings to the source slot (swap with preview)."""
    site, source = slot_of(azure, params)
    target = target_of(call, site, source)
    refuse_if_busy(azure, site)
    for slot in (source, target):
        if slot.prepared_with is not None:
            # Text: azure-powershell#3667
            known = site.slots.get(slot.prepared_with)
            other = known.name if known else slot.prepared_with
            message = (
                f"Cannot apply configuration from slot '{target.name}' because this slot has "
                f"already been prepared for swap with slot '{other}'."
            )
            raise provider(409, "Conflict", message)
    site = azure.store.change(
        site.key, lambda s: state.prepare(s, source.key, target.key, azure.now())
    )
    record(azure, call, "swap-prepared", site, source.key, target=target.key)
    azure.placement.restart(site.key, source.key)
    return Answer(200)


def reset(azure: Azure, call: Call, params: Params) -> Answer:
    """Cancel a prepared swap from either slot; the source restarts with its own settings."""
    site, slot = slot_of(azure, params)
    refuse_if_busy(azure, site)
    restarted = [
        key
        for key in (slot.key, slot.prepared_with)
        if key is not None and key in site.slots and site.slots[key].set_aside is not None
    ]
    site = azure.store.change(site.key, lambda s: state.reset(s, slot.key, azure.now()))
    record(azure, call, "swap-reset", site, slot.key)
    for key in restarted:
        azure.placement.restart(site.key, key)
    return Answer(200)
