"""
Several worker processes for one app: `FUNCTIONS_WORKER_PROCESS_COUNT`.

Calls go round robin to the processes that have loaded the app, as in
RpcFunctionInvocationDispatcher.cs of github.com/Azure/azure-functions-host. The host answers once
the first process is ready, starts one after the other, and restarts those that ended: at once, then
ten seconds apart. After three crashes a process, each within half an hour of the one before, it
starts no more, and ends when none is left. Azure waits ten seconds between the first starts too;
here the next one follows at once.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from emulator.functions_host import frames
from emulator.functions_host.errors import HostError
from emulator.functions_host.logs import Log
from emulator.functions_host.records import (
    InvocationRequest,
    InvocationResponse,
    RpcFunctionMetadata,
    failed,
)

COMMAND = (sys.executable, "-m", "emulator.functions_host.member")
ROOT = Path(__file__).resolve().parents[2]
RESTART_S = 10.0  # ProcessRestartInterval
FORGET_S = 1800.0  # WorkerRestartErrorIntervalThresholdInMinutes
CRASHES = 3  # a process
END_S = 2.0
CATEGORY = "Host.Workers"


class Process:
    """One worker process, from `start` until it is gone."""

    def __init__(self, process: asyncio.subprocess.Process, log: Log) -> None:
        self.pid = process.pid
        self.functions: list[RpcFunctionMetadata] = []
        self._process = process
        self._log = log
        self._waiting: dict[str, asyncio.Future[InvocationResponse]] = {}

    @classmethod
    async def start(cls, folder: Path, log: Log) -> "Process":
        """Start a process and return it once it has loaded the app; raise `HostError` if not."""
        pipe = asyncio.subprocess.PIPE
        started = await asyncio.create_subprocess_exec(*COMMAND, stdin=pipe, stdout=pipe, cwd=ROOT)
        one = cls(started, log)
        try:
            one._send(folder, log.levels)
            await one._loaded()
        except BaseException:
            await one.end(0)
            raise
        return one

    async def _loaded(self) -> None:
        while True:
            try:
                kind, *values = await frames.read(self._reader)
            except EOFError as error:
                code = await self._process.wait()
                message = f"the function app cannot be loaded: python exited with code {code}"
                raise HostError(message) from error
            if kind == "ready":
                (self.functions,) = values
                return
            if kind == "refused":
                raise HostError(*values)
            self._log.write(*values)

    async def serve(self) -> int:
        """Receive answers until the process has ended; return its exit code."""
        with suppress(EOFError):
            while True:
                kind, *values = await frames.read(self._reader)
                if kind == "log":
                    self._log.write(*values)
                    continue
                answer: InvocationResponse = values[0]
                waiting = self._waiting.pop(answer.invocation_id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        return await self._process.wait()

    def fail(self, code: int) -> None:
        """Fail every call under way, because the process ended with *code*."""
        message = f"WorkerProcessExitException: python exited with code {code}"
        for invocation, waiting in self._waiting.items():
            if not waiting.done():
                waiting.set_result(failed(invocation, message))

    async def call(self, name: str, request: InvocationRequest) -> InvocationResponse:
        waiting: asyncio.Future[InvocationResponse] = asyncio.get_running_loop().create_future()
        self._waiting[request.invocation_id] = waiting
        try:
            self._send(name, request)
            return await waiting
        finally:
            self._waiting.pop(request.invocation_id, None)

    def runs(self, invocation: str) -> bool:
        """Return whether the call *invocation* was given to this process and has not ended."""
        return invocation in self._waiting

    def kill(self) -> None:
        """End the process at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def end(self, grace_s: float) -> int:
        """
        Close the input of the process, which then ends, and return its exit code.

        It is killed if *grace_s* was not enough.
        """
        if self._process.stdin:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), grace_s)
        except TimeoutError:
            self.kill()
        return await self._process.wait()

    def _send(self, *values: object) -> None:
        assert self._process.stdin  # as started
        self._process.stdin.write(frames.pack(values))

    @property
    def _reader(self) -> asyncio.StreamReader:
        assert self._process.stdout  # as started
        return self._process.stdout


class Pool:
    """Keep *count* processes of the app in *folder*; *stop* ends the host when none is left."""

    def __init__(self, folder: Path, count: int, log: Log, stop: Callable[[], None]) -> None:
        self._folder = folder
        self._count = self._wanted = count
        self._log = log
        self._stop = stop
        self._ready: list[Process] = []
        self._names: dict[str, str] = {}
        self._turn = 0
        self._crashes: list[float] = []
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def load(self) -> list[RpcFunctionMetadata]:
        """Start the first process and return the app's functions; raise `HostError` if it fails."""
        first = await Process.start(self._folder, self._log)
        self._names = {one.function_id: one.name for one in first.functions}
        self._join(first)
        self._keep(asyncio.create_task(self._fill()))
        return first.functions

    async def invoke(self, request: InvocationRequest) -> InvocationResponse:
        """Call a function as `worker.invoke` does, in the next process."""
        while not self._ready:
            await self._changed.wait()
        self._turn += 1
        process = self._ready[self._turn % len(self._ready)]
        return await process.call(self._names[request.function_id], request)

    def restart(self, invocation: str) -> None:
        """Kill the process that runs the call *invocation*; another takes its place."""
        for process in self._ready:
            if process.runs(invocation):
                process.kill()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(process.end(END_S) for process in self._ready))

    async def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        restarted = -RESTART_S
        while True:
            if len(self._ready) >= self._wanted:
                await self._changed.wait()
                continue
            if self._crashes:
                await asyncio.sleep(restarted + RESTART_S - loop.time())
                restarted = loop.time()
            try:
                self._join(await Process.start(self._folder, self._log))
            except HostError as error:
                self._crashed(f"a worker process cannot be started: {error}")

    def _join(self, process: Process) -> None:
        self._ready.append(process)
        self._log.write(20, CATEGORY, f"worker process {process.pid} is ready")
        self._tell()
        self._keep(asyncio.create_task(self._serve(process)))

    async def _serve(self, process: Process) -> None:
        try:
            code = await process.serve()
        except Exception as error:  # noqa: BLE001 - its messages cannot be read, so it is useless
            self._log.write(40, CATEGORY, f"worker process {process.pid}: {error!r}")
            code = await process.end(0)
        self._ready.remove(process)
        process.fail(code)
        self._crashed(f"worker process {process.pid} exited with code {code}")

    def _crashed(self, text: str) -> None:
        self._log.write(40, CATEGORY, text)
        now = asyncio.get_running_loop().time()
        if self._crashes and now - self._crashes[-1] > FORGET_S:
            self._crashes.clear()
        self._crashes.append(now)
        spent = len(self._crashes) >= CRASHES * self._count
        self._wanted = len(self._ready) if spent else self._count
        if self._wanted == 0:
            text = "Exceeded language worker restart retry count for runtime:python. Shutting down"
            self._log.write(40, CATEGORY, text)
            self._stop()
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
