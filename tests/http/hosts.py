"""Hosts that are slow at each step of a call, and a proxy."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.servers import LOCALHOST, Answer, Handler

_EVERY_S = 0.005  # between two bytes of what drips
_BYTES = 6000  # what drips is whole after 30 s


@contextmanager
def listening(each: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept connections, hand each to *each* in a thread of its own, and yield the port."""
    taken: list[socket.socket] = []
    with socket.create_server((LOCALHOST, 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    taken.append(listener.accept()[0])
                    threading.Thread(target=each, args=(taken[-1],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for each_taken in taken:
        each_taken.close()


class Slow:
    """
    What is slow: each method is one step of a call.

    *waited* says that somebody waited until it was whole.
    """

    def __init__(self) -> None:
        self.over = threading.Event()
        self.waited = False
        self._begun = threading.Event()

    def was_met(self, within_s: float) -> bool:
        """Say whether it is asked *within_s* seconds from now at the latest."""
        return self._begun.wait(within_s)

    def says_nothing(self, client: socket.socket) -> None:
        """Accept, and say nothing before 30 s are over."""
        self._begun.set()
        self.waited = not self.over.wait(_BYTES * _EVERY_S)
        client.close()

    def drips_tls(self, client: socket.socket) -> None:
        """Send a handshake of 16 KB, byte by byte."""
        self._drip(client.sendall, b"\x16\x03\x03\x40\x00")

    def drips_connect(self, client: socket.socket) -> None:
        """Answer as a proxy, byte by byte."""
        self._drip(client.sendall, b"HTTP/1.1 200 OK\r\nX-Long: ")

    def drips_headers(self, handler: Handler, _: bytes) -> Answer:
        """Send headers, byte by byte."""
        self._drip(handler.wfile.write, b"HTTP/1.1 200 OK\r\nX-Long: ")
        return None

    def drips_body(self, handler: Handler, _: bytes) -> Answer:
        """Send a body, byte by byte."""
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {_BYTES}\r\n\r\n"
        handler.wfile.write(head.encode())
        self._drip(handler.wfile.write, b"")
        return None

    def _drip(self, send: Callable[[bytes], object], first: bytes) -> None:
        self._begun.set()
        with suppress(OSError):
            send(first)
            for _ in range(_BYTES):
                if self.over.wait(_EVERY_S):
                    return
                send(b" ")
            self.waited = True


class Proxy:
    """
    A CONNECT proxy; it answers *status*, and connects if that is 200.

    *asked* are the request lines and headers that came.
    """

    def __init__(self, status: int = 200) -> None:
        self._status = status
        self.asked: list[str] = []

    def serve(self, client: socket.socket) -> None:
        """Serve one connection."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (more := client.recv(1)):
                return
            head += more
        self.asked.append(head.decode())
        client.sendall(f"HTTP/1.1 {self._status} x\r\nContent-Length: 0\r\n\r\n".encode())
        if self._status != 200:
            client.close()
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            back = threading.Thread(target=_pump, args=(there, client), daemon=True)
            back.start()
            _pump(client, there)
            back.join(30)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
