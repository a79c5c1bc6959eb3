"""
Start hosts as forks, which need not import anew what every host needs. Linux only.

``python -m emulator.functions_host.warm DIR``; DIR only tells in a list of processes whose this is.
Standard input is a socket of packets. Each comes with three files: the new host's standard input,
its output, and an order, ``{"words": [...], "environment": {...}}`` as JSON. The answers are
``PID``, once a host was started, and ``PID CODE``, once it has ended. This process ends after
standard input and its last host; where it is killed, they are too.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress

from emulator.functions_host.__main__ import main as be_a_host

# What every app imports, and what every one that serves a model does.
FOR_APPS = ("azure.functions", "numpy")
PR_SET_PDEATHSIG = 1  # linux/prctl.h
FILES = 3


def main() -> int:
    """Serve until nobody gives orders any more and every host has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the emulator, which ends this
    for name in FOR_APPS:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else a collection in a host would copy every page
    orders = socket.socket(fileno=os.dup(0))
    running: dict[int, int] = {}  # descriptor of a process -> its pid
    waiting = select.poll()
    waiting.register(orders, select.POLLIN)
    heard = True
    while heard or running:
        for descriptor, _ in waiting.poll():
            if descriptor in running:
                waiting.unregister(descriptor)
                os.close(descriptor)
                pid, status = os.waitpid(running.pop(descriptor), 0)
                _say(orders, f"{pid} {os.waitstatus_to_exitcode(status)}")
                continue
            _, given, _, _ = socket.recv_fds(orders, 1, FILES)
            if not given:
                waiting.unregister(orders)
                heard = False
                continue
            pid = os.fork()
            if pid == 0:
                for other in (orders.fileno(), *running):
                    os.close(other)
                orders.detach()
                return _host(*given)
            for file in given:
                os.close(file)
            watched = os.pidfd_open(pid)
            running[watched] = pid
            waiting.register(watched, select.POLLIN)
            _say(orders, str(pid))
    return 0


def _say(orders: socket.socket, text: str) -> None:
    try:
        orders.send(text.encode())
    except OSError:
        return  # the emulator is gone: the hosts end by themselves


def _host(source: int, log: int, order: int) -> int:
    """Become the host of *order*, and return its exit code."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with os.fdopen(order, "rb") as file:
        wanted = json.load(file)
    for number, given in enumerate((source, log, log)):
        os.dup2(given, number)
    os.close(source)
    os.close(log)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return be_a_host(wanted["words"])


if __name__ == "__main__":
    sys.exit(main())
