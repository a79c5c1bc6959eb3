"""Faults reported of the minutes after a successful swap; they happen only if planted."""

import asyncio
from dataclasses import replace

from emulator.seen.faults import Fault, Faults
from emulator.slots.azure import Azure
from emulator.slots.state import Keys, Operation, Site

LOOK_S = 0.05


def new_keys(azure: Azure, site: Site, slots: tuple[str, str]) -> Site:
    """Give *slots* new host keys (azure-functions-host#6785: a swap changed them)."""
    changed = [
        replace(site.slots[key], keys=Keys(azure.new_secret(), azure.new_secret())) for key in slots
    ]
    return azure.store.change(site.key, lambda s: s.with_slots(*changed))


async def misbehave(azure: Azure, faults: Faults, operation: Operation) -> None:
    """Let production's port fail for a while, and its process die repeatedly, if planted."""
    fault = faults.take("swap-front", operation.site, operation.source)
    if fault is not None:
        await _unavailable(faults, operation, fault.delay_s)
    fault = faults.take("swap-restart-loop", operation.site, operation.source)
    if fault is not None:
        await _dying(azure, operation, fault.delay_s)


async def _unavailable(faults: Faults, operation: Operation, seconds: float) -> None:
    """Answer 503 on the target's port (azure-functions-host#6109)."""
    rule = Fault("front", operation.site, operation.target, times=None, status=503)
    faults.rules.append(rule)
    await asyncio.sleep(seconds)
    rule.times = 0


async def _dying(azure: Azure, operation: Operation, seconds: float) -> None:
    """Kill the target's process whenever it runs (azure-functions-host#8122)."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    processes, target = azure.placement, (operation.site, operation.target)
    asked = processes.asked[target]
    while loop.time() < ends and processes.asked[target] == asked:
        site = azure.store.sites.get(operation.site)
        if site is None or operation.target not in site.slots:
            return
        host = processes.host(*target)
        if host is not None and host.process.returncode is None:
            host.process.kill()
        await asyncio.sleep(LOOK_S)
