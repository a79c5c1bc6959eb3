"""Several worker processes behind one host."""

import os
import re
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from emulator.functions_host.errors import HostError
from emulator.functions_host.loading import COUNT_SETTING, TIMED_OUT, process_count
from tests.emulator.functions_host.conftest import MASTER, Host, StartHost, until

SOURCE = """
import asyncio, enum, logging, os, threading, time

seen = []

class Tone(enum.StrEnum):
    MILD = "mild"

@app.route("turn")
async def turn(req: func.HttpRequest) -> func.HttpResponse:
    seen.append(1)
    print("turn of", os.getpid())
    os.write(1, b"past Python\\n")
    return func.HttpResponse(f"{os.getpid()} {len(seen)}", headers={"x-tone": Tone.MILD})

@app.route("echo", methods=["POST"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    logging.warning("echoing %s", req.params["what"])
    return func.HttpResponse(req.get_body()[::-1], mimetype="application/x-bytes")

@app.route("fail")
async def fail(req: func.HttpRequest) -> str:
    raise ValueError("as told")

@app.route("crash")
def crash(req: func.HttpRequest) -> str:
    print("last words")
    os._exit(3)

@app.route("slow")
def slow(req: func.HttpRequest) -> str:
    logging.info("begun")
    time.sleep(1)
    return "done"

@app.timer_trigger(schedule="0 0 3 1 1 *", arg_name="timer", run_on_startup=True)
async def tick(timer: func.TimerRequest) -> None:
    logging.info("ticked")
"""
COUNT = 3


@pytest.fixture(scope="module")
def host(start_shared_host: StartHost) -> Host:
    """Run an app in several processes, all of them ready."""
    running = start_shared_host(SOURCE, settings={COUNT_SETTING: str(COUNT)})
    running.wait_for(r"worker process \d+ is ready", count=COUNT)
    running.wait_for("ticked")
    return running


def processes(host: Host) -> list[int]:
    """Return the pids of all worker processes that ever were."""
    return [int(pid) for pid in re.findall(r"worker process (\d+) is ready", host.log())]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_calls_are_dealt_in_turn(host: Host) -> None:
    """Each process answers every third call and has its own state; the host runs nothing."""
    answers = [host.get("/api/turn") for _ in range(3 * COUNT)]
    pids, numbers = zip(*(map(int, answer.text.split()) for answer in answers), strict=True)
    assert set(pids) == set(processes(host)) and host.process.pid not in pids
    assert pids == pids[:COUNT] * 3
    assert numbers == tuple(n for n in (1, 2, 3) for _ in range(COUNT))
    assert {answer.headers["x-tone"] for answer in answers} == {"mild"}
    host.wait_for("past Python")


def test_what_a_process_says_is_in_the_log_of_the_host(host: Host) -> None:
    """Prints and logs carry function and call, between the entries where a call begins and ends."""
    body = os.urandom(200_000)
    answer = host.call("POST", "/api/echo?what=this", data=body)
    assert (answer.content, answer.headers["content-type"]) == (body[::-1], "application/x-bytes")
    call = host.wait_for(r"Warning Function\.echo\.User ([0-9a-f-]{36}) echoing this")[1]
    host.wait_for(rf"Executed 'Functions\.echo' \(Succeeded, Id={call}")
    lines = [line for line in host.log().splitlines() if call in line]
    assert [re.split(" |'", line)[4] for line in lines] == ["Executing", "echoing", "Executed"]
    assert host.get("/api/fail").status_code == 500
    host.wait_for(r"Error Function\.fail .*Failed, .*\n  ValueError: as told\n(.*\n)*.*as told")


def test_a_timer_fires_once_for_all(host: Host) -> None:
    """A timer belongs to the host, however many processes there are."""
    host.wait_for(r"Function\.tick\.User [0-9a-f-]{36} ticked")
    keyed = {"x-functions-key": MASTER}
    assert host.call("POST", "/admin/functions/tick", headers=keyed, json={}).status_code == 202
    host.wait_for("ticked", count=2)
    assert host.log().count("ticked") == 2
    assert len(host.status()["functions"]) == 6


SHORT = {"version": "2.0", "functionTimeout": "00:00:01"}


