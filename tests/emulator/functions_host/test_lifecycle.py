"""How a host starts and stops."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from tests.emulator.functions_host.conftest import DEADLINE_S, REPOSITORY, Host, StartHost, until

SLOW = """
import asyncio, logging, time

@app.route("slow")
async def slow(req: func.HttpRequest) -> str:
    logging.info("begun")
    await asyncio.sleep(1)
    return "done"

@app.route("slow-sync")
def slow_sync(req: func.HttpRequest) -> str:
    logging.info("begun")
    time.sleep(1)
    return "done"
"""


@pytest.mark.parametrize(
    ("number", "path"), [(signal.SIGTERM, "slow"), (signal.SIGINT, "slow-sync")]
)
def test_a_stop_lets_requests_end(start_host: StartHost, number: signal.Signals, path: str) -> None:
    """A request under way is answered, then the host ends with code 0."""
    host = start_host(SLOW)
    answers: list[requests.Response] = []
    client = threading.Thread(target=lambda: answers.append(host.get(f"/api/{path}")))
    client.start()
    host.wait_for("begun")
    assert host.stop(number) == 0
    client.join()
    (answer,) = answers
    assert (answer.status_code, answer.text) == (200, "done")
    assert answer.headers["connection"] == "close"
    assert refuses(host)


def test_a_stopping_host_takes_no_new_connections(start_host: StartHost) -> None:
    """While the last requests end, new callers are refused."""
    host = start_host(SLOW)
    client = threading.Thread(target=host.get, args=("/api/slow",))
    client.start()
    host.wait_for("begun")
    host.process.send_signal(signal.SIGTERM)
    until(lambda: refuses(host))
    assert host.process.poll() is None
    client.join()
    assert host.process.wait(DEADLINE_S) == 0


def test_idle_connections_do_not_hold_a_stop(start_host: StartHost) -> None:
    """A kept connection without a request is closed at once."""
    host = start_host(SLOW)
    host.get("/")
    assert host.stop() == 0


def test_a_host_ends_with_its_parent(start_host: StartHost) -> None:
    """When the other end of standard input is gone, so is the host."""
    host = start_host(SLOW)
    assert host.process.stdin is not None
    host.process.stdin.close()
    assert host.process.wait(DEADLINE_S) == 0


def test_a_host_ends_with_its_parent_while_it_loads(start_host: StartHost, tmp_path: Path) -> None:
    """A parent that dies while the app is imported leaves no process behind."""
    host = start_host(SLOW)
    host.stop()
    (host.app / "function_app.py").write_text("import time\nprint('loading')\ntime.sleep(60)\n")
    process = run(host, port=0, stdin=subprocess.PIPE)
    try:
        assert process.stdin is not None and process.stdout is not None
        assert "loading" in process.stdout.readline()
        process.stdin.close()
        assert process.wait(DEADLINE_S) != 0
    finally:
        end(process)


def test_threads_of_the_app_do_not_hold_a_stop(start_host: StartHost) -> None:
    """A thread that never ends does not keep the process alive."""
    host = start_host(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=False).start()"
    )
    assert host.stop() == 0


def test_nothing_listens_before_the_app_is_loaded(start_host: StartHost) -> None:
    """The port refuses callers until the functions are there."""
    host = start_host(SLOW)
    host.stop()
    gate = host.app / "gate"
    source = "import pathlib, time\nprint('loading')\n"
    source += "while not pathlib.Path('gate').exists(): time.sleep(0.01)\n"
    (host.app / "function_app.py").write_text(source)
    process = run(host, port=host.address[1], stdin=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert "loading" in process.stdout.readline()
        assert refuses(host)
        gate.touch()
        until(lambda: not refuses(host))
    finally:
        end(process)


def test_a_taken_port_is_said(start_host: StartHost) -> None:
    """A second host on the port ends with code 1 and says why."""
    host = start_host(SLOW)
    process = run(host, port=host.address[1])
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert "cannot be used" in output


def test_arguments_that_cannot_be_used_are_named(start_host: StartHost) -> None:
    """A missing folder or a bad key file ends the host with code 2 and the argument's name."""
    host = start_host()
    host.stop()
    for text in ("{", "[]", '{"masterKey": "", "functionKeys": {}}', '{"masterKey": "m"}'):
        host.keys.write_text(text)
        assert refusal(host).startswith("--keys")
    host.keys.unlink()
    assert refusal(host).startswith("--keys")
    host.app.rename(host.app.with_name("gone"))
    assert refusal(host).startswith("--app")


def refusal(host: Host) -> str:
    process = run(host, port=0)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 2
    return output.partition("error: ")[2]


def refuses(host: Host) -> bool:
    try:
        with socket.create_connection(host.address, 5):
            return False
    except ConnectionError:
        return True


def run(host: Host, port: int, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "emulator.functions_host", "--app", str(host.app)]
    return subprocess.Popen(
        [*words, "--port", str(port), "--keys", str(host.keys)],
        cwd=REPOSITORY,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    with process:  # closes its pipes
        process.kill()
