"""What has been reported of the minutes after a swap that succeeded, on request alone."""

import asyncio
from dataclasses import replace
from typing import Protocol

from emulator.seen.faults import Fault, Faults
from emulator.slots.azure import World
from emulator.slots.hosts import Host
from emulator.slots.state import Keys, Operation, Site

LOOK_S = 0.05


class Processes(Protocol):
    """What it needs of the processes."""

    def host(self, site: str, slot: str) -> Host | None:
        """Return the process that answers for the slot."""

    def restarts(self, site: str, slot: str) -> int:
        """Return how often somebody has asked for a restart of the slot."""


def new_keys(world: World, site: Site, slots: tuple[str, str]) -> Site:
    """Give *slots* new host keys (azure-functions-host#6785: a swap changed them)."""
    changed = [
        replace(site.slots[key], keys=Keys(world.new_secret(), world.new_secret())) for key in slots
    ]
    return world.estate.change(site.key, lambda s: s.with_slots(*changed))


async def suffer(world: World, processes: Processes, faults: Faults, operation: Operation) -> None:
    """Let production's port fail for a while, and its process die again and again, if planted."""
    fault = faults.take("swap-front", operation.site, operation.source)
    if fault is not None:
        await _unavailable(faults, operation, fault.delay_s)
    fault = faults.take("swap-restart-loop", operation.site, operation.source)
    if fault is not None:
        await _dying(world, processes, operation, fault.delay_s)


async def _unavailable(faults: Faults, operation: Operation, seconds: float) -> None:
    """503 from the target's port (azure-functions-host#6109)."""
    rule = Fault("front", operation.site, operation.target, times=None, status=503)
    faults.rules.append(rule)
    await asyncio.sleep(seconds)
    rule.times = 0


async def _dying(world: World, processes: Processes, operation: Operation, seconds: float) -> None:
    """Kill the target's process whenever it is up (azure-functions-host#8122)."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    asked = processes.restarts(operation.site, operation.target)
    while loop.time() < ends and processes.restarts(operation.site, operation.target) == asked:
        site = world.estate.sites.get(operation.site)
        if site is None or operation.target not in site.slots:
            return
        host = processes.host(operation.site, operation.target)
        if host is not None and host.process.returncode is None:
            host.process.kill()
        await asyncio.sleep(LOOK_S)