@pytest.mark.parametrize("count", [1, 2])
def test_a_call_that_takes_too_long_restarts_its_worker(start_host: StartHost, count: int) -> None:
    """`functionTimeout` is kept: the log names the call, and another process takes its place."""
    source = SOURCE.replace("time.sleep(1)", "time.sleep(60)")
    host = start_host(source, host_json=SHORT, settings={COUNT_SETTING: str(count)})
    if count > 1:
        host.wait_for(r"worker process \d+ is ready", count=count)
    with suppress(requests.ConnectionError):
        assert host.get("/api/slow").status_code == 500
    host.wait_for(r"Timeout value of 0:00:01 exceeded by function 'Functions\.slow'")
    host.wait_for(r"Restarting worker process executing invocationId '[0-9a-f-]{36}'")
    if count == 1:  # the host is its own worker, and the platform starts another one
        assert host.process.wait(30) == TIMED_OUT
    else:
        host.wait_for(r"worker process \d+ is ready", count=count + 1)
        assert host.get("/api/turn").status_code == 200


def test_a_crash_takes_its_own_calls_alone(start_host: StartHost) -> None:
    """The call that ends a process fails, others do not, and another process takes its place."""
    host = start_host(SOURCE, settings={COUNT_SETTING: "2"})
    host.wait_for(r"worker process \d+ is ready", count=2)
    host.wait_for("ticked")
    answers: list[str] = []
    other = threading.Thread(target=lambda: answers.append(host.get("/api/slow").text))
    other.start()
    host.wait_for("begun")
    assert host.get("/api/crash").status_code == 500
    call = host.wait_for(r"Function\.crash ([0-9a-f-]{36}) Executing[^\n]*\n.* last words")[1]
    host.wait_for(
        rf"Failed, Id={call}, .*\n  WorkerProcessExitException: python exited with code 3"
    )
    assert host.get("/api/turn").status_code == 200, "the other process goes on"
    other.join()
    assert answers == ["done"]
    host.wait_for(r"worker process \d+ is ready", count=3)
    alive = {pid for pid in processes(host) if runs(pid)}
    assert len(alive) == 2
    assert {int(host.get("/api/turn").text.split()[0]) for _ in range(2)} == alive

    last = threading.Thread(target=lambda: answers.append(host.get("/api/slow").text))
    last.start()
    host.wait_for("begun", count=2)
    assert host.stop() == 0
    last.join()
    assert answers == ["done", "done"], "a stop lets calls end in other processes too"
    until(lambda: not any(map(runs, processes(host))))


def test_no_process_outlives_a_killed_host(start_host: StartHost) -> None:
    """Processes end with their host, even in the midst of a call that holds them."""
    host = start_host(SOURCE, settings={COUNT_SETTING: "2"})
    caller = threading.Thread(target=lambda: hold(host))
    caller.start()
    host.wait_for("begun")
    host.stop(signal.SIGKILL)
    until(lambda: not any(map(runs, processes(host))))
    caller.join()


def hold(host: Host) -> None:
    with suppress(OSError):  # the connection is lost
        host.get("/api/slow")


def test_an_app_that_cannot_be_loaded_is_named(start_host: StartHost) -> None:
    """The first process says why, and no second one is tried."""
    two = {COUNT_SETTING: "2"}
    host = start_host("\n\nimport no_such_library", settings=two)
    assert "No module named 'no_such_library'" in host.status()["errors"][0]
    died = start_host("import os\nos._exit(7)", settings=two, name="two")
    assert died.status()["errors"] == [
        "the function app cannot be loaded: python exited with code 7"
    ]
    assert died.stop() == 0
    refused = start_host(SOURCE, settings={COUNT_SETTING: "11"}, name="three")
    assert "ProcessCount must not be greater than MaxProcessCount" in refused.status()["errors"][0]


@pytest.mark.parametrize(("text", "count"), [("", 1), ("0", 1), ("-4", 1), (" 2 ", 2), ("10", 10)])
def test_a_number_of_processes_is_read(text: str, count: int) -> None:
    """What is below one is one, as on Azure."""
    assert process_count({COUNT_SETTING: text}) == count


@pytest.mark.parametrize("text", ["11", "two", "1.5"])
def test_a_number_of_processes_that_cannot_be_is_refused(text: str) -> None:
    """The refusal names the setting and what it is."""
    with pytest.raises(HostError) as refusal:
        process_count({COUNT_SETTING: text})
    assert str(refusal.value).startswith(f"{COUNT_SETTING} is ")
