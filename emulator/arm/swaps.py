"""Swap as a long-running operation, its poll, preview and reset."""

from collections.abc import Mapping
from urllib.parse import urlencode

from emulator.arm.bodies import etag, site_body, site_id
from emulator.arm.calls import Answer, Call, gateway, provider
from emulator.slots import state
from emulator.slots.azure import World
from emulator.slots.state import Operation, Site, Slot

Params = Mapping[str, str]


def swap(world: World, call: Call, params: Params) -> Answer:
    """Begin a swap: 202, nothing in the body, and where to ask for its end."""
    site, source = world.slot(params)
    target = target_of(call, site, source)
    world.changeable(site)
    for slot, other in ((source, target), (target, source)):
        if slot.prepared_with not in (None, other.key):
            world.unprepared(slot)
    if target.swapping_into is not None:  # prepared the other way round
        world.unprepared(target)
    for slot in (source, target):
        if not slot.running:
            # Both must run (azure-functions-host#10722); the words are an assumption.
            raise provider(
                409,
                "Conflict",
                f"Cannot swap site slots for site '{site.name}' because the '{slot.key}' slot "
                "is stopped.",
            )
    operation = Operation(
        world.new_id(), site.key, source.key, target.key, call.caller.name, world.now()
    )
    site = state.mark(site, (source.key, target.key), operation.id)
    world.estate.put_operation(operation)
    world.estate.put(site)
    world.note(call, "swap-started", site, source.key, 202, target=target.key)
    world.platform.swap(operation)
    return Answer(
        202,
        None,
        {"etag": etag(source), **_again(world, call, site, source, operation)},
        operation.id,
    )


def target_of(call: Call, site: Site, source: Slot) -> Slot:
    """Return the slot that the body's ``targetSlot`` names; raise RefusalError."""
    name = call.json().get("targetSlot")
    if not isinstance(name, str) or not name:
        raise provider(400, "BadRequest", "The parameter targetSlot has an invalid value.")
    target = site.slots.get(name.lower())
    if target is None:
        raise provider(404, "NotFound", f"Cannot find slot with name {name}.")
    if target.key == source.key:
        message = f"Cannot swap slot '{source.key}' of site '{site.name}' with itself."
        raise provider(400, "BadRequest", message)
    return target


def _again(
    world: World, call: Call, site: Site, source: Slot, operation: Operation
) -> Mapping[str, str]:
    """Return Location and Retry-After; the query is new each time, as Azure's is."""
    query = urlencode(
        {
            "api-version": call.query["api-version"],
            "t": str(int(world.now() * 10_000_000)),
            "c": world.new_secret(),
            "s": world.new_secret(),
            "h": world.new_secret(),
        }
    )
    path = f"{site_id(world, site, source)}/operationresults/{operation.id}"
    return {
        "location": f"{world.url}{path}?{query}",
        "retry-after": str(world.latency.retry_after_s),
    }


def operation_result(world: World, call: Call, params: Params) -> Answer:
    """Answer 202 while the swap runs, then 200 with the source slot's site, or its failure."""
    site, slot = world.slot(params)
    operation = world.estate.operations.get(params["operation"].lower())
    if operation is None or (operation.site, operation.source) != (site.key, slot.key):
        raise gateway(404, "NotFound", f"The operation '{params['operation']}' could not be found.")
    if not operation.ended:
        return Answer(202, None, _again(world, call, site, slot, operation))
    if operation.failure is not None:
        failure = operation.failure
        raise provider(failure.status, failure.code, failure.message)
    return Answer(200, site_body(world, site, slot), {"etag": etag(slot)})


def preview(world: World, call: Call, params: Params) -> Answer:
    """Apply the target's sticky settings to the source slot and stop there (swap with preview)."""
    site, source = world.slot(params)
    target = target_of(call, site, source)
    world.changeable(site)
    for slot in (source, target):
        if slot.prepared_with is not None:
            # Text: azure-powershell#3667
            known = site.slots.get(slot.prepared_with)
            other = known.name if known else slot.prepared_with
            raise provider(
                409,
                "Conflict",
                f"Cannot apply configuration from slot '{target.name}' because this slot has "
                f"already been prepared for swap with slot '{other}'.",
            )
    site = world.estate.change(
        site.key, lambda s: state.prepare(s, source.key, target.key, world.now())
    )
    world.note(call, "swap-prepared", site, source.key, target=target.key)
    world.platform.restart(site.key, source.key)
    return Answer(200)


def reset(world: World, call: Call, params: Params) -> Answer:
    """Cancel a prepared swap from either side; the source restarts with its own settings."""
    site, slot = world.slot(params)
    world.changeable(site)
    restarted = [
        key
        for key in (slot.key, slot.prepared_with)
        if key is not None and key in site.slots and site.slots[key].set_aside is not None
    ]
    site = world.estate.change(site.key, lambda s: state.reset(s, slot.key, world.now()))
    world.note(call, "swap-reset", site, slot.key)
    for key in restarted:
        world.platform.restart(site.key, key)
    return Answer(200)
