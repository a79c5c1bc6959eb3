"""
Answer in one process for all hosts of a fleet: the slots, storage and Git, over TLS.

It speaks just what a controller of converged apps asks for, and counts it. Git's answers are those
of git's own server. Whoever asks sends every name to this port (`to_stub`).
"""

import asyncio
import json
import re
import socket
import ssl
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

from gitslot.record.accepted import NAME, Accepted
from reliability import registered
from reliability.scenarios import OLD, OLDEST, converged
from tests.servers import git_backend

DOMAIN = "fleet.example"
SLOT_S = 0.02  # a slot in the controller's region answers in so many seconds
_LIST = "<EnumerationResults><Blobs>{}</Blobs><NextMarker/></EnumerationResults>"
_LISTED = (
    "<Blob><Name>{}</Name><Properties><Content-Length>{}</Content-Length>"
    "<BlobType>AppendBlob</BlobType></Properties></Blob>"
)
Answer = tuple[int, dict[str, str], bytes]


def to_stub(port: int) -> None:
    """Let this process find every name at *port* of this machine."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    socket.getaddrinfo = lambda *_, **__: found  # type: ignore[assignment] # in a process of its own


class Hosts:
    """What the hosts answer, and a count of what was asked, by kind."""

    def __init__(self, repository: Path, apps: list[str], commit: str) -> None:
        self._repository, self._asked = repository, Counter[str]()
        now = datetime(2026, 11, 1, tzinfo=UTC)
        event = converged(OLD, commit, now)
        self._blobs = {
            f"gitslot/journal/{app}/2026-11.jsonl": replace(event, app=app).line() for app in apps
        }
        self._blobs |= registered.version_blobs(OLD)
        self._blobs[f"gitslot/{NAME}"] = Accepted(commit, dict.fromkeys(apps, commit)).line()
        self._health = {}
        for slot, version, deploy in (("", OLD, "d-2"), ("-staging", OLDEST, "d-1")):
            says = {"model": registered.MODEL, "version": version, "deploy": deploy, "code": "c1"}
            self._health[slot] = json.dumps(says | {"digest": registered.digest(version)}).encode()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer one request."""
        name = headers["host"].partition(".")[0]
        path, _, query = target.partition("?")
        if name == "count":
            found, self._asked = self._asked, Counter()
            return 200, {}, json.dumps(found).encode()
        if name == "store":
            self._asked["blob writes" if method == "PUT" else "blob reads"] += 1
            return self._blob(method, path.lstrip("/"), query, headers, body)
        self._asked[name if name in ("git", "arm") else "health"] += 1
        if name == "git":
            titled = {key.title(): value for key, value in headers.items()}
            handler: Any = SimpleNamespace(path=target, command=method, headers=titled)
            env = {"HOME": str(self._repository.parent), "GIT_CONFIG_NOSYSTEM": "1"}
            return git_backend(self._repository, env, handler, body)
        if name == "arm":
            return 503, {}, b""
        return 200, {}, self._health["-staging" if name.endswith("-staging") else ""]

    def _blob(
        self, method: str, name: str, query: str, headers: dict[str, str], body: bytes
    ) -> Answer:
        if method == "PUT":
            self._blobs[name] = body
            return 201, {"ETag": '"1"'}, b""
        if "comp=list" in query:
            found = re.search(r"prefix=([^&]*)", query)
            prefix = unquote(found[1]) if found else ""
            kept = sorted((n.removeprefix("gitslot/"), len(d)) for n, d in self._blobs.items())
            blobs = "".join(_LISTED.format(*each) for each in kept if each[0].startswith(prefix))
            return 200, {"Content-Type": "application/xml"}, _LIST.format(blobs).encode()
        if (data := self._blobs.get(name)) is None:
            return 404, {"x-ms-error-code": "BlobNotFound"}, b""
        about = {
            "ETag": '"1"',
            "Last-Modified": "Sun, 01 Nov 2026 00:00:00 GMT",
            "x-ms-blob-type": "AppendBlob",
            "x-ms-blob-committed-block-count": "1",
        }
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("x-ms-range", "")):
            first = int(asked[1])
            part = data[first : int(asked[2] or len(data)) + 1]
            about["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
            return 206, about, part
        return 200, about, data


class _Connection(asyncio.Protocol):
    """HTTP/1.1 for requests whose body has a length."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts, self._read = hosts, b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, ends, rest = self._read.partition(b"\r\n\r\n")
        if not ends:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {key.lower(): value for key, _, value in (each.partition(": ") for each in lines)}
        if len(rest) < (length := int(headers.get("content-length", 0))):
            return
        self._read = rest[length:]
        method, target, _ = first.split(" ")
        status, found, body = self._hosts.answer(method, target, headers, rest[:length])
        said = {"Content-Length": str(len(body)), **found}
        text = "".join(f"{key}: {value}\r\n" for key, value in said.items())
        answer = f"HTTP/1.1 {status} OK\r\n{text}\r\n".encode() + body * (method != "HEAD")
        slow = target == "/api/health"
        asyncio.get_running_loop().call_later(SLOT_S * slow, self._transport.write, answer)


async def _serve(hosts: Hosts, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    make = partial(_Connection, hosts)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    folder, commit, *apps = sys.argv[1:]
    asyncio.run(_serve(Hosts(Path(folder) / "repo", apps, commit), Path(folder)))
