"""
A swap as Azure carries it out, phase by phase.

Order and reasons of failure: https://learn.microsoft.com/azure/app-service/deploy-staging-slots
("What happens during a swap") and the threads named beside each message.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from emulator.seen.faults import Faults
from emulator.seen.history import iso
from emulator.slots import after_swap, state
from emulator.slots.azure import World
from emulator.slots.connection import LostError
from emulator.slots.hosts import Host
from emulator.slots.state import Failure, Operation, Site, SwapStatus
from emulator.slots.store import unexpected
from emulator.slots.workers import Started

RETRIES = 5
AGENT = b"SiteWarmup"


class Processes(Protocol):
    """What a swap needs of the processes."""

    def restart_now(self, site: str, slot: str) -> Awaitable[Started]:
        """Restart without the wait of a settings change; a swap's own waits cover it."""

    def pending(self, site: str, slot: str) -> Awaitable[Started]:
        """Wait for the start that is under way in the slot, where one is; say how it ended."""

    def host(self, site: str, slot: str) -> Host | None:
        """Return the process that answers for the slot."""

    def keys_moved(self, site: str, slots: tuple[str, str]) -> None:
        """Hand both slots' processes the keys of the slots that they are in now."""

    def restarts(self, site: str, slot: str) -> int:
        """Return how often somebody has asked for a restart of the slot."""


class SwapFailedError(Exception):
    """The swap ends here; *failure* is what its poll answers."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def worker_failed(site: str, slot: str) -> Failure:
    """azure-pipelines-tasks#13003."""
    return Failure(
        400,
        "BadRequest",
        f"Cannot swap slots for site '{site}' because the worker process for '{slot}' slot could "
        "not be started.",
    )


def ping_failed(site: str, slot: str) -> Failure:
    """azure-functions-host#8969."""
    return Failure(
        417,
        "ExpectationFailed",
        f"Cannot swap site slots for site '{site}' because the '{slot}' slot did not respond to "
        "http ping.",
    )


def allocation_changed(site: str, slot: str) -> Failure:
    """azure-pipelines-tasks#12835, the only one that says to retry."""
    return Failure(
        400,
        "BadRequest",
        f"Cannot swap slots for site '{site}' because the allocation of VM instances for "
        f"'{slot}' slot has changed during the swap process. Please retry the swap operation.",
    )


def initialization_failed(site: str, slot: str) -> Failure:
    """azure-functions-host#8123."""
    return Failure(
        400,
        "BadRequest",
        f"Cannot swap slots for site '{site}' because the application initialization in '{slot}' "
        "slot either took too long or failed.",
    )


PLANTED: tuple[tuple[str, Callable[[str, str], Failure]], ...] = (
    ("swap-worker", worker_failed),
    ("swap-allocation", allocation_changed),
    ("swap-initialization", initialization_failed),
    ("swap-ping", ping_failed),
    ("swap-unexpected", lambda site, _slot: unexpected(site)),
)


