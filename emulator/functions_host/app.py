"""
The function app as the host sees it: its functions, whether it runs, and one way to call it.

HTTP, timers and queues all call through `App.call`, so every call has an id and the same log
entries.
"""

import random
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Literal

from emulator.functions_host import worker
from emulator.functions_host.errors import HostError
from emulator.functions_host.functions import Function
from emulator.functions_host.listing import Listing
from emulator.functions_host.logs import Log
from emulator.functions_host.records import (
    NO_METADATA,
    NO_TRACE,
    InvocationResponse,
    ParameterBinding,
    StatusResult,
    TraceContext,
    TypedData,
)
from emulator.functions_host.routes import Router

type State = Literal["Running", "Error"]
type Invoke = Callable[
    [str, str, Sequence[ParameterBinding], TraceContext, Mapping[str, TypedData]],
    Coroutine[Any, Any, InvocationResponse],
]


class App:
    """Hold a loaded app, or why it could not be loaded."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.state: State = "Error"
        self.errors: list[str] = []
        self.functions: list[Function] = []
        self.router = Router([], "")
        self.listing = Listing()
        self.running: dict[str, str] = {}
        self._invoke: Invoke = worker.invoke

    def run(self, functions: list[Function], router: Router, invoke: Invoke) -> None:
        """Take *functions*, reached over HTTP by *router* and called by *invoke*, as the app's."""
        self._invoke = invoke
        self.functions = functions
        self.router = router
        self.state = "Running"

    def fail(self, error: HostError) -> None:
        """Take note that the app cannot run."""
        self.errors.append(str(error))
        self.log.write(40, "Host.Startup", f"A host error has occurred: {error}")

    def whose(self) -> tuple[str, str] | None:
        """Return function name and id of the call that runs in this task or thread."""
        invocation = worker.current_invocation()
        name = self.running.get(invocation) if invocation else None
        return (name, invocation) if name and invocation else None

    async def call(
        self,
        function: Function,
        inputs: Sequence[ParameterBinding],
        reason: str,
        trace: TraceContext = NO_TRACE,
        metadata: Mapping[str, TypedData] = NO_METADATA,
        details: str = "",
    ) -> InvocationResponse:
        """
        Call *function*; its exception is logged and in the answer.

        *metadata* tells the worker of the trigger, *details* the reader of the log. The log's
        entries are worded as the Functions host words them.
        """
        invocation = new_id()
        name = function.name
        category = f"Function.{name}"
        shows = self.log.shows(category, 20)
        if shows:
            text = f"Executing 'Functions.{name}' (Reason='{reason}', Id={invocation})"
            self.log.write(20, category, text, invocation)
            if details:
                self.log.write(20, category, f"Trigger Details: {details}", invocation)
        started = time.perf_counter()
        self.running[invocation] = name
        try:
            answer = await self._invoke(function.id, invocation, inputs, trace, metadata)
        finally:
            del self.running[invocation]
        failed = answer.result.status != StatusResult.Success
        if shows or failed:
            self._log_end(name, category, invocation, started, answer if failed else None)
        return answer

    def _log_end(
        self,
        name: str,
        category: str,
        invocation: str,
        started: float,
        failure: InvocationResponse | None,
    ) -> None:
        took = f"Id={invocation}, Duration={(time.perf_counter() - started) * 1000:.0f}ms"
        if failure is None:
            text = f"Executed 'Functions.{name}' (Succeeded, {took})"
            self.log.write(20, category, text, invocation)
            return
        exception = failure.result.exception
        reason = f"{exception.message}\n{exception.stack_trace}" if exception else "no reason given"
        text = f"Executed 'Functions.{name}' (Failed, {took})\n{reason}"
        self.log.write(40, category, text, invocation)


def new_id() -> str:
    """Return a random invocation id, shaped as a UUID; a real uuid4 takes four times as long."""
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
