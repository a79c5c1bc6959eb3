"""How the messages of a queue reach a function, and what becomes of them."""

import base64
import itertools
import json
import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from azure.storage.queue import QueueClient, QueueServiceClient

from tests.emulator.functions_host.conftest import HEADER, Host, StartHost, until
from tests.platform import Platform, package

NUMBERS = itertools.count(1)
HOST_JSON = {"version": "2.0", "extensions": {"queues": {"maxPollingInterval": "00:00:00.500"}}}
INVISIBLE_S = 4
# Every function tells what it was given, on a queue named after it.
TELLING = """
import asyncio, json, logging

def tell(msg):
    try:
        text = msg.get_body().decode()
    except UnicodeDecodeError:
        text = msg.get_body().hex()
    logging.info("told %s", json.dumps({
        "text": text, "id": msg.id, "tries": msg.dequeue_count, "receipt": msg.pop_receipt,
        "inserted": str(msg.insertion_time), "expires": str(msg.expiration_time),
        "next": str(msg.time_next_visible)}))
"""
FUNCTIONS = """
@app.queue_trigger(arg_name="msg", queue_name="%GOOD_QUEUE%", connection="AzureWebJobsStorage")
def good(msg: func.QueueMessage) -> None:
    tell(msg)

@app.queue_trigger(arg_name="msg", queue_name="bad", connection="Other")
async def bad(msg: func.QueueMessage) -> None:
    tell(msg)
    raise RuntimeError("not this one")

@app.queue_trigger(arg_name="msg", queue_name="bad-poison", connection="")
async def autopsy(msg: func.QueueMessage) -> None:
    tell(msg)
    if msg.get_body() == b"worse":
        raise RuntimeError("not even here")

@app.queue_trigger(arg_name="msg", queue_name="raw", connection="Other", data_type="binary")
async def raw(msg: func.QueueMessage) -> None:
    tell(msg)

@app.queue_trigger(arg_name="msg", queue_name="long", connection="Other")
async def long(msg: func.QueueMessage) -> None:
    tell(msg)
    await asyncio.sleep(5.5)

@app.queue_trigger(arg_name="msg", queue_name="good", connection="Other")
async def off(msg: func.QueueMessage) -> None:
    tell(msg)
"""


@pytest.fixture(scope="module")
def queues(platform: Platform) -> Iterator[QueueServiceClient]:
    """Return the laptop user's client of the platform's queues."""
    with QueueServiceClient(
        platform.facts["queues"], credential=platform.credential, connection_verify=platform.ca
    ) as client:
        yield client


def settings(platform: Platform) -> dict[str, str]:
    """Return settings under which a host of its own reads the platform's queues."""
    return {
        **platform.environment,
        "AzureWebJobsStorage__queueServiceUri": str(platform.facts["queues"]),
        "Other__queueServiceUri": str(platform.facts["queues"]),
        "Other__credential": "managedidentity",
        "EMULATOR_QUEUE_INVISIBLE_S": str(INVISIBLE_S),
        "GOOD_QUEUE": "good",
        "AzureWebJobs.off.Disabled": "1",
    }


@pytest.fixture(scope="module")
def host(platform: Platform, queues: QueueServiceClient, start_shared_host: StartHost) -> Host:
    """Run the functions of most tests, before any of their queues is there."""
    running = start_shared_host(
        TELLING + FUNCTIONS, host_json=HOST_JSON, settings=settings(platform)
    )
    running.wait_for("queue 'raw': the queue does not exist yet")
    for name in ("good", "bad", "raw", "long"):
        queues.create_queue(name)
    return running


def send(queue: QueueClient, *bodies: str | bytes) -> None:
    for body in bodies:
        given = body.encode() if isinstance(body, str) else body
        queue.send_message(base64.b64encode(given).decode())


def told(host: Host, function: str, text: str) -> list[dict[str, Any]]:
    """Return what *function* said of the message *text* so far, try by try."""
    said = re.findall(rf"Function\.{function}\.User [0-9a-f-]{{36}} told (.*)", host.log())
    return [entry for entry in map(json.loads, said) if entry["text"] == text]


def empty(queue: QueueClient) -> bool:
    return queue.get_queue_properties().approximate_message_count == 0


def test_a_message_that_succeeds_is_gone(host: Host, queues: QueueServiceClient) -> None:
    """A function gets text, ids, counts and times of its message, which is then deleted."""
    queue = queues.get_queue_client("good")
    send(queue, "grüße")
    until(lambda: bool(told(host, "good", "grüße")))
    until(lambda: empty(queue))
    (entry,) = told(host, "good", "grüße")
    assert entry["tries"] == 1
    assert entry["receipt"]
    assert entry["inserted"].endswith("+00:00") and entry["expires"] > entry["next"]
    details = f"Trigger Details: MessageId: {entry['id']}, DequeueCount: 1, InsertedOn: "
    host.wait_for(re.escape(details))
    host.wait_for(r"Executing 'Functions\.good' \(Reason='New queue message detected on 'good'\.'")
    assert not told(host, "off", "grüße"), "a disabled function takes nothing"


def test_a_message_that_fails_is_poison_after_five_tries(
    host: Host, queues: QueueServiceClient
) -> None:
    """Each try is counted, then the same text lies in the poison queue, made for it."""
    queue = queues.get_queue_client("bad")
    send(queue, "why")
    until(lambda: bool(told(host, "autopsy", "why")))
    assert [entry["tries"] for entry in told(host, "bad", "why")] == [1, 2, 3, 4, 5]
    assert [entry["tries"] for entry in told(host, "autopsy", "why")] == [1]
    host.wait_for("reached MaxDequeueCount of 5. Moving message to queue 'bad-poison'")
    until(lambda: empty(queue))


