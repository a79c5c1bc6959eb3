"""
A swap as Azure carries it out, phase by phase.

Order and reasons of failure: https://learn.microsoft.com/azure/app-service/deploy-staging-slots
("What happens during a swap") and the threads named at each message.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from emulator.seen.faults import Faults
from emulator.seen.history import iso
from emulator.slots import after_swap, state
from emulator.slots.azure import Azure
from emulator.slots.connection import LostError
from emulator.slots.state import Failure, Operation, Site, SwapStatus
from emulator.slots.store import unexpected

RETRIES = 5
AGENT = b"SiteWarmup"


class SwapFailedError(Exception):
    """The swap ends here; *failure* is the answer to its poll."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


# Why a swap fails, in Azure's words and each with the thread that quotes them, in the order in
# which they are tried. Only the second asks for a retry.
_CANNOT = "Cannot swap slots for site '{site}' because the "
FAILURES: Mapping[str, Failure] = {
    "swap-worker": Failure(  # azure-pipelines-tasks#13003
        400, "BadRequest", f"{_CANNOT}worker process for '{{slot}}' slot could not be started."
    ),
    "swap-allocation": Failure(  # azure-pipelines-tasks#12835
        400,
        "BadRequest",
        f"{_CANNOT}allocation of VM instances for '{{slot}}' slot has changed during the swap "
        "process. Please retry the swap operation.",
    ),
    "swap-initialization": Failure(  # azure-functions-host#8123
        400,
        "BadRequest",
        f"{_CANNOT}application initialization in '{{slot}}' slot either took too long or failed.",
    ),
    "swap-ping": Failure(  # azure-functions-host#8969
        417,
        "ExpectationFailed",
        "Cannot swap site slots for site '{site}' because the '{slot}' slot did not respond to "
        "http ping.",
    ),
}


