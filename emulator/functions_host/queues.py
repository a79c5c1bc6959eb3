"""
Give the messages of a queue to a function: fetched in batches, retried, and poison in the end.

The rules are those of QueueListener.cs, QueueProcessor.cs, UpdateQueueMessageVisibilityCommand.cs
and QueueServiceClientProvider.cs of the WebJobs storage extensions in
github.com/Azure/azure-sdk-for-net. A message that is not base64 is poison at once; one that is not
UTF-8 fails each of its tries. A poison queue has no poison queue: a message that fails there stays
invisible for a while.
"""

import asyncio
import base64
import json
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from emulator.functions_host.app import App
from emulator.functions_host.connections import Connection
from emulator.functions_host.errors import HostError
from emulator.functions_host.functions import QueueFunction
from emulator.functions_host.logs import of_host
from emulator.functions_host.polling import Backoff
from emulator.functions_host.queueoptions import QueueOptions
from emulator.functions_host.records import ParameterBinding, StatusResult, TypedData

CATEGORY = "Host.Triggers.Queue"
INVISIBLE_S = 600.0  # how long others cannot see a taken message; renewed at half of it
POISON = "-poison"
LONGEST_NAME = 63
# Errors that mean: the message is no longer ours, or no longer exists.
LOST = ("PopReceiptMismatch", "MessageNotFound", "QueueNotFound", "QueueBeingDeleted")


