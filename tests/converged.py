"""
An app that has converged, behind small TLS servers: Git, ARM and logins, storage, and two slots.

The slots, ARM and the journal are those of the designs on virtual time; git serves its own branch.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from gitslot.errors import JournalError, JournalMoved
from gitslot.record.accepted import NAME as ACCEPTED
from reliability.cloud import APP, Cloud, token
from reliability.rig import CONTROLLER
from reliability.scenarios import settled
from tests.servers import Answer, Handler, git_backend, serving
from tests.story.stage import make_repository

_JSON = {"Content-Type": "application/json"}
KINDS = ("git", "arm", "storage", "production", "staging")
LOOK = ("git", "production", "staging", "storage HEAD journal/app/2026-11.jsonl")
SNAPSHOT = "storage PUT state/gitslot.json"
# What Azure says of a blob besides: reading it takes its time.
# https://learn.microsoft.com/rest/api/storageservices/get-blob-properties#sample-response
_AS_AZURE = """\
Accept-Ranges: bytes
ETag: "0x8DC5A1B2C3D4E5F"
Last-Modified: Sun, 22 Nov 2026 12:00:00 GMT
x-ms-request-id: 6c8e3f2a-501e-0012-4f2b-5d9a7c000000
x-ms-version: 2023-11-03
x-ms-creation-time: Sun, 22 Nov 2026 12:00:00 GMT
x-ms-lease-status: unlocked
x-ms-lease-state: available
x-ms-server-encrypted: true
x-ms-access-tier: Hot
x-ms-access-tier-inferred: true
x-ms-last-access-time: Sun, 22 Nov 2026 12:00:00 GMT"""
_XML = '<?xml version="1.0"?><EnumerationResults><Blobs>{}</Blobs></EnumerationResults>'
_NAMED = (
    "<Blob><Name>{0.name}</Name><Properties><Etag>{0.etag}</Etag>"
    "<Content-Length>{0.size}</Content-Length><BlobType>AppendBlob</BlobType></Properties></Blob>"
)


@dataclass
class Converged:
    """The servers' side: *asked* counts requests by kind, *callers* their connections."""

    folder: Path
    cloud: Cloud
    asked: Counter[str] = field(default_factory=Counter)
    callers: set[tuple[str, tuple[str, int]]] = field(default_factory=set)
    addresses: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    _git: dict[tuple[str, bytes], Answer] = field(default_factory=dict)

    def respond(self, kind: str, handler: Handler, body: bytes) -> Answer:
        """Answer one request as the host of *kind* does, and count it."""
        path, _, query = handler.path.partition("?")
        asked = dict(parse_qsl(query))
        self.callers.add((kind, handler.client_address))
        name = unquote(path.removeprefix("/account/gitslot/"))
        what = f" {handler.command} {name}" if kind == "storage" else ""
        self.asked[f"{kind}{what}"] += 1
        if kind == "git":
            return self._of_git(handler, body)
        if kind == "arm":
            return self._of_arm(handler, path, asked, body)
        if kind == "storage":
            try:
                return self._of_storage(handler, path, name, asked, body)
            except (JournalError, JournalMoved):
                return 412, {"x-ms-error-code": "ConditionNotMet"}, b""
        host = self.cloud.host(kind)
        assert host is not None
        status, content, headers = host.answer(handler.command, path, body, dict(handler.headers))
        return status, {**headers, "Content-Type": "application/json"}, content

    def _of_git(self, handler: Handler, body: bytes) -> Answer:
        key = f"{handler.command} {handler.path}", body
        if key not in self._git:  # the branch stands still
            env = {"PATH": os.environ["PATH"]}
            self._git[key] = git_backend(self.folder / "repository", env, handler, body)
        return self._git[key]

    def _of_arm(self, handler: Handler, path: str, query: dict[str, str], body: bytes) -> Answer:
        if path == "/msi/token":
            found = {"access_token": token(CONTROLLER), "expires_on": str(int(time.time()) + 86400)}
            return 200, _JSON, json.dumps({**found, "token_type": "Bearer"}).encode()
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self.cloud.loop.current():
            answer = self.cloud.gateway.answer(handler.command, path, query, headers, body)
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        return answer.status, {**answer.headers, **_JSON}, content

    def _of_storage(
        self, handler: Handler, path: str, name: str, query: dict[str, str], body: bytes
    ) -> Answer:
        blobs, method = self.cloud.blobs, handler.command
        if query.get("comp") == "list":
            found = "".join(map(_NAMED.format, blobs.listed(query.get("prefix", ""))))
            return 200, {"Content-Type": "application/xml"}, _XML.format(found).encode()
        if query.get("comp") == "appendblock":
            blobs.append(name, body, int(handler.headers["x-ms-blob-condition-appendpos"]))
            return 201, {"ETag": '"0x1"'}, b""
        if method == "PUT":
            if handler.headers["x-ms-blob-type"] != "AppendBlob":
                blobs.put(name, body)
            return 201, {"ETag": '"0x1"'}, b""
        kept = blobs.kept.get(name)
        data = kept.data if kept else self.cloud.account.blobs.get(path.removeprefix("/account/"))
        if data is None:
            return 404, {"x-ms-error-code": "BlobNotFound"}, b""
        more = dict(line.split(": ") for line in _AS_AZURE.splitlines())
        if method == "HEAD":
            more |= {"Content-Length": str(len(data)), "x-ms-blob-committed-block-count": "1"}
            return 200, {**more, "x-ms-blob-type": "AppendBlob"}, b""
        asked = handler.headers.get("x-ms-range", "bytes=0-")
        first, _, last = asked.partition("=")[2].partition("-")
        part = data[int(first) : int(last or len(data)) + 1]
        more["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
        return 206, more, part


@contextmanager
def converged(folder: Path) -> Iterator[Converged]:
    """Serve an app that has converged; its `environment` is the controller's."""
    scene = settled()
    cloud = scene.cloud
    cloud.entitle(CONTROLLER)
    cloud.blobs.drop(ACCEPTED)  # of a branch that is not git's
    repository = make_repository(folder / "repository", APP)
    repository.commit(str(cloud.git.commits[-1].text))
    made = Converged(folder, cloud)
    bundle = folder / "all.pem"
    with ExitStack() as stack:
        for kind in KINDS:
            (folder / kind).mkdir()
            respond = partial(made.respond, kind)
            made.addresses[kind] = stack.enter_context(serving(folder / kind, respond))
        bundle.write_bytes(b"".join((folder / k / "cert.pem").read_bytes() for k in KINDS))
        ports = {kind: urlsplit(url).port or 0 for kind, url in made.addresses.items()}
        site = cloud.site
        slots = {k: replace(slot, https_port=ports[k]) for k, slot in site.slots.items()}
        cloud.world.store.sites[site.key] = replace(site, slots=slots)
        made.environment = {
            "GITSLOT_REPO": f"{made.addresses['git']}/repository",
            "GITSLOT_STORAGE": f"{made.addresses['storage']}/account",
            "GITSLOT_ARM": made.addresses["arm"],
            "IDENTITY_ENDPOINT": f"{made.addresses['arm']}/msi/token",
            "IDENTITY_HEADER": "x",
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "REQUESTS_CA_BUNDLE": str(bundle),
        }
        yield made