def test_poison_has_no_poison(host: Host, queues: QueueServiceClient) -> None:
    """What fails in a poison queue stays there, invisible for a while."""
    send(queues.get_queue_client("bad"), "worse")
    until(lambda: len(told(host, "autopsy", "worse")) > 1)
    first, second = told(host, "autopsy", "worse")[:2]
    assert (first["id"], first["tries"], second["tries"]) == (second["id"], 1, 2)
    assert "bad-poison-poison" not in {queue.name for queue in queues.list_queues()}


def test_a_message_that_is_not_base64_is_poison_at_once(
    host: Host, queues: QueueServiceClient
) -> None:
    """Its text is moved as it is, and no function sees it."""
    queues.get_queue_client("good").send_message("no base64!")
    poison = queues.get_queue_client("good-poison")
    until(lambda: "good-poison" in {queue.name for queue in queues.list_queues()})
    until(lambda: not empty(poison))
    assert [m.content for m in poison.peek_messages()] == ["no base64!"]
    assert not told(host, "good", "no base64!")


def test_bytes_reach_a_function_that_asks_for_them(host: Host, queues: QueueServiceClient) -> None:
    """A binary binding gets what is no text."""
    send(queues.get_queue_client("raw"), b"\xff\x00")
    until(lambda: bool(told(host, "raw", "ff00")))


def test_bytes_that_are_no_text_cannot_be_bound(host: Host, queues: QueueServiceClient) -> None:
    """A text binding fails each try without a call, then they are poison."""
    send(queues.get_queue_client("bad"), b"\xff\x01")
    host.wait_for("cannot be bound to 'msg'", count=5)
    assert not told(host, "bad", "ff01")


def test_a_message_runs_once_however_long_it_takes(host: Host, queues: QueueServiceClient) -> None:
    """A message stays invisible while its function runs, past the time that it was taken for."""
    queue = queues.get_queue_client("long")
    send(queue, "slow")
    until(lambda: bool(told(host, "long", "slow")))
    assert not empty(queue)
    host.wait_for(r"Executed 'Functions\.long' \(Succeeded, .*Duration=\d{4,}ms")
    until(lambda: empty(queue))
    assert len(told(host, "long", "slow")) == 1


SLOW = """
@app.queue_trigger(arg_name="msg", queue_name="%QUEUE%", connection="Other")
async def slow(msg: func.QueueMessage) -> None:
    tell(msg)
    await asyncio.sleep(float(msg.get_body().decode()) if msg.dequeue_count == 1 else 0)
    logging.info("done %s", msg.dequeue_count)
"""


def test_a_stop_finishes_what_runs_and_takes_nothing_more(
    platform: Platform, queues: QueueServiceClient, start_host: StartHost
) -> None:
    """
    A message under way comes to its end and is deleted; the next one waits for another host.

    Here the message runs in a worker process of its own, which changes nothing of that.
    """
    queue = queues.create_queue("stopped")
    send(queue, "3.0", "0.5")
    one = {"batchSize": 1, "newBatchThreshold": 0}
    host = start_host(
        TELLING + SLOW,
        host_json={"version": "2.0", "extensions": {"queues": one}},
        settings={**settings(platform), "QUEUE": "stopped", "FUNCTIONS_WORKER_PROCESS_COUNT": "2"},
    )
    until(lambda: bool(told(host, "slow", "3.0")))
    assert host.stop() == 0
    assert "done 1" in host.log()
    assert not told(host, "slow", "0.5")
    assert "Unclosed" not in host.log() and "Traceback" not in host.log()
    (left,) = queue.receive_messages()
    assert (base64.b64decode(left.content), left.dequeue_count) == (b"0.5", 1)


def test_a_message_of_a_killed_host_is_tried_again(
    platform: Platform, queues: QueueServiceClient, start_host: StartHost
) -> None:
    """Nothing is lost with a host: its message is visible again after a while."""
    send(queues.create_queue("killed"), "600")
    given = {**settings(platform), "QUEUE": "killed"}
    first = start_host(TELLING + SLOW, host_json=HOST_JSON, settings=given, name="first")
    until(lambda: bool(told(first, "slow", "600")))
    first.stop(signal.SIGKILL)
    second = start_host(TELLING + SLOW, host_json=HOST_JSON, settings=given, name="second")
    second.wait_for("done 2")
    assert second.stop() == 0


def test_both_slots_take_messages_of_one_queue(
    platform: Platform, queues: QueueServiceClient
) -> None:
    """A trap of Azure's: staging works on production's queue, unless a setting keeps it from it."""
    queue = queues.create_queue("shared")
    code = HEADER + TELLING + SLOW
    files = {"function_app.py": code, "host.json": json.dumps(HOST_JSON)}
    name = f"queued-{next(NUMBERS)}"
    platform.create_app(
        name,
        {
            "WEBSITE_RUN_FROM_PACKAGE": platform.upload(package(files)),
            "Other__queueServiceUri": str(platform.facts["queues"]),
            "QUEUE": "shared",
        },
    )
    logs = [platform.state / "logs" / f"{title}.log" for title in (name, f"{name}-staging")]

    def both() -> bool:
        send(queue, "0")
        time.sleep(0.05)
        return all("told" in log.read_text() for log in logs)

    until(both)
    until(lambda: empty(queue))
    platform.web.web_apps.delete(platform.group, name)