class Swapper:
    """Carries out operations on *azure*; *faults* may plant a failure."""

    def __init__(self, azure: Azure, faults: Faults) -> None:
        self.azure = azure
        self.processes = azure.placement
        self.faults = faults

    async def run(self, operation: Operation) -> None:
        """Carry out *operation* until it has succeeded or failed."""
        began = asyncio.get_running_loop().time()
        try:
            await self._make_ready(operation)
            await self._until(began + self.azure.latency.swap_flip_s, "swap-flip", operation)
            self._flip(operation)
        except SwapFailedError as failed:
            self._fail(operation, failed.failure)
            return
        # The old content restarts with the source's sticky settings; the new one already serves.
        self.processes.restart_now(operation.site, operation.source)
        await self._until(began + self.azure.latency.swap_end_s, "swap-end", operation)
        self._end(operation)
        await self._take_back(operation)
        await after_swap.misbehave(self.azure, self.faults, operation)

    async def _make_ready(self, operation: Operation) -> None:
        """
        Apply the target's sticky settings to the source, restart it, ping it until warm.

        After a preview the first two are done or under way; then only wait for that start.
        """
        azure = self.azure
        site = azure.store.sites[operation.site]
        if site.slots[operation.source].set_aside is not None:
            started = await self.processes.pending(site.key, operation.source)
        else:
            slots = (operation.source, operation.target)
            site = azure.store.change(site.key, lambda s: state.prepare(s, *slots, azure.now()))
            started = await self.processes.restart_now(site.key, operation.source)
        if started.reason is not None:
            raise _failed("swap-worker", site, operation)
        for fault in FAILURES:
            if self.faults.take(fault, site.key, operation.source) is not None:
                raise _failed(fault, site, operation)
        if self.faults.take("swap-unexpected", site.key, operation.source) is not None:
            raise SwapFailedError(unexpected(site.name))
        twins = state.collisions(site, operation.source).get("host id", ())  # azure-docs#104042
        if operation.target in twins or not await self._warm(site, operation.source):
            raise _failed("swap-ping", site, operation)

    async def _warm(self, site: Site, slot: str) -> bool:
        # A status that is not in the list ends it; only silence is asked again (the page above).
        path, statuses = state.warmup(site.slots[slot].settings)
        for attempt in range(1 + RETRIES):
            if attempt:
                await asyncio.sleep(self.azure.latency.ping_pause_s)
            host = self.processes.host(site.key, slot)
            if host is None:
                continue
            redirects = not self.azure.assumed.holds("ping-ignores-https-only")
            if redirects and site.slots[slot].https_only:
                return not statuses or 301 in statuses
            headers = ((b"host", site.slots[slot].host.encode()), (b"user-agent", AGENT))
            try:
                async with asyncio.timeout(self.azure.latency.ping_timeout_s):
                    reply = await host.connections.ask("GET", path, headers)
            except (OSError, LostError):  # TimeoutError is an OSError
                continue
            return not statuses or reply.status in statuses
        return False

    def _flip(self, operation: Operation) -> None:
        """Exchange the content; the front doors follow with their next request."""
        azure = self.azure
        site = azure.store.sites[operation.site]
        now = azure.now()
        slots = (operation.source, operation.target)
        status = SwapStatus(iso(now), *(site.slots[key].name for key in slots))
        azure.store.operations[operation.id] = replace(operation, flipped=True)
        site = azure.store.change(site.key, lambda s: state.flip(s, *slots, status, now))
        if self.faults.take("swap-keys", site.key, operation.source) is not None:
            site = after_swap.new_keys(azure, site, slots)
        self.processes.keys_moved(site.key, slots)
        self._record("swap-flipped", operation, site)

    def _fail(self, operation: Operation, failure: Failure) -> None:
        """
        Put the source's settings back and end with *failure*.

        Both slots stay marked as prepared for the swap until a reset.
        """
        azure = self.azure
        ended = replace(operation, ended=True, failure=failure)
        azure.store.operations[operation.id] = ended
        site = azure.store.sites[operation.site]
        site = state.mark(site, (operation.source, operation.target), None)
        kept = azure.assumed.holds("failed-swap-prepared")
        site = (state.put_back if kept else state.reset)(site, operation.source, azure.now())
        azure.store.put(site)
        self.processes.restart_now(site.key, operation.source)
        self._record("swap-failed", operation, site, failure.message)

    def give_up(self, operation: Operation) -> None:
        """Fail *operation* in whatever phase it is, so that the site does not stay busy."""
        site = self.azure.store.sites.get(operation.site)
        if site is not None and not self.azure.store.operations[operation.id].ended:
            self._fail(operation, unexpected(site.name))

    def _end(self, operation: Operation) -> None:
        store, slots = self.azure.store, (operation.source, operation.target)
        store.operations[operation.id] = replace(operation, flipped=True, ended=True)
        site = store.change(operation.site, lambda s: state.mark(s, slots, None))
        self._record("swap-finished", operation, site)

    async def _take_back(self, operation: Operation) -> None:
        """
        Undo a swap that was reported as done, if that is planted (azure-functions-host#7336).

        Only the newest swap is undone; one that another swap has followed stays.
        """
        fault = self.faults.take("swap-revert", operation.site, operation.source)
        if fault is None:
            return
        last = self.azure.store.sites[operation.site].slots[operation.target].last_swap
        await asyncio.sleep(fault.delay_s)
        site = self.azure.store.sites.get(operation.site)
        if site is None or not {operation.source, operation.target} <= set(site.slots):
            return
        if last is None or site.slots[operation.target].last_swap != last or state.busy(site):
            return
        now, slots = self.azure.now(), (operation.source, operation.target)
        site = self.azure.store.change(site.key, lambda s: state.flip(s, *slots, last, now))
        self.processes.keys_moved(site.key, slots)
        self._record("swap-reverted", operation, site)

    def _record(
        self, what: str, operation: Operation, site: Site, message: str | None = None
    ) -> None:
        self.azure.history.record(
            what,
            site=site,
            slot=operation.source,
            caller=operation.caller,
            operation_id=operation.id,
            target=operation.target,
            message=message,
        )

    async def _until(self, moment: float, what: str, operation: Operation) -> None:
        await self.azure.transitions.until(moment, what, operation.site, operation.source)


def _failed(fault: str, site: Site, operation: Operation) -> SwapFailedError:
    failure = FAILURES[fault]
    message = failure.message.format(site=site.name, slot=operation.source)
    return SwapFailedError(replace(failure, message=message))