class Swapper:
    """Carries operations out on *world* and *processes*; *faults* may plant a failure."""

    def __init__(self, world: World, processes: Processes, faults: Faults) -> None:
        self.world = world
        self.processes = processes
        self.faults = faults

    async def run(self, operation: Operation) -> None:
        """Carry *operation* out to its end, good or bad."""
        began = asyncio.get_running_loop().time()
        try:
            await self._make_ready(operation)
            await self._until(began + self.world.latency.swap_flip_s, "swap-flip", operation)
            self._flip(operation)
        except SwapFailedError as failed:
            self._fail(operation, failed.failure)
            return
        # The old content restarts with its own sticky settings while the new one already serves.
        self.processes.restart_now(operation.site, operation.source)
        await self._until(began + self.world.latency.swap_end_s, "swap-end", operation)
        self._end(operation)
        await self._take_back(operation)
        await after_swap.suffer(self.world, self.processes, self.faults, operation)

    async def _make_ready(self, operation: Operation) -> None:
        """
        Apply the target's sticky settings to the source, restart it, ping it until warm.

        After a preview both are done, or under way: what is pinged has started with them.
        """
        world = self.world
        site = world.estate.sites[operation.site]
        if site.slots[operation.source].set_aside is not None:
            started = await self.processes.pending(site.key, operation.source)
        else:
            site = world.estate.change(
                site.key,
                lambda s: state.prepare(s, operation.source, operation.target, world.now()),
            )
            started = await self.processes.restart_now(site.key, operation.source)
        if started.reason is not None:
            raise SwapFailedError(worker_failed(site.name, operation.source))
        for planted, failure in PLANTED:
            if self.faults.take(planted, site.key, operation.source) is not None:
                raise SwapFailedError(failure(site.name, operation.source))
        if not await self._warm(site, operation.source):
            raise SwapFailedError(ping_failed(site.name, operation.source))

    async def _warm(self, site: Site, slot: str) -> bool:
        path, statuses = state.warmup(site.slots[slot].settings)
        for attempt in range(1 + RETRIES):
            if attempt:
                await asyncio.sleep(self.world.latency.ping_pause_s)
            host = self.processes.host(site.key, slot)
            if host is None:
                continue
            headers = ((b"host", site.slots[slot].host.encode()), (b"user-agent", AGENT))
            try:
                async with asyncio.timeout(self.world.latency.ping_timeout_s):
                    reply = await host.backend.ask("GET", path, headers)
            except (OSError, LostError):  # TimeoutError is an OSError
                continue
            if not statuses or reply.status in statuses:
                return True
        return False

    def _flip(self, operation: Operation) -> None:
        """Exchange the content; the front follows with the next request."""
        world = self.world
        site = world.estate.sites[operation.site]
        now = world.now()
        status = SwapStatus(
            iso(now), site.slots[operation.source].name, site.slots[operation.target].name
        )
        world.estate.operations[operation.id] = replace(operation, flipped=True)
        site = world.estate.change(
            site.key, lambda s: state.flip(s, operation.source, operation.target, status, now)
        )
        if self.faults.take("swap-keys", site.key, operation.source) is not None:
            site = after_swap.new_keys(world, site, (operation.source, operation.target))
        self.processes.keys_moved(site.key, (operation.source, operation.target))
        self._record("swap-flipped", operation, site)

    def _fail(self, operation: Operation, failure: Failure) -> None:
        """
        Put the source's settings back and end with *failure*.

        Both slots stay marked as prepared for the swap until somebody resets it (azure-cli#27820).
        """
        world = self.world
        ended = replace(operation, ended=True, failure=failure)
        world.estate.operations[operation.id] = ended
        site = world.estate.sites[operation.site]
        site = state.mark(site, (operation.source, operation.target), None)
        site = state.put_back(site, operation.source, world.now())
        world.estate.put(site)
        self.processes.restart_now(site.key, operation.source)
        self._record("swap-failed", operation, site, failure.message)

    def give_up(self, operation: Operation) -> None:
        """End *operation* wherever it stands, so that the site is not busy for ever."""
        site = self.world.estate.sites.get(operation.site)
        if site is not None and not self.world.estate.operations[operation.id].ended:
            self._fail(operation, unexpected(site.name))

    def _end(self, operation: Operation) -> None:
        world = self.world
        world.estate.operations[operation.id] = replace(operation, flipped=True, ended=True)
        site = world.estate.change(
            operation.site,
            lambda s: state.mark(s, (operation.source, operation.target), None),
        )
        self._record("swap-finished", operation, site)

    async def _take_back(self, operation: Operation) -> None:
        """
        Let the platform undo a swap that it reported as done (azure-functions-host#7336).

        Only what is still the newest: one that another swap has followed stays as it is.
        """
        fault = self.faults.take("swap-revert", operation.site, operation.source)
        if fault is None:
            return
        last = self.world.estate.sites[operation.site].slots[operation.target].last_swap
        await asyncio.sleep(fault.delay_s)
        site = self.world.estate.sites.get(operation.site)
        if site is None or not {operation.source, operation.target} <= set(site.slots):
            return
        if last is None or site.slots[operation.target].last_swap != last or state.busy(site):
            return
        now = self.world.now()
        site = self.world.estate.change(
            operation.site,
            lambda s: state.flip(s, operation.source, operation.target, last, now),
        )
        self.processes.keys_moved(site.key, (operation.source, operation.target))
        self._record("swap-reverted", operation, site)

    def _record(
        self, what: str, operation: Operation, site: Site, message: str | None = None
    ) -> None:
        self.world.history.record(
            what,
            site=site,
            slot=operation.source,
            caller=operation.caller,
            operation_id=operation.id,
            target=operation.target,
            message=message,
        )

    async def _until(self, moment: float, what: str, operation: Operation) -> None:
        await self.world.transitions.until(moment, what, operation.site, operation.source)
