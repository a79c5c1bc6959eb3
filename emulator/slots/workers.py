"""
The process of each content: started, restarted with overlap, watched, ended.

A worker belongs to a content (``deploymentId``), not to a slot: a swap moves it with the content.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from emulator.assumptions import Assumed
from emulator.slots.hosts import CannotStartError, Host, Launch, Launcher

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0  # a process that ran this long is not crashing in a loop

Report = Callable[[str, Launch, str], None]  # operation, launch, detail
Gate = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Started:
    """How a start ended; *reason* is None if the process answers."""

    reason: str | None


async def until(moment: float) -> None:
    await asyncio.sleep(moment - asyncio.get_running_loop().time())


class Worker:
    """The process of one content, and its successor while that starts."""

    def __init__(self, launcher: Launcher, report: Report, assumed: Assumed) -> None:
        self.launcher = launcher
        self.assumed = assumed
        self.report = report
        self.serving: Host | None = None
        self.failed = False  # nothing answers or will soon: the front door answers 503 at once
        self.stopped = False
        self._starting: asyncio.Task[None] | None = None
        self._result: asyncio.Future[Started] | None = None
        self._changed = asyncio.Event()
        self._behind: set[asyncio.Task[None]] = set()
        self._since = 0.0

    @property
    def starting(self) -> bool:
        """Return whether a process is being started, with or without another that answers."""
        return self._starting is not None and not self.failed

    def restart(
        self, launch: Launch, not_before_s: float = 0.0, gate: Gate = until
    ) -> asyncio.Future[Started]:
        """
        Start a process with *launch*; it takes over once it answers and *not_before_s* have passed.

        *gate* waits for that moment of the loop's clock. A start under way is given up for this
        one. The result is how the first try ended.
        """
        self.stopped = False
        self._supersede()
        self.failed = False
        self._tell()
        result: asyncio.Future[Started] = asyncio.get_running_loop().create_future()
        self._result = result
        self._starting = asyncio.create_task(self._bring_up(launch, not_before_s, gate, result))
        return result

    async def pending(self) -> Started:
        """Wait for the start that is under way, if any, and return how it ended."""
        while self._starting is not None and self._result is not None:
            asked = self._result
            started = await asyncio.shield(asked)
            if asked is self._result:
                return started
        return Started(None)

    def _supersede(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None
        if self._result is not None and not self._result.done():
            self._result.set_result(Started("superseded by a later restart"))

    async def _bring_up(
        self, launch: Launch, not_before_s: float, gate: Gate, result: asyncio.Future[Started]
    ) -> None:
        loop = asyncio.get_running_loop()
        due, pause = loop.time() + not_before_s, FIRST_PAUSE_S
        while True:
            try:
                host = await self.launcher.start(launch)
            except CannotStartError as error:
                if self.serving is None or self.assumed.holds("failed-start-stops"):
                    self.failed = True
                    self._take_over(None)
                self.report("process-failed", launch, str(error))
                if not result.done():
                    result.set_result(Started(str(error)))
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
                continue
            break
        try:
            await gate(due)
        except asyncio.CancelledError:
            await self._discard(host)
            raise
        self.failed = False
        self._since = loop.time()
        self._take_over(host)
        self.report("process-started", launch, str(host.process.pid))
        self._keep(self._watch(host))
        self._starting = None
        if not result.done():
            result.set_result(Started(None))

    def _take_over(self, host: Host | None) -> None:
        """Let *host* answer from now on; the previous one drains and ends in the background."""
        old, self.serving = self.serving, host
        self._tell()
        if old is not None:
            self._keep(self._discard(old))

    async def _discard(self, host: Host) -> None:
        await host.retire()
        self.launcher.forget(host)
        self.report("process-stopped", host.launch, str(host.process.pid))

    async def _watch(self, host: Host) -> None:
        """Start another process when *host* ends by itself."""
        code = await host.process.wait()
        if host.leaving or self.serving is not host:
            return
        self.serving = None
        self.launcher.forget(host)
        host.connections.close()
        self.report("process-crashed", host.launch, f"code {code}")
        loop = asyncio.get_running_loop()
        if self._starting is not None or self.stopped:
            self._tell()
            return
        if loop.time() - self._since < STEADY_S:
            self.failed = True
            self._tell()
            await asyncio.sleep(FIRST_PAUSE_S)
        if self._starting is None and self.serving is None and not self.stopped:
            self.restart(host.launch)

    def stop(self) -> None:
        """End the process; the front door answers that the app is stopped."""
        self.stopped = True
        self._supersede()
        self.failed = False
        self._take_over(None)

    def vacate(self) -> None:
        """End the process before the next one is started; requests wait for the next one."""
        self._take_over(None)

    async def changed(self) -> None:
        """Return when another process, or none, may answer."""
        await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    async def close(self, grace_s: float) -> None:
        """End everything now; requests in flight get *grace_s*."""
        self.stopped = True
        self._supersede()
        if self.serving is not None:
            self.serving.leaving = True
            self.serving.connections.close()
        for task in list(self._behind):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._behind, return_exceptions=True)
        self.serving = None
