"""
Give the messages of a queue to a function: taken in batches, tried again, poison in the end.

The rules are those of QueueListener.cs, QueueProcessor.cs, RandomizedExponentialBackoffStrategy.cs,
UpdateQueueMessageVisibilityCommand.cs and QueueServiceClientProvider.cs of the WebJobs storage
extensions in github.com/Azure/azure-sdk-for-net. A message that is not base64 is poison at once;
one that is no UTF-8 fails each of its tries. A poison queue has no poison queue: what fails there
stays invisible for a while.
"""

import asyncio
import base64
import json
import random
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from emulator.functions_host.app import App
from emulator.functions_host.functions import QueueFunction
from emulator.functions_host.logs import of_host
from emulator.functions_host.queueoptions import QueueOptions
from emulator.functions_host.records import ParameterBinding, StatusResult, TypedData

CATEGORY = "Host.Triggers.Queue"
SHORTEST_S = 0.1  # between two looks at an empty queue
INVISIBLE_S = 600.0  # how long a taken message is nobody else's; renewed at half of it
POISON = "-poison"
LONGEST_NAME = 63
# The message is not ours any more, or not there any more: somebody else sees to it.
LOST = ("PopReceiptMismatch", "MessageNotFound", "QueueNotFound", "QueueBeingDeleted")


