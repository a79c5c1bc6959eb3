"""Loopback ports: the one that was had before, else a free one."""

import secrets
import socket


def listen(port: int = 0) -> socket.socket:
    """Return a socket that listens on *port* of 127.0.0.1, or on a free one where that is taken."""
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
    """Return the port that *listener* has."""
    return int(listener.getsockname()[1])


# Below where systems take the local ports of outgoing connections from (Linux 32768, macOS 49152),
# so that none of those slips in between finding a port and its use.
QUIET = range(20_000, 32_000)
TRIES = 100


def free(port: int = 0) -> int:
    """
    Return *port* if nobody has it, else one that nobody has right now.

    It is not held: whoever uses it must bear that somebody was quicker.
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
