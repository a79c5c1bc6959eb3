"""
One of several worker processes of a host: loads the app and calls its functions on request.

Started by `emulator.functions_host.pool`. Requests come on standard input, answers and log entries
go to standard output; the app has access to neither. The process ends with its host.
"""

import asyncio
import os
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from traceback import format_exc
from typing import Any, BinaryIO

from emulator.functions_host import frames, worker
from emulator.functions_host.errors import HostError
from emulator.functions_host.logs import Log, quieten_worker, take_output
from emulator.functions_host.records import InvocationRequest, failed


class Upwards:
    """Sends to the host, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, kind: str, *values: Any) -> None:
        """Send one frame; if the host is gone it is lost, and this process ends soon."""
        data = memoryview(frames.pack((kind, *values)))
        with self._lock, suppress(OSError):
            while data:
                data = data[os.write(self._descriptor, data) :]


class UpwardLog(Log):
    """Let the host write the entries: in order with its own, and not lost in a crash."""

    def __init__(self, upwards: Upwards) -> None:
        super().__init__(2)
        self._upwards = upwards

    def write(
        self,
        level: int,
        category: str,
        message: str,
        invocation: str | None = None,
        sent: bool = True,
    ) -> None:
        """Send an entry to the host if host.json lets it through."""
        if self.shows(category, level):
            self._upwards.send("log", level, category, message, invocation, sent)


class Member:
    """Serve one host until it is gone."""

    def __init__(self, upwards: Upwards) -> None:
        self._upwards = upwards
        self._ids: dict[str, str] = {}
        self._running: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def whose(self) -> tuple[str, str] | None:
        """Return function name and id of the call that runs in this task or thread."""
        return worker.running_call(self._running)

    async def serve(self, folder: Path, downwards: BinaryIO) -> None:
        """Load the app in *folder*, then make the calls that *downwards* asks for."""
        listener = threading.Thread(
            target=self._listen, args=(downwards, asyncio.get_running_loop()), daemon=True
        )
        listener.start()  # before the app is loaded, because the host may end meanwhile
        try:
            found = await worker.load(folder)
        except HostError as error:
            self._upwards.send("refused", error.message, error.detail)
            return
        self._ids = {one.name: one.function_id for one in found}
        self._upwards.send("ready", found)
        await asyncio.Event().wait()

    def _listen(self, downwards: BinaryIO, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            try:
                asked = frames.read_from(downwards)
            except EOFError:
                os._exit(0)
            loop.call_soon_threadsafe(self._begin, *asked)

    def _begin(self, *asked: Any) -> None:
        self._tasks.add(task := asyncio.create_task(self._call(*asked)))
        task.add_done_callback(self._tasks.discard)

    async def _call(self, name: str, request: InvocationRequest) -> None:
        invocation = request.invocation_id
        self._running[invocation] = name
        try:
            answer = await worker.invoke(replace(request, function_id=self._ids[name]))
            self._upwards.send("answer", answer)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the host must hear of it
            answer = failed(invocation, f"{type(error).__name__}: {error}", format_exc())
            self._upwards.send("answer", answer)
        finally:
            del self._running[invocation]


def main() -> None:
    """Take the pipes away from the app, then serve."""
    downwards, upwards = os.fdopen(os.dup(0), "rb"), Upwards(os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the host, which ends this process
        signal.signal(number, lambda *_: None)
    folder, levels = frames.read_from(downwards)
    log, member = UpwardLog(upwards), Member(upwards)
    log.set_levels(levels)
    take_output(log, member.whose)
    quieten_worker(log)
    worker.put_app_first(folder)
    os.chdir(folder)
    asyncio.run(member.serve(folder, downwards))
    os._exit(0)


if __name__ == "__main__":
    main()
