"""The triggers of an app other than HTTP: its timers and queues."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.functions_host.app import App
from emulator.functions_host.connections import Connection, find_connection
from emulator.functions_host.errors import HostError
from emulator.functions_host.functions import Function, QueueFunction, TimerFunction
from emulator.functions_host.queueoptions import QueueOptions
from emulator.functions_host.schedule import parse_schedule
from emulator.functions_host.timers import StatusFile, Timer

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueServiceClient

    from emulator.functions_host.queues import QueueTrigger

# How long others cannot see a taken message, in whole seconds; on Azure that cannot be set.
INVISIBLE_SETTING = "EMULATOR_QUEUE_INVISIBLE_S"


class Triggers:
    """The timers and queues of one app, from `begin` until `stopping` is set."""

    def __init__(self, app: App, stopping: asyncio.Event) -> None:
        self._app = app
        self.stopping = stopping
        self._timers: dict[str, Timer] = {}
        self._queues: list[QueueTrigger] = []
        self._clients: dict[Connection, QueueServiceClient] = {}
        self._running: set[asyncio.Task[None]] = set()

    def take(
        self,
        functions: Sequence[Function],
        settings: Mapping[str, str],
        options: QueueOptions,
        timer_folder: Path | None,
    ) -> None:
        """Add *functions*; raise `HostError` naming one whose trigger cannot be used."""
        for function in functions:
            try:
                if isinstance(function, TimerFunction):
                    schedule = parse_schedule(function.schedule, datetime.now(UTC))
                    kept = StatusFile(timer_folder, function.name)
                    timer = Timer(self._app, function, schedule, kept, pause=self._pause)
                    self._timers[function.name] = timer
                elif isinstance(function, QueueFunction):
                    self._take_queue(function, settings, options)
            except HostError as refusal:
                self._timers.clear()
                self._queues.clear()
                raise HostError(f"function '{function.name}': {refusal}") from refusal
        if settings.get("WEBSITE_TIME_ZONE") and self._timers:
            text = "WEBSITE_TIME_ZONE is ignored here: schedules are UTC"
            self._app.log.write(30, "Host.Startup", text)

    def _take_queue(
        self, function: QueueFunction, settings: Mapping[str, str], options: QueueOptions
    ) -> None:
        connection = find_connection(function.connection, settings)
        if function.disabled:
            return
        try:
            # Imported here, so that an app without queues starts faster.
            from emulator.functions_host import queues  # noqa: PLC0415 - see above
        except ImportError as error:
            raise HostError(
                f"this host's client of queues does not work with the packages of the app: {error}"
            ) from error
        if connection not in self._clients:
            self._clients[connection] = queues.open_client(connection)
        given, client = settings.get(INVISIBLE_SETTING, ""), self._clients[connection]
        hidden_s = float(given) if given.isdigit() else queues.INVISIBLE_S
        trigger = queues.QueueTrigger(
            self._app, function, client, options, pause=self._pause, invisible_s=hidden_s
        )
        self._queues.append(trigger)

    async def fire(self, function: TimerFunction) -> None:
        """Start a call of a timer's function now, without regard to its schedule."""
        self._keep(asyncio.create_task(self._timers[function.name].fire_by_hand()))

    def begin(self) -> None:
        for timer in self._timers.values():
            if not timer.function.disabled:
                self._keep(asyncio.create_task(timer.run()))
        for queue in self._queues:
            self._keep(asyncio.create_task(queue.run()))

    async def end(self, grace_s: float) -> None:
        """Wait up to *grace_s* for running calls; none starts any more."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _pause(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return self.stopping.is_set()
        return True
