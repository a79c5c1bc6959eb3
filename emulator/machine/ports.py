"""Loopback ports: the same as before if possible, else a free one."""

import secrets
import socket


def listen(port: int = 0) -> socket.socket:
    """Return a socket that listens on *port* of 127.0.0.1, or on a free one if that is taken."""
    for wanted in (port, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
            listener.listen(512)
        except OSError:
            listener.close()
            if wanted == 0:
                raise
            continue
        listener.setblocking(False)
        return listener
    raise AssertionError


def number(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


# Below the local ports of outgoing connections (from 32768 on Linux, 49152 on macOS), so that none
# of those takes a port between finding and using it.
QUIET = range(20_000, 32_000)
TRIES = 100


def free(port: int = 0) -> int:
    """
    Return *port* if it is free, else one that is free right now.

    The port is not reserved: another program may take it before it is used.
    """
    for wanted in (port, *(secrets.choice(QUIET) for _ in range(TRIES))):
        if wanted == 0:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", wanted))
                taken.listen(1)
            except OSError:
                continue
            return wanted
    with listen() as listener:
        return number(listener)