@dataclass
class QueueTrigger:
    """
    Listen to one queue for one function.

    *pause* waits for some seconds and returns whether the host is stopping. A taken message is
    invisible to others for *invisible_s*, renewed while its function runs.
    """

    app: App
    function: QueueFunction
    client: QueueServiceClient
    options: QueueOptions
    pause: Callable[[float], Awaitable[bool]]
    invisible_s: float = INVISIBLE_S

    def __post_init__(self) -> None:
        name = self.function.queue
        self._queue = self.client.get_queue_client(name)
        self._poison: QueueClient | None = None
        if not name.endswith(POISON) and len(name + POISON) <= LONGEST_NAME:
            self._poison = self.client.get_queue_client(name + POISON)
        self._running: set[asyncio.Task[None]] = set()
        self._complaint = ""

    async def run(self) -> None:
        """Process messages until the host stops; return once the last of them is done."""
        of_host.set(True)
        self._log(20, f"listening, {self.options}")
        backoff = Backoff(self.options.max_polling_interval.total_seconds())
        found, stopping = False, False
        while not stopping:
            if messages := await self._receive():
                found = True
                await self._give_out(messages)
                stopping = await self.pause(0)
            else:
                stopping = await self.pause(backoff.next(found=found))
                found = False
        if self._running:
            await asyncio.wait(self._running)

    async def _receive(self) -> list[QueueMessage]:
        """Fetch a batch; log once why the queue cannot be read, and try again next time."""
        size = self.options.batch_size
        pages = self._queue.receive_messages(
            max_messages=size,
            messages_per_page=size,
            visibility_timeout=int(self.invisible_s),
            retry_total=0,
        ).by_page()
        try:
            async for page in pages:
                self._complaint = ""
                return [message async for message in page]
        except ResourceNotFoundError:
            self._complain(20, "the queue does not exist yet")
        except AzureError as error:
            first, _, _ = str(error).partition("\n")  # the request's id and time follow
            self._complain(30, f"the queue cannot be read: {first}")
        else:
            self._complaint = ""
        return []

    async def _give_out(self, messages: list[QueueMessage]) -> None:
        """Run the function for *messages*; return once the next batch may be fetched."""
        for message in messages:
            self._running.add(task := asyncio.create_task(self._handle(message)))
            task.add_done_callback(self._running.discard)
        while len(self._running) > self.options.new_batch_threshold:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _handle(self, message: QueueMessage) -> None:
        try:
            body = _decoded(message.content, self.options)
            if body is None or (message.dequeue_count or 0) > self.options.max_dequeue_count:
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
            elif (message.dequeue_count or 0) >= self.options.max_dequeue_count:
                await self._bury(message)
            elif self._poison is not None:
                await self._show(message, self.options.visibility_timeout.total_seconds())
        except Exception as error:  # noqa: BLE001 - the message comes back; the next ones must run
            self._log(40, f"error with message {message.id}: {error!r}")

    async def _call(self, message: QueueMessage, body: bytes) -> bool:
        function = self.function
        try:
            value = TypedData(bytes=body) if function.binary else TypedData(string=body.decode())
        except UnicodeDecodeError as error:
            text = f"message {message.id} cannot be bound to '{function.parameter}': {error}"
            self._log(40, text)
            return False
        answer = await self.app.call(
            function,
            [ParameterBinding(function.parameter, value)],
            f"New queue message detected on '{function.queue}'.",
            metadata=_metadata(message, body),
            details=f"MessageId: {message.id}, DequeueCount: {message.dequeue_count}, "
            f"InsertedOn: {_moment(message.inserted_on)}",
        )
        return answer.result.status == StatusResult.Success

    async def _renew(self, message: QueueMessage, done: asyncio.Event) -> None:
        """Keep *message* invisible until *done*; each renewal changes its receipt."""
        wait = self.invisible_s / 2
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), wait)
                return
            wait = self.invisible_s / 2
            try:
                if not await self._show(message, self.invisible_s):
                    return
            except AzureError as error:
                self._log(30, f"message {message.id} cannot be kept invisible: {error}")
                wait = self.invisible_s / 10

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
        """Move *message* unchanged to the poison queue; create that if needed."""
        poison = self._poison
        if poison is None:
            return
        self._log(
            30,
            f"Message has reached MaxDequeueCount of {self.options.max_dequeue_count}. "
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
        message = f"function '{self.function.name}', queue '{self.function.queue}': {text}"
        self.app.log.write(level, CATEGORY, message)


def _decoded(text: str, options: QueueOptions) -> bytes | None:
    """Return the body encoded in *text*, None if it is not base64."""
    if not options.base64:
        return text.encode()
    try:  # .NET ignores white space, and nothing else
        return base64.b64decode(re.sub(r"[ \t\r\n]", "", text), validate=True)
    except ValueError:
        return None


def _metadata(message: QueueMessage, body: bytes) -> dict[str, TypedData]:
    """Return *message*'s metadata for the worker: CreateBindingData in QueueTriggerBinding.cs."""
    values = {
        "DequeueCount": message.dequeue_count,
        "InsertionTime": _moment(message.inserted_on),
        "ExpirationTime": _moment(message.expires_on),
        "NextVisibleTime": _moment(message.next_visible_on),
    }
    metadata = {
        "Id": TypedData(string=message.id),
        "PopReceipt": TypedData(string=message.pop_receipt),
        **{name: TypedData(json=json.dumps(value)) for name, value in values.items()},
    }
    with suppress(UnicodeDecodeError):
        metadata["QueueTrigger"] = TypedData(string=body.decode())
    return metadata


def _moment(given: datetime | None) -> str | None:
    return given.isoformat() if given else None


def open_client(connection: Connection) -> QueueServiceClient:
    """Return Microsoft's client; raise `HostError` for a connection that it cannot use."""
    # A laptop's storage is back at once or not at all; by default the client first waits for 15 s.
    options: dict[str, Any] = {
        "initial_backoff": 1,
        "increment_base": 1,
        "random_jitter_range": 1,
        "logger": logging.getLogger("emulator.functions_host.client"),
    }
    try:
        if connection.string:
            return QueueServiceClient.from_connection_string(connection.string, **options)
        credential = ManagedIdentityCredential(client_id=connection.client_id)
        return QueueServiceClient(connection.uri, credential=credential, **options)
    except ValueError as error:
        raise HostError(f"the storage connection cannot be used: {error}") from error