class Backoff:
    """How long to wait before an empty queue is asked again, up to *longest_s*."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._current_s = 0.0
        self._exponent = 0

    def next(self, *, found: bool) -> float:
        """Return the seconds to wait; *found* says whether there were messages since the last."""
        if found:
            self._current_s, self._exponent = SHORTEST_S, 1
        elif self._current_s != self._longest_s:
            wait = SHORTEST_S
            if self._exponent:
                longer = 2 ** (self._exponent - 1) * SHORTEST_S
                wait += random.uniform(0.8, 1.2) * longer  # noqa: S311 - no secret
            if wait < self._longest_s:
                self._current_s = wait
                self._exponent += 1
            else:
                self._current_s = self._longest_s
        return self._current_s


class QueueTrigger:
    """
    Listen to one queue for one function.

    *pause* waits for some seconds and says whether the host is told to stop. A taken message is
    invisible to others for *invisible_s*, renewed while its function runs.
    """

    def __init__(
        self,
        app: App,
        function: QueueFunction,
        client: QueueServiceClient,
        options: QueueOptions,
        *,
        pause: Callable[[float], Awaitable[bool]],
        invisible_s: float = INVISIBLE_S,
    ) -> None:
        self._app = app
        self._function = function
        self._options = options
        self._pause = pause
        self._invisible_s = invisible_s
        self._queue = client.get_queue_client(function.queue)
        self._poison: QueueClient | None = None
        poison = function.queue + POISON
        if not function.queue.endswith(POISON) and len(poison) <= LONGEST_NAME:
            self._poison = client.get_queue_client(poison)
        self._running: set[asyncio.Task[None]] = set()
        self._complaint = ""

    async def run(self) -> None:
        """Give out messages until told to stop, then return once the last of them is done."""
        of_host.set(True)
        self._log(20, f"listening, {self._options}")
        backoff = Backoff(self._options.max_polling_interval.total_seconds())
        found, stopping = False, False
        while not stopping:
            if messages := await self._receive():
                found = True
                await self._give_out(messages)
                stopping = await self._pause(0)
            else:
                stopping = await self._pause(backoff.next(found=found))
                found = False
        if self._running:
            await asyncio.wait(self._running)

    async def _receive(self) -> list[QueueMessage]:
        """Take a batch; what keeps the queue from being read is said once, and tried again."""
        size = self._options.batch_size
        pages = self._queue.receive_messages(
            max_messages=size,
            messages_per_page=size,
            visibility_timeout=int(self._invisible_s),
            retry_total=0,
        ).by_page()
        try:
            async for page in pages:
                self._complaint = ""
                return [message async for message in page]
        except ResourceNotFoundError:
            self._complain(20, "the queue does not exist yet")
        except AzureError as error:
            first, _, _ = str(error).partition("\n")  # then come the request's id and time
            self._complain(30, f"the queue cannot be read: {first}")
        else:
            self._complaint = ""
        return []

    async def _give_out(self, messages: list[QueueMessage]) -> None:
        """Run the function for *messages*; return once a new batch may be taken."""
        for message in messages:
            self._running.add(task := asyncio.create_task(self._handle(message)))
            task.add_done_callback(self._running.discard)
        while len(self._running) > self._options.new_batch_threshold:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _handle(self, message: QueueMessage) -> None:
        try:
            body = _decoded(message.content, self._options)
            if body is None or (message.dequeue_count or 0) > self._options.max_dequeue_count:
                await self._bury(message)
                return
            done = asyncio.Event()
            renewal = asyncio.create_task(self._renew(message, done))
            try:
                succeeded = await self._call(message, body)
            finally:
                done.set()
                await renewal
            if succeeded:
                await self._delete(message)
            elif (message.dequeue_count or 0) >= self._options.max_dequeue_count:
                await self._bury(message)
            elif self._poison is not None:
                await self._show(message, self._options.visibility_timeout.total_seconds())
        except Exception as error:  # noqa: BLE001 - the message comes back, the queue goes on
            self._log(40, f"error with message {message.id}: {error!r}")

    async def _call(self, message: QueueMessage, body: bytes) -> bool:
        function = self._function
        try:
            value = TypedData(bytes=body) if function.binary else TypedData(string=body.decode())
        except UnicodeDecodeError as error:
            self._log(
                40, f"message {message.id} cannot be bound to '{function.parameter}': {error}"
            )
            return False
        answer = await self._app.call(
            function,
            [ParameterBinding(function.parameter, value)],
            f"New queue message detected on '{function.queue}'.",
            metadata=_metadata(message, body),
            details=f"MessageId: {message.id}, DequeueCount: {message.dequeue_count}, "
            f"InsertedOn: {_moment(message.inserted_on)}",
        )
        return answer.result.status == StatusResult.Success

    async def _renew(self, message: QueueMessage, done: asyncio.Event) -> None:
        """Keep *message* invisible until *done*, under the receipt that each renewal changes."""
        wait = self._invisible_s / 2
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), wait)
                return
            wait = self._invisible_s / 2
            try:
                if not await self._show(message, self._invisible_s):
                    return
            except AzureError as error:
                self._log(30, f"message {message.id} cannot be kept invisible: {error}")
                wait = self._invisible_s / 10

    async def _show(self, message: QueueMessage, after_s: float) -> bool:
        """Make *message* visible in *after_s* seconds; return whether it was still ours."""
        try:
            updated = await self._queue.update_message(
                message.id, pop_receipt=message.pop_receipt, visibility_timeout=int(after_s)
            )
        except HttpResponseError as error:
            if getattr(error, "error_code", None) not in LOST:
                raise
            return False
        message.pop_receipt = updated.pop_receipt
        return True

    async def _bury(self, message: QueueMessage) -> None:
        """Move *message* as it is to the poison queue, which is made when needed."""
        poison = self._poison
        if poison is None:
            return
        self._log(
            30,
            f"Message has reached MaxDequeueCount of {self._options.max_dequeue_count}. "
            f"Moving message to queue '{poison.queue_name}'.",
        )
        try:
            await poison.send_message(message.content)
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):
                await poison.create_queue()
            await poison.send_message(message.content)
        await self._delete(message)

    async def _delete(self, message: QueueMessage) -> None:
        try:
            await self._queue.delete_message(message.id, message.pop_receipt)
        except HttpResponseError as error:
            if getattr(error, "error_code", None) not in LOST:
                raise

    def _complain(self, level: int, text: str) -> None:
        if text != self._complaint:
            self._complaint = text
            self._log(level, text)

    def _log(self, level: int, text: str) -> None:
        message = f"function '{self._function.name}', queue '{self._function.queue}': {text}"
        self._app.log.write(level, CATEGORY, message)


def _decoded(text: str, options: QueueOptions) -> bytes | None:
    """Return the body that *text* stands for, None where it stands for none."""
    if not options.base64:
        return text.encode()
    try:  # .NET reads over white space, and nothing else
        return base64.b64decode(re.sub(r"[ \t\r\n]", "", text), validate=True)
    except ValueError:
        return None


def _metadata(message: QueueMessage, body: bytes) -> dict[str, TypedData]:
    """Return what a worker is told of *message*: CreateBindingData in QueueTriggerBinding.cs."""
    metadata = {
        "Id": TypedData(string=message.id),
        "PopReceipt": TypedData(string=message.pop_receipt),
        "DequeueCount": TypedData(json=json.dumps(message.dequeue_count)),
        "InsertionTime": TypedData(json=json.dumps(_moment(message.inserted_on))),
        "ExpirationTime": TypedData(json=json.dumps(_moment(message.expires_on))),
        "NextVisibleTime": TypedData(json=json.dumps(_moment(message.next_visible_on))),
    }
    with suppress(UnicodeDecodeError):
        metadata["QueueTrigger"] = TypedData(string=body.decode())
    return metadata


def _moment(given: datetime | None) -> str | None:
    return given.isoformat() if given else None
