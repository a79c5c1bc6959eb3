"""
The function app as the host sees it: its functions, its state, and the one way to call it.

HTTP, timers and queues all use `App.call`, so every call has an id and the same log entries.
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from emulator.functions_host import worker
from emulator.functions_host.errors import HostError
from emulator.functions_host.functions import Function
from emulator.functions_host.listing import Listing
from emulator.functions_host.logs import Log
from emulator.functions_host.records import (
    NO_METADATA,
    NO_TRACE,
    InvocationRequest,
    InvocationResponse,
    ParameterBinding,
    StatusResult,
    TraceContext,
    TypedData,
)
from emulator.functions_host.routes import Router

type State = Literal["Running", "Error"]
type Invoke = Callable[[InvocationRequest], Coroutine[Any, Any, InvocationResponse]]


@dataclass(frozen=True, slots=True)
class Limit:
    """For how many *seconds* a call may run, and how the worker of a longer one is restarted."""

    seconds: float | None = None
    restart: Callable[[str], None] = lambda _: None


class App:
    """Hold a loaded app, or the errors that kept it from being loaded."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.state: State = "Error"
        self.errors: list[str] = []
        self.functions: list[Function] = []
        self.router = Router([], "")
        self.listing = Listing()
        self.running: dict[str, str] = {}
        self._invoke: Invoke = worker.invoke
        self._limit = Limit()

    def run(
        self, functions: list[Function], router: Router, invoke: Invoke, limit: "Limit"
    ) -> None:
        """
        Set the app's *functions*, the *router* of HTTP requests, and how to *invoke* them.

        *limit* says how long a call may take.
        """
        self._invoke, self._limit = invoke, limit
        self.functions = functions
        self.router = router
        self.state = "Running"

    def fail(self, error: HostError) -> None:
        self.errors.append(str(error))
        self.log.write(40, "Host.Startup", f"A host error has occurred: {error}")

    def whose(self) -> tuple[str, str] | None:
        """Return function name and id of the call that runs in this task or thread."""
        return worker.running_call(self.running)

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

        *metadata* describes the trigger to the worker, *details* to the reader of the log. Log
        entries have the wording of the Functions host.
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
        late = self._limit.seconds and asyncio.get_running_loop().call_later(
            self._limit.seconds, self._is_late, name, category, invocation
        )
        try:
            answer = await self._invoke(
                InvocationRequest(invocation, function.id, inputs, trace, metadata)
            )
        finally:
            del self.running[invocation]
            if late:
                late.cancel()
        failed = answer.result.status != StatusResult.Success
        if shows or failed:
            self._log_end(name, category, invocation, started, answer if failed else None)
        return answer

    def _is_late(self, name: str, category: str, invocation: str) -> None:
        """Restart the worker that runs the call, and whatever else it runs, as Azure does."""
        over = f"exceeded by function 'Functions.{name}' (Id: '{invocation}')"
        text = f"Timeout value of {timedelta(seconds=self._limit.seconds or 0)} {over}"
        self.log.write(40, category, f"{text}. Initiating cancellation.", invocation)
        what = f"Restarting worker process executing invocationId '{invocation}'."
        self.log.write(40, "Host.Workers", f"A function timeout has occurred. {what}")
        self._limit.restart(invocation)

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
            self.log.write(
                20, category, f"Executed 'Functions.{name}' (Succeeded, {took})", invocation
            )
            return
        exception = failure.result.exception
        reason = f"{exception.message}\n{exception.stack_trace}" if exception else "no reason given"
        text = f"Executed 'Functions.{name}' (Failed, {took})\n{reason}"
        self.log.write(40, category, text, invocation)


def new_id() -> str:
    """Return a random invocation id in the form of a UUID; uuid4 takes four times as long."""
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
