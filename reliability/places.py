"""
What a request of the controller is called, and where in its course it stands.

A *place* is the last write before a request, the request's name, and which of its kind it is: it
stays the same from run to run, where a bare number would not.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from emulator.arm.routes import find

START = "start"
GOLDEN = "golden.staging"
# What changes something outside. A lock is renewed by time and given back at every wait: neither
# counts.
_WRITES = (
    *("arm.appsettings-put", "arm.slotsswap", "arm.resetslotconfig", "accepted.write"),
    *("journal.append", "lock.acquire", "lock.break"),
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it leaves: *host* with its port, *url* with its query, lower-case headers."""

    method: str
    host: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """Return the path."""
        return urlsplit(self.url).path

    def query(self, name: str) -> str:
        """Return the first value of a parameter, or ""."""
        return parse_qs(urlsplit(self.url).query, keep_blank_values=True).get(name, [""])[0]


@dataclass(frozen=True, slots=True)
class Map:
    """Which host is what: the hosts, with their ports, of everything that a controller talks to."""

    arm: str
    storage: str
    identity: str
    git: str
    slots: Mapping[str, str]

    @classmethod
    def of(cls, environ: Mapping[str, str], slots: Mapping[str, str]) -> "Map":
        """Read the hosts from a controller's environment; *slots* by their own hosts."""
        names = ("GITSLOT_ARM", "GITSLOT_STORAGE", "IDENTITY_ENDPOINT", "GITSLOT_REPO")
        arm, storage, identity, git = (urlsplit(environ[name]).netloc for name in names)
        return cls(arm, storage, identity, git, slots)

    def name(self, request: Request) -> str:
        """Return what *request* asks for; "other..." for what a controller should not ask."""
        host, method = request.host, request.method
        if host in self.slots:
            kind = {"GET /api/health": "health", "POST /api/predict": "golden"}
            asked = f"{method} {request.path}"
            return f"{kind.get(asked, f'other {asked}')}.{self.slots[host]}"
        if host == self.arm:
            return _arm(request)
        if host == self.storage:
            return _blob(request)
        if host == self.identity:
            resource = urlsplit(request.query("resource")).netloc
            return "token.storage" if resource == "storage.azure.com" else "token.arm"
        if host == self.git:
            if b"command=ls-refs" in request.body:
                return "git.look"
            return "git.fetch" if b"command=fetch" in request.body else "git.greet"
        return f"other {method} {host}{request.path}"


def _arm(request: Request) -> str:
    found = find(request.method, request.path)
    if found is None:
        return f"other arm {request.method} {request.path}"
    route, params = found
    operation = {"slot-get": "site-get"}.get(route.operation, route.operation)
    slot = f".{params.get('slot', 'production')}" if "site" in params else ""
    return f"arm.{operation}{slot}"


def _blob(request: Request) -> str:
    """Name a call to the storage account, whose first segment is the account."""
    method, asked = request.method, request.query("comp")
    _, _, inside = request.path.strip("/").partition("/")
    if inside.startswith(("models/", "code/")) and method == "GET":
        return "registry.read"
    if inside == "gitslot" and method == "GET" and asked == "list":
        return "journal.names"
    if inside == "gitslot" and method == "PUT" and request.query("restype") == "container":
        return "container.make"
    if inside.startswith("gitslot/journal/"):
        known = {"HEAD": "size", "GET": "read", "PUT": "make", "PUT appendblock": "append"}
        what = known.get(f"{method} {asked}".strip())
        if what == "append":
            lines = request.body.splitlines()
            return "journal.append." + "+".join(json.loads(line)["event"] for line in lines)
        return f"journal.{what}" if what else f"other {method} {asked} {inside}"
    if inside == "gitslot/accepted.json" and not asked and method in ("GET", "PUT"):
        return "accepted.read" if method == "GET" else "accepted.write"
    if inside.startswith("gitslot/locks/"):
        asked = f"{method} {asked} {request.headers.get('x-ms-lease-action', '')}".strip()
        lock = {
            "HEAD": "look",
            "PUT": "make",
            "PUT metadata": "renew",
            "PUT lease acquire": "acquire",
            "PUT lease break": "break",
            "PUT lease release": "release",
        }
        return f"lock.{lock[asked]}" if asked in lock else f"other {asked} {inside}"
    return f"other {method} {asked} {inside}"


def writes(name: str) -> bool:
    """Say whether a request of this *name* changes something outside."""
    return name.startswith(_WRITES)


@dataclass(slots=True)
class Course:
    """The places of one process, one after the other."""

    _stage: str = START
    _seen: dict[str, int] = field(default_factory=dict)

    def place(self, name: str) -> str:
        """Return where the next request, of this *name*, stands."""
        place = self._numbered(f"{self._stage}/{name}")
        if writes(name):
            short = name.removeprefix("journal.append.").removeprefix("arm.")
            self._stage = self._numbered(short)
        return place

    def _numbered(self, text: str) -> str:
        count = self._seen[text] = self._seen.get(text, 0) + 1
        return text if count == 1 else f"{text}:{count}"
